import numpy as np
import pytest

from keras_inpaint.inpainting.planning import METHODS, choose_method, plan
from keras_inpaint.inpainting.window import Box


def holes(height, width, *boxes):
    result = np.zeros((height, width), bool)
    for box in boxes:
        result[Box(*box).slices] = True
    return result


@pytest.mark.parametrize(
    ("size", "hole", "method"),
    [
        ((256, 200), (0, 0, 256, 200), "whole"),
        ((500, 512), (9, 9, 128, 400), "whole"),
        ((500, 512), (9, 9, 129, 140), "crop"),
        ((500, 512), (9, 9, 200, 200), "resize"),
        ((500, 513), (9, 9, 20, 20), "crop"),
        ((4000, 6000), (9, 9, 300, 300), "crop"),
        ((4000, 6000), (9, 9, 2000, 2000), "resize"),
        ((4000, 6000), (9, 0, 4, 6000), "crop"),
        ((8, 5000), (0, 100, 8, 300), "crop"),
        ((2000, 2000), (0, 0, 2000, 2000), "resize"),
    ],
)
def test_method_follows_from_the_sizes_of_photo_and_hole(size, hole, method):
    # Of a network that knows holes of 128 pixels in images of 256.
    assert choose_method(holes(*size, hole), 256) == method


@pytest.mark.parametrize("method", METHODS)
def test_windows_hold_all_of_the_hole_and_see_what_they_fill(rng, method):
    mask = holes(700, 900, (3, 3, 50, 400), (650, 800, 50, 100), (400, 100, 200, 220))
    mask |= rng.random(mask.shape) < 0.0005
    left = mask.copy()
    for window in plan(method, mask, 128):
        left[window.hole.slices] = False
        view = Box(0, 0, 700, 900)
        for outer, inner in ((view, window.view), (window.view, window.hole)):
            assert inner.top >= outer.top
            assert inner.left >= outer.left
            assert inner.top + inner.height <= outer.top + outer.height
            assert inner.left + inner.width <= outer.left + outer.width
    assert not left.any()


def test_small_hole_is_seen_as_it_is_with_128_pixels_around_it():
    (window,) = plan("crop", holes(2000, 3000, (700, 900, 60, 100)), 256)
    assert window.scale == 1
    assert window.hole == (700, 900, 60, 100)
    assert window.view == (572, 772, 316, 356)
    assert window.size == (316, 356)


def test_thick_hole_is_seen_half_as_large_as_the_images_of_training():
    # 300 pixels become 128, and as many lie around it.
    (window,) = plan("crop", holes(4000, 6000, (1000, 2000, 300, 300)), 256)
    assert window.scale == pytest.approx(128 / 300)
    assert window.view == (700, 1700, 900, 900)
    assert window.size == (384, 384)


def test_margin_ends_where_the_photo_does():
    (window,) = plan("crop", holes(400, 3000, (0, 2990, 60, 10)), 256)
    assert window.view == (0, 2862, 188, 138)


def test_long_scratch_is_filled_in_parts_as_it_is():
    windows = plan("crop", holes(600, 1000, (300, 0, 4, 1000)), 256)
    assert [window.scale for window in windows] == [1] * 4
    assert [window.hole.left for window in windows] == [0, 250, 500, 750]


def test_feather_widens_a_margin_that_it_would_leave():
    (window,) = plan("crop", holes(2000, 2000, (900, 900, 9, 9)), 256, feather=300)
    assert window.view == (600, 600, 609, 609)


@pytest.mark.parametrize(
    ("size", "hole", "seen"),
    [
        # The longest side becomes 512.
        ((1000, 2000), (0, 0, 10, 10), (256, 512)),
        # The hole becomes 128 thick.
        ((800, 1000), (0, 0, 640, 640), (160, 200)),
        ((100, 90), (0, 0, 10, 10), (100, 90)),
        ((8, 5000), (0, 0, 8, 10), (1, 512)),
    ],
)
def test_photo_is_shrunk_as_far_as_its_size_and_its_hole_ask_for(size, hole, seen):
    (window,) = plan("resize", holes(*size, hole), 256)
    assert window.size == seen


@pytest.mark.parametrize("image_size", [8, 64, 128, 256, 512])
def test_no_crop_is_larger_than_a_network_can_take(rng, image_size):
    mask = holes(1500, 1700, (0, 0, 900, 1000), (1300, 0, 5, 1700))
    mask |= rng.random(mask.shape) < 0.0001
    for window in plan("crop", mask, image_size):
        # At most 256 of the hole, and 128 or 256 around it.
        assert max(window.size) <= 256 + 2 * min(max(128, image_size // 2), 256)
