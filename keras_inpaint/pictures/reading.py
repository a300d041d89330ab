"""Reading pictures from files, whatever modes Pillow finds in them."""

import io
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageCms

from keras_inpaint.pictures import metadata
from keras_inpaint.pictures.opening import MAX_PIXELS, Source, is_deep, open_picture
from keras_inpaint.pictures.picture import Picture
from keras_inpaint.pictures.pixels import Bytes

Deep = NDArray[np.uint16]
# From a part of an image to an array of its rows, or another image of them.
Convert = Callable[[Any], Any]

# TIFF 6.0, section 8: how numbers become light.
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
# Pixels that are converted at once: what is needed beside the picture stays small.
_PIXELS_AT_ONCE = 2**21


def read_picture(
    path: Source, max_pixels: int | None = MAX_PIXELS, memory_limit: int | None = None
) -> Picture:
    """Reads a picture file as upright RGB, whatever it holds.

    Grey, palette, 1-bit, 16-bit and CMYK pictures become 8-bit RGB, beside which all 16
    bits are kept; a turned photo is set upright; of several frames or pages the first is
    read. CMYK is converted by its embedded profile. Pictures of 32-bit numbers have no
    known white and are refused.

    Args:
        path: str or Path of a JPEG, PNG, WebP, AVIF, BMP, GIF or TIFF file, or of
            another kind that the installed Pillow reads (HEIC with the extra `heif`).
            The content counts, not the suffix. Or the bytes of one, or a
            `PIL.Image.Image`.
        max_pixels: int or None. Pixels that it may have; None for any number.
        memory_limit: int or None. Bytes that reading it may take.

    Returns:
        `Picture`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no regular file, no picture, damaged, or larger than it may be.

    Example:
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "grey.png")
    >>> keras_inpaint.pictures.write_picture(
    ...     path, keras_inpaint.pictures.Picture(np.full((4, 6, 3), 90, "uint8")))
    >>> keras_inpaint.pictures.read_picture(path).pixels[0, 0].tolist()
    [90, 90, 90]
    """
    with open_picture(path, max_pixels, memory_limit) as image:
        return _picture(image, path)


def read_frames(
    path: Source, max_pixels: int | None = MAX_PIXELS, memory_limit: int | None = None
) -> Iterator[tuple[Picture, int]]:
    """Reads all frames of an animation, or all pages of a document, one after the other.

    Args:
        path: As all others, see `read_picture`.

    Yields:
        tuple: a `Picture`, and the milliseconds that it is shown; 0 for a page.
    """
    with open_picture(path, max_pixels, memory_limit) as image:
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            # Of some formats, it is known once the frame is loaded.
            picture = _picture(image, path, index)
            yield picture, round(image.info.get("duration", 0) or 0)


def _picture(image: Any, path: Source, index: int = 0) -> Picture:
    num_frames = getattr(image, "n_frames", 1)
    unkept = ["IPTC data"] * metadata.holds_iptc(image)
    lower = None
    if is_deep(image):
        lower = low_bytes(image)
        unkept += ["16 bits"] * (lower is None)
    image.load()
    if image.mode == "CMYK":
        unkept.append("CMYK inks")
    # TIFF files are turned by Pillow as they are loaded, others not.
    turned = metadata.orientation(image)
    deep = None
    if lower is not None:
        deep = read_deep(image, turned, lower, path, index)
        pixels, alpha = _from_deep(deep)
    else:
        pixels, alpha = _pixels_and_alpha(image, turned)
    extras = getattr(image, "extras", None)
    if extras is not None and extras.num_lost:
        unkept.append("private chunks")
    return Picture(
        pixels,
        alpha,
        _rgb_profile(image),
        metadata.upright_exif(image, (pixels.shape[1], pixels.shape[0])),
        deep,
        metadata.upright_xmp(image),
        metadata.comment(image) if extras is None else extras.text,
        () if extras is None else extras.colour,
        metadata.resolution(image) if extras is None else extras.resolution,
        num_frames,
        tuple(unkept),
    )


