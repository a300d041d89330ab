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
    (window,) = plan("crop", holes(400, 3000, (0, 2930, 60, 70)), 256)
    assert window.view == (0, 2802, 188, 198)


def test_long_bar_is_filled_in_parts_as_it_is():
    windows = plan("crop", holes(600, 1000, (300, 0, 40, 1000)), 256)
    assert [window.scale for window in windows] == [1] * 4
    assert [window.hole.left for window in windows] == [0, 250, 500, 750]


def dust(rng, height, width, num_specks=60, num_scratches=3):
    mask = np.zeros((height, width), bool)
    for row, column in rng.integers(0, (height, width), (num_specks, 2)):
        mask[row : row + 4, column : column + 6] = True
    for _ in range(num_scratches):
        start, end = rng.integers(0, (height, width), (2, 2))
        rows, columns = np.linspace(start, end, height + width).astype(int).T
        mask[rows, columns] = True
    return mask


def packed(mask, side):
    """Pixels of the hole so far from each other that no square of a side holds two."""
    chosen = np.empty((0, 2), int)
    for pixel in np.argwhere(mask):
        if (abs(chosen - pixel).max(axis=1, initial=side) >= side).all():
            chosen = np.vstack([chosen, pixel])
    return chosen


@pytest.mark.parametrize(
    ("image_size", "side"), [(64, 128), (128, 128), (256, 256), (512, 512), (1024, 512)]
)
def test_dust_and_scratches_share_windows_of_one_size_with_known_pixels_around(
    rng, image_size, side
):
    mask = dust(rng, 800, 1100)
    windows = plan("crop", mask, image_size)
    assert {window.size for window in windows} == {(side, side)}
    assert len(windows) <= 1.6 * len(packed(mask, side * 3 // 4))
    left = mask.copy()
    for hole, view in ((window.hole, window.view) for window in windows):
        assert max(hole.height, hole.width) <= side * 3 // 4
        margins = (
            (hole.top - view.top, view.top == 0),
            (hole.left - view.left, view.left == 0),
            (view.bottom - hole.bottom, view.bottom == 800),
            (view.right - hole.right, view.right == 1100),
        )
        assert all(margin >= side // 8 or is_end for margin, is_end in margins)
        left[hole.slices] = False
    assert not left.any()


def test_windows_of_dust_come_in_rows_that_can_be_filled_at_once(rng):
    windows = plan("crop", dust(rng, 1000, 1500, num_specks=200), 128)
    apart = [
        not any(window.depends_on(other, 16) for other in windows[max(index - 7, 0) : index])
        for index, window in enumerate(windows)
    ]
    assert len(windows) > 80
    assert np.mean(apart) > 0.8


def test_speck_near_a_large_hole_belongs_to_it_and_others_do_not():
    # A scratch along the diagonal of a box that a large hole lies in, too far to belong to it.
    mask = holes(900, 900, (600, 100, 200, 200), (610, 320, 4, 4))
    mask[np.arange(600), np.arange(600) + 290] = True
    *shared, crop = plan("crop", mask, 128)
    assert {window.size for window in shared} == {(128, 128)}
    assert crop.hole == (600, 100, 200, 224)
    assert crop.scale == 64 / 200


def test_wide_feather_needs_more_than_shared_windows_show():
    (window,) = plan("crop", holes(600, 600, (300, 300, 4, 4)), 128, feather=17)
    assert window.view == (172, 172, 260, 260)


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
