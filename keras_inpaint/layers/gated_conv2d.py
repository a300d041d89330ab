"""Convolution with a learned soft mask."""

import keras
from keras import ops

from keras_inpaint.arguments import check_int
from keras_inpaint.layers.padded_conv2d import PaddedConv2D

# Of a normal signal, and a normal gate of its own, both of mean square 5, ELU and sigmoid
# leave a mean square of 1: it neither fades nor grows from layer to layer.
_SCALE = 5.0


@keras.saving.register_keras_serializable(package="keras_inpaint")
class GatedConv2D(keras.layers.Layer):
    """2D convolution whose features are scaled by a learned soft mask.

    A plain convolution treats pixels inside the hole like any others. Here one
    convolution computes features and gates together, so that every position and
    channel learns by itself how far its input is to be trusted.

    Args:
        filters: int, at least 1. Channels of the output. The convolution computes
            twice as many: the first half are the features, the second the gates.
        kernel_size: odd int or pair of odd ints, in pixels.
        strides: int or pair of ints. Step of the window, in pixels.
        dilation_rate: int or pair of ints. Distance of the kernel's taps, in pixels.
        activation: Activation of the features; the gates are always a sigmoid.
        padding: `"same"` or `"centred"`, see `PaddedConv2D`.
        upsample: bool. Whether images are first upsampled to twice their size by nearest
            neighbours.
        kernel_initializer: Initializer of the kernel, or its name; unless given, one under
            which a signal keeps its strength through many gated layers. The published code
            starts from `"glorot_uniform"`, under which it fades.

    Call arguments:
        inputs: Tensor of shape `(batch, height, width, channels)`.

    Returns:
        Tensor of shape `(batch, ceil(height / strides), ceil(width / strides), filters)`,
        or `(batch, 2 * height, 2 * width, filters)` if it upsamples.

    Raises:
        ValueError: If `filters` is below 1, or `PaddedConv2D` refuses an argument.

    Example:
    >>> layer = keras_inpaint.layers.GatedConv2D(32, 5, strides=2)
    >>> tuple(layer(keras.ops.ones((1, 64, 64, 5))).shape)
    (1, 32, 32, 32)

    Reference:
    - [Yu et al., 2019](https://arxiv.org/abs/1806.03589), section 3.1
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        dilation_rate=1,
        activation="elu",
        padding="same",
        upsample=False,
        kernel_initializer=None,
        **kwargs,
    ):
        # The argument's name in files of version 0.1.
        upsample = kwargs.pop("enlarges", upsample)
        super().__init__(**kwargs)
        filters = check_int("filters", filters, "counts output channels", at_least=1)
        self.filters = filters
        self.activation = keras.activations.get(activation)
        self.conv = PaddedConv2D(
            2 * filters,
            kernel_size,
            strides,
            padding=padding,
            upsample=upsample,
            dilation_rate=dilation_rate,
            kernel_initializer=kernel_initializer
            or keras.initializers.VarianceScaling(_SCALE, "fan_in"),
            dtype=self.dtype_policy,
            name="conv",
        )

    def build(self, input_shape):
        self.conv.build(input_shape)

    def call(self, inputs):
        if keras.backend.backend() == "jax":
            # XLA cuts the outputs within the product; twice the filters fill accelerators.
            outputs = self.conv.convolve(inputs, self.conv.kernel, self.conv.bias, _as_it_is)
            features, gates = ops.split(outputs, 2, axis=-1)
            return self.activation(features) * ops.sigmoid(gates)
        # On TensorFlow two convolutions, each of which is made one with its activation, are
        # faster than one whose outputs are cut in two.
        kernels = ops.split(self.conv.kernel, 2, axis=-1)
        biases = ops.split(self.conv.bias, 2)
        features = self.conv.convolve(inputs, kernels[0], biases[0], self.activation)
        return features * self.conv.convolve(inputs, kernels[1], biases[1], ops.sigmoid)

    def compute_output_shape(self, input_shape):
        return (*self.conv.compute_output_shape(input_shape)[:-1], self.filters)

    def get_config(self):
        conv = self.conv.get_config()
        return {
            **super().get_config(),
            "filters": self.filters,
            "activation": keras.activations.serialize(self.activation),
            **{
                name: conv[name]
                for name in (
                    "kernel_size",
                    "strides",
                    "dilation_rate",
                    "padding",
                    "upsample",
                    "kernel_initializer",
                )
            },
        }


def _as_it_is(outputs):
    return outputs
