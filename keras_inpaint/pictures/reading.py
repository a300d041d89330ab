"""Reading pictures and masks from files."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from keras_inpaint.pictures.colours import pixels_and_alpha, rgb_profile
from keras_inpaint.pictures.formats import READ_FORMATS, SUFFIXES
from keras_inpaint.pictures.metadata import turn_upright, upright_exif
from keras_inpaint.pictures.picture import Picture
from keras_inpaint.pictures.pixels import MASK_THRESHOLD


def read_picture(path: str | Path) -> Picture:
    """Reads a picture file as upright RGB, whatever it holds.

    Grey, palette, 1-bit, 16-bit and CMYK pictures become 8-bit RGB; a turned
    photo is set upright; of several frames or pages the first is read. CMYK
    is converted by its embedded profile. Of 16-bit colour Pillow gives the
    high byte only (within one level of the nearest); 16-bit grey is rounded.
    Pictures of 32-bit numbers have no known white and are refused.

    Args:
        path: str or Path of a JPEG, PNG, WebP, BMP or TIFF file. The content
            counts, not the suffix.

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
    path = Path(path)
    _check_is_file(path)
    try:
        with _silent_pillow(), Image.open(path, formats=READ_FORMATS) as image:
            # TIFF files are turned by Pillow as they are loaded, others not.
            image.load()
            upright = turn_upright(image)
            pixels, alpha = pixels_and_alpha(upright)
            profile, exif = rgb_profile(image), upright_exif(image, upright.size)
    except PermissionError:
        raise
    except UnidentifiedImageError as error:
        raise ValueError(
            f"`path` must name a picture ({', '.join(SUFFIXES)}); this file is none, or "
            f"its beginning is damaged. Received: path={str(path)!r}"
        ) from error
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"The picture is too large to be read safely: {error} If you trust the file, "
            f"raise `PIL.Image.MAX_IMAGE_PIXELS`. Received: path={str(path)!r}"
        ) from error
    except Exception as error:
        # Damaged files make Pillow raise OSError, SyntaxError, struct.error
        # and others; whoever reads a folder of pictures needs one kind.
        raise ValueError(
            f"The picture cannot be read, it is damaged or of an unknown kind: {error}. "
            f"Received: path={str(path)!r}"
        ) from error
    return Picture(pixels, alpha, profile, exif)


def read_mask(path: str | Path, invert: bool = False) -> NDArray[np.uint8]:
    """Reads a mask file: 1 in the hole, 0 where the picture is known.

    A pixel belongs to the hole where its luminance is above 127. Transparent
    pixels count as black, so strokes painted on an empty layer are the hole.
    Where all pixels have one colour and only alpha differs, alpha is the
    mask: what is more than half opaque is the hole.

    Args:
        path: str or Path of a picture file, as `read_picture` takes.
        invert: bool. Whether the file marks the known pixels instead.

    Returns:
        uint8 array of shape `(height, width)`, upright, of zeros and ones.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read as a picture.

    Example:
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "mask.png")
    >>> pixels = np.zeros((2, 2, 3), "uint8")
    >>> pixels[0, 1] = 255
    >>> keras_inpaint.pictures.write_picture(
    ...     path, keras_inpaint.pictures.Picture(pixels))
    >>> keras_inpaint.pictures.read_mask(path).tolist()
    [[0, 1], [0, 0]]
    """
    picture = read_picture(path)
    # The weights of ITU-R BT.601, in thousandths: grey keeps its value exactly.
    weighted = picture.pixels.astype(np.uint32) @ np.array([299, 587, 114], np.uint32)
    luminance = (weighted + 500) // 1000  # (height, width)
    if picture.alpha is not None:
        is_one_colour = np.ptp(picture.pixels, axis=(0, 1)).max() == 0
        has_shape = np.ptp(picture.alpha) > 0
        if is_one_colour and has_shape:
            luminance = picture.alpha.astype(np.uint32)
        else:
            luminance = luminance * picture.alpha // 255
    is_hole: NDArray[np.bool] = (luminance > MASK_THRESHOLD) != invert
    return is_hole.astype(np.uint8)


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        raise ValueError(
            f"`path` must name a picture file, not a folder. Received: path={str(path)!r}"
        )
    if not path.exists():
        raise FileNotFoundError(f"There is no such picture. Received: path={str(path)!r}")


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
