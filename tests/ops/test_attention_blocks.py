"""Blocks of lines give the numbers of the whole score matrix."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_inpaint.layers import ContextualAttention
from keras_inpaint.ops.attention import patch_norms, valid_keys
from keras_inpaint.ops.attention_blocks import attend_by_lines, lines_within

# The least budget: blocks of one line.
ONE_LINE = 1


def inputs_of(rng, grid, batch=3):
    """Features at twice the grid's size and masks at eight times, a different one each."""
    height, width = grid
    features = rng.normal(size=(batch, 2 * height, 2 * width, 6)).astype("float32")
    masks = np.zeros((batch, 8 * height, 8 * width, 1), "float32")
    for picture in range(batch):
        top, left = rng.integers(0, 4 * height), rng.integers(0, 4 * width)
        masks[picture, top : top + 3 * height, left : left + 3 * width] = 1
    return ops.convert_to_tensor(features), ops.convert_to_tensor(masks)


def compiled(function):
    """On JAX, operations outside of a compiled function are compiled one by one."""
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(function)


def run(features, masks, **options):
    return compiled(ContextualAttention(**options))(features, masks)


def assert_same(found, expected):
    np.testing.assert_allclose(found["features"], expected["features"], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(found["offsets"], expected["offsets"])


@pytest.mark.parametrize("grid", [(13, 7), (1, 5), (5, 1), (2, 3)])
@pytest.mark.parametrize("resampling", ["corners", "strided"])
def test_blocks_of_one_line_are_exact_at_every_border(rng, grid, resampling):
    features, masks = inputs_of(rng, grid)
    # A mild scale, so that many patches count and an error anywhere shows.
    options = {"scale": 0.5, "resampling": resampling}
    expected = run(features, masks, **options)
    assert_same(run(features, masks, **options, memory=ONE_LINE), expected)


@pytest.mark.parametrize("options", [{"fuse": False}, {"paste": "best"}, {"rate": 1}])
def test_blocks_take_every_option(rng, options):
    features, masks = inputs_of(rng, (9, 6))
    expected = run(features, masks, **options)
    assert_same(run(features, masks, **options, memory=ONE_LINE), expected)


@pytest.mark.parametrize("num_lines", [1, 3, 4, 16])
def test_any_number_of_lines_gives_the_same(rng, num_lines):
    keys = rng.normal(size=(2, 11, 6, 4)).astype("float32")
    features = rng.normal(size=(2, 22, 12, 3)).astype("float32")
    valid = valid_keys((rng.random((2, 11, 6, 1)) < 0.1).astype("float32"))
    arguments = (ops.convert_to_tensor(keys), patch_norms(keys), valid)
    options = (2, 1.0, True, False)  # rate, scale, fuse, best_only

    def run(lines):
        function = compiled(lambda *tensors: attend_by_lines(*tensors, *options, lines))
        return function(*arguments, ops.convert_to_tensor(features))

    for found, expected in zip(run(num_lines), run(11), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_lines_follow_from_the_memory():
    # Six copies of 7 + 6 lines of 128 positions, against 128 * 128 keys, of 4 bytes.
    memory = 6 * 13 * 128 * 128 * 128 * 4
    assert lines_within(memory, (128, 128)) == 7
    assert lines_within(memory - 1, (128, 128)) == 6
    assert lines_within(2 * memory, (128, 128), batch=2) == 7
    assert lines_within(1, (128, 128)) == 1
    assert lines_within(10**12, (128, 128)) == 128
    dynamic = [ops.convert_to_tensor(128, dtype="int32")] * 2
    assert int(lines_within(memory, dynamic)) == 7


def test_sizes_may_be_unknown_until_the_call(rng):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("sizes are always known on JAX")
    import tensorflow as tf

    layer = ContextualAttention(memory=6 * 10 * 4 * 8 * 8 * 8)
    unknown = [tf.TensorSpec((None, None, None, 6)), tf.TensorSpec((None, None, None, 1))]
    function = tf.function(layer, input_signature=unknown)
    # The small one fits into the budget as a whole, the large one does not.
    for grid in [(3, 4), (11, 9)]:
        features, masks = inputs_of(rng, grid, batch=2)
        assert_same(function(features, masks), run(features, masks))


def gradients(layer, features, masks):
    def loss(features):
        return ops.sum(ops.square(layer(features, masks)["features"]))

    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.grad(loss))(features)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(features)
        value = loss(features)
    return tape.gradient(value, features)


def test_gradients_pass_through_the_blocks(rng):
    features, masks = inputs_of(rng, (7, 5), batch=2)
    expected = gradients(ContextualAttention(scale=1.0), features, masks)
    found = gradients(ContextualAttention(scale=1.0, memory=ONE_LINE), features, masks)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("memory", [ONE_LINE, 2**29])
def test_gradients_pass_where_sizes_are_unknown_until_the_call(rng, memory):
    features, masks = inputs_of(rng, (7, 5), batch=2)
    expected = gradients(ContextualAttention(scale=1.0), features, masks)
    layer = ContextualAttention(scale=1.0, memory=memory)
    function = lambda *inputs: gradients(layer, *inputs)  # noqa: E731
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Both paths are built, and the gradient of both.
        unknown = [tf.TensorSpec((None, None, None, size)) for size in (6, 1)]
        function = tf.function(function, input_signature=unknown)
    np.testing.assert_allclose(function(features, masks), expected, rtol=1e-3, atol=1e-4)


def test_a_memory_of_nothing_is_refused():
    with pytest.raises(ValueError, match="Received: memory=0"):
        ContextualAttention(memory=0)
