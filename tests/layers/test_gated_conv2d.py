"""Gates that let features through."""

import numpy as np
import pytest
from keras import ops

from keras_inpaint.layers import GatedConv2D, PaddedConv2D


@pytest.fixture
def inputs(rng):
    return rng.normal(size=(2, 6, 5, 3)).astype("float32")


@pytest.mark.parametrize(("bias", "share"), [(0.0, 0.5), (np.log(3.0), 0.75), (100.0, 1.0)])
def test_half_open_gate_halves_the_features(bias, share):
    layer = GatedConv2D(2, 1, activation="linear")
    layer.build((None, None, None, 2))
    # The first half of the filters copies the input, the second half is a constant gate.
    layer.conv.kernel.assign(np.float32([[[[1, 0, 0, 0], [0, 1, 0, 0]]]]))
    layer.conv.bias.assign([0, 0, bias, bias])
    inputs = np.float32([[[[3.0, -2.0]]]])
    np.testing.assert_allclose(ops.convert_to_numpy(layer(inputs)), share * inputs, rtol=1e-6)


@pytest.mark.parametrize("activation", ["elu", "relu", "linear"])
def test_first_half_is_features_and_second_half_gates(rng, inputs, activation):
    layer = GatedConv2D(4, 3, activation=activation)
    layer.build(inputs.shape)
    layer.conv.bias.assign(rng.normal(size=8))
    outputs = np.float64(ops.convert_to_numpy(layer.conv(inputs)))
    features, gates = outputs[..., :4], outputs[..., 4:]
    activated = {
        "elu": np.where(features > 0, features, np.expm1(features)),
        "relu": np.maximum(features, 0),
        "linear": features,
    }[activation]
    expected = activated / (1 + np.exp(-gates))
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(inputs)), expected, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("padding", ["same", "centred"])
def test_gated_conv_keeps_the_contract(check_layer, inputs, padding):
    layer = GatedConv2D(4, 3, strides=2, activation="relu", padding=padding)
    check_layer(layer, inputs)


def test_dilated_gated_conv_keeps_the_contract(check_layer, inputs):
    check_layer(GatedConv2D(4, (3, 5), dilation_rate=2), inputs)


@pytest.mark.parametrize("layer", [GatedConv2D, PaddedConv2D])
def test_files_of_version_0_1_name_the_upsampling_otherwise(layer):
    config = layer(4, 3, upsample=True).get_config()
    assert config.pop("upsample") is True
    assert layer.from_config({**config, "enlarges": True}).get_config()["upsample"] is True
    assert layer.from_config({**config, "enlarges": False}).get_config()["upsample"] is False


def test_enlarging_gated_conv_keeps_the_contract(check_layer, inputs):
    outputs = check_layer(GatedConv2D(4, 3, upsample=True), inputs)(inputs)
    assert tuple(outputs.shape) == (2, 12, 10, 4)


def test_signal_keeps_its_strength_through_many_layers(rng):
    layers = [GatedConv2D(64, 3) for _ in range(16)]
    signal = rng.normal(size=(1, 24, 24, 64)).astype("float32")
    for layer in layers:
        signal = layer(signal)
    # Zeros around the picture take their part.
    assert 0.2 < np.mean(np.square(ops.convert_to_numpy(signal))) < 2.0


def test_published_start_can_be_asked_for():
    layer = GatedConv2D(32, 3, kernel_initializer="glorot_uniform")
    layer.build((None, None, None, 32))
    bound = np.sqrt(6 / (9 * 32 + 9 * 64))
    kernel = ops.convert_to_numpy(layer.conv.kernel)
    assert 0.99 * bound < np.abs(kernel).max() <= bound


def test_no_filters_are_refused():
    with pytest.raises(ValueError, match=r"at least 1.*filters=0"):
        GatedConv2D(0, 3)
