"""Convolutions one after the other, as the publications list them."""

from dataclasses import dataclass

import keras
from keras import ops

from keras_inpaint.arguments import check_choice
from keras_inpaint.layers import GatedConv2D, PaddedConv2D

# How a network's last numbers become colours.
_ACTIVATIONS = {
    "clip": lambda pictures: ops.clip(pictures, -1.0, 1.0),
    "tanh": ops.tanh,
}


@dataclass(frozen=True)
class Convolution:
    """One line of a publication's list of layers.

    Args:
        name: str. As in the published checkpoints.
        multiple: float. Filters, in units of the network's `width`.
        kernel_size: int, in pixels.
        strides: int, in pixels.
        dilation_rate: int, in pixels.
        activation: str. Of the features.
        upsample: bool. Whether the input is first upsampled to twice its size.
    """

    name: str
    multiple: float
    kernel_size: int = 3
    strides: int = 1
    dilation_rate: int = 1
    activation: str = "elu"
    upsample: bool = False


class ConvolutionChain(keras.layers.Layer):
    """Convolutions one after the other, gated or not.

    Args:
        convolutions: tuple of `Convolution`.
        width: int. Filters of a convolution whose `multiple` is 1.
        gated: bool. Whether the second half of the filters gates the first, so that
            half as many channels leave each convolution.
        padding: `"same"`, `"centred"` or `"reflect"`, see
            `keras_inpaint.layers.PaddedConv2D`.
        kernel_initializer: str, dict or `None`. See `keras_inpaint.models.Generator`.

    Call arguments:
        inputs: Tensor of shape `(batch, height, width, channels)`.

    Returns:
        Tensor of shape `(batch, height', width', channels')`.

    Raises:
        ValueError: If `width` leaves a convolution without a whole number of filters.
    """

    def __init__(
        self, convolutions, width, gated, padding="same", kernel_initializer=None, **kwargs
    ):
        super().__init__(**kwargs)
        _check_width(width, gated, convolutions)
        self.convolutions = convolutions
        common = {"padding": padding, "dtype": self.dtype_policy}
        if kernel_initializer is not None:
            common["kernel_initializer"] = kernel_initializer
        self.steps = [_layer(row, width, gated, common) for row in convolutions]

    def build(self, input_shape):
        for step in self.steps:
            step.build(input_shape)
            input_shape = step.compute_output_shape(input_shape)

    def call(self, inputs):
        for step in self.steps:
            inputs = step(inputs)
        return inputs

    def compute_output_shape(self, input_shape):
        for step in self.steps:
            input_shape = step.compute_output_shape(input_shape)
        return input_shape


def _check_width(width, gated, convolutions):
    # As many as the narrowest convolution needs for one channel and, if gated, its gate.
    narrowest = min(row.multiple for row in convolutions)
    multiple = max(1, round((2 if gated else 1) / narrowest))
    if width < 1 or width % multiple:
        raise ValueError(
            f"`width` must be a positive multiple of {multiple} for "
            f"{'gated' if gated else 'plain'} convolutions. Received: width={width}"
        )


def _layer(row, width, gated, common):
    filters = int(row.multiple * width)
    options = {
        "kernel_size": row.kernel_size,
        "strides": row.strides,
        "dilation_rate": row.dilation_rate,
        "activation": row.activation,
        "upsample": row.upsample,
        "name": row.name,
        **common,
    }
    return GatedConv2D(filters // 2, **options) if gated else PaddedConv2D(filters, **options)


def output_convolution(channels, gated, padding, dtype, name):
    """Makes the convolution to the pictures' channels, without an activation.

    Args:
        channels: int. Channels of the pictures.
        gated: bool. Whether it is gated; the published ones are not.
        padding: `"same"`, `"centred"` or `"reflect"`.
        dtype: Dtype policy.
        name: str. As in the published checkpoints.

    Returns:
        `keras_inpaint.layers.GatedConv2D` or `PaddedConv2D`, which starts from Keras's own
        initializer.
    """
    options = {"padding": padding, "dtype": dtype, "name": name}
    if gated:
        return GatedConv2D(channels, 3, activation="linear", **options)
    return PaddedConv2D(channels, 3, **options)


def output_activation_named(name):
    """Returns the function of a name.

    Args:
        name: `"clip"` (v1) or `"tanh"` (v2). Both end in `[-1, 1]`.

    Returns:
        function of a tensor, number by number.

    Raises:
        ValueError: If the name is another.
    """
    check_choice("output_activation", name, _ACTIVATIONS)
    return _ACTIVATIONS[name]
