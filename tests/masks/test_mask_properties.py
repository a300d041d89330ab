"""What holds of masks for any size and any seed: found by examples that are made up."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import ops

from keras_inpaint.masks import Boxes, Strokes
from keras_inpaint.ops import picture_seeds
from keras_inpaint.pictures.masks import find_holes, grown

# JAX compiles anew for each size, and draws what TensorFlow draws: test_samplers.py says so.
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow only"
)
# Of masks that are drawn: each size takes a second.
few = settings(max_examples=8, deadline=None, derandomize=True)
many = settings(max_examples=40, deadline=None, derandomize=True)
sides = st.sampled_from([16, 33])
seeds = st.integers(0, 2**31 - 1)
holes = arrays(bool, st.tuples(st.integers(1, 24), st.integers(1, 24)))


def seeded(seed):
    return picture_seeds(seed, 0, keras.ops.arange(3))


@few
@given(seed=seeds, height=sides, width=sides, jitter=st.integers(0, 3))
def test_boxes_hold_their_holes_within_the_image(seed, height, width, jitter):
    masks, boxes = Boxes(8, 12, jitter=jitter)(seeded(seed), height, width)
    masks, boxes = ops.convert_to_numpy(masks), ops.convert_to_numpy(boxes)
    assert masks.shape == (3, height, width, 1)
    assert set(np.unique(masks)) <= {0.0, 1.0}
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, :2] + [8, 12] <= [height, width]).all()
    for mask, (top, left, _, _) in zip(masks[..., 0], boxes, strict=True):
        assert mask.sum() == mask[top : top + 8, left : left + 12].sum()
    areas = masks.sum(axis=(1, 2, 3))
    # The jitter may be taken on both sides.
    assert (areas >= (8 - 2 * jitter) * (12 - 2 * jitter)).all()
    assert (areas <= 8 * 12).all()


@settings(few, max_examples=4)
@given(seed=seeds, height=sides, width=sides)
def test_strokes_are_drawn_alike_from_one_seed_and_leave_something_known(seed, height, width):
    strokes = Strokes(num_strokes=(1, 2), widths=(2, 4))
    first, _ = strokes(seeded(seed), height, width)
    again, _ = strokes(seeded(seed), height, width)
    first, again = ops.convert_to_numpy(first), ops.convert_to_numpy(again)
    np.testing.assert_array_equal(first, again)
    assert set(np.unique(first)) <= {0.0, 1.0}
    assert (first.max(axis=(1, 2, 3)) == 1).all()


@many
@given(holes=holes, num_pixels=st.integers(0, 5))
def test_a_grown_hole_is_all_that_is_no_farther_than_the_distance(holes, num_pixels):
    rows, columns = np.indices(holes.shape)
    expected = np.zeros_like(holes)
    for row, column in np.argwhere(holes):
        expected |= (rows - row) ** 2 + (columns - column) ** 2 <= num_pixels**2
    np.testing.assert_array_equal(grown(holes, num_pixels), expected)


@many
@given(holes=holes, levels=st.tuples(st.integers(0, 255), st.integers(0, 255)))
def test_the_brighter_of_two_levels_is_the_hole(holes, levels):
    dark, bright = sorted(levels)
    mask = np.where(holes, bright, dark).astype("uint8")
    found = find_holes(mask)
    if dark < bright and holes.any() and not holes.all():
        np.testing.assert_array_equal(found.holes, holes)
        np.testing.assert_array_equal(find_holes(mask, invert=True).holes, ~holes)
    else:
        assert found.is_constant
