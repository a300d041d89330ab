"""The promises that every layer makes, checked by one function.

Tests use it through the fixture `check_layer` of `tests/conftest.py`:

    def test_gated_conv_keeps_the_contract(check_layer, rng):
        features = rng.normal(size=(2, 8, 8, 3)).astype("float32")
        check_layer(GatedConv2D(4, 3, strides=2), features)

    def test_attention_keeps_the_contract(check_layer, rng):
        check_layer(ContextualAttention(rate=2), (features, masks))

Give constructor arguments that are not the defaults: only then can the numbers tell that one
of them was lost on the way through the configuration.
"""

import inspect
import json
import pathlib

import keras
import numpy as np
from keras import ops, tree


def check_layer(layer, inputs, folder, dynamic=True, tolerance=1e-5):
    """Raises an AssertionError that names the first promise `layer` does not keep.

    Args:
        layer: keras.layers.Layer, or a function without arguments that makes one.
        inputs: array, or tuple of arrays: the positional arguments of the call.
        folder: path. An empty folder to save into.
        dynamic: bool. Whether batch, height and width may be unknown until the call. A layer
            of inputs that are no pictures may have to say no.
        tolerance: float. How far compiled numbers may lie from eager ones, absolute and
            relative. Configuration and file must give the same numbers to the last bit.

    Returns:
        The layer, built.
    """
    if not isinstance(layer, keras.layers.Layer):
        layer = layer()
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    inputs = tuple(ops.convert_to_tensor(array) for array in inputs)
    _ = layer(*inputs)
    _move_weights_off_their_start(layer)
    outputs = _numbers(layer(*inputs))

    check_configuration(layer, inputs, outputs)
    check_shapes(layer, inputs, outputs, dynamic)
    check_compiled(layer, inputs, outputs, dynamic, tolerance)
    check_gradients(layer, inputs)
    check_half_precision(layer, inputs)
    check_file(layer, inputs, outputs, folder)
    return layer


def check_configuration(layer, inputs, outputs):
    """Every constructor argument is in `get_config`, and the JSON rebuilds the layer."""
    config = layer.get_config()
    missing = [name for name in _constructor_arguments(layer) if name not in config]
    assert not missing, (
        f"`{type(layer).__name__}.get_config` must hold every constructor argument. "
        f"Add the missing ones. Received: missing={missing}"
    )
    rebuilt = _rebuild(layer)
    _ = rebuilt(*inputs)
    _copy_weights(layer, rebuilt)
    _assert_same(rebuilt(*inputs), outputs, 0, "The layer rebuilt from its JSON")


def check_shapes(layer, inputs, outputs, dynamic):
    """The symbolic call foretells the shapes, with sizes known and unknown."""
    for unknown in (False, True) if dynamic else (False,):
        symbols = _symbols(inputs, unknown)
        foretold = [tuple(symbol.shape) for symbol in tree.flatten(layer(*symbols))]
        came = [array.shape for array in tree.flatten(outputs)]
        assert len(foretold) == len(came), f"{len(foretold)} outputs foretold, {len(came)} came"
        for expected, shape in zip(foretold, came, strict=True):
            fits = len(expected) == len(shape) and all(
                size == known or (unknown and known is None)
                for known, size in zip(expected, shape, strict=True)
            )
            assert fits, (
                "The symbolic call must foretell the shape of the outputs. "
                f"Received: foretold={expected}, came={shape}, sizes unknown={unknown}"
            )


