"""The square around a hole."""

import numpy as np
import pytest
from keras import ops

from keras_inpaint.ops.local_patches import (
    boxes_around_holes,
    boxes_hold_holes,
    crop_patches,
    hole_sizes,
)


def test_patches_are_cut_where_the_boxes_say(rng):
    images = rng.normal(size=(3, 9, 11, 2)).astype("float32")
    boxes = np.array([[0, 0, 4, 5], [5, 6, 4, 5], [2, 3, 4, 5]], "int32")
    expected = [
        image[top : top + 4, left : left + 5]
        for image, (top, left, _, _) in zip(images, boxes, strict=True)
    ]
    found = crop_patches(ops.convert_to_tensor(images), ops.convert_to_tensor(boxes), (4, 5))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("hole", "corner"),
    [
        ((4, 8, 4, 8), (3, 3)),  # In the middle: two pixels more on each side.
        ((0, 2, 10, 12), (0, 6)),  # At the border: moved inside.
        ((5, 6, 0, 1), (2, 0)),
    ],
)
def test_the_box_is_centred_on_the_hole_and_inside_the_picture(hole, corner):
    masks = np.zeros((1, 12, 12, 1), "float32")
    top, bottom, left, right = hole
    masks[0, top:bottom, left:right] = 1
    boxes = boxes_around_holes(ops.convert_to_tensor(masks), (6, 6))
    assert ops.convert_to_numpy(boxes).tolist() == [[*corner, 6, 6]]
    assert bool(boxes_hold_holes(boxes, ops.convert_to_tensor(masks), (6, 6))[0])


def test_two_spots_far_apart_do_not_fit():
    masks = np.zeros((2, 12, 12, 1), "float32")
    masks[0, [0, 11]] = 1
    masks[1, 3, [2, 7]] = 1
    masks = ops.convert_to_tensor(masks)
    boxes = boxes_around_holes(masks, (6, 6))
    assert ops.convert_to_numpy(boxes_hold_holes(boxes, masks, (6, 6))).tolist() == [
        False,
        True,
    ]
    assert ops.convert_to_numpy(hole_sizes(masks)).tolist() == [[12, 12], [1, 6]]


def test_a_picture_without_a_hole_fits_any_box():
    masks = ops.zeros((1, 8, 8, 1))
    boxes = boxes_around_holes(masks, (4, 4))
    assert bool(boxes_hold_holes(boxes, masks, (4, 4))[0])
    assert ops.convert_to_numpy(hole_sizes(masks)).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("box", "holds"),
    [
        ((3, 2, 6, 6), True),
        ((3, 3, 6, 6), False),  # The hole's first column is left of it.
        ((4, 2, 6, 6), False),
        ((3, 2, 6, 7), False),  # Another size than the patch.
        ((-1, 0, 6, 6), False),
        ((3, 7, 6, 6), False),  # Beyond the picture.
    ],
)
def test_a_box_must_hold_the_hole_inside_the_picture(box, holds):
    masks = np.zeros((1, 12, 12, 1), "float32")
    masks[0, 3:7, 2:8] = 1
    boxes = ops.convert_to_tensor(np.array([box], "int32"))
    assert bool(boxes_hold_holes(boxes, ops.convert_to_tensor(masks), (6, 6))[0]) is holds
