"""A picture file's content, upright and whole."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Picture:
    """The pixels of a picture and what has to travel with them.

    Keeping alpha, colour profile and EXIF beside the pixels lets a picture
    be read, changed and written again without losing any of them:
    `dataclasses.replace(picture, pixels=...)`.

    Args:
        pixels: uint8 array of shape `(height, width, 3)`: RGB, upright.
        alpha: uint8 array of shape `(height, width)`, or None: opacity,
            255 where nothing shines through.
        icc_profile: bytes or None. The RGB colour profile that gives
            `pixels` their meaning; None is read as sRGB by most programs.
        exif: bytes or None. EXIF data whose orientation is already applied
            to `pixels` and no longer stands in it.

    Raises:
        ValueError: If an array has another type or shape.

    Example:
    >>> picture = keras_inpaint.pictures.Picture(np.zeros((2, 3, 3), "uint8"))
    >>> picture.size
    (2, 3)
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    icc_profile: bytes | None = None
    exif: bytes | None = None

    def __post_init__(self) -> None:
        shape, dtype = np.shape(self.pixels), np.asarray(self.pixels).dtype
        if dtype != np.uint8 or len(shape) != 3 or shape[-1] != 3 or 0 in shape:
            raise ValueError(
                "`pixels` must be a uint8 array of shape (height, width, 3). "
                f"Received: pixels of type {dtype} and shape {shape}"
            )
        if self.alpha is None:
            return
        if self.alpha.dtype != np.uint8 or self.alpha.shape != shape[:2]:
            raise ValueError(
                "`alpha` must be a uint8 array of the size of `pixels`, "
                f"{shape[:2]}. Received: alpha of type {self.alpha.dtype} and "
                f"shape {self.alpha.shape}"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]
