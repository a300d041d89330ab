"""The identities against extracted patches, convolutions and transposed convolutions."""

import keras
import numpy as np
import pytest
from keras import ops
from layers import literal_attention as literal

from keras_inpaint.ops.attention import (
    attend,
    fuse_scores,
    paste_patches,
    patch_norms,
    patch_scores,
    valid_keys,
)

GRIDS = [(13, 7), (1, 5), (5, 1), (33, 20)]


def pictures(rng, *shape):
    return rng.normal(size=shape).astype("float32")


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("grid", GRIDS)
def test_patch_scores_are_inner_products_of_patches(rng, grid):
    queries, keys = pictures(rng, 2, *grid, 3), pictures(rng, 2, *grid, 3)
    expected = [
        literal.convolve_with_patches(query, literal.extract_patches(key, 3, 1))
        for query, key in zip(queries, keys, strict=True)
    ]
    np.testing.assert_allclose(
        numpy(patch_scores(queries, keys)), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("norm", ["floor", "sum"])
@pytest.mark.parametrize("grid", GRIDS)
def test_patch_norms_are_lengths_of_patches(rng, grid, norm):
    keys = pictures(rng, 2, *grid, 3)
    keys[0] *= 1e-5
    expected = [literal.norms(literal.extract_patches(key, 3, 1), norm).ravel() for key in keys]
    np.testing.assert_allclose(numpy(patch_norms(keys, norm)), expected, rtol=1e-5)


@pytest.mark.parametrize("grid", GRIDS)
def test_keys_are_valid_where_the_whole_patch_is_known(rng, grid):
    masks = (rng.random((3, *grid, 1)) < 0.1).astype("float32")
    expected = [literal.extract_patches(mask, 3, 1).max(axis=(1, 2, 3)) == 0 for mask in masks]
    np.testing.assert_array_equal(numpy(valid_keys(masks)), expected)


@pytest.mark.parametrize("grid", GRIDS)
def test_fusion_is_two_convolutions_with_an_identity_kernel(rng, grid):
    scores = pictures(rng, 2, grid[0] * grid[1], grid[0] * grid[1])
    expected = [literal.fuse_by_convolutions(picture, grid) / 9 for picture in scores]
    np.testing.assert_allclose(numpy(fuse_scores(scores, grid)), expected, rtol=1e-5, atol=1e-5)


def test_fusion_runs_on_from_the_end_of_one_line_to_the_next():
    # On a grid of 2 x 3, position 2 ends the first row and position 3 begins the second;
    # column by column, position 3 ends the first column and position 1 begins the second.
    scores = np.zeros((1, 6, 6), "float32")
    scores[0, 2, 2] = 1.0
    along_rows = {1, 2, 3}
    below_and_above = {1: {3, 1, 4}, 2: {4, 2, 5}, 3: {0, 3, 1}}
    counts = np.zeros(6)
    for position in along_rows:
        counts[list(below_and_above[position])] += 1
    fused = numpy(fuse_scores(9 * scores, (2, 3)))[0]
    np.testing.assert_allclose(fused, np.diag(counts), rtol=1e-6)


def test_keys_in_the_hole_weigh_nothing_but_dampen_the_rest():
    attention = numpy(attend(np.float32([[[0.2, 0.1, -3.0]]]), np.float32([[1, 1, 0]]), 10.0))
    powers = np.exp([2.0, 1.0, 0.0])
    np.testing.assert_allclose(attention[0, 0], [*(powers / powers.sum())[:2], 0.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("rate", "grid"), [(1, (13, 7)), (2, (1, 5)), (2, (33, 20)), (3, (5, 1)), (4, (13, 7))]
)
def test_pasting_is_a_transposed_convolution_divided_by_four(rng, grid, rate):
    features = pictures(rng, 2, grid[0] * rate, grid[1] * rate, 2)
    attention = rng.random((2, grid[0] * grid[1], grid[0] * grid[1])).astype("float32")
    attention /= attention.sum(axis=-1, keepdims=True)
    expected = [
        literal.convolve_transposed(
            weights, literal.extract_patches(picture, 2 * rate, rate), grid, rate
        )
        / 4
        for weights, picture in zip(attention, features, strict=True)
    ]
    pasted = numpy(paste_patches(attention, features, grid, rate))
    np.testing.assert_allclose(pasted, expected, rtol=1e-5, atol=1e-5)


def test_each_position_attending_to_itself_changes_nothing_inside(rng):
    features = pictures(rng, 1, 12, 8, 3)
    itself = np.eye(24, dtype="float32")[None]
    pasted = numpy(paste_patches(itself, features, (6, 4), 2))
    np.testing.assert_array_equal(pasted[:, 1:-1, 1:-1], features[:, 1:-1, 1:-1])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow only")
def test_sizes_may_be_unknown_until_the_call(rng):
    tf = pytest.importorskip("tensorflow")

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3))])
    def attended(features):
        grid = ops.shape(features)[1:3]
        scores = patch_scores(features, features)
        return paste_patches(fuse_scores(scores, grid), features, grid, 1)

    for grid in [(4, 6), (1, 3), (7, 2)]:
        features = pictures(rng, 2, *grid, 3)
        scores = fuse_scores(patch_scores(features, features), grid)
        expected = numpy(paste_patches(scores, features, grid, 1))
        np.testing.assert_allclose(attended(features), expected, rtol=1e-4, atol=1e-3)
