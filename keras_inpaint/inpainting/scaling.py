"""Photos, holes and fillings at other sizes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_inpaint.inpainting.pixels import Bytes, Holes

Size = tuple[int, int]


def shrink(photo: Bytes, size: Size) -> Bytes:
    """Makes a photo smaller; each pixel is the mean of those that it covers.

    Args:
        photo: uint8 array of shape `(height, width, channels)`.
        size: Height and width of the result.
    """
    return _resize(photo, size, Image.Resampling.BOX)


def shrink_holes(holes: Holes, size: Size) -> Holes:
    """Makes a mask smaller: a pixel is in the hole if any that it covers is.

    So what lies in the hole never shows in the known pixels of a photo that `shrink`
    made as small.

    Args:
        holes: bool array of shape `(height, width)`: True in the hole.
        size: Height and width of the result.
    """
    if holes.shape == size:
        return holes
    # As floats: of bytes, the share of a single pixel would be rounded away.
    shares = Image.fromarray(holes.astype(np.float32)).resize(size[::-1], Image.Resampling.BOX)
    return np.asarray(np.asarray(shares) > 0)


def enlarge(photo: Bytes, size: Size) -> Bytes:
    """Makes a photo larger, and as sharp as that can be.

    Args:
        photo: uint8 array of shape `(height, width, channels)`.
        size: Height and width of the result.
    """
    return _resize(photo, size, Image.Resampling.LANCZOS)


def _resize(photo: NDArray[Any], size: Size, resampling: Image.Resampling) -> Bytes:
    if photo.shape[:2] == size:
        return photo
    # One by one, for Pillow has no pictures of any number of channels.
    channels = [
        Image.fromarray(np.ascontiguousarray(photo[..., channel])).resize(
            size[::-1], resampling
        )
        for channel in range(photo.shape[-1])
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)
