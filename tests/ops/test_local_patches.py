"""The square around a hole."""

import numpy as np
import pytest
from keras import ops

from keras_inpaint.ops.local_patches import boxes_around_holes, crop_patches


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
    boxes, fits = boxes_around_holes(ops.convert_to_tensor(masks), (6, 6))
    assert ops.convert_to_numpy(boxes).tolist() == [[*corner, 6, 6]]
    assert bool(fits[0])


def test_two_spots_far_apart_do_not_fit():
    masks = np.zeros((2, 12, 12, 1), "float32")
    masks[0, [0, 11]] = 1
    masks[1, 3, [2, 7]] = 1
    _, fits = boxes_around_holes(ops.convert_to_tensor(masks), (6, 6))
    assert ops.convert_to_numpy(fits).tolist() == [False, True]
