"""Picture files that any decoder reads right."""

import io

from PIL import Image

from keras_inpaint.pictures.metadata import orientation
from keras_inpaint.pictures.opening import MAX_PIXELS, MAX_SCANS, SCAN

_JPEG = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
# Markers of frames, of whichever coding: C4, C8 and CC among them mean something else.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PNG = b"\x89PNG\r\n\x1a\n"
# PNG specification, 11.2.1: IHDR follows the signature; byte 24 is the bit
# depth, byte 25 the colour type: 0 grey, 2 RGB, 6 RGB with alpha.
_PLAIN_HEADERS = (b"\x08\x00", b"\x08\x02", b"\x08\x06")


def is_plain(content: bytes, max_pixels: int = MAX_PIXELS) -> bool:
    """Checks whether a fast decoder gives the pixels of `read_picture`.

    So it is for whole, upright JPEG files, unless they are CMYK, and for upright
    PNG files of 8 bits without palette, none of them larger than it may be.

    Args:
        content: bytes of the whole file.
        max_pixels: int. Pixels that it may have.

    Returns:
        bool. Where it is False, `read_picture` must decide.

    Example:
    >>> keras_inpaint.pictures.is_plain(b"GIF89a")
    False
    """
    if content.startswith(_JPEG):
        # 0xFF in compressed data is always followed by 0: this is the end.
        is_whole = _JPEG_END in content[-4096:]
        head, num_channels, num_pixels = _jpeg_head(content)
        is_cheap = num_pixels <= max_pixels and content.count(SCAN) <= MAX_SCANS
        return is_whole and is_cheap and num_channels < 4 and _is_upright(content, head)
    if content.startswith(_PNG):
        # PNG may hold its orientation after the pixels too.
        num_pixels = int.from_bytes(content[16:20]) * int.from_bytes(content[20:24])
        is_plain = content[24:26] in _PLAIN_HEADERS and num_pixels <= max_pixels
        return is_plain and _is_upright(content, content)
    return False


def _jpeg_head(content: bytes) -> tuple[bytes, int, int]:
    """Returns the segments before the compressed data, the numbers of channels and pixels."""
    # ITU-T T.81, B.1.1 and B.2.2.
    position, num_channels, num_pixels = 2, 0, 0
    while content[position : position + 1] == b"\xff" and len(content) > position + 9:
        marker = content[position + 1]
        if marker == SCAN[1]:
            break
        if marker in _FRAMES:
            num_channels = content[position + 9]
            sides = content[position + 5 : position + 9]
            num_pixels = int.from_bytes(sides[:2]) * int.from_bytes(sides[2:])
        position += 2 + int.from_bytes(content[position + 2 : position + 4])
    return content[:position], num_channels, num_pixels


def _is_upright(content: bytes, head: bytes) -> bool:
    # Searching bytes is ten times faster than having Pillow parse every header.
    if not any(mark in head for mark in (b"Exif\0", b"eXIf", b"tiff:Orientation")):
        return True
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            return orientation(image) == 1
    except Exception:
        # Whatever Pillow stumbles over, `read_picture` puts into words.
        return False
