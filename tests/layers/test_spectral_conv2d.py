"""Kernels divided by their largest singular value."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_inpaint.layers import SpectralConv2D


@pytest.fixture
def inputs(rng):
    return rng.normal(size=(2, 8, 6, 3)).astype("float32")


@pytest.fixture
def layer(inputs):
    # A kernel of one pixel, so that the outputs show the divided kernel plainly.
    layer = SpectralConv2D(5, 1, use_bias=False)
    layer.build(inputs.shape)
    return layer


def numpy(weight):
    return np.float64(ops.convert_to_numpy(weight.value))


def iterate(matrix, u):
    """One step of power iteration: sigma and the next vector."""
    v = u @ matrix.T
    v /= np.linalg.norm(v)
    u = v @ matrix
    return np.linalg.norm(u), u / np.linalg.norm(u)


def test_one_call_is_one_step_of_power_iteration(layer, inputs):
    matrix, u = numpy(layer.kernel).reshape(-1, 5), numpy(layer.u)
    sigma, u = iterate(matrix, u)
    outputs = layer(inputs, training=True)
    np.testing.assert_allclose(ops.convert_to_numpy(layer.u.value), u, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        ops.convert_to_numpy(outputs), inputs @ (matrix / sigma), rtol=1e-4, atol=1e-5
    )


def test_many_calls_find_the_largest_singular_value(layer, inputs):
    for _ in range(200):
        layer(inputs, training=True)
    matrix = numpy(layer.kernel).reshape(-1, 5)
    largest = np.linalg.svd(matrix, compute_uv=False)[0]
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(inputs)), inputs @ (matrix / largest), rtol=1e-4, atol=1e-5
    )


def test_vector_is_kept_in_training_only(layer, inputs):
    before = numpy(layer.u)
    layer(inputs)
    np.testing.assert_array_equal(numpy(layer.u), before)
    layer(inputs, training=True)
    assert np.any(numpy(layer.u) != before)


def test_gradient_flows_through_the_iteration(layer, inputs):
    """Scaling the kernel changes nothing, so the gradient along the kernel is zero."""
    start = layer.kernel.value
    rest = [variable.value for variable in layer.non_trainable_variables]

    def number(kernel):
        return ops.sum(layer.stateless_call([kernel], rest, inputs)[0][..., 0] ** 2)

    if keras.backend.backend() == "jax":
        import jax

        gradient = jax.jit(jax.grad(number))(start)
    else:
        import tensorflow as tf

        kernel = ops.convert_to_tensor(start)
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            total = number(kernel)
        gradient = tape.gradient(total, kernel)
    gradient, start = ops.convert_to_numpy(gradient), ops.convert_to_numpy(start)
    lengths = np.linalg.norm(gradient) * np.linalg.norm(start)
    assert lengths > 1
    assert abs(np.sum(gradient * start)) < 1e-5 * lengths


def test_zero_kernel_has_a_finite_output(layer, inputs):
    layer.kernel.assign(np.zeros(layer.kernel.shape))
    for training in (False, True):
        assert np.isfinite(ops.convert_to_numpy(layer(inputs, training=training))).all()


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_vector_survives_the_file(layer, inputs, tmp_path, ending):
    def model(convolution):
        inner = keras.Input((8, 6, 3))
        return keras.Model(inner, convolution(inner))

    trained = model(layer)
    trained(inputs, training=True)
    path = tmp_path / f"critic{ending}"
    if ending == ".keras":
        trained.save(path)
        loaded = keras.models.load_model(path)
    else:
        trained.save_weights(path)
        loaded = model(SpectralConv2D(5, 1, use_bias=False))
        loaded.load_weights(path)
    np.testing.assert_array_equal(numpy(loaded.layers[-1].u), numpy(layer.u))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(loaded(inputs)), ops.convert_to_numpy(trained(inputs))
    )


@pytest.mark.parametrize("padding", ["same", "centred"])
def test_spectral_conv_keeps_the_contract(check_layer, inputs, padding):
    layer = SpectralConv2D(4, 5, strides=2, padding=padding, activation="relu")
    check_layer(layer, inputs)
