"""Writing pictures to files, whole or not at all."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from keras_inpaint.files import atomic_write, check_target
from keras_inpaint.pictures.formats import FORMATS, SUFFIXES
from keras_inpaint.pictures.picture import Picture

_OPTIONS: dict[str, dict[str, Any]] = {
    "BMP": {},
    # Without subsampling, colours keep to their side of the hole's edge.
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},
    "PNG": {},
    "TIFF": {"compression": "tiff_adobe_deflate"},
    # `exact` keeps the colours under full transparency.
    "WEBP": {"lossless": True, "exact": True},
}
_KEEPS_ALPHA = ("PNG", "TIFF", "WEBP")
_KEEPS_METADATA = ("JPEG", "PNG", "TIFF", "WEBP")
# EXIF has to fit into one segment, whose length is a 16-bit number.
_JPEG_EXIF_LIMIT = 65533


def write_picture(path: str | os.PathLike[str], picture: Picture) -> None:
    """Writes a picture in the format its suffix names.

    PNG, TIFF and WebP (lossless) keep pixels, alpha, colour profile and EXIF.
    JPEG (quality 95, colours at full resolution) drops alpha: the colours
    under it are written as they are. BMP keeps the pixels only. EXIF that is
    too long for JPEG (64 KiB) is left out there.

    The file appears, or is replaced, at once and whole.

    Args:
        path: str or Path whose suffix is one of `SUFFIXES`.
        picture: `Picture`.

    Raises:
        ValueError: If the suffix is unknown or the format cannot hold the
            picture.
        OSError: If the folder is missing or cannot be written to.

    Example:
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "black.png")
    >>> picture = keras_inpaint.pictures.Picture(np.zeros((4, 6, 3), "uint8"))
    >>> keras_inpaint.pictures.write_picture(path, picture)
    >>> keras_inpaint.pictures.read_picture(path).size
    (4, 6)
    """
    check_writable(path)
    content = _encode(path, picture)
    with atomic_write(path) as draft:
        draft.write_bytes(content)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Checks that a picture can be written to `path`, before any work is done.

    Args:
        path: str or Path of the file to be.

    Raises:
        OSError: As `keras_inpaint.files.check_target`, and so `ValueError`.
        ValueError: If the suffix names no format that can be written.

    Example:
    >>> keras_inpaint.pictures.check_writable("filled.png")
    """
    check_target(path)
    if Path(path).suffix.lower() not in FORMATS:
        raise ValueError(
            f"`path` must end in one of {', '.join(SUFFIXES)}, which names the format. "
            f"Received: path={str(path)!r}"
        )


def what_is_lost(path: str | os.PathLike[str], picture: Picture) -> list[str]:
    """Lists the parts of a picture that its file cannot hold, in words for people.

    Args:
        path: str or Path of the file to be, whose suffix is one of `SUFFIXES`.
        picture: `Picture`.

    Returns:
        List of some of `"transparency"`, `"colour profile"` and `"EXIF"`.

    Example:
    >>> from keras_inpaint.pictures.writing import what_is_lost
    >>> pixels, alpha = np.zeros((4, 6, 3), "uint8"), np.ones((4, 6), "uint8")
    >>> what_is_lost("filled.jpg", keras_inpaint.pictures.Picture(pixels, alpha))
    ['transparency']
    """
    kind = FORMATS[Path(path).suffix.lower()]
    exif_fits = kind != "JPEG" or len(picture.exif or b"") <= _JPEG_EXIF_LIMIT
    parts = {
        "transparency": (picture.alpha is not None, kind in _KEEPS_ALPHA),
        "colour profile": (bool(picture.icc_profile), kind in _KEEPS_METADATA),
        "EXIF": (bool(picture.exif), kind in _KEEPS_METADATA and exif_fits),
    }
    return [part for part, (is_there, is_kept) in parts.items() if is_there and not is_kept]


def _encode(path: str | os.PathLike[str], picture: Picture) -> bytes:
    kind = FORMATS[Path(path).suffix.lower()]
    lost = what_is_lost(path, picture)
    pixels = picture.pixels
    if picture.alpha is not None and "transparency" not in lost:
        pixels = np.dstack([pixels, picture.alpha])
    options = dict(_OPTIONS[kind])
    if picture.icc_profile and "colour profile" not in lost:
        options["icc_profile"] = picture.icc_profile
    if picture.exif and "EXIF" not in lost:
        options["exif"] = picture.exif
    buffer = io.BytesIO()
    try:
        Image.fromarray(pixels).save(buffer, format=kind, **options)
    except Exception as error:
        # Each encoder has its own limits (WebP: 16383 pixels) and errors.
        height, width = picture.size
        raise ValueError(
            f"The picture cannot be written as {kind}: {error}. Choose another suffix. "
            f"Received: path={os.fspath(path)!r}, a picture of {height} x {width} pixels"
        ) from error
    return buffer.getvalue()