def _pixels_and_alpha(image: Any, turned: int) -> tuple[Bytes, Bytes | None]:
    """Converts a loaded Pillow image to RGB pixels and its alpha, if any.

    Args:
        image: `PIL.Image.Image`, loaded.
        turned: int. Its orientation.

    Returns:
        uint8 array of shape `(height, width, 3)`, and one of shape
        `(height, width)` or None; upright.

    Raises:
        ValueError: If the numbers have no fixed white (float, 32 bits) or
            Pillow cannot convert them.
    """
    if image.mode in ("I", "F"):
        raise ValueError(
            "its pixels are 32-bit numbers, whose white is unknown. Save it with "
            "8 or 16 bits per channel"
        )
    if image.mode == "CMYK":
        (pixels,) = converted(image, turned, _cmyk_to_rgb(image), [3])
        return pixels, None
    if image.has_transparency_data:
        pixels, alpha = converted(image, turned, lambda part: part.convert("RGBA"), [3, 1])
        return pixels, alpha[..., 0]
    (pixels,) = converted(image, turned, lambda part: part.convert("RGB"), [3])
    return pixels, None


def converted(
    image: Any, turned: int, convert: Convert, channels: list[int], dtype: Any = np.uint8
) -> list[NDArray[Any]]:
    """Makes upright arrays of a loaded image, some rows at a time.

    Args:
        image: `PIL.Image.Image`.
        turned: int. Its orientation.
        convert: Function from a part of it to an array `(rows, width, all channels)`.
        channels: list of int. Channels of each of the arrays.
        dtype: Their type.
    """
    width, height = image.size
    size = (width, height) if turned >= 5 else (height, width)
    upright = [np.empty((*size, number), dtype) for number in channels]
    stored = [metadata.as_stored(each, turned) for each in upright]
    ends = np.cumsum(channels)[:-1]
    for top, bottom in _parts(height, width):
        part = np.asarray(convert(image.crop((0, top, width, bottom))))
        for target, values in zip(stored, np.split(part, ends, axis=-1), strict=True):
            target[top:bottom] = values
    return upright


