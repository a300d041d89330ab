"""The file formats of pictures, known by their suffix."""

import os
from pathlib import Path

# Pillow's name of the format behind each suffix.
FORMATS = {
    ".bmp": "BMP",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
SUFFIXES = tuple(sorted(FORMATS))
# Pillow knows many more formats; some of them start other programs, so only
# these are let in.
READ_FORMATS = tuple(sorted(set(FORMATS.values())))


def is_picture_name(path: str | os.PathLike[str]) -> bool:
    """Tells whether a file's name is that of a picture; hidden files are none.

    Args:
        path: str or Path. The file need not exist.

    Returns:
        bool.

    Example:
    >>> keras_inpaint.pictures.is_picture_name("photos/Beach.JPG")
    True
    >>> keras_inpaint.pictures.is_picture_name("photos/._Beach.JPG")
    False
    """
    path = Path(path)
    return path.suffix.lower() in FORMATS and not path.name.startswith(".")


def is_lossy(path: str | os.PathLike[str]) -> bool:
    """Tells whether writing to `path` changes pixels: JPEG does.

    PNG, TIFF and BMP keep every pixel, and so does WebP as this package
    writes it.

    Args:
        path: str or Path. The file need not exist.

    Returns:
        bool.

    Example:
    >>> keras_inpaint.pictures.is_lossy("filled.jpg")
    True
    >>> keras_inpaint.pictures.is_lossy("filled.webp")
    False
    """
    return FORMATS.get(Path(path).suffix.lower()) == "JPEG"
