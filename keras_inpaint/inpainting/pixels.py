"""Checks of photos and masks, and padding to the sizes that a network takes."""

from typing import Any

import numpy as np

from keras_inpaint.pictures.pixels import Bytes

# The widest dilation spans 16 positions of features at a quarter of the picture's size.
# On anything smaller it would see nothing but zeros.
SMALLEST_SIZE = 64


def check_photos(photos: Bytes, channels: int) -> None:
    """Refuses what is not a batch of photos `(num, height, width, channels)` of bytes.

    Grey ones, of one channel, may be RGB too.
    """
    one = photos.shape[1:]
    if photos.dtype != np.uint8:
        # Converted as it is, a photo of 0 to 1 would be black.
        is_unit = photos.dtype.kind == "f" and photos.size and np.nanmax(photos) <= 1
        way = (
            "Multiply it by 255, round it, and convert it"
            if is_unit
            else "Round and convert it"
        )
        raise ValueError(
            f'`photo` must hold bytes, 0 to 255. {way} with `.astype("uint8")` first. '
            f"Received: photo.dtype={photos.dtype}"
            + (f", values up to {photos.max():g}" if is_unit else "")
        )
    if len(one) != 3 or one[-1] not in (channels, 3 if channels == 1 else channels) or 0 in one:
        raise ValueError(
            f"`photo` must be of shape (height, width, {channels}), at least one pixel. "
            f"Received: photo.shape={one}"
        )


def padded_size(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    """The height and width at which a network is shown pictures of a size."""
    height, width = (-(-max(side, SMALLEST_SIZE) // multiple) * multiple for side in size)
    return height, width


def pad(pictures: Any, multiple: int) -> Any:
    """Continues pictures below and to the right as mirrors would.

    Args:
        pictures: Array of shape `(num, height, width, channels)`.
        multiple: int. What the new height and width are divisible by.
    """
    size = pictures.shape[1:3]
    missing = np.subtract(padded_size(size, multiple), size)
    return np.pad(pictures, ((0, 0), *((0, more) for more in missing), (0, 0)), "symmetric")
