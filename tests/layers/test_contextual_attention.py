"""Contextual attention against the published operator, and under training."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from keras import ops
from layers.literal_attention import literal_attention

from keras_inpaint.layers import ContextualAttention
from keras_inpaint.layers.contextual_attention import attention_at_once


def case(rng, grid=(13, 7), rate=2, batch=3, channels=4):
    """Features, and masks at four times their size, another hole in every picture."""
    features = rng.normal(size=(batch, grid[0] * rate, grid[1] * rate, channels))
    # Twice the same patch, so that there is something to find.
    features[:, -rate * 2 :] = features[:, : rate * 2]
    height, width = (4 * rate * side for side in grid)
    masks = np.zeros((batch, height, width, 1))
    for picture, mask in enumerate(masks):
        top, left = picture * height // 5, picture * width // 7
        mask[top : top + height // 3, left : left + width // 3] = 1
    return features.astype("float32"), masks.astype("float32")


def call(layer, features, masks):
    """The outputs; on JAX compiled, since there each operation would be compiled alone."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(lambda *inputs: layer(*inputs))(features, masks)
    return layer(features, masks)


def assert_literal(features, masks, **options):
    outputs = call(ContextualAttention(**options), features, masks)
    expected, offsets = literal_attention(features, masks, **options)
    np.testing.assert_allclose(
        ops.convert_to_numpy(outputs["features"]), expected, rtol=0, atol=1e-4
    )
    np.testing.assert_array_equal(ops.convert_to_numpy(outputs["offsets"]), offsets)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fuse": False},
        {"scale": 3.0},
        {"resampling": "strided"},
        {"key_norm": "sum"},
        {"paste": "best"},
        {"resampling": "strided", "key_norm": "sum", "paste": "best", "fuse": False},
    ],
    ids=str,
)
def test_every_option_gives_the_published_numbers(rng, options):
    assert_literal(*case(rng), **options)


@pytest.mark.parametrize("grid", [(1, 5), (33, 20), (6, 6)])
def test_odd_grids_give_the_published_numbers(rng, grid):
    assert_literal(*case(rng, grid))


@pytest.mark.parametrize("rate", [1, 4])
def test_every_rate_gives_the_published_numbers(rng, rate):
    assert_literal(*case(rng, rate=rate), rate=rate)


def test_every_picture_has_its_own_hole(rng):
    features, masks = case(rng)
    together = call(ContextualAttention(), features, masks)
    for picture in range(3):
        one = slice(picture, picture + 1)
        alone = call(ContextualAttention(), features[one], masks[one])
        for name, output in alone.items():
            np.testing.assert_allclose(
                ops.convert_to_numpy(together[name][one]),
                ops.convert_to_numpy(output),
                rtol=1e-5,
                atol=1e-5,
            )


def test_no_offset_points_into_the_hole(rng):
    features, masks = case(rng)
    offsets = ops.convert_to_numpy(call(ContextualAttention(), features, masks)["offsets"])
    sources = offsets + np.stack(np.indices((13, 7)), axis=-1)
    on_the_grid = masks[:, ::8, ::8, 0] == 1
    for picture, (rows, columns) in enumerate(sources.transpose(0, 3, 1, 2)):
        assert not on_the_grid[picture, rows, columns].any()


def test_hole_everywhere_copies_nothing(rng):
    features, masks = case(rng)
    outputs = call(ContextualAttention(), features, np.ones_like(masks))
    assert not ops.convert_to_numpy(outputs["features"]).any()


@pytest.mark.parametrize(
    "options", [{}, {"fuse": False, "key_norm": "sum", "rate": 1}], ids=str
)
def test_gradient_is_that_of_finite_differences(rng, options):
    features, masks = case(rng, (5, 4), options.get("rate", 2), batch=2)
    direction, weights = rng.normal(size=(2, *features.shape))
    gradient = input_gradient(ContextualAttention(**options), features, masks, weights)

    def number(step):
        return np.sum(
            weights * literal_attention(features + step * direction, masks, **options)[0]
        )

    expected = (number(1e-6) - number(-1e-6)) / 2e-6
    np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=1e-3)


@pytest.mark.parametrize("key_norm", ["floor", "sum"])
def test_gradient_is_finite_where_features_are_zero(rng, key_norm):
    features, masks = case(rng)
    features[:, :12] = 0
    layer = ContextualAttention(key_norm=key_norm)
    gradient = input_gradient(layer, features, masks, np.ones_like(features))
    assert np.isfinite(gradient).all()


def test_gradient_is_finite_under_a_hole_everywhere(rng):
    features, masks = case(rng)
    gradient = input_gradient(
        ContextualAttention(), features, np.ones_like(masks), np.ones_like(features)
    )
    assert np.isfinite(gradient).all()


