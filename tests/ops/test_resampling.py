"""Nearest neighbours, counted by hand."""

import numpy as np
import pytest
from keras import ops

from keras_inpaint.ops.resampling import (
    convolve_by_phases,
    convolve_upsampled,
    nearest_corners,
    nearest_strided,
    upsample_nearest,
)


def rows_taken(resample, size_from, size_to):
    """Which rows of a picture are taken; the columns are checked to be the same."""
    ramp = np.arange(size_from, dtype="float32")
    down = np.broadcast_to(ramp[None, :, None, None], (1, size_from, 2, 1))
    right = np.broadcast_to(ramp[None, None, :, None], (1, 2, size_from, 1))
    rows = ops.convert_to_numpy(resample(down, (size_to, 2)))[0, :, 0, 0]
    columns = ops.convert_to_numpy(resample(right, (2, size_to)))[0, 0, :, 0]
    np.testing.assert_array_equal(rows, columns)
    return rows.tolist()


@pytest.mark.parametrize("size_from", [6, 26, 66])
def test_halves_go_up_between_corners(size_from):
    size_to = size_from // 2
    exact = [i * (size_from - 1) / (size_to - 1) for i in range(size_to)]
    assert any(position % 1 == 0.5 for position in exact)
    expected = [int(position + 0.5) for position in exact]
    assert rows_taken(nearest_corners, size_from, size_to) == expected


@pytest.mark.parametrize("sizes", [(64, 32), (7, 3), (5, 5), (3, 8)])
def test_corners_stay_corners(sizes):
    taken = rows_taken(nearest_corners, *sizes)
    assert (taken[0], taken[-1]) == (0, sizes[0] - 1)


def test_a_single_row_comes_from_the_first():
    assert rows_taken(nearest_corners, 9, 1) == [0]


def test_two_steps_of_corners_differ_from_one():
    # Why the mask goes to the attention's grid in two steps.
    ramp = np.arange(256, dtype="float32")[None, :, None, None]
    twice = nearest_corners(nearest_corners(ramp, (64, 1)), (32, 1))
    once = nearest_corners(ramp, (32, 1))
    differing = ops.convert_to_numpy(twice != once).sum()
    assert differing == 24


@pytest.mark.parametrize(("sizes", "step"), [((64, 32), 2), ((64, 8), 8), ((5, 5), 1)])
def test_strided_takes_every_nth_row(sizes, step):
    assert rows_taken(nearest_strided, *sizes) == list(range(0, sizes[0], step))


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_enlarging_repeats_every_pixel(rng, factor):
    images = rng.normal(size=(2, 3, 4, 2)).astype("float32")
    expected = np.kron(images, np.ones((1, factor, factor, 1), "float32"))
    enlarged = ops.convert_to_numpy(upsample_nearest(images, factor))
    np.testing.assert_array_equal(enlarged, expected)


@pytest.mark.parametrize("size", [(3, 4), (1, 5), (1, 1)])
def test_convolving_the_enlarged_picture_needs_only_the_small_one(rng, size):
    images = rng.normal(size=(2, *size, 3)).astype("float32")
    kernel = rng.normal(size=(3, 3, 3, 4)).astype("float32")
    enlarged = np.pad(np.kron(images, np.ones((1, 2, 2, 1))), ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = 2 * size[0], 2 * size[1]
    expected = sum(
        enlarged[:, down : down + height, right : right + width] @ kernel[down, right]
        for down, right in np.ndindex(3, 3)
    )
    bias = rng.normal(size=4).astype("float32")
    convolved = ops.convert_to_numpy(convolve_upsampled(images, kernel, bias, ops.relu))
    np.testing.assert_allclose(convolved, np.maximum(expected + bias, 0), rtol=1e-4, atol=1e-5)
    without = ops.convert_to_numpy(convolve_upsampled(images, kernel, None, ops.abs))
    np.testing.assert_allclose(without, np.abs(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rates", [(2, 2), (4, 2), (1, 3)])
def test_phases_make_a_dilated_convolution(rng, rates):
    inputs = rng.normal(size=(2, 8, 12, 3)).astype("float32")
    kernel = rng.normal(size=(3, 5, 3, 4)).astype("float32")
    expected = np.zeros((2, 8, 12, 4))
    for row, column, tap_row, tap_column in np.ndindex(8, 12, 3, 5):
        from_row = row + (tap_row - 1) * rates[0]
        from_column = column + (tap_column - 2) * rates[1]
        if 0 <= from_row < 8 and 0 <= from_column < 12:
            expected[:, row, column] += (
                inputs[:, from_row, from_column] @ kernel[tap_row, tap_column]
            )
    outputs = ops.convert_to_numpy(convolve_by_phases(inputs, kernel, rates))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)
