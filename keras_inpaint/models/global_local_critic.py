"""The pair of critics of WGAN-GP."""

import keras
from keras import ops

from keras_inpaint.layers import PaddedConv2D

_STRIDE = 16


@keras.saving.register_keras_serializable(package="keras_inpaint")
class GlobalLocalCritic(keras.Model):
    """Scores whole pictures and the patches around their holes, each with a critic.

    The global critic judges whether the filled picture is coherent, the local one
    whether the filled hole is sharp. Each is four strided convolutions and a dense
    layer, so that their input sizes are fixed.

    Args:
        width: int, at least 1. Filters of the first convolutions.
        image_size: int or pair of ints. Height and width of the pictures, multiples of 16.
        patch_size: int or pair of ints. Height and width of the local patches, multiples
            of 16.
        channels: int. Channels of the pictures.
        padding: `"same"` or `"centred"`, see `keras_inpaint.layers.PaddedConv2D`.
        local_multiples: sequence of four ints. The local convolutions' filters in units
            of `width`; the PyTorch port has `(1, 2, 4, 4)`.
        global_multiples: sequence of four ints. The same for the global convolutions.

    Call arguments:
        inputs: dict of `"images"`, a tensor of shape `(batch, *image_size, channels)`,
            and `"patches"`, a tensor of shape `(batch, *patch_size, channels)`, both in
            `[-1, 1]`.

    Returns:
        dict of `"global"` and `"local"`: unbounded scores of shape `(batch,)`.

    Raises:
        ValueError: If a size is no multiple of 16 or a patch exceeds the picture.

    Example:
    >>> critic = keras_inpaint.models.GlobalLocalCritic(8, image_size=64, patch_size=32)
    >>> images, patches = keras.ops.ones((2, 64, 64, 3)), keras.ops.ones((2, 32, 32, 3))
    >>> scores = critic({"images": images, "patches": patches})
    >>> tuple(scores["global"].shape), tuple(scores["local"].shape)
    ((2,), (2,))

    Reference:
    - [Yu et al., 2018](https://arxiv.org/abs/1801.07892), section 3.1, "Global and local
      Wasserstein GANs"
    """

    def __init__(
        self,
        width=64,
        image_size=256,
        patch_size=128,
        channels=3,
        padding="same",
        local_multiples=(1, 2, 4, 8),
        global_multiples=(1, 2, 4, 4),
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.width = width
        self.image_size = _pair(image_size)
        self.patch_size = _pair(patch_size)
        self.channels = channels
        self.padding = padding
        self.local_multiples = tuple(local_multiples)
        self.global_multiples = tuple(global_multiples)
        _check_sizes(self.image_size, self.patch_size)
        self.global_critic = self._critic("global", self.image_size, self.global_multiples)
        self.local_critic = self._critic("local", self.patch_size, self.local_multiples)
        self.built = True

    def call(self, inputs):
        scores = {
            "global": self.global_critic(inputs["images"]),
            "local": self.local_critic(inputs["patches"]),
        }
        # In the weights' precision: losses are sums of what may be large.
        return {
            side: ops.cast(score[:, 0], self.variable_dtype) for side, score in scores.items()
        }

    def _critic(self, name, size, multiples):
        dtype = self.dtype_policy
        layers = [keras.Input((*size, self.channels), dtype=self.compute_dtype)]
        for index, multiple in enumerate(multiples, start=1):
            convolution = PaddedConv2D(
                multiple * self.width,
                5,
                strides=2,
                padding=self.padding,
                dtype=dtype,
                name=f"conv{index}",
            )
            # After every convolution, the last too.
            layers += [convolution, keras.layers.LeakyReLU(0.2, dtype=dtype)]
        layers += [keras.layers.Flatten(data_format="channels_last", dtype=dtype)]
        layers += [keras.layers.Dense(1, dtype=dtype)]
        return keras.Sequential(layers, name=name)

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "image_size": self.image_size,
            "patch_size": self.patch_size,
            "channels": self.channels,
            "padding": self.padding,
            "local_multiples": self.local_multiples,
            "global_multiples": self.global_multiples,
        }


def _pair(size):
    return (size, size) if isinstance(size, int) else tuple(size)


def _check_sizes(image_size, patch_size):
    for name, size in (("image_size", image_size), ("patch_size", patch_size)):
        if any(length < _STRIDE or length % _STRIDE for length in size):
            raise ValueError(
                f"`{name}` must be a multiple of {_STRIDE}, the stride of the critics. "
                f"Received: {name}={size}"
            )
    if any(patch > image for patch, image in zip(patch_size, image_size, strict=True)):
        raise ValueError(
            "`patch_size` must not exceed `image_size`: patches are cut from pictures. "
            f"Received: patch_size={patch_size}, image_size={image_size}"
        )
