"""Between the bytes of photos and the images of the networks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Images = NDArray[np.float32]
Holes = NDArray[np.bool_]

# The widest dilation spans 16 positions of features at a quarter of the picture's size.
# On anything smaller it would see nothing but zeros.
SMALLEST_SIZE = 64


def to_images(photos: Bytes) -> Images:
    """Photos `[0, 255]` as images `[-1, 1]`."""
    return photos.astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_photos(images: Any) -> Bytes:
    """Images `[-1, 1]` as photos: rounded to the nearest byte, clipped."""
    levels = np.rint((np.asarray(images, "float32") + 1.0) * 127.5)
    return np.clip(levels, 0.0, 255.0).astype("uint8")


def to_holes(mask: NDArray[Any]) -> Holes:
    """A mask of any of the accepted kinds as booleans: True in the hole.

    Args:
        mask: Array of bools, of zeros and ones of any type, or uint8 of grey levels
            beyond 1, where those above 127 are the hole.

    Raises:
        ValueError: If what is meant cannot be told.
    """
    if mask.dtype == bool:
        return mask
    if mask.dtype.kind not in "uif":
        raise ValueError(
            "`mask` must hold bools, zeros and ones, or uint8 grey levels. "
            f"Received: mask.dtype={mask.dtype}"
        )
    if np.isin(mask, (0, 1)).all():
        return mask.astype(bool)
    if mask.dtype != np.uint8:
        # A soft mask has no known pixels to return bit for bit.
        raise ValueError(
            f"`mask` of {mask.dtype} must hold only zeros and ones (1 = hole); give grey "
            f"levels as uint8. Received: values from {mask.min()} to {mask.max()}"
        )
    if mask.max() <= 127:
        # Labels such as 0 and 2, or a very dark grey: nothing would be filled.
        raise ValueError(
            "`mask` of grey levels must have a hole: values above 127. Give zeros and ones "
            f"(1 = hole), or 255 in the hole. Received: values from {mask.min()} to "
            f"{mask.max()}"
        )
    return np.asarray(mask > 127)


def check_photos(photos: Bytes, channels: int) -> None:
    """Refuses what is not a batch of photos `(num, height, width, channels)` of bytes."""
    one = photos.shape[1:]
    if photos.dtype != np.uint8:
        raise ValueError(
            "`photo` must hold bytes, 0 to 255. Round and convert it with "
            f'`.astype("uint8")` first. Received: photo.dtype={photos.dtype}'
        )
    if len(one) != 3 or one[-1] != channels or 0 in one:
        raise ValueError(
            f"`photo` must be of shape (height, width, {channels}), at least one pixel. "
            f"Received: photo.shape={one}"
        )


def check_masks(masks: NDArray[Any], photos: Bytes) -> None:
    """Refuses masks that are not one `(height, width)`, or `(height, width, 1)`, a photo."""
    size = photos.shape[:3]
    if masks.shape not in (size, (*size, 1)):
        raise ValueError(
            f"`mask` must have the photo's height and width, {size[1:]}, one value a "
            f"pixel. Received: mask.shape={masks.shape[1:]}"
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
