"""EXIF data that stays true after a picture was turned and repacked."""

from typing import Any

from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

_ORIENTATION = ExifTags.Base.Orientation
_SIZE_TAGS = (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)
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


def orientation(image: Image.Image) -> int:
    """Returns how the picture is turned, from 1 (upright) to 8; 1 if unknown."""
    value = _exif(image).get(_ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def turn_upright(image: Image.Image) -> Image.Image:
    """Undoes the orientation that a loaded image's EXIF data still names."""
    turned = orientation(image)
    if turned == 1:
        return image
    # Pillow writes the EXIF data anew as it turns, and fails on some that it can read.
    alone = Image.Exif()
    alone[_ORIENTATION] = turned
    bare = image.copy()
    bare.info["exif"] = alone.tobytes()
    return ImageOps.exif_transpose(bare)


def upright_array(pixels: NDArray[Any], turned: int) -> NDArray[Any]:
    """Undoes an orientation of an array of shape `(height, width)`, from 1 (upright) to 8."""
    # EXIF 2.32, 4.6.4 A: from 5 on rows and columns are exchanged.
    flips = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}
    down, across = flips.get(turned, (1, 1))
    stored = pixels.swapaxes(0, 1) if turned > 4 else pixels
    return stored[::down, ::across]


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
        for tag in {_ORIENTATION, *_STORAGE_TAGS} & set(exif):
            del exif[tag]
        return exif.tobytes() if len(exif) else None
    except Exception:
        # Pillow's parser trips over broken EXIF in many ways. The picture is
        # whole without it.
        return None


def _exif(image: Image.Image) -> Image.Exif:
    try:
        return image.getexif()
    except Exception:
        # As above: broken EXIF is no reason to refuse a picture.
        return Image.Exif()
