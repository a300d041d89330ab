"""Picture files opened with care: what reading one costs is known before it is decoded."""

import io
import os
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from PIL import Image, UnidentifiedImageError

from keras_inpaint.files import open_source
from keras_inpaint.pictures.formats import PREFIX_SIZE, missing_decoder, read_formats
from keras_inpaint.pictures.metadata import orientation
from keras_inpaint.pictures.png import PixelsOf, find_chunks, read_extras
from keras_inpaint.pictures.tiff import sound_directories

GIB = 2**30
# More than any camera has by now: 16320 x 12240 are 200 million.
MAX_PIXELS = 2**28
"""int. The pixels of the largest file that is read, unless `max_pixels` says otherwise."""
# Where the machine's memory is unknown.
_UNKNOWN_LIMIT = 2 * GIB
# What a container may use, under the two versions of Linux control groups.
_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
# Bytes that Pillow spends on a pixel, by mode; on any other, 4.
_PIXEL_SIZES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
# Of a progressive JPEG, all coefficients are kept: 2 bytes each, of three channels at most.
_COEFFICIENTS = 6
# Each scan goes over the whole picture; cameras and programs write a dozen.
MAX_SCANS = 100
SCAN = b"\xff\xda"
# Beside the picture: what is converted at once, and the decoder's own.
_OVERHEAD = 2**25


class PictureHeader(NamedTuple):
    """What the beginning of a picture file says.

    Args:
        size: Pair of ints. Height and width, upright.
        num_frames: int. Frames of an animation, pages of a document; else 1.
        memory: int. Bytes that reading it takes at most, what comes out included.
        is_turned: bool. Whether height and width were exchanged to set it upright.
    """

    size: tuple[int, int]
    num_frames: int
    memory: int
    is_turned: bool


class Refused(ValueError):
    """A picture that is not read because of what its header says, in words for people."""


Source = str | os.PathLike[str] | bytes | Image.Image


def read_header(source: Source) -> PictureHeader:
    """Reads the size of a picture, and nothing of its pixels.

    Args:
        source: str or path of a file, or its bytes.

    Returns:
        `PictureHeader`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no regular file, no picture, or damaged.

    Example:
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "grey.png")
    >>> keras_inpaint.pictures.write_picture(
    ...     path, keras_inpaint.pictures.Picture(np.full((4, 6, 3), 90, "uint8")))
    >>> keras_inpaint.pictures.read_header(path).size
    (4, 6)
    """
    with open_picture(source, max_pixels=None) as image:
        return _header(image)


@contextmanager
def open_picture(
    source: Source, max_pixels: int | None = MAX_PIXELS, memory_limit: int | None = None
) -> Iterator[Any]:
    """Opens a picture; what its header says is checked before anything is decoded.

    Args:
        source: str or path of a file, its bytes, or a `PIL.Image.Image`.
        max_pixels: int or `None`. Pixels that it may have.
        memory_limit: int or `None`. Bytes that reading it may take.

    Yields:
        `PIL.Image.Image`, as it is stored and not loaded yet. Of a PNG file, its attribute
        `extras` is what `read_extras` found.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no regular file, no picture, damaged, or larger than it may be.
            What Pillow raises in the block becomes one too.
    """
    opened: Any = io.BytesIO()
    if isinstance(source, Image.Image) and (content := _content(source)) is not None:
        source = content
    if isinstance(source, Image.Image):
        received, suffix = "a PIL image", ""
    elif isinstance(source, bytes):
        received, suffix = f"{len(source)} bytes", ""
        opened = io.BytesIO(source)
    else:
        received, suffix = f"path={os.fspath(source)!r}", os.path.splitext(source)[1]
        opened = open_source(source, what="picture")
    with opened as file:
        prefix = file.read(PREFIX_SIZE)
        try:
            with _silent_pillow():
                if isinstance(source, Image.Image):
                    image = source
                else:
                    image = _identify(file, prefix, suffix)
                    _check_cost(image, file, max_pixels, memory_limit)
                yield image
        except MemoryError:
            raise
        except UnidentifiedImageError as error:
            missing = missing_decoder(prefix)
            reason = "this file is none, or its beginning is damaged"
            reason = f"to read this file, {missing}" if missing else reason
            raise ValueError(
                f"`path` must name a picture; {reason}. Received: {received}"
            ) from error
        except Refused as error:
            raise ValueError(f"{error} Received: {received}") from error
        except Exception as error:
            # Damaged files make Pillow raise OSError, SyntaxError, struct.error
            # and others; whoever reads a folder of pictures needs one kind.
            raise ValueError(
                f"The picture cannot be read, it is damaged or of an unknown kind: {error}. "
                f"Received: {received}"
            ) from error


def _content(image: Image.Image) -> bytes | None:
    """The file of a PIL image of 16 bits a channel, of which Pillow would give but 8."""
    file = getattr(image, "fp", None)
    if file is None or not is_deep(image) or image.tell():
        return None
    file.seek(0)
    content: bytes = file.read()
    return content


def _identify(file: BinaryIO, prefix: bytes, suffix: str) -> Any:
    """Opens a picture without its pixels, and without Pillow's own limit of them.

    Pillow's limit belongs to the whole process and has no place on a command line.
    """
    for name in read_formats(suffix):
        factory, accept = Image.OPEN[name]
        try:
            answer = accept is None or accept(prefix)
            # Where a library is missing, the answer is a sentence that says so.
            if not answer or isinstance(answer, str):
                continue
            file.seek(0)
            return _open(file, name, factory)
        except (SyntaxError, IndexError, TypeError, struct.error):
            # As Pillow does: another format may begin alike.
            continue
    raise UnidentifiedImageError("no known format")


