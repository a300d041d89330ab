"""Bytes of photos, images of the networks, and what a mask's numbers mean."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Images = NDArray[np.float32]
Holes = NDArray[np.bool_]

# Of 255: grey levels above this are the hole.
MASK_THRESHOLD = 127
# Weights of red, green and blue in the brightness that is seen (ITU-R BT.601, section 2.5.1).
LUMA = (0.299, 0.587, 0.114)
_HALF_RANGE = np.float32(127.5)


def to_images(photos: Any) -> Images:
    """Converts bytes, 0 to 255, to the numbers that networks see, -1 to 1.

    Args:
        photos: Array of any shape: uint8, or floats on the scale of bytes, such as means of
            bytes. Floats that rounding led beyond 0 or 255 are clipped.

    Returns:
        float32 array like `photos`: `photos / 127.5 - 1`.

    Raises:
        ValueError: If the array holds neither uint8 nor floats.

    Example:
    >>> keras_inpaint.pictures.to_images(np.array([0, 255], "uint8")).tolist()
    [-1.0, 1.0]
    """
    photos = np.asarray(photos)
    if photos.dtype != np.uint8 and photos.dtype.kind != "f":
        raise ValueError(
            "`photos` must hold bytes, 0 to 255. Round and convert them with "
            f'`.astype("uint8")` first. Received: photos.dtype={photos.dtype}'
        )
    levels = photos.astype(np.float32)
    if photos.dtype != np.uint8:
        levels = np.clip(levels, np.float32(0), np.float32(255))
    images: Images = levels / _HALF_RANGE - np.float32(1)
    return images


def to_photos(images: Any) -> Bytes:
    """Converts images, -1 to 1, to bytes: rounded to the nearest one, and clipped.

    Args:
        images: Array of floats of any shape.

    Returns:
        uint8 array like `images`. `to_photos(to_images(photos))` is `photos`.

    Raises:
        ValueError: If the array does not hold floats.

    Example:
    >>> keras_inpaint.pictures.to_photos(np.array([-1.0, 0.0, 1.2])).tolist()
    [0, 128, 255]
    """
    images = np.asarray(images)
    if images.dtype.kind != "f" and images.dtype.name != "bfloat16":
        raise ValueError(
            "`images` must hold floats, -1 to 1, as networks return them. "
            f"Received: images.dtype={images.dtype}"
        )
    return np.clip(np.rint(to_levels(images)), 0.0, 255.0).astype(np.uint8)


def to_grey(photos: NDArray[Any]) -> NDArray[Any]:
    """Makes photos grey.

    Args:
        photos: uint8 or float32 array of shape `(..., 3)`: RGB.

    Returns:
        Array of the type of `photos` and of shape `(..., 1)`: the brightness that is seen. Of
        what is grey already, its very values.
    """
    grey = photos.astype(np.float32) @ np.asarray(LUMA, np.float32)[:, None]
    grey = np.rint(grey) if photos.dtype == np.uint8 else grey
    return np.asarray(grey.astype(photos.dtype))


def to_levels(images: Any) -> Images:
    """Converts images, -1 to 1, to the scale of bytes, neither rounded nor clipped."""
    levels: Images = (np.asarray(images, np.float32) + np.float32(1)) * _HALF_RANGE
    return levels
