import tracemalloc

import numpy as np
import pytest

from keras_inpaint.inpainting import memory
from keras_inpaint.inpainting.detail import _weights, add_detail
from keras_inpaint.inpainting.filling import fill
from keras_inpaint.inpainting.planning import plan
from keras_inpaint.pictures.resizing import downsample, resize_holes, upsample


def textured(rng, height, width):
    """Bright and rough to the left, dark and even to the right."""
    photo = np.full((height, width, 3), 60, "uint8")
    half = (height, width // 2, 3)
    photo[:, : width // 2] = np.clip(rng.normal(170, 25, half), 0, 255)
    return photo


def square_hole(height, width, side):
    holes = np.zeros((height, width), bool)
    top, left = (height - side) // 2, (width - side) // 2
    holes[top : top + side, left : left + side] = True
    return holes


def soft_filling(photo, holes, scale):
    """What a perfect but soft network leaves: the true colours, and not their detail."""
    height, width = (side // scale for side in holes.shape)
    small = downsample(photo, (height, width))
    soft = upsample(downsample(small, (height // 10, width // 10)), (height, width), False)
    unknown = resize_holes(holes, (height, width))
    return np.where(unknown[..., None], soft, small), unknown


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_hole_is_as_rough_as_what_looks_like_it_around(rng, scale):
    size = (200 * scale, 300 * scale)
    photo, holes = textured(rng, *size), square_hole(*size, 60 * scale)
    filled, unknown = soft_filling(photo, holes, scale)
    detailed = add_detail(photo, holes, filled, unknown).astype(float)
    top, left, side = 70 * scale, 120 * scale, 60 * scale
    rough = detailed[top : top + side, left : left + side // 3].std()
    even = detailed[top : top + side, left + side * 2 // 3 : left + side].std()
    # Of the noise of 25, a quarter of what a network's pixel sees stays in the low band.
    assert 15 < rough < 27
    assert even < 2
    assert upsample(filled, size)[top : top + side, left : left + side // 3].std() < 8


def test_colours_of_the_filling_stay(rng):
    photo, holes = textured(rng, 400, 600), square_hole(400, 600, 120)
    filled, unknown = soft_filling(photo, holes, 2)
    detailed, soft = add_detail(photo, holes, filled, unknown), upsample(filled, (400, 600))
    inside = np.s_[150:250, 250:350]
    means = [
        downsample(pixels[inside].astype("float32"), (5, 5)) for pixels in (detailed, soft)
    ]
    assert abs(means[0] - means[1]).mean() < 4


def test_filling_of_other_colours_meets_the_known_pixels_without_an_edge():
    holes = square_hole(400, 600, 200)
    photo = np.full((400, 600, 3), 100, "uint8")
    small_holes = resize_holes(holes, (200, 300))
    filled = np.where(small_holes[..., None], 140, 100).repeat(3, axis=2).astype("uint8")
    row = add_detail(photo, holes, filled, small_holes)[200, :, 0].astype(int)
    assert row[200] - 100 < 20 < row[300] - 100 == 40
    # A step of 40, over 4 pixels at least.
    assert np.diff(row[200:240]).max() <= 10
    assert (np.diff(row[200:300]) >= -1).all()


def test_nothing_is_copied_from_a_hole(rng):
    photo, holes = textured(rng, 200, 300), square_hole(200, 300, 60)
    filled, unknown = soft_filling(photo, holes, 2)
    other = np.where(holes[..., None], 255 - photo, photo)
    np.testing.assert_array_equal(
        add_detail(photo, holes, filled, unknown), add_detail(other, holes, filled, unknown)
    )


def test_detail_comes_from_the_place_that_looks_alike():
    # Colours differ from column to column, and the sign of the stripes with them.
    columns = np.arange(320)
    level, sign = 60 + columns // 4, np.where(columns < 160, 1, -1)
    stripes = np.where(np.arange(200) % 2, 20, -20)[:, None] * sign
    photo = np.repeat((level + stripes)[..., None], 3, axis=2).astype("uint8")
    holes = np.zeros((200, 320), bool)
    holes[80:120, 60:260] = True
    filled = np.where(holes[..., None], np.broadcast_to(level[:, None], (200, 320, 3)), photo)
    detailed = add_detail(photo, holes, filled.astype("uint8"), holes)
    wrong = (np.sign(detailed[81:119:2, :, 0] - level) != sign)[:, 62:258]
    # In the middle, patches of both sides look alike.
    assert wrong.mean() < 0.1


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (17, 17), (40, 33), (301, 203)])
@pytest.mark.parametrize("small", [(1, 1), (1, 90), (13, 7), (64, 65)])
def test_any_size_is_taken_and_only_bytes_are_returned(rng, size, small):
    photo = rng.integers(0, 256, (*size, 1)).astype("uint8")
    holes = rng.random(size) < 0.001
    small = tuple(map(min, small, size))
    filled = rng.integers(0, 256, (*small, 1)).astype("uint8")
    detailed = add_detail(photo, holes, filled, np.ones(small, bool))
    assert detailed.shape == photo.shape
    assert detailed.dtype == np.uint8


def test_filling_of_a_photo_without_known_pixels_is_enlarged(rng):
    filled = rng.integers(0, 256, (40, 60, 3)).astype("uint8")
    everything = np.ones((80, 120), bool)
    photo = np.zeros((80, 120, 3), "uint8")
    detailed = add_detail(photo, everything, filled, np.ones((40, 60), bool))
    np.testing.assert_array_equal(detailed, upsample(filled, (80, 120)))


@pytest.mark.parametrize(
    ("size", "small"), [((450, 450), (450, 450)), ((1500, 1500), (320, 320))]
)
def test_memory_is_within_what_the_estimate_counts(rng, size, small):
    photo, holes = rng.integers(0, 256, (*size, 3), "uint8"), square_hole(*size, 250)
    filled, is_painted = downsample(photo, small), resize_holes(holes, small).copy()
    tracemalloc.start()
    add_detail(photo, holes, filled, is_painted)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= memory._BYTES_OF_DETAIL + memory._BYTES_A_VIEW_PIXEL * np.prod(size)


@pytest.mark.parametrize("reach", [1, 8, 13])
def test_copies_a_step_apart_add_up_to_one(reach):
    weights = _weights(np.array([reach, reach]))[..., 0]
    halves = weights[:reach, :reach], weights[reach:, :reach]
    others = weights[:reach, reach:], weights[reach:, reach:]
    np.testing.assert_allclose(sum(halves) + sum(others), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("method", "hole", "is_rough"),
    [("crop", 80, True), ("resize", 80, True), ("whole", 80, False), ("crop", 6, False)],
)
def test_large_holes_of_large_photos_get_detail(rng, method, hole, is_rough):
    photo = np.clip(rng.normal(128, 25, (300, 400, 3)), 0, 255).astype("uint8")
    holes = square_hole(300, 400, hole)
    windows = plan(method, holes, 64)
    results = {
        detail: fill(photo, holes, windows, lambda p, *_: np.full_like(p, 128), detail=detail)
        for detail in ("copy", "none")
    }
    assert (results["copy"][holes].std() > 10) == is_rough
    assert results["none"][holes].std() < 10
    np.testing.assert_array_equal(results["copy"][~holes], photo[~holes])


def test_detail_is_added_to_the_mean_of_smaller_views_of_which_one_is_mirrored():
    photo, holes = np.full((300, 400, 3), 100, "uint8"), np.zeros((300, 400), bool)
    holes[100:180, 100:180] = True
    (window,) = windows = plan("crop", holes, 64)
    seen = []

    def predict(pixels, unknown, lines):
        """Darker to the left than to the right, however the photo lies."""
        seen.append(unknown[0])
        columns = np.linspace(0, 200, pixels.shape[2])[:, None]
        return np.broadcast_to(columns, pixels.shape).astype("uint8")

    filled = fill(photo, holes, windows, predict, detail="copy")
    sizes = [[round(part * side) for side in window.size] for part in (0.6, 0.5, 0.35)]
    assert [list(each.shape) for each in seen] == sizes
    expected = resize_holes(resize_holes(holes[window.view.slices], window.size), sizes[1])
    np.testing.assert_array_equal(seen[1][:, ::-1], expected)
    # What depends on the side cancels in two of the three.
    plain = fill(photo, holes, windows, predict, detail="none")
    slope, third = ((np.ptp(each[140, 104:176, 0].astype(int))) for each in (plain, filled))
    assert slope > 20
    assert abs(third - slope / 3) <= 4
    assert len(seen) == 4
