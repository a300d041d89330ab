"""What holds of plans for any photo and any hole: found by examples that are made up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_inpaint.inpainting.planning import METHODS, choose_method, plan

few = settings(max_examples=60, deadline=None, derandomize=True)


@st.composite
def photos_with_holes(draw):
    """A hole of boxes and of single pixels, in a photo of any size."""
    height, width = draw(st.integers(1, 700)), draw(st.integers(1, 700))
    holes = np.zeros((height, width), bool)
    for _ in range(draw(st.integers(1, 4))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        sides = st.sampled_from([1, 3, 20, 150])
        holes[top : top + draw(sides), left : left + draw(sides)] = True
    return holes


@pytest.mark.parametrize("method", METHODS)
@few
@given(
    holes=photos_with_holes(),
    image_size=st.sampled_from([64, 128, 256]),
    feather=st.sampled_from([0, 8]),
)
def test_windows_hold_all_of_the_hole_and_lie_within_the_photo(
    method, holes, image_size, feather
):
    height, width = holes.shape
    left = holes.copy()
    for window in plan(method, holes, image_size, feather):
        view, hole = window.view, window.hole
        assert 0 <= view.top <= hole.top < hole.bottom <= view.bottom <= height
        assert 0 <= view.left <= hole.left < hole.right <= view.right <= width
        assert 0 < window.scale <= 1
        left[hole.slices] = False
    assert not left.any()


@few
@given(holes=photos_with_holes(), image_size=st.sampled_from([64, 128, 256]))
def test_what_the_network_sees_is_never_larger_than_it_can_take(holes, image_size):
    method = choose_method(holes, image_size)
    assert method in METHODS
    for window in plan(method, holes, image_size):
        longest = max(window.view.height, window.view.width)
        # Holes of up to 256 pixels with margins of up to 256 on both sides.
        assert longest * window.scale <= max(768, image_size) + 1