def input_gradient(layer, features, masks, weights):
    """The gradient of the weighted sum of the outputs."""
    features = ops.convert_to_tensor(features)
    weights = ops.convert_to_tensor(weights, "float32")

    def number(features):
        return ops.sum(layer(features, masks)["features"] * weights)

    if keras.backend.backend() == "jax":
        import jax

        return ops.convert_to_numpy(jax.jit(jax.grad(number))(features))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(features)
        total = number(features)
    return ops.convert_to_numpy(tape.gradient(total, features))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow only")
def test_sizes_may_be_unknown_until_the_call(rng):
    tf = pytest.importorskip("tensorflow")
    layer = ContextualAttention()
    specs = [tf.TensorSpec((None, None, None, size)) for size in (4, 1)]
    compiled = tf.function(
        lambda features, masks: layer(features, masks), input_signature=specs
    )
    for grid, batch in [((13, 7), 2), ((1, 5), 1), ((6, 6), 3)]:
        features, masks = case(rng, grid, batch=batch)
        outputs = compiled(features, masks)
        expected, offsets = literal_attention(features, masks)
        np.testing.assert_allclose(outputs["features"], expected, rtol=0, atol=1e-4)
        np.testing.assert_array_equal(outputs["offsets"], offsets)


def traced(layer):
    """The layer as a graph of any size, and the kinds of its operations."""
    import tensorflow as tf

    specs = [tf.TensorSpec((None, None, None, size)) for size in (4, 1)]
    compiled = tf.function(lambda *inputs: layer(*inputs), input_signature=specs)
    graph = compiled.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    return compiled, {node.op for node in nodes}


BRANCHES = {"If", "StatelessIf", "While", "StatelessWhile"}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow only")
def test_without_a_budget_a_graph_of_any_size_has_no_branches(rng):
    assert traced(ContextualAttention())[1] & BRANCHES
    compiled, operations = traced(ContextualAttention(memory=None))
    assert not operations & BRANCHES
    for grid, batch in [((13, 7), 2), ((1, 5), 1)]:
        features, masks = case(rng, grid, batch=batch)
        by_lines = ContextualAttention(memory=1)(features, masks)
        at_once = compiled(features, masks)
        np.testing.assert_allclose(at_once["features"], by_lines["features"], atol=1e-5)
        np.testing.assert_array_equal(at_once["offsets"], by_lines["offsets"])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow only")
def test_attention_at_once_drops_the_budget_here_and_now_alone(rng):
    layer = ContextualAttention(memory=1)
    with attention_at_once():
        assert not traced(layer)[1] & BRANCHES
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(traced, layer).result()[1] & BRANCHES
    assert traced(layer)[1] & BRANCHES
    assert layer.memory == 1


def test_no_budget_is_part_of_the_configuration():
    layer = ContextualAttention(memory=None)
    copy = ContextualAttention.from_config(layer.get_config())
    assert copy.memory is None
    # 4 bytes, 4 matrices of all pairs of 32 x 32 positions.
    assert copy.estimate_memory((64, 64)) == 16 * (32 * 32) ** 2


def test_half_precision_looks_at_the_same_places(rng):
    features, masks = case(rng)
    features = features.astype("float16").astype("float32")
    whole = call(ContextualAttention(), features, masks)
    half = call(ContextualAttention(dtype="mixed_float16"), features, masks)
    assert keras.backend.standardize_dtype(half["features"].dtype) == "float16"
    np.testing.assert_array_equal(
        ops.convert_to_numpy(half["offsets"]), ops.convert_to_numpy(whole["offsets"])
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(half["features"]).astype("float32"),
        ops.convert_to_numpy(whole["features"]),
        atol=1e-2,
    )


def test_attention_keeps_the_contract(check_layer, rng):
    layer = ContextualAttention(
        rate=1, scale=5.0, fuse=False, resampling="strided", key_norm="sum"
    )
    check_layer(layer, case(rng, (5, 4), rate=1, batch=2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 0}, "at least 1.*rate=0"),
        ({"rate": 1.5}, "must be an int.*rate=1.5"),
        ({"resampling": "bilinear"}, "'corners', 'strided'.*resampling='bilinear'"),
        ({"key_norm": "max"}, "'floor', 'sum'.*key_norm='max'"),
        ({"paste": "hard"}, "'soft', 'best'.*paste='hard'"),
        ({"memory": 0}, "at least 1, or None for no limit.*memory=0"),
    ],
)
def test_unknown_option_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ContextualAttention(**options)


def test_sizes_that_do_not_divide_are_refused():
    features, masks = np.ones((1, 6, 6, 2), "float32"), np.ones((1, 24, 24, 1), "float32")
    with pytest.raises(ValueError, match=r"divisible by rate=4.*\(1, 6, 6, 2\)"):
        ContextualAttention(rate=4)(features, masks)
    with pytest.raises(ValueError, match=r"multiple of that of `features`.*\(1, 25, 24, 1\)"):
        ContextualAttention()(features, np.ones((1, 25, 24, 1), "float32"))