def _parts(height: int, width: int) -> Iterator[tuple[int, int]]:
    rows = max(_PIXELS_AT_ONCE // width, 1)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


def _rgb_profile(image: Any) -> bytes | None:
    """Returns the embedded colour profile where it is one for RGB.

    A profile for grey or CMYK no longer describes pixels that became RGB, and
    a program that applied it to them would show wrong colours.
    """
    profile = image.info.get("icc_profile")
    return profile if profile and _colour_space(profile) == b"RGB " else None


def _colour_space(profile: bytes) -> bytes:
    # ICC.1:2022, 7.2: bytes 16 to 19 of the header name the colour space.
    return profile[16:20]


def _cmyk_to_rgb(image: Any) -> Convert:
    profile = image.info.get("icc_profile")
    if profile and _colour_space(profile) == b"CMYK":
        try:
            transform = ImageCms.buildTransform(
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                "CMYK",
                "RGB",
            )
            return lambda part: ImageCms.applyTransform(part, transform)
        except (ImageCms.PyCMSError, OSError):
            # A broken profile; the picture itself is whole.
            pass
    return lambda part: part.convert("RGB")


# Pillow keeps 8 bits a channel of colour, and chooses the upper ones of 16 by the order of
# bytes that it is told. Told the other order, it takes the lower ones.
_OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
# All bytes at once: those of grey stand where red and green would, of alpha where the others.
_GREY_WITH_ALPHA, _AS_BYTES = "LA;16B", "RGBA"


def low_bytes(image: Any) -> list[Any] | None:
    """The tiles of an image that is not loaded yet, so that its lower bytes are decoded.

    Returns:
        List of what `image.tile` lists; empty where Pillow keeps all bits of itself (grey).
        None where it cannot be told to.
    """
    if image.mode.startswith("I;16"):
        return []
    tiles = []
    for tile in image.tile:
        args = tile.args
        rawmode = args[0] if isinstance(args, tuple) else args
        if rawmode == _GREY_WITH_ALPHA:
            other = _AS_BYTES
        elif rawmode[:-1] in ("RGB;16", "RGBA;16", "RGBX;16"):
            other = rawmode[:-1] + _OTHER_ORDER[rawmode[-1]]
        else:
            return None
        args = (other, *args[1:]) if isinstance(args, tuple) else other
        tiles.append(tile._replace(args=args))
    return tiles


def read_deep(image: Any, turned: int, lower: list[Any], path: Source, index: int = 0) -> Deep:
    """All 16 bits of a loaded image, upright, of which it has the upper ones.

    Args:
        image: `PIL.Image.Image`.
        turned: int. Its orientation.
        lower: What `low_bytes` returned before it was loaded.
        path: What it was opened from.
        index: int. Which of its frames.

    Returns:
        uint16 array of shape `(height, width, 3)`, or 4 with alpha.
    """
    if not lower:
        return _with_transparent_colour(grey16(image, turned, 3), image)
    channels = 4 if image.mode == "RGBA" else 3
    with open_picture(path, max_pixels=None) as low:
        low.seek(index)
        low.tile = lower
        low.load()
        if lower[0].args == _AS_BYTES:
            (deep,) = converted(low, turned, _grey_with_alpha, [4], np.uint16)
            return deep
        (deep,) = converted(low, turned, np.asarray, [channels], np.uint16)
    stored = metadata.as_stored(deep, turned)
    for top, bottom in _parts(*stored.shape[:2]):
        part = image.crop((0, top, stored.shape[1], bottom))
        stored[top:bottom] |= np.asarray(part).astype(np.uint16) << 8
    return _with_transparent_colour(deep, image)


def grey16(image: Any, turned: int, channels: int = 1) -> Deep:
    """Makes an upright array of a loaded image of 16-bit grey, the same in all channels."""
    is_inverted = getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO

    def convert(part: Any) -> Deep:
        levels = np.asarray(part).astype(np.uint16)[..., None]
        # Pillow undoes this for 8 bits, not for 16.
        return np.uint16(65535) - levels if is_inverted else levels

    (grey,) = converted(image, turned, convert, [channels], np.uint16)
    return grey


def _grey_with_alpha(part: Any) -> Deep:
    upper, lower = (np.asarray(part).astype(np.uint16)[..., each::2] for each in (0, 1))
    words: Deep = (upper << 8 | lower).astype(np.uint16)
    return words[..., [0, 0, 0, 1]]


def _with_transparent_colour(deep: Deep, image: Any) -> Deep:
    """Adds alpha where one colour stands for what is transparent (PNG, 11.3.1.1)."""
    colour = image.info.get("transparency")
    if deep.shape[-1] == 4 or not isinstance(colour, int | tuple):
        return deep
    alpha = np.where((deep == np.array(colour)).all(axis=-1, keepdims=True), 0, 65535)
    return np.concatenate([deep, alpha.astype(np.uint16)], axis=-1)


def to_bytes(deep: Deep) -> Bytes:
    """Rounds numbers of 16 bits to the nearest of 8."""
    # 65535 = 257 * 255, so the nearest of 256 levels is a division by 257.
    return ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _from_deep(deep: Deep) -> tuple[Bytes, Bytes | None]:
    height, width, channels = deep.shape
    pixels = np.empty((height, width, 3), np.uint8)
    alpha = np.empty((height, width), np.uint8) if channels == 4 else None
    for top, bottom in _parts(height, width):
        levels = to_bytes(deep[top:bottom])
        pixels[top:bottom] = levels[..., :3]
        if alpha is not None:
            alpha[top:bottom] = levels[..., 3]
    return pixels, alpha
