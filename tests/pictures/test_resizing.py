import numpy as np
import pytest

from keras_inpaint.pictures.resizing import centre_square, downsample, resize_holes, upsample


def test_pixel_of_a_smaller_photo_is_the_mean_of_those_it_covers(rng):
    photo = rng.integers(0, 256, (12, 20, 3)).astype("uint8")
    means = photo.reshape(6, 2, 5, 4, 3).mean(axis=(1, 3))
    # Pillow rounds after the rows and after the columns.
    assert abs(downsample(photo, (6, 5)) - means).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (13, 29), (20, 30)])
def test_what_lies_in_the_hole_shows_in_no_known_pixel(rng, size):
    photo = rng.integers(0, 256, (20, 30, 3)).astype("uint8")
    holes = np.zeros((20, 30), bool)
    holes[7:12, 11] = True
    other = np.where(holes[..., None], 255 - photo, photo)
    small = resize_holes(holes, size)
    assert small.any()
    np.testing.assert_array_equal(
        downsample(photo, size)[~small], downsample(other, size)[~small]
    )


def test_single_pixel_of_a_hole_is_never_lost():
    holes = np.zeros((3000, 2000), bool)
    holes[1234, 987] = True
    assert resize_holes(holes, (3, 2)).tolist() == [[0, 0], [1, 0], [0, 0]]


def test_photo_is_enlarged_channel_by_channel(rng):
    photo = rng.integers(0, 256, (6, 5, 4)).astype("uint8")
    large = upsample(photo, (11, 16))
    assert large.shape == (11, 16, 4)
    for channel in range(4):
        alone = upsample(photo[..., channel : channel + 1], (11, 16))
        np.testing.assert_array_equal(large[..., channel], alone[..., 0])


def test_even_grey_stays_even_grey_at_every_size():
    photo = np.full((40, 50, 1), 77, "uint8")
    assert (upsample(downsample(photo, (7, 11)), (40, 50)) == 77).all()


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (20, 30), (33, 64), (80, 30)])
def test_a_pixel_is_in_the_hole_exactly_where_one_that_it_covers_is(rng, size):
    holes = rng.random((20, 30)) < 0.1
    # A hole pixel by hole pixel: what each alone makes of the smaller or larger mask.
    parts = []
    for row, column in np.argwhere(holes):
        alone = np.zeros_like(holes)
        alone[row, column] = True
        parts.append(resize_holes(alone, size))
    np.testing.assert_array_equal(resize_holes(holes, size), np.any(parts, axis=0))


def test_a_hole_of_less_than_a_millionth_is_not_lost():
    holes = np.zeros((1200, 1300), bool)
    holes[700, 3] = True
    assert resize_holes(holes, (1, 1)).all()


def test_a_mask_is_made_larger_by_nearest_neighbours(rng):
    holes = rng.random((5, 7)) < 0.4
    rows = ((np.arange(13) + 0.5) * 5 / 13).astype(int)
    columns = ((np.arange(16) + 0.5) * 7 / 16).astype(int)
    np.testing.assert_array_equal(resize_holes(holes, (13, 16)), holes[rows][:, columns])


@pytest.mark.parametrize(
    ("size", "square"),
    [((8, 8), (0, 0, 8)), ((9, 4), (2, 0, 4)), ((4, 9), (0, 2, 4)), ((1, 2), (0, 0, 1))],
)
def test_the_middle_is_the_largest_square(size, square):
    assert centre_square(*size) == square
    windows = pytest.importorskip("keras_inpaint.data.photo_stream")
    assert windows.centred_window(*size, seed=None).numpy().tolist() == list(square)