def _open(file: BinaryIO, name: str, factory: Any) -> Any:
    if name == "PNG":
        return _open_png(file, factory)
    if name == "TIFF":
        file = _sound_tiff(file)
    return factory(file, "")


def _open_png(file: BinaryIO, factory: Any) -> Any:
    chunks = find_chunks(file)
    extras = read_extras(file, chunks)
    image = factory(PixelsOf(file, chunks), "")
    image.extras = extras
    # Where Pillow looks for how the picture is turned, and this package for what it keeps.
    for key in ("exif", "xmp", "icc_profile"):
        if getattr(extras, key):
            image.info[key] = getattr(extras, key)
    return image


def _sound_tiff(file: BinaryIO) -> BinaryIO:
    """Refuses a file whose few bytes are named so often that they would fill the memory."""
    sound, described = sound_directories(file)
    size = file.seek(0, io.SEEK_END)
    if described > 2 * size + 2**16:
        raise Refused(
            f"The picture is damaged: its {size:,} bytes describe {described:,} bytes beside "
            "the pixels. Save it anew."
        )
    sound.seek(0)
    return sound


def _header(image: Any) -> PictureHeader:
    width, height = image.size
    # What Pillow says of a TIFF file's size is true of it upright already.
    is_turned = image.format != "TIFF" and orientation(image) >= 5
    size = (width, height) if is_turned else (height, width)
    return PictureHeader(size, _num_frames(image), reading_memory(image), is_turned)


def _num_frames(image: Any) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    except (EOFError, OSError, SyntaxError, ValueError):
        # Of a file that is damaged further on, the first one may be whole.
        return 1


def reading_memory(image: Any) -> int:
    """Returns how many bytes reading a picture takes at most, what comes out included."""
    width, height = image.size
    pixel = _PIXEL_SIZES.get(image.mode, 4)
    # Red, green and blue, and alpha where there may be any.
    out = 4 if image.has_transparency_data else 3
    if is_deep(image):
        out *= 3
    if image.info.get("progressive"):
        pixel += _COEFFICIENTS
    if image.format in ("WEBP", "AVIF", "GIF"):
        # The decoder keeps the frame, and the one before.
        pixel += 8
    if image.format == "TIFF" and image.size != _stored_size(image):
        pixel *= 2
    return int(width * height) * (pixel + out) + _OVERHEAD


def pixels_within(memory: int) -> int:
    """Returns how many pixels any picture of 8 bits may have to be read within some memory."""
    # As `reading_memory` counts for a progressive JPEG.
    return max((memory - _OVERHEAD) // (4 + 3 + _COEFFICIENTS), 0)


def _stored_size(image: Any) -> tuple[int, int]:
    tags = image.tag_v2
    return tags.get(256, image.size[0]), tags.get(257, image.size[1])


def is_deep(image: Any) -> bool:
    """Checks whether an image that is not loaded yet has 16 bits a channel."""
    return image.mode.startswith("I;16") or any(
        ";16" in str(each.args[0] if isinstance(each.args, tuple) else each.args)
        for each in getattr(image, "tile", ())
    )


def _check_cost(
    image: Any, file: BinaryIO, max_pixels: int | None, memory_limit: int | None
) -> None:
    width, height = image.size
    if max_pixels is not None and width * height > max_pixels:
        raise Refused(
            f"The picture is too large to be read: {width} x {height} pixels are more than "
            f"{max_pixels:,}. Where you trust the file, raise the limit (`max_pixels`, "
            "--max-pixels), or make the picture smaller."
        )
    need = reading_memory(image)
    if memory_limit is not None and need > memory_limit:
        raise Refused(
            f"Reading this picture of {width} x {height} pixels needs about "
            f"{amount(need)} of memory, more than the limit of {amount(memory_limit)}. Raise "
            "the limit (`memory_limit`, --memory-limit), or make the picture smaller."
        )
    if max_pixels is not None and image.format == "JPEG":
        _check_scans(file)


def _check_scans(file: BinaryIO) -> None:
    file.seek(0)
    count, tail = 0, b""
    while block := file.read(2**20):
        count += (tail + block).count(SCAN)
        tail = block[-1:]
        if count > MAX_SCANS:
            raise Refused(
                f"The picture is stored in more than {MAX_SCANS} scans, each of which goes "
                "over all of it. Save it anew."
            )


def amount(num_bytes: int) -> str:
    """Writes a number of bytes as people read it.

    Example:
    >>> from keras_inpaint.pictures.opening import amount
    >>> amount(3 * 2**30 // 2), amount(32 * 2**20), amount(1000)
    ('1.50 GiB', '32.0 MiB', '1.0 KiB')
    """
    for unit, size in (("GiB", GIB), ("MiB", 2**20)):
        if num_bytes >= size:
            return f"{num_bytes / size:.{2 if unit == 'GiB' else 1}f} {unit}"
    return f"{num_bytes / 2**10:.1f} KiB"


def default_memory_limit() -> int:
    """Half of the memory that the machine, or the container, has; 2 GiB if unknown."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return _UNKNOWN_LIMIT
    for path in _CONTAINER_LIMITS:
        try:
            total = min(total, int(path.read_text()))
        except (OSError, ValueError):
            # Not Linux, not this version, or "max".
            continue
    return total // 2


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
