import numpy as np
import pytest

from keras_inpaint.inpainting.filling import fill, ramp
from keras_inpaint.inpainting.planning import plan
from keras_inpaint.inpainting.window import Box, Window


def holes(height, width, *boxes):
    result = np.zeros((height, width), bool)
    for box in boxes:
        result[Box(*box).slices] = True
    return result


def distances(mask):
    """From each pixel to the nearest one of the hole."""
    rows, columns = np.indices(mask.shape)
    there = np.argwhere(mask)
    return np.min([np.hypot(rows - row, columns - column) for row, column in there], axis=0)


def white(photo, unknown, lines):
    return np.full_like(photo, 255)


@pytest.fixture
def photo(rng):
    return rng.integers(0, 200, (90, 120, 3)).astype("uint8")


@pytest.mark.parametrize("feather", [0, 1, 4, 50])
def test_ramp_falls_evenly_with_the_distance(rng, feather):
    mask = rng.random((30, 40)) < 0.004
    away = distances(mask)
    expected = np.where(away <= feather, 1 - away / (feather + 1), 0)
    np.testing.assert_allclose(ramp(mask, feather), expected, atol=1e-6)


def test_ramp_of_no_hole_is_nothing():
    assert not ramp(np.zeros((5, 6), bool), 3).any()


@pytest.mark.parametrize("method", ["whole", "crop", "resize"])
@pytest.mark.parametrize("feather", [0, 5])
@pytest.mark.parametrize("image_size", [16, 256])
def test_only_the_hole_and_its_feathered_edge_change(photo, method, feather, image_size):
    mask = holes(90, 120, (20, 20, 30, 8), (70, 0, 2, 120), (5, 100, 9, 9))
    filled = fill(photo, mask, plan(method, mask, image_size, feather), white, feather)
    away = distances(mask)
    np.testing.assert_array_equal(filled[away > feather], photo[away > feather])
    # White is seldom what was there, and never where nothing was shrunk.
    changed = (filled != photo).any(axis=-1)[away <= feather].mean()
    assert changed > 0.98
    assert image_size == 16 or (filled[mask] == 255).all()


def test_feathered_pixels_are_mixed_by_their_distance(photo):
    mask = holes(90, 120, (40, 50, 10, 12))
    filled = fill(photo, mask, plan("whole", mask, 256), white, feather=3)
    # One row above, two rows above: 3/4 and 1/2 white.
    for row, share in ((39, 0.75), (38, 0.5), (37, 0.25)):
        expected = np.rint(255 * share + photo[row, 55] * (1 - share))
        np.testing.assert_array_equal(filled[row, 55], expected)


@pytest.mark.parametrize("method", ["crop", "resize"])
def test_what_lay_in_the_hole_does_not_matter(photo, method):
    mask = holes(90, 120, (30, 30, 40, 40), (5, 5, 3, 3))
    other = np.where(mask[..., None], 255 - photo, photo)

    def mirrored(pixels, unknown, lines):
        # What is known decides, all over the picture.
        return np.where(unknown[..., None], 7, pixels)[:, ::-1, ::-1]

    windows = plan(method, mask, 16, 2)
    assert any(window.scale < 1 for window in windows)
    np.testing.assert_array_equal(
        fill(photo, mask, windows, mirrored, 2), fill(other, mask, windows, mirrored, 2)
    )


def test_window_sees_what_those_before_it_have_filled(photo):
    mask = holes(90, 120, (40, 20, 10, 20))
    whole = Box(0, 0, 90, 120)
    windows = [Window(Box(40, 20 + 10 * n, 10, 10), whole, 1.0) for n in range(2)]
    seen = []

    def predict(pixels, unknown, lines):
        seen.append((pixels[0].copy(), unknown[0].copy()))
        return white(pixels, unknown, lines)

    fill(photo, mask, windows, predict)
    np.testing.assert_array_equal(seen[0][1], mask)
    np.testing.assert_array_equal(seen[1][1], holes(90, 120, (40, 30, 10, 10)))
    assert (seen[1][0][40:50, 20:30] == 255).all()


def test_parts_of_a_hole_blend_into_each_other_and_nothing_known_does(photo):
    mask = holes(90, 120, (40, 20, 10, 80))
    whole = Box(0, 0, 90, 120)
    windows = [Window(Box(40, 20 + 40 * n, 10, 40), whole, 1.0) for n in range(2)]
    levels = iter((0, 170))
    filled = fill(photo, mask, windows, lambda p, *_: np.full_like(p, next(levels)))
    # 16 pixels of the first part: from 1/17 to 16/17 of the second.
    np.testing.assert_array_equal(filled[45, 44:60, 0], np.arange(1, 17) * 10)
    assert (filled[45, 20:44] == 0).all()
    assert (filled[45, 60:100] == 170).all()
    np.testing.assert_array_equal(filled[~mask], photo[~mask])


def test_filling_of_a_shrunk_view_meets_the_known_pixels_at_the_edge():
    # An even photo, which a network predicts too dark outside the hole: put back, the
    # known pixels leave no dark rim inside it.
    photo, mask = np.full((128, 128, 3), 200, "uint8"), holes(128, 128, (32, 32, 64, 64))

    def predict(pixels, unknown, lines):
        return np.where(unknown[..., None], 200, 0).astype("uint8")

    (window,) = plan("resize", mask, 32)
    assert window.scale == 0.25
    assert (fill(photo, mask, [window], predict) == 200).all()


def number_of_the_known(pixels, unknown, lines):
    """A prediction that another number of known pixels in the window changes."""
    levels = (~unknown).sum(axis=(1, 2)) % 251
    return np.broadcast_to(levels[:, None, None, None], pixels.shape).astype("uint8")


@pytest.mark.parametrize("feather", [0, 7])
def test_result_is_the_same_however_many_windows_are_filled_at_once(rng, feather):
    photo = rng.integers(0, 256, (400, 500, 3)).astype("uint8")
    mask = np.zeros((400, 500), bool)
    for row, column in rng.integers(0, (400, 500), (60, 2)):
        mask[row : row + 3, column : column + 5] = True
    mask[200] = True
    windows = plan("crop", mask, 64, feather)
    sizes = []

    def predict(pixels, unknown, lines):
        sizes.append(len(pixels))
        return number_of_the_known(pixels, unknown, lines)

    expected = fill(photo, mask, windows, predict, feather)
    assert set(sizes) == {1}
    for batch_size in (2, 3, 8):
        sizes.clear()
        filled = fill(photo, mask, windows, predict, feather, batch_size=batch_size)
        np.testing.assert_array_equal(filled, expected)
        # A network is compiled for few sizes of batches.
        assert set(sizes) <= {1, 2, 4, 8}
        assert 1 < max(sizes) <= batch_size


def test_progress_is_told_after_each_window(photo):
    mask = holes(90, 120, (0, 0, 2, 2), (80, 110, 2, 2))
    told = []
    fill(photo, mask, plan("crop", mask, 16), white, progress=lambda *n: told.append(n))
    assert told == [(1, 2), (2, 2)]


def test_photo_given_stays_as_it_is(photo):
    mask, before = holes(90, 120, (0, 0, 9, 9)), photo.copy()
    fill(photo, mask, plan("crop", mask, 16, 3), white, 3)
    np.testing.assert_array_equal(photo, before)
    np.testing.assert_array_equal(mask, holes(90, 120, (0, 0, 9, 9)))
