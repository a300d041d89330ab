"""A corruption of images other than a blank hole."""

import keras

from keras_inpaint.arguments import check_int
from keras_inpaint.ops.mosaic import TILE_SIZE, mosaic


@keras.saving.register_keras_serializable(package="keras_inpaint")
class Mosaic:
    """Shows the hole in coarse tiles instead of blanking it.

    Networks trained with it restore what was pixelated: they see the colours of the tiles.
    Where the hole is, is drawn by a sampler of masks.

    Args:
        size: int, at least 1. Height and width of the tiles, in pixels.

    Call arguments:
        images: Float tensor of shape `(batch, height, width, channels)`.
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0.

    Returns:
        Tensor like `images`, see `keras_inpaint.ops.mosaic`.

    Raises:
        ValueError: If `size` is no int of at least 1.

    Example:
    >>> corruption = keras_inpaint.masks.Mosaic(size=8)
    >>> images, masks = keras.ops.ones((1, 32, 32, 3)), keras.ops.ones((1, 32, 32, 1))
    >>> float(keras.ops.mean(corruption(images, masks)))
    1.0
    """

    def __init__(self, size=16):
        self.size = check_int("size", size, TILE_SIZE, at_least=1)

    def __call__(self, images, masks):
        return mosaic(images, masks, self.size)

    def get_config(self):
        return {"size": self.size}

    @classmethod
    def from_config(cls, config):
        return cls(**config)
