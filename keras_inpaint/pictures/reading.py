"""Reading pictures from files, whatever modes Pillow finds in them."""

import io
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from keras_inpaint.pictures.formats import PREFIX_SIZE, missing_decoder, read_formats
from keras_inpaint.pictures.metadata import turn_upright, upright_exif
from keras_inpaint.pictures.picture import Picture
from keras_inpaint.pictures.pixels import Bytes

Source = str | os.PathLike[str] | bytes | Image.Image

# TIFF 6.0, section 8: how numbers become light.
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0


def read_picture(path: Source) -> Picture:
    """Reads a picture file as upright RGB, whatever it holds.

    Grey, palette, 1-bit, 16-bit and CMYK pictures become 8-bit RGB; a turned
    photo is set upright; of several frames or pages the first is read. CMYK
    is converted by its embedded profile. Of 16-bit colour Pillow gives the
    high byte only (within one level of the nearest); 16-bit grey is rounded.
    Pictures of 32-bit numbers have no known white and are refused.

    Args:
        path: str or Path of a JPEG, PNG, WebP, AVIF, BMP, GIF or TIFF file, or of
            another kind that the installed Pillow reads (HEIC with the extra `heif`).
            The content counts, not the suffix. Or the bytes of one, or a
            `PIL.Image.Image`.

    Returns:
        `Picture`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is a folder, no picture, damaged, or has more than
            twice `PIL.Image.MAX_IMAGE_PIXELS` pixels.

    Example:
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "grey.png")
    >>> keras_inpaint.pictures.write_picture(
    ...     path, keras_inpaint.pictures.Picture(np.full((4, 6, 3), 90, "uint8")))
    >>> keras_inpaint.pictures.read_picture(path).pixels[0, 0].tolist()
    [90, 90, 90]
    """
    with opened(path) as image:
        upright = turn_upright(image)
        pixels, alpha = _pixels_and_alpha(upright)
        profile, exif = _rgb_profile(image), upright_exif(image, upright.size)
    return Picture(pixels, alpha, profile, exif)


@contextmanager
def opened(source: Source, decode: bool = True) -> Iterator[Image.Image]:
    """Opens a picture and decodes it; whatever goes wrong becomes one kind of error.

    Args:
        source: str or path of a file, its bytes, or a `PIL.Image.Image`.
        decode: bool. Whether to read its pixels too.

    Yields:
        `PIL.Image.Image` as it is stored: not turned upright.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: As `read_picture`.
    """
    file: Any
    if isinstance(source, Image.Image):
        source.load()
        yield source
        return
    if isinstance(source, bytes):
        file, suffix, received = io.BytesIO(source), "", f"{len(source)} bytes"
    else:
        file = Path(source)
        _check_is_file(file)
        suffix, received = file.suffix, f"path={str(file)!r}"
    try:
        with _silent_pillow(), Image.open(file, formats=read_formats(suffix)) as image:
            if decode:
                # TIFF files are turned by Pillow as they are loaded, others not.
                image.load()
            yield image
    except PermissionError:
        raise
    except UnidentifiedImageError as error:
        missing = _missing_decoder(source)
        reason = (
            f"to read this file, {missing}"
            if missing
            else ("this file is none, or its beginning is damaged")
        )
        raise ValueError(
            f"`path` must name a picture; {reason}. Received: {received}"
        ) from error
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"The picture is too large to be read safely: {error} If you trust the file, "
            f"raise `PIL.Image.MAX_IMAGE_PIXELS`. Received: {received}"
        ) from error
    except Exception as error:
        # Damaged files make Pillow raise OSError, SyntaxError, struct.error
        # and others; whoever reads a folder of pictures needs one kind.
        raise ValueError(
            f"The picture cannot be read, it is damaged or of an unknown kind: {error}. "
            f"Received: {received}"
        ) from error


def _missing_decoder(source: Source) -> str | None:
    if isinstance(source, bytes):
        return missing_decoder(source[:PREFIX_SIZE])
    assert not isinstance(source, Image.Image)
    with open(source, "rb") as file:
        return missing_decoder(file.read(PREFIX_SIZE))


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        raise ValueError(
            f"`path` must name a picture file, not a folder. Received: path={str(path)!r}"
        )
    if not path.exists():
        raise FileNotFoundError(f"There is no such picture. Received: path={str(path)!r}")


def _pixels_and_alpha(image: Image.Image) -> tuple[Bytes, Bytes | None]:
    """Converts a loaded Pillow image to RGB pixels and its alpha, if any.

    Grey of 16 bits is rounded to the nearest of 256 levels. Pillow hands out
    only the high byte of 16-bit *colour*, which is within one level of the
    nearest.

    Args:
        image: `PIL.Image.Image`, upright.

    Returns:
        uint8 array of shape `(height, width, 3)`, and one of shape
        `(height, width)` or None.

    Raises:
        ValueError: If the numbers have no fixed white (float, 32 bits) or
            Pillow cannot convert them.
    """
    if image.mode.startswith("I;16"):
        return _from_grey16(image)
    if image.mode in ("I", "F"):
        raise ValueError(
            "its pixels are 32-bit numbers, whose white is unknown. Save it with "
            "8 or 16 bits per channel"
        )
    if image.mode == "CMYK":
        return np.array(_from_cmyk(image)), None
    if image.has_transparency_data:
        rgba = np.array(image.convert("RGBA"))
        return np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3])
    return np.array(image.convert("RGB")), None


def _rgb_profile(image: Image.Image) -> bytes | None:
    """Returns the embedded colour profile where it is one for RGB.

    A profile for grey or CMYK no longer describes pixels that became RGB, and
    a program that applied it to them would show wrong colours.
    """
    profile = image.info.get("icc_profile")
    return profile if profile and _colour_space(profile) == b"RGB " else None


def _colour_space(profile: bytes) -> bytes:
    # ICC.1:2022, 7.2: bytes 16 to 19 of the header name the colour space.
    return profile[16:20]


def grey16(image: Image.Image) -> tuple[NDArray[np.uint16], Bytes | None]:
    """Returns the 16-bit levels of a loaded grey image, and its alpha, if any."""
    levels = np.asarray(image).astype(np.uint16)  # (height, width)
    if getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        # Pillow undoes this for 8 bits, not for 16.
        levels = 65535 - levels
    transparent = image.info.get("transparency")
    alpha = None
    if isinstance(transparent, int):
        alpha = np.where(levels == transparent, 0, 255).astype(np.uint8)
    return levels, alpha


def _from_grey16(image: Image.Image) -> tuple[Bytes, Bytes | None]:
    levels, alpha = grey16(image)
    # 65535 = 257 * 255, so the nearest of 256 levels is a division by 257.
    grey = ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1), alpha


def _from_cmyk(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile and _colour_space(profile) == b"CMYK":
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, OSError):
            # A broken profile; the picture itself is whole.
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


_silence_lock = threading.Lock()
_silence_depth = 0
_silence = warnings.catch_warnings()


@contextmanager
def _silent_pillow() -> Iterator[None]:
    # `catch_warnings` changes the whole process, and pictures are read by many
    # threads at once: the first one in sets the filter, the last one out
    # restores what was there.
    global _silence, _silence_depth
    with _silence_lock:
        if _silence_depth == 0:
            _silence = warnings.catch_warnings()
            _silence.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
        _silence_depth += 1
    try:
        yield
    finally:
        with _silence_lock:
            _silence_depth -= 1
            if _silence_depth == 0:
                _silence.__exit__(None, None, None)
