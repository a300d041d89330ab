"""The network of the first, coarse guess."""

import keras
from keras import ops

from keras_inpaint.models.convolution_chain import (
    Convolution,
    ConvolutionChain,
    output_activation_named,
    output_convolution,
)

_ENCODER = (
    Convolution("conv1", 1, kernel_size=5),
    Convolution("conv2_downsample", 2, strides=2),
    Convolution("conv3", 2),
    Convolution("conv4_downsample", 4, strides=2),
    Convolution("conv5", 4),
    Convolution("conv6", 4),
    Convolution("conv7_atrous", 4, dilation_rate=2),
    Convolution("conv8_atrous", 4, dilation_rate=4),
    Convolution("conv9_atrous", 4, dilation_rate=8),
    Convolution("conv10_atrous", 4, dilation_rate=16),
    Convolution("conv11", 4),
    Convolution("conv12", 4),
)
_DECODER = (
    Convolution("conv13_upsample", 2, upsample=True),
    Convolution("conv14", 2),
    Convolution("conv15_upsample", 1, upsample=True),
    Convolution("conv16", 0.5),
)


@keras.saving.register_keras_serializable(package="keras_inpaint")
class CoarseNetwork(keras.layers.Layer):
    """Fills the hole with a blurred first guess of its colours.

    An encoder to a quarter of the picture's size, dilated convolutions that see far
    beyond the hole, and a decoder back to full size.

    Args:
        width: int. Filters of the first convolution.
        gated: bool. Whether the convolutions are gated (v2) or plain (v1).
        output_activation: `"clip"` (v1) or `"tanh"` (v2). Both end in `[-1, 1]`.
        channels: int. Channels of the pictures.
        padding: `"same"`, `"centred"` or `"reflect"`, see
            `keras_inpaint.layers.PaddedConv2D`.
        kernel_initializer: str, dict or `None`. See `keras_inpaint.models.Generator`.
        gated_output: bool. Whether the output convolution is gated too.
        guided: bool. Whether a sketch of what the hole is to show is an input.

    Call arguments:
        corrupted: Tensor of shape `(batch, height, width, channels)`, in `[-1, 1]`, 0
            in the hole; height and width are multiples of 4.
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0.
        sketches: Tensor like `masks`: 1 on a line, else 0. Of guided networks alone; `None`
            if nothing is drawn.

    Returns:
        Tensor like `corrupted`: the network's view of every pixel.

    Raises:
        ValueError: If `width`, `output_activation` or `padding` is out of bounds.

    Example:
    >>> network = keras_inpaint.models.CoarseNetwork(width=8)
    >>> tuple(network(keras.ops.zeros((1, 32, 48, 3)), keras.ops.ones((1, 32, 48, 1))).shape)
    (1, 32, 48, 3)

    Reference:
    - [Yu et al., 2018](https://arxiv.org/abs/1801.07892), section 3.1 and appendix B
    """

    def __init__(
        self,
        width=48,
        gated=True,
        output_activation="tanh",
        channels=3,
        padding="same",
        kernel_initializer=None,
        gated_output=False,
        guided=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.width = width
        self.gated = gated
        self.output_activation = output_activation
        self.activation = output_activation_named(output_activation)
        self.channels = channels
        self.padding = padding
        self.kernel_initializer = kernel_initializer
        self.gated_output = gated_output
        self.guided = guided
        chain = {
            "width": width,
            "gated": gated,
            "padding": padding,
            "kernel_initializer": kernel_initializer,
            "dtype": self.dtype_policy,
        }
        self.body = ConvolutionChain(_ENCODER + _DECODER, **chain, name="body")
        self.head = output_convolution(
            channels, gated_output, padding, self.dtype_policy, name="conv17"
        )

    def build(self, corrupted_shape, masks_shape=None, sketches_shape=None):
        shape = (None, None, None, self.channels + self.guided + 2)
        self.body.build(shape)
        self.head.build(self.body.compute_output_shape(shape))

    def call(self, corrupted, masks, sketches=None):
        inputs = [corrupted, ops.ones_like(masks), masks]
        if self.guided:
            drawn = ops.zeros_like(masks) if sketches is None else sketches * masks
            inputs.insert(1, drawn)
        inputs = ops.concatenate(inputs, axis=-1)
        return self.activation(self.head(self.body(inputs)))

    def compute_output_shape(self, corrupted_shape, masks_shape=None, sketches_shape=None):
        return corrupted_shape

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "gated": self.gated,
            "output_activation": self.output_activation,
            "channels": self.channels,
            "padding": self.padding,
            "kernel_initializer": self.kernel_initializer,
            "gated_output": self.gated_output,
            "guided": self.guided,
        }
