"""What travels with a picture: EXIF and XMP that stay true once it is upright, and the rest."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

_ORIENTATION = ExifTags.Base.Orientation
_SIZE_TAGS = (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)
# As an attribute or as an element.
_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:="|>))[1-8](?=["<])')
# Tags of how one file stores its pixels, or hold what `Picture` carries
# elsewhere. TIFF keeps them among the descriptive ones; in another file, or
# another picture, they would be false.
# fmt: off
_STORAGE_TAGS = frozenset((
    *range(254, 269), 273, *range(277, 282), 284, *range(288, 294), 297, 301, 317, 320,
    *range(322, 326), 330, 332, *range(336, 343), 347, 512, 513, 514, *range(529, 533),
    700, 33723, 34377, 34675, 40965,
))
# fmt: on
# A TIFF file says it nowhere else, and `resolution` reads it there.
_RESOLUTION_TAGS = (_X_RESOLUTION := 282, 283, 296)
# IPTC-IIM: a resource of Photoshop's in JPEG files, two tags in TIFF files.
_IPTC_RESOURCE, _IPTC_TAGS = 0x0404, (33723, 34377)


def orientation(image: Image.Image) -> int:
    """Returns how the picture is turned, from 1 (upright) to 8; 1 if unknown."""
    value = _exif(image).get(_ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def upright_array(pixels: NDArray[Any], turned: int) -> NDArray[Any]:
    """Undoes an orientation of an array of shape `(height, width)`, from 1 (upright) to 8."""
    # EXIF 2.32, 4.6.4 A: from 5 on rows and columns are exchanged.
    flips = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}
    down, across = flips.get(turned, (1, 1))
    stored = pixels.swapaxes(0, 1) if turned > 4 else pixels
    return stored[::down, ::across]


def as_stored(upright: NDArray[Any], turned: int) -> NDArray[Any]:
    """Returns a view of an upright array in which its pixels lie as in the file.

    Args:
        upright: Array of shape `(height, width, ...)`.
        turned: int from 1 to 8. The orientation (EXIF 2.32, 4.6.4 A).
    """
    views = {
        2: lambda: upright[:, ::-1],
        3: lambda: upright[::-1, ::-1],
        4: lambda: upright[::-1],
        5: lambda: upright.swapaxes(0, 1),
        6: lambda: np.rot90(upright),
        7: lambda: upright[::-1, ::-1].swapaxes(0, 1),
        8: lambda: np.rot90(upright, -1),
    }
    return views.get(turned, lambda: upright)()


def upright_exif(image: Image.Image, size: tuple[int, int]) -> bytes | None:
    """Returns the EXIF data as it holds once `image` stands upright.

    The thumbnail is left out: it would show what the picture no longer does.

    Args:
        image: `PIL.Image.Image` as opened.
        size: Pair of ints. Width and height upright.

    Returns:
        bytes that begin with `Exif`, or None where none are left.
    """
    exif = _exif(image)
    try:
        if ExifTags.IFD.Exif in exif:
            details = exif.get_ifd(ExifTags.IFD.Exif)
            for tag, length in zip(_SIZE_TAGS, size, strict=True):
                if tag in details:
                    details[tag] = length
        elsewhere = _RESOLUTION_TAGS if image.format == "TIFF" else ()
        for tag in {_ORIENTATION, *_STORAGE_TAGS, *elsewhere} & set(exif):
            del exif[tag]
        return exif.tobytes() if len(exif) else None
    except Exception:
        # Pillow's parser trips over broken EXIF in many ways. The picture is
        # whole without it.
        return None


def upright_xmp(image: Image.Image) -> bytes | None:
    """Returns the XMP data as it holds once `image` stands upright, if there is any."""
    xmp = image.info.get("xmp")
    if isinstance(xmp, str):
        xmp = xmp.encode("utf-8", "surrogateescape")
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp) if isinstance(xmp, bytes) and xmp else None


def resolution(image: Any) -> tuple[float, float] | None:
    """Returns how many pixels an inch has, across and down, where the file says so."""
    info = image.info
    is_said = {
        # Where it is missing, Pillow makes one up.
        "JPEG": info.get("jfif_unit") in (1, 2) or _X_RESOLUTION in _exif(image),
        "TIFF": _X_RESOLUTION in getattr(image, "tag_v2", ()),
    }
    try:
        across, down = (float(each) for each in info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    is_number = 0 < across < 2**31 and 0 < down < 2**31
    return (across, down) if is_number and is_said.get(image.format, True) else None


def comment(image: Image.Image) -> tuple[tuple[bytes, bytes], ...]:
    """Returns the comment of a JPEG or GIF file as PNG files would hold it."""
    text = image.info.get("comment")
    if isinstance(text, str):
        text = text.encode("latin-1", "replace")
    return ((b"tEXt", COMMENT + text),) if isinstance(text, bytes) and text else ()


COMMENT = b"Comment\0"


def holds_iptc(image: Any) -> bool:
    """Checks whether a file holds captions and credits in the way of the IPTC."""
    resources = image.info.get("photoshop")
    if isinstance(resources, dict) and _IPTC_RESOURCE in resources:
        return True
    return any(tag in getattr(image, "tag_v2", ()) for tag in _IPTC_TAGS)


def _exif(image: Image.Image) -> Image.Exif:
    try:
        # That of PNG files would load the pixels.
        return Image.Image.getexif(image)
    except Exception:
        # As above: broken EXIF is no reason to refuse a picture.
        return Image.Exif()
