import numpy as np
import pytest

from keras_inpaint.inpainting.connected_components import find_components, thickness
from keras_inpaint.inpainting.window import Box


def holes(height, width, *boxes):
    result = np.zeros((height, width), bool)
    for box in boxes:
        result[Box(*box).slices] = True
    return result


def test_component_is_as_small_as_its_pixels_allow():
    assert find_components(holes(100, 120, (33, 41, 7, 50)), cell=16) == [(33, 41, 7, 50)]


def test_holes_in_cells_that_touch_are_one_component():
    # Cells 0 and 1 touch at a corner; the pixels are 10 apart.
    assert find_components(holes(64, 64, (10, 10, 2, 2), (20, 20, 2, 2)), cell=16) == [
        (10, 10, 12, 12)
    ]


def test_holes_two_cells_apart_are_two_components_the_smallest_first():
    found = find_components(holes(200, 90, (0, 0, 9, 9), (150, 80, 2, 3)), cell=16)
    assert found == [(150, 80, 2, 3), (0, 0, 9, 9)]


def test_each_hole_pixel_is_in_a_component(rng):
    dust = rng.random((150, 131)) < 0.002
    left = dust.copy()
    for box in find_components(dust, cell=8):
        left[box.slices] = False
    assert dust.any()
    assert not left.any()


def largest_square(mask):
    """One side after the other, one place after the other."""
    sides = [0]
    for side in range(1, min(mask.shape) + 1):
        for top in range(mask.shape[0] - side + 1):
            for left in range(mask.shape[1] - side + 1):
                if mask[top : top + side, left : left + side].all():
                    sides.append(side)
    return max(sides)


@pytest.mark.parametrize("density", [0.0, 0.5, 0.9, 0.98, 1.0])
def test_thickness_is_the_side_of_the_largest_square(rng, density):
    mask = rng.random((23, 17)) < density
    assert thickness(mask) == largest_square(mask)


def test_long_scratch_is_thin():
    assert thickness(holes(1000, 1000, (500, 0, 3, 1000))) == 3


@pytest.mark.parametrize("side", [7, 130, 1500])
def test_thickness_in_a_large_photo_is_nearly_exact_and_not_too_small(side):
    # Cells of 3 pixels: 2 of them may be missed and one is added.
    assert side <= thickness(holes(2000, 3000, (211, 305, side, side))) + 3
    assert thickness(holes(2000, 3000, (211, 305, side, side))) <= side + 3


def test_no_hole_has_no_thickness():
    assert thickness(np.zeros((3000, 40), bool)) == 0
