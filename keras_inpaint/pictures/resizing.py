"""Photos, images and masks at other sizes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_inpaint.pictures.pixels import Holes

Size = tuple[int, int]


def centre_square(height: int, width: int) -> tuple[int, int, int]:
    """Finds the largest square in the middle of a photo.

    Args:
        height: int. Height of the photo, in pixels.
        width: int. Width of the photo, in pixels.

    Returns:
        Tuple of ints: top, left and side.

    Example:
    >>> from keras_inpaint.pictures.resizing import centre_square
    >>> centre_square(480, 641)
    (0, 80, 480)
    """
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side


def downsample(photo: NDArray[Any], size: Size) -> NDArray[Any]:
    """Makes a photo smaller; each pixel is the mean of those that it covers.

    Args:
        photo: uint8 or float32 array of shape `(height, width, channels)`. Means of bytes
            are rounded, after the rows and after the columns.
        size: Height and width of the result.

    Returns:
        Array of the type of `photo` and of shape `(*size, channels)`.
    """
    return _resize(photo, size, Image.Resampling.BOX)


def upsample(photo: NDArray[Any], size: Size, is_sharp: bool = True) -> NDArray[Any]:
    """Makes a photo larger.

    Args:
        photo: uint8 or float32 array of shape `(height, width, channels)`.
        size: Height and width of the result.
        is_sharp: bool. Whether it is to be as sharp as that can be (Lanczos), or without
            values beyond those of `photo` (bilinear).

    Returns:
        Array of the type of `photo` and of shape `(*size, channels)`.
    """
    kind = Image.Resampling.LANCZOS if is_sharp else Image.Resampling.BILINEAR
    return _resize(photo, size, kind)


def resize_holes(holes: Holes, size: Size) -> Holes:
    """Makes a mask smaller or larger: a pixel is in the hole if any that it covers is.

    So a thin scratch does not vanish, and what lies in the hole never shows in the known
    pixels of a photo that `downsample` made as small.

    Args:
        holes: bool array of shape `(height, width)`: True in the hole.
        size: Height and width of the result.

    Returns:
        bool array of shape `size`. In a larger mask, the nearest neighbours.
    """
    if holes.shape == size:
        return holes
    # As floats: of bytes, the fraction of a single pixel would be rounded away.
    fractions = Image.fromarray(holes.astype(np.float32)).resize(
        size[::-1], Image.Resampling.BOX
    )
    # Any fraction at all: sums of zeros are 0 exactly, and one pixel of a large photo may
    # be less than a millionth of what a pixel of the result covers.
    return np.asarray(np.asarray(fractions) > 0)


def _resize(photo: NDArray[Any], size: Size, kind: Image.Resampling) -> NDArray[Any]:
    if photo.shape[:2] == size:
        return photo
    # One by one, for Pillow has no pictures of any number of channels.
    channels = [
        Image.fromarray(np.ascontiguousarray(photo[..., channel])).resize(size[::-1], kind)
        for channel in range(photo.shape[-1])
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)
