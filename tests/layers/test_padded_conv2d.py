"""Three paddings of strided convolutions, against loops."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_inpaint.layers import PaddedConv2D


def naive_convolution(inputs, kernel, bias, before, sizes, stride=1, dilation=1):
    """Every output position by itself; `before` zeros above and to the left."""
    far = kernel.shape[0] * dilation
    padded = np.pad(inputs, ((0, 0), (before, far), (before, far), (0, 0)))
    outputs = np.empty((len(inputs), *sizes, kernel.shape[-1]))
    for row, column in np.ndindex(*sizes):
        top, left = row * stride, column * stride
        window = padded[:, top : top + far : dilation, left : left + far : dilation]
        outputs[:, row, column] = np.tensordot(window, kernel, axes=3) + bias
    return outputs


def sizes_after(shape, stride):
    return tuple(-(-size // stride) for size in shape[1:3])


@pytest.fixture
def convolved(rng):
    """Outputs of a layer with random weights, and what the loop gives."""

    def run(shape, size, stride, dilation, padding, before):
        inputs = rng.normal(size=shape).astype("float32")
        layer = PaddedConv2D(4, size, stride, padding, dilation_rate=dilation)
        layer.build(shape)
        layer.bias.assign(rng.normal(size=4))
        kernel, bias = (ops.convert_to_numpy(weight.value) for weight in layer.weights)
        sizes = sizes_after(shape, stride)
        expected = naive_convolution(inputs, kernel, bias, before, sizes, stride, dilation)
        return ops.convert_to_numpy(layer(inputs)), expected

    return run


@pytest.mark.parametrize("shape", [(2, 16, 8, 3), (2, 16, 9, 3), (2, 4, 4, 3)])
def test_dilation_is_the_same_whether_made_by_phases_or_not(convolved, shape):
    outputs, expected = convolved(shape, 3, 1, 2, "same", 2)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 8, 6, 3), (1, 7, 9, 1)])
@pytest.mark.parametrize(("size", "stride", "dilation"), [(5, 2, 1), (3, 2, 1), (3, 1, 2)])
def test_centred_padding_is_the_same_on_all_sides(convolved, shape, size, stride, dilation):
    before = dilation * (size // 2)
    outputs, expected = convolved(shape, size, stride, dilation, "centred", before)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("size", "before"), [(5, 1), (3, 0)])
def test_same_padding_has_its_odd_row_below_and_right(convolved, size, before):
    outputs, expected = convolved((2, 8, 6, 3), size, 2, 1, "same", before)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 8, 6, 3), (1, 7, 3, 1), (1, 1, 2, 2)])
@pytest.mark.parametrize(("size", "stride", "dilation"), [(5, 2, 1), (3, 1, 1), (3, 1, 4)])
def test_reflect_padding_is_that_of_numpy(rng, shape, size, stride, dilation):
    inputs = rng.normal(size=shape).astype("float32")
    layer = PaddedConv2D(4, size, stride, "reflect", dilation_rate=dilation)
    layer.build(shape)
    margin = dilation * (size // 2)
    # Also where the margin is wider than the picture: NumPy goes back and forth.
    padded = np.pad(inputs, ((0, 0), (margin, margin), (margin, margin), (0, 0)), "reflect")
    kernel, bias = (ops.convert_to_numpy(weight.value) for weight in layer.weights)
    sizes = sizes_after(shape, stride)
    expected = naive_convolution(padded, kernel, bias, 0, sizes, stride, dilation)
    outputs = ops.convert_to_numpy(layer(inputs))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow's kernels")
@pytest.mark.parametrize("padding", ["same", "centred"])
@pytest.mark.parametrize("height", [1, 4])
def test_bfloat16_learns_from_pictures_one_pixel_wide(rng, height, padding):
    import tensorflow as tf

    inputs = rng.normal(size=(2, height, 1, 8)).astype("float32")
    layer = PaddedConv2D(16, 5, 2, padding, dtype="mixed_bfloat16")
    layer.build(inputs.shape)
    weights = rng.normal(size=(2, -(-height // 2), 1, 16)).astype("float32")
    before = 2 if height == 1 or padding == "centred" else 1
    padded = np.pad(inputs, ((0, 0), (before, 5), (2, 2), (0, 0)))
    expected = sum(
        np.einsum("nijc,nf->ijcf", padded[:, 2 * row : 2 * row + 5], weights[:, row, 0])
        for row in range(weights.shape[1])
    )
    for _ in range(10):
        # What memory that nobody wrote may hold.
        for size in (100, 3200, 6400, 12800):
            tf.fill((size,), np.float32(1e24))
        with tf.GradientTape() as tape:
            loss = ops.sum(ops.cast(layer(inputs), "float32") * weights)
        gradient = ops.convert_to_numpy(tape.gradient(loss, layer.kernel.value))
        np.testing.assert_allclose(gradient, expected, atol=0.05)


@pytest.mark.parametrize("padding", ["same", "centred", "reflect"])
@pytest.mark.parametrize(("stride", "dilation"), [(2, 1), (1, 2)])
def test_padded_conv_keeps_the_contract(check_layer, rng, padding, stride, dilation):
    layer = PaddedConv2D(
        4, (3, 5), stride, padding, dilation_rate=dilation, activation="elu", use_bias=True
    )
    check_layer(layer, rng.normal(size=(2, 8, 7, 3)).astype("float32"))


@pytest.mark.parametrize("padding", ["same", "centred", "reflect"])
def test_enlarging_layer_convolves_the_enlarged_picture(rng, padding):
    inputs = rng.normal(size=(2, 4, 5, 3)).astype("float32")
    layer = PaddedConv2D(4, 3, padding=padding, upsample=True, activation="relu")
    layer.build(inputs.shape)
    layer.bias.assign(rng.normal(size=4))
    kernel, bias = (ops.convert_to_numpy(weight.value) for weight in layer.weights)
    enlarged = np.kron(inputs, np.ones((1, 2, 2, 1)))
    if padding == "reflect":
        enlarged = np.pad(enlarged, ((0, 0), (1, 1), (1, 1), (0, 0)), "reflect")
    before = 0 if padding == "reflect" else 1
    expected = np.maximum(naive_convolution(enlarged, kernel, bias, before, (8, 10)), 0)
    outputs = ops.convert_to_numpy(layer(inputs))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_enlarging_layer_keeps_the_contract(check_layer, rng):
    layer = PaddedConv2D(4, 3, upsample=True, activation="elu")
    check_layer(layer, rng.normal(size=(2, 3, 4, 2)).astype("float32"))


@pytest.mark.parametrize(
    "arguments", [{"kernel_size": 5}, {"kernel_size": 3, "strides": 2}], ids=str
)
def test_enlarging_layer_takes_plain_3x3_kernels_only(arguments):
    with pytest.raises(ValueError, match=r"must have kernel_size=3, strides=1.*kernel_size="):
        PaddedConv2D(4, upsample=True, **arguments)


def test_unknown_padding_is_refused():
    with pytest.raises(ValueError, match=r"'same', 'centred', 'reflect'.*padding='valid'"):
        PaddedConv2D(4, 3, padding="valid")


def test_centred_kernel_without_a_middle_is_refused():
    with pytest.raises(ValueError, match=r"must be odd.*kernel_size=4"):
        PaddedConv2D(4, 4, padding="centred")
