"""The network of the second, refined guess."""

import keras
from keras import ops

from keras_inpaint.layers import ContextualAttention
from keras_inpaint.models.convolution_chain import (
    Convolution,
    ConvolutionChain,
    output_activation_named,
    output_convolution,
)

_DILATED_BRANCH = (
    Convolution("xconv1", 1, kernel_size=5),
    Convolution("xconv2_downsample", 1, strides=2),
    Convolution("xconv3", 2),
    Convolution("xconv4_downsample", 2, strides=2),
    Convolution("xconv5", 4),
    Convolution("xconv6", 4),
    Convolution("xconv7_atrous", 4, dilation_rate=2),
    Convolution("xconv8_atrous", 4, dilation_rate=4),
    Convolution("xconv9_atrous", 4, dilation_rate=8),
    Convolution("xconv10_atrous", 4, dilation_rate=16),
)
_BEFORE_ATTENTION = (
    Convolution("pmconv1", 1, kernel_size=5),
    Convolution("pmconv2_downsample", 1, strides=2),
    Convolution("pmconv3", 2),
    Convolution("pmconv4_downsample", 4, strides=2),
    Convolution("pmconv5", 4),
)
_AFTER_ATTENTION = (
    Convolution("pmconv9", 4),
    Convolution("pmconv10", 4),
)
_JOIN = (
    Convolution("allconv11", 4),
    Convolution("allconv12", 4),
    Convolution("allconv13_upsample", 2, upsample=True),
    Convolution("allconv14", 2),
    Convolution("allconv15_upsample", 1, upsample=True),
    Convolution("allconv16", 0.5),
)


@keras.saving.register_keras_serializable(package="keras_inpaint")
class RefineNetwork(keras.layers.Layer):
    """Redraws the hole in detail, from a first guess and from the rest of the picture.

    Two branches, one of dilated convolutions that invents and one of contextual
    attention that copies, are joined by a common decoder.

    Args:
        width: int. Filters of the first convolution.
        gated: bool. Whether the convolutions are gated (v2) or plain (v1).
        output_activation: `"clip"` (v1) or `"tanh"` (v2). Both end in `[-1, 1]`.
        sees_mask: bool. Whether the mask is an input (v1) or not (v2).
        channels: int. Channels of the pictures.
        padding: `"same"`, `"centred"` or `"reflect"`, see
            `keras_inpaint.layers.PaddedConv2D`.
        attention: dict or `None`. Arguments of `keras_inpaint.layers.ContextualAttention`.
        decoder_width: int or `None`. What the decoder's filters are multiples of, if not of
            `width`.
        gated_output: bool. Whether the output convolution is gated too.
        key_activation: str. Activation of the features that the attention compares: `"relu"`
            as published.
        kernel_initializer: str, dict or `None`. See `keras_inpaint.models.Generator`.

    Call arguments:
        guess: Tensor of shape `(batch, height, width, channels)`, in `[-1, 1]`: the
            pictures with their holes filled by the first guess; height and width are
            multiples of 8.
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0.

    Returns:
        tuple: the network's view of every pixel, a tensor like `guess`, and the
        attention's `"offsets"`, see `keras_inpaint.layers.ContextualAttention`.

    Raises:
        ValueError: If `width`, `output_activation` or `padding` is out of bounds.

    Example:
    >>> network = keras_inpaint.models.RefineNetwork(width=8)
    >>> guess, masks = keras.ops.zeros((1, 32, 48, 3)), keras.ops.ones((1, 32, 48, 1))
    >>> refined, offsets = network(guess, masks)
    >>> tuple(refined.shape), tuple(offsets.shape)
    ((1, 32, 48, 3), (1, 4, 6, 2))

    Reference:
    - [Yu et al., 2018](https://arxiv.org/abs/1801.07892), section 4.1
    """

    def __init__(
        self,
        width=48,
        gated=True,
        output_activation="tanh",
        sees_mask=False,
        channels=3,
        padding="same",
        attention=None,
        kernel_initializer=None,
        decoder_width=None,
        gated_output=False,
        key_activation="relu",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.width = width
        self.gated = gated
        self.output_activation = output_activation
        self.activation = output_activation_named(output_activation)
        self.sees_mask = sees_mask
        self.channels = channels
        self.padding = padding
        self.attention_arguments = dict(attention or {})
        self.kernel_initializer = kernel_initializer
        self.decoder_width = decoder_width
        self.gated_output = gated_output
        self.key_activation = key_activation
        chain = {
            "width": width,
            "gated": gated,
            "padding": padding,
            "kernel_initializer": kernel_initializer,
            "dtype": self.dtype_policy,
        }
        self.dilated_branch = ConvolutionChain(_DILATED_BRANCH, **chain, name="dilated_branch")
        self.before_attention = ConvolutionChain(
            (*_BEFORE_ATTENTION, Convolution("pmconv6", 4, activation=key_activation)),
            **chain,
            name="before_attention",
        )
        self.attention = ContextualAttention(
            **self.attention_arguments, dtype=self.dtype_policy, name="attention"
        )
        self.after_attention = ConvolutionChain(
            _AFTER_ATTENTION, **chain, name="after_attention"
        )
        self.join = ConvolutionChain(
            _JOIN, **{**chain, "width": decoder_width or width}, name="join"
        )
        self.head = output_convolution(
            channels, gated_output, padding, self.dtype_policy, name="allconv17"
        )

    def build(self, guess_shape, masks_shape=None):
        channels = self.channels + (2 if self.sees_mask else 0)
        self.dilated_branch.build((None, None, None, channels))
        self.before_attention.build((None, None, None, channels))
        features = self.before_attention.compute_output_shape((None, None, None, channels))
        self.attention.build(features)
        self.after_attention.build(features)
        joined = (None, None, None, 2 * features[-1])
        self.join.build(joined)
        self.head.build(self.join.compute_output_shape(joined))

    def call(self, guess, masks):
        inputs = guess
        if self.sees_mask:
            inputs = ops.concatenate([guess, ops.ones_like(masks), masks], axis=-1)
        dilated = self.dilated_branch(inputs)
        attended = self.attention(self.before_attention(inputs), masks)
        copied = self.after_attention(attended["features"])
        joined = self.join(ops.concatenate([dilated, copied], axis=-1))
        return self.activation(self.head(joined)), attended["offsets"]

    def compute_output_spec(self, guess, masks):
        batch, height, width, _ = guess.shape
        grid = [size and size // (4 * self.attention.rate) for size in (height, width)]
        return (
            keras.KerasTensor(guess.shape, self.compute_dtype),
            keras.KerasTensor((batch, *grid, 2), "int32"),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "gated": self.gated,
            "output_activation": self.output_activation,
            "sees_mask": self.sees_mask,
            "channels": self.channels,
            "padding": self.padding,
            "attention": dict(self.attention_arguments),
            "kernel_initializer": self.kernel_initializer,
            "decoder_width": self.decoder_width,
            "gated_output": self.gated_output,
            "key_activation": self.key_activation,
        }
