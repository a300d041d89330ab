import numpy as np
import pytest

from keras_inpaint.inpainting.scaling import enlarge, shrink, shrink_holes


def test_pixel_of_a_smaller_photo_is_the_mean_of_those_it_covers(rng):
    photo = rng.integers(0, 256, (12, 20, 3)).astype("uint8")
    means = photo.reshape(6, 2, 5, 4, 3).mean(axis=(1, 3))
    # Pillow rounds after the rows and after the columns.
    assert abs(shrink(photo, (6, 5)) - means).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (13, 29), (20, 30)])
def test_what_lies_in_the_hole_shows_in_no_known_pixel(rng, size):
    photo = rng.integers(0, 256, (20, 30, 3)).astype("uint8")
    holes = np.zeros((20, 30), bool)
    holes[7:12, 11] = True
    other = np.where(holes[..., None], 255 - photo, photo)
    small = shrink_holes(holes, size)
    assert small.any()
    np.testing.assert_array_equal(shrink(photo, size)[~small], shrink(other, size)[~small])


def test_single_pixel_of_a_hole_is_never_lost():
    holes = np.zeros((3000, 2000), bool)
    holes[1234, 987] = True
    assert shrink_holes(holes, (3, 2)).tolist() == [[0, 0], [1, 0], [0, 0]]


def test_photo_is_enlarged_channel_by_channel(rng):
    photo = rng.integers(0, 256, (6, 5, 4)).astype("uint8")
    large = enlarge(photo, (11, 16))
    assert large.shape == (11, 16, 4)
    for channel in range(4):
        alone = enlarge(photo[..., channel : channel + 1], (11, 16))
        np.testing.assert_array_equal(large[..., channel], alone[..., 0])


def test_even_grey_stays_even_grey_at_every_size():
    photo = np.full((40, 50, 1), 77, "uint8")
    assert (enlarge(shrink(photo, (7, 11)), (40, 50)) == 77).all()