def check_compiled(layer, inputs, outputs, dynamic, tolerance):
    """Compiled, the layer computes what it computes eagerly."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        signature = [
            tf.TensorSpec(symbol.shape, symbol.dtype) for symbol in _symbols(inputs, dynamic)
        ]
        compiled = tf.function(lambda *args: layer(*args), input_signature=signature)
        _assert_same(compiled(*inputs), outputs, tolerance, "The layer in a tf.function")
    elif keras.backend.backend() == "jax":
        import jax

        compiled = jax.jit(lambda *args: layer.stateless_call(*_state(layer), *args)[0])
        _assert_same(compiled(*inputs), outputs, tolerance, "The layer under jax.jit")


def check_gradients(layer, inputs):
    """A gradient reaches every weight; where there are none, the first input."""
    weights = layer.trainable_variables
    if weights:
        names, gradients = [weight.path for weight in weights], _weight_gradients(layer, inputs)
    else:
        names, gradients = ["the first input"], [_input_gradient(layer, inputs)]
    for name, gradient in zip(names, gradients, strict=True):
        assert gradient is not None, f"No gradient reaches {name}."
        gradient = ops.convert_to_numpy(gradient)
        assert np.isfinite(gradient).all(), f"The gradient of {name} is not finite."
        assert np.any(gradient != 0), f"The gradient of {name} is zero everywhere."


def check_half_precision(layer, inputs):
    """In mixed float16 the layer runs, in float16 where it matters, and stays finite."""
    half = _rebuild(layer, dtype="mixed_float16")
    outputs = tree.flatten(half(*inputs))
    dtypes = [keras.backend.standardize_dtype(output.dtype) for output in outputs]
    assert "float16" in dtypes, (
        "In mixed_float16 at least one output must be float16. "
        f"Received: dtypes of the outputs={dtypes}"
    )
    for output in outputs:
        numbers = ops.convert_to_numpy(output).astype("float32")
        assert np.isfinite(numbers).all(), "In mixed_float16 an output is not finite."


def check_file(layer, inputs, outputs, folder):
    """A model around the layer comes back from a `.keras` file with the same numbers."""
    symbols = _symbols(inputs, unknown=False)
    path = pathlib.Path(folder) / "layer.keras"
    keras.Model(list(symbols), layer(*symbols)).save(path)
    with keras.saving.custom_object_scope(_custom_objects(layer)):
        loaded = keras.models.load_model(path)
    _assert_same(loaded(list(inputs)), outputs, 0, "The layer loaded from a file")


def _constructor_arguments(layer):
    parameters = list(inspect.signature(type(layer).__init__).parameters.values())[1:]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [parameter.name for parameter in parameters if parameter.kind in named]


def _custom_objects(layer):
    """Layers made up in a test need not be registered; the package's own must be."""
    kind = type(layer)
    if kind.__module__.startswith("keras_inpaint"):
        assert keras.saving.get_registered_name(kind) == f"keras_inpaint>{kind.__name__}", (
            f"Register `{kind.__name__}` with "
            '`@keras.saving.register_keras_serializable(package="keras_inpaint")`.'
        )
        return {}
    return {kind.__name__: kind}


def _rebuild(layer, **changes):
    written = keras.saving.serialize_keras_object(layer)
    written["config"].update(changes)
    written.pop("build_config", None)
    return keras.saving.deserialize_keras_object(
        json.loads(json.dumps(written)), custom_objects=_custom_objects(layer)
    )


def _move_weights_off_their_start(layer):
    """Zeros and ones hide mistakes: a bias of 0 is no bias."""
    rng = np.random.default_rng(1)
    for weight in layer.trainable_variables:
        shift = 0.1 * rng.normal(size=tuple(weight.shape))
        weight.assign(ops.convert_to_numpy(weight.value) + shift.astype("float32"))


def _copy_weights(source, target):
    assert len(source.weights) == len(target.weights), (
        f"The rebuilt layer has {len(target.weights)} weights instead of {len(source.weights)}."
    )
    for old, new in zip(source.weights, target.weights, strict=True):
        assert tuple(old.shape) == tuple(new.shape), (
            f"The rebuilt layer has another shape of {old.path}: "
            f"{tuple(new.shape)} instead of {tuple(old.shape)}."
        )
        new.assign(ops.convert_to_numpy(old.value))


def _symbols(inputs, unknown):
    """Placeholders of the inputs, with all but the channels unknown on request."""
    return tuple(
        keras.Input(
            batch_shape=(*[None] * (len(array.shape) - 1), array.shape[-1])
            if unknown
            else tuple(array.shape),
            dtype=keras.backend.standardize_dtype(array.dtype),
        )
        for array in inputs
    )


def _state(layer):
    """The values of the weights, as `stateless_call` wants them."""
    return (
        [variable.value for variable in layer.trainable_variables],
        [variable.value for variable in layer.non_trainable_variables],
    )


def _mixture(outputs):
    """One number that every floating output sways, each element by an amount of its own."""
    total = 0.0
    for output in tree.flatten(outputs):
        if "float" in keras.backend.standardize_dtype(output.dtype):
            shares = np.random.default_rng(2).normal(size=tuple(output.shape))
            total = total + ops.sum(output * ops.convert_to_tensor(shares, output.dtype))
    return total


def _weight_gradients(layer, inputs):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            number = _mixture(layer(*inputs))
        return tape.gradient(number, [weight.value for weight in layer.trainable_variables])
    import jax

    weights, rest = _state(layer)
    # Compiled as a whole: operation by operation takes JAX four times as long.
    gradient = jax.grad(lambda w: _mixture(layer.stateless_call(w, rest, *inputs)[0]))
    return jax.jit(gradient)(weights)


def _input_gradient(layer, inputs):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(inputs[0])
            number = _mixture(layer(*inputs))
        return tape.gradient(number, inputs[0])
    import jax

    state = _state(layer)
    gradient = jax.grad(lambda x: _mixture(layer.stateless_call(*state, x, *inputs[1:])[0]))
    return jax.jit(gradient)(inputs[0])


def _numbers(outputs):
    return tree.map_structure(ops.convert_to_numpy, outputs)


def _assert_same(outputs, expected, tolerance, who):
    came = _numbers(outputs)
    tree.assert_same_structure(came, expected)
    for left, right in zip(tree.flatten(came), tree.flatten(expected), strict=True):
        np.testing.assert_allclose(
            left,
            right,
            rtol=tolerance,
            atol=tolerance,
            err_msg=f"{who} must compute the same numbers as the layer itself.",
        )
