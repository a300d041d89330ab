"""A picture file's content, upright and whole."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Chunks = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, eq=False)
class Picture:
    """The pixels of a picture and what has to travel with them.

    Keeping alpha, colour profile, EXIF and the rest beside the pixels lets a picture
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
        deep: uint16 array of shape `(height, width, 3)`, or 4 with alpha, or None: the
            picture at 16 bits a channel, of which `pixels` and `alpha` are the nearest
            bytes. Where these were changed since, they count, and `deep` does not.
        xmp: bytes or None. XMP data, as `exif`.
        text: Tuple of pairs of the kind and the content of a text chunk, as PNG files hold
            them.
        colour: Tuple of pairs as `text`: the chunks by which PNG files say what the numbers
            of the pixels mean, such as `gAMA`.
        resolution: Pair of floats or None. Pixels an inch, across and down.
        num_frames: int. Frames or pages of the file, of which this is one.
        unkept: Tuple of str. What the file holds and this does not, in words for people.

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
    deep: NDArray[np.uint16] | None = None
    xmp: bytes | None = None
    text: Chunks = ()
    colour: Chunks = ()
    resolution: tuple[float, float] | None = None
    num_frames: int = 1
    unkept: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape, dtype = np.shape(self.pixels), np.asarray(self.pixels).dtype
        if dtype != np.uint8 or len(shape) != 3 or shape[-1] != 3 or 0 in shape:
            raise ValueError(
                "`pixels` must be a uint8 array of shape (height, width, 3). "
                f"Received: pixels of type {dtype} and shape {shape}"
            )
        if self.alpha is not None and (
            self.alpha.dtype != np.uint8 or self.alpha.shape != shape[:2]
        ):
            raise ValueError(
                "`alpha` must be a uint8 array of the size of `pixels`, "
                f"{shape[:2]}. Received: alpha of type {self.alpha.dtype} and "
                f"shape {self.alpha.shape}"
            )
        if self.deep is not None and (
            self.deep.dtype != np.uint16 or self.deep.shape[:2] != shape[:2]
        ):
            raise ValueError(
                "`deep` must be a uint16 array of the size of `pixels`, "
                f"{shape[:2]}. Received: deep of type {self.deep.dtype} and "
                f"shape {self.deep.shape}"
            )

    @classmethod
    def of(cls, pixels: Any, name: str = "pixels") -> Self:
        """Makes a picture of an array, as a file of these pixels is read.

        Args:
            pixels: uint8 array of shape `(height, width)` or `(height, width, 1)`: grey;
                `(height, width, 3)`: RGB; or `(height, width, 4)`: with alpha.
            name: str. What the caller calls it, for the error.

        Raises:
            ValueError: If it has another type or shape.

        Example:
        >>> keras_inpaint.pictures.Picture.of(np.zeros((2, 3), "uint8")).pixels.shape
        (2, 3, 3)
        """
        values = np.asarray(pixels)
        layers = values[..., None] if values.ndim == 2 else values
        is_picture = layers.ndim == 3 and layers.shape[-1] in (1, 3, 4) and layers.size
        if values.dtype != np.uint8 or not is_picture:
            raise ValueError(
                f"`{name}` must be bytes, 0 to 255, of shape (height, width, 3), or (height, "
                'width) of grey. Convert other numbers with `.astype("uint8")`. '
                f"Received: {name} of type {values.dtype} and shape {values.shape}"
            )
        if layers.shape[-1] == 1:
            return cls(np.repeat(layers, 3, axis=-1))
        return cls(layers[..., :3], layers[..., 3] if layers.shape[-1] == 4 else None)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]
