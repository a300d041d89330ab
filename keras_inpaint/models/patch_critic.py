"""The critic of SN-PatchGAN."""

import keras
from keras import ops

from keras_inpaint.arguments import check_int
from keras_inpaint.layers import SpectralConv2D

_MULTIPLES = (1, 2, 4, 4, 4, 4)


@keras.saving.register_keras_serializable(package="keras_inpaint")
class PatchCritic(keras.Model):
    """Scores every neighbourhood of a picture, whatever the shape of its hole.

    Six strided convolutions with spectral normalisation; every channel of every
    position of the last one is a score. There is no dense layer, so that pictures may
    have any size, and no local patch, so that holes may have any shape.

    Args:
        width: int, at least 1. Filters of the first convolution.
        channels: int. Channels of the pictures.
        padding: `"same"` or `"centred"`, see `keras_inpaint.layers.PaddedConv2D`.
        guided: bool. Whether it also sees the sketch that a guided generator was given.

    Call arguments:
        inputs: dict of `"images"`, a tensor of shape `(batch, height, width, channels)`
            in `[-1, 1]`, and `"masks"`, a tensor of shape `(batch, height, width, 1)`:
            1 in the hole, else 0; if guided, also `"sketches"`, a tensor like `masks`: 1 on a
            line, else 0.
        training: bool. Whether the power iteration's vectors are kept for the next call.

    Returns:
        Tensor of shape `(batch, scores)`: unbounded.

    Raises:
        ValueError: If `width` is below 1, or `padding` is unknown.

    Example:
    >>> critic = keras_inpaint.models.PatchCritic(width=8)
    >>> images, masks = keras.ops.ones((2, 64, 128, 3)), keras.ops.ones((2, 64, 128, 1))
    >>> tuple(critic({"images": images, "masks": masks}).shape)
    (2, 64)

    Reference:
    - [Yu et al., 2019](https://arxiv.org/abs/1806.03589), section 3.3
    """

    # Images of any size, and no local patch.
    image_size = None
    patch_size = None

    def __init__(self, width=64, channels=3, padding="same", guided=False, **kwargs):
        super().__init__(**kwargs)
        width = check_int("width", width, "counts the first convolution's filters", at_least=1)
        self.width = width
        self.channels = channels
        self.padding = padding
        self.guided = bool(guided)
        self.convolutions = [
            SpectralConv2D(
                multiple * width,
                5,
                strides=2,
                padding=padding,
                # After every convolution, the last too.
                activation=keras.layers.LeakyReLU(0.2, dtype=self.dtype_policy),
                dtype=self.dtype_policy,
                name=f"conv{index}",
            )
            for index, multiple in enumerate(_MULTIPLES, start=1)
        ]
        self.build()

    def build(self, input_shape=None):
        shape = (None, None, None, self.channels + 1 + self.guided)
        for convolution in self.convolutions:
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
        self.built = True

    def call(self, inputs, training=False):
        parts = ("images", "masks", "sketches") if self.guided else ("images", "masks")
        scores = ops.concatenate([inputs[name] for name in parts], axis=-1)
        for convolution in self.convolutions:
            scores = convolution(scores, training=training)
        # In the weights' precision: losses are sums of what may be large.
        scores = ops.cast(scores, self.variable_dtype)
        return ops.reshape(scores, (ops.shape(scores)[0], -1))

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "channels": self.channels,
            "padding": self.padding,
            "guided": self.guided,
        }
