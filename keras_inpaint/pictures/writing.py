"""Writing pictures to files, whole or not at all."""

import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, TiffImagePlugin, TiffTags

from keras_inpaint.files import atomic_write, check_target
from keras_inpaint.pictures.formats import FORMATS, SUFFIXES
from keras_inpaint.pictures.metadata import COMMENT
from keras_inpaint.pictures.picture import Picture
from keras_inpaint.pictures.png import make_chunks, write_png16, xmp_chunk
from keras_inpaint.pictures.reading import to_bytes

_OPTIONS: dict[str, dict[str, Any]] = {
    "BMP": {},
    # Without subsampling, colours keep to their side of the hole's edge.
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},
    "PNG": {},
    "TIFF": {"compression": "tiff_adobe_deflate"},
    # `exact` keeps the colours under full transparency.
    "WEBP": {"lossless": True, "exact": True},
}
# What each format keeps of what `parts` names.
_METADATA = {"colour profile", "EXIF", "XMP"}
_KEEPS = {
    "BMP": {"resolution"},
    "JPEG": {*_METADATA, "resolution", "comment"},
    "PNG": {
        *_METADATA,
        *(
            "transparency",
            "16 bits",
            "resolution",
            "text",
            "comment",
            "gamma and colour chunks",
        ),
    },
    "TIFF": {*_METADATA, "transparency", "16 bits", "resolution"},
    "WEBP": {*_METADATA, "transparency"},
}
SEVERAL_FRAMES = ("PNG", "TIFF", "WEBP")
# A JPEG segment has to tell its length in 16 bits, after a word that says what it holds.
_JPEG_LIMITS = {"EXIF": 65533, "XMP": 65504, "comment": 65533}
# TIFF 6.0: tags of a picture's storage.
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS = 273, 277, 278, 279
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT, _EXTRA_SAMPLES, _PREDICTOR = (
    282,
    283,
    296,
    338,
    317,
)
_XMP, _ICC_PROFILE, _PLANAR = 700, 34675, 284
_DEFLATE, _RGB, _INCH, _STRAIGHT_ALPHA, _DIFFERENCES = 8, 2, 2, 2, 2
_PIXELS_A_STRIP = 2**18


def write_picture(path: str | os.PathLike[str], picture: Picture | NDArray[np.uint8]) -> None:
    """Writes a picture in the format its suffix names.

    PNG, TIFF and WebP (lossless) keep pixels, alpha, colour profile, EXIF and XMP; PNG and
    TIFF all 16 bits, where there are as many, and the resolution; PNG text, gamma and
    colour chunks. JPEG (quality 95, colours at full resolution) drops alpha: the colours
    under it are written as they are. BMP keeps the pixels only. EXIF that is
    too long for JPEG (64 KiB) is left out there. `what_is_lost` lists what is not kept.

    The file appears, or is replaced, at once and whole.

    Args:
        path: str or Path whose suffix is one of `SUFFIXES`.
        picture: `Picture`. Or the pixels alone, such as `Inpainter.inpaint` returns: a uint8
            array of shape `(height, width, 3)`, or `(height, width)` of grey.

    Raises:
        ValueError: If the suffix is unknown or the format cannot hold the
            picture.
        OSError: If the folder is missing or cannot be written to.

    Example:
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "black.png")
    >>> keras_inpaint.pictures.write_picture(path, np.zeros((4, 6, 3), "uint8"))
    >>> keras_inpaint.pictures.read_picture(path).size
    (4, 6)
    """
    if not isinstance(picture, Picture):
        picture = Picture.of(picture, "picture")
    write_frames(path, [picture])


def write_frames(
    path: str | os.PathLike[str], pictures: Sequence[Picture], durations: Sequence[int] = ()
) -> None:
    """Writes the frames of an animation, or the pages of a TIFF file.

    Args:
        path: str or Path of a PNG, TIFF or WebP file; for one picture, of any.
        pictures: Sequence of `Picture`, at least one.
        durations: Sequence of int. Milliseconds that each frame is shown; pages have none.

    Raises:
        ValueError: If the format holds one picture only, or cannot hold these.
        OSError: As `write_picture`.
    """
    check_writable(path)
    with atomic_write(path) as draft:
        write_draft(draft, pictures, durations)


def write_draft(
    draft: Path, pictures: Sequence[Picture], durations: Sequence[int] = ()
) -> None:
    """Writes pictures to a file that is yet to appear, see `atomic_write`."""
    kind, first = _kind(draft), pictures[0]
    if len(pictures) > 1 and kind not in SEVERAL_FRAMES:
        raise ValueError(
            f"{kind} files hold one picture. Choose .tiff for pages, .webp or .png for "
            f"frames. Received: path={draft.name!r}, {len(pictures)} pictures"
        )
    with _encoding(draft, kind, first.size), draft.open("w+b") as file:
        if kind == "TIFF" and (len(pictures) > 1 or first.deep is not None):
            _write_pages(file, pictures)
        elif kind == "PNG" and first.deep is not None and len(pictures) == 1:
            write_png16(file, _current(first), make_chunks(*_png_parts(first)))
        else:
            frames = {}
            if len(pictures) > 1:
                more = [_image(each, kind) for each in pictures[1:]]
                frames = {"save_all": True, "append_images": more, "loop": 0}
                frames["duration"] = list(durations) or [0] * len(pictures)
            _image(first, kind).save(file, kind, **_options(first, kind), **frames)


@contextmanager
def _encoding(path: str | os.PathLike[str], kind: str, size: tuple[int, int]) -> Iterator[None]:
    """Names the way out of what an encoder says."""
    try:
        yield
    except Exception as error:
        # A full disk is told by `atomic_write`.
        if isinstance(error, MemoryError) or getattr(error, "errno", None) is not None:
            raise
        # Each encoder has its own limits (WebP: 16383 pixels) and errors.
        raise ValueError(
            f"The picture cannot be written as {kind}: {error}. Choose another suffix. "
            f"Received: path={Path(path).name!r}, a picture of {size[0]} x {size[1]} pixels"
        ) from error


def check_writable(path: str | os.PathLike[str], name: str = "path") -> None:
    """Checks that a picture can be written to `path`, before any work is done.

    Args:
        path: str or Path of the file to be.
        name: str. What the caller calls it, for the error.

    Raises:
        OSError: As `keras_inpaint.files.check_target`, and so `ValueError`.
        ValueError: If the suffix names no format that can be written.

    Example:
    >>> keras_inpaint.pictures.check_writable("filled.png")
    """
    check_target(path, name=name)
    if Path(path).suffix.lower() not in FORMATS:
        raise ValueError(
            f"`{name}` must end in one of {', '.join(SUFFIXES)}, which names the format. "
            f"Received: {name}={os.fspath(path)!r}"
        )


def what_is_lost(path: str | os.PathLike[str], picture: Picture) -> list[str]:
    """Lists the parts of a picture that its file cannot hold, in words for people.

    Args:
        path: str or Path of the file to be, whose suffix is one of `SUFFIXES`.
        picture: `Picture`.

    Returns:
        List of some of `"transparency"`, `"colour profile"`, `"EXIF"`, `"XMP"`,
        `"16 bits"`, `"resolution"`, `"text"`, `"comment"` and `"gamma and colour chunks"`.

    Example:
    >>> from keras_inpaint.pictures.writing import what_is_lost
    >>> pixels, alpha = np.zeros((4, 6, 3), "uint8"), np.ones((4, 6), "uint8")
    >>> what_is_lost("filled.jpg", keras_inpaint.pictures.Picture(pixels, alpha))
    ['transparency']
    """
    kind = _kind(path)
    text = [content for _, content in picture.text if not content.startswith(COMMENT)]
    sizes = {
        "transparency": 0 if picture.alpha is None else 1,
        "colour profile": len(picture.icc_profile or b""),
        "EXIF": len(picture.exif or b""),
        "XMP": len(picture.xmp or b""),
        "16 bits": 0 if picture.deep is None else 1,
        "resolution": 0 if picture.resolution is None else 1,
        "text": len(text),
        "comment": len(_comment(picture) or b""),
        # sRGB is what is read where nothing is said.
        "gamma and colour chunks": sum(name != b"sRGB" for name, _ in picture.colour),
    }
    limits = _JPEG_LIMITS if kind == "JPEG" else {}
    return [
        part
        for part, size in sizes.items()
        if size and (part not in _KEEPS[kind] or size > limits.get(part, size))
    ]


def _kind(path: str | os.PathLike[str]) -> str:
    return FORMATS[Path(path).suffix.lower()]


def _comment(picture: Picture) -> bytes | None:
    texts = [content for kind, content in picture.text if kind == b"tEXt"]
    found = [text.removeprefix(COMMENT) for text in texts if text.startswith(COMMENT)]
    return found[0] if found else None


def _image(picture: Picture, kind: str) -> Image.Image:
    if picture.alpha is None or "transparency" not in _KEEPS[kind]:
        return Image.fromarray(picture.pixels)
    return Image.fromarray(np.dstack([picture.pixels, picture.alpha]))


def _png_parts(picture: Picture) -> tuple[Any, ...]:
    return (
        *(picture.icc_profile, picture.colour, picture.text),
        *(picture.resolution, picture.exif, picture.xmp),
    )


def _options(picture: Picture, kind: str) -> dict[str, Any]:
    """How a picture is saved by Pillow, with all that the format keeps."""
    lost = what_is_lost(f"a.{kind.lower()}", picture)
    parts = {
        "icc_profile": ("colour profile", picture.icc_profile),
        "exif": ("EXIF", picture.exif),
        "dpi": ("resolution", picture.resolution),
    }
    if kind in ("JPEG", "WEBP"):
        parts["xmp"] = ("XMP", picture.xmp)
    if kind == "JPEG":
        parts["comment"] = ("comment", _comment(picture))
    options = dict(_OPTIONS[kind])
    options |= {key: part for key, (name, part) in parts.items() if part and name not in lost}
    if kind == "PNG":
        options["pnginfo"] = _png_info(picture)
    if kind == "TIFF" and (picture.exif or picture.xmp):
        options["exif"] = _tiff_exif(picture)
    return options


def _png_info(picture: Picture) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for kind, content in (*picture.colour, *picture.text):
        info.add(kind, content)
    if picture.xmp:
        info.add(*xmp_chunk(picture.xmp))
    return info


def _tiff_exif(picture: Picture) -> Image.Exif:
    """EXIF and XMP as TIFF files hold them: among the tags of the picture."""
    exif = Image.Exif()
    if picture.exif:
        exif.load(picture.exif)
    if picture.xmp:
        exif[_XMP] = picture.xmp
    return exif


def _write_pages(file: BinaryIO, pictures: Sequence[Picture]) -> None:
    with TiffImagePlugin.AppendingTiffWriter(file) as pages:
        for picture in pictures:
            if picture.deep is None:
                _image(picture, "TIFF").save(pages, "TIFF", **_options(picture, "TIFF"))
            else:
                _write_tiff16(pages, picture)
            pages.newFrame()


def _write_tiff16(file: Any, picture: Picture) -> None:
    """Writes one page of 16 bits a channel, which Pillow cannot."""
    deep = _current(picture)
    height, width, channels = deep.shape
    tags, exif = TiffImagePlugin.ImageFileDirectory_v2(), _tiff_exif(picture)
    for tag, value in exif.items():
        is_folder = tag in TiffTags.TAGS_V2_GROUPS
        tags[tag] = exif.get_ifd(tag) if is_folder else value
    rows = max(_PIXELS_A_STRIP // width, 1)
    strips = list(_strips(deep, rows))
    tags[_WIDTH], tags[_HEIGHT] = width, height
    tags[_BITS], tags[_SAMPLES] = (16,) * channels, channels
    tags[_COMPRESSION], tags[_PHOTOMETRIC], tags[_PREDICTOR] = _DEFLATE, _RGB, _DIFFERENCES
    tags[_PLANAR], tags[_ROWS_PER_STRIP] = 1, rows
    if channels == 4:
        tags[_EXTRA_SAMPLES] = _STRAIGHT_ALPHA
    if picture.resolution:
        tags[_X_RESOLUTION], tags[_Y_RESOLUTION] = picture.resolution
        tags[_RESOLUTION_UNIT] = _INCH
    if picture.icc_profile:
        tags[_ICC_PROFILE] = picture.icc_profile
    for tag in (_STRIP_OFFSETS, _STRIP_COUNTS):
        tags.tagtype[tag] = TiffTags.LONG
    tags[_STRIP_COUNTS] = tuple(len(strip) for strip in strips)
    # Counted from the end of the tags; writing them adds where that is.
    ends = np.cumsum([0, *tags[_STRIP_COUNTS]]).tolist()
    tags[_STRIP_OFFSETS] = tuple(ends[:-1])
    file.seek(tags.save(file))
    for strip in strips:
        file.write(strip)


def _strips(deep: NDArray[np.uint16], rows: int) -> Iterator[bytes]:
    for top in range(0, len(deep), rows):
        strip = deep[top : top + rows]
        # TIFF 6.0, section 14: each pixel as its difference to that on the left.
        differences = strip.copy()
        differences[:, 1:] -= strip[:, :-1]
        yield zlib.compress(differences.astype("<u2").tobytes())


def _current(picture: Picture) -> NDArray[np.uint16]:
    """The picture at 16 bits: `deep`, but where pixels or alpha were changed since."""
    deep = np.array(picture.deep)
    channels = 3 if picture.alpha is None else 4
    if deep.shape[-1] != channels:
        opaque = np.full((*deep.shape[:2], 4), 65535, np.uint16)
        opaque[..., :3] = deep[..., :3]
        deep = np.ascontiguousarray(opaque[..., :channels])
    rows = max(_PIXELS_A_STRIP // deep.shape[1], 1)
    for top in range(0, len(deep), rows):
        part = deep[top : top + rows]
        _replace_changed(part[..., :3], picture.pixels[top : top + rows])
        if picture.alpha is not None:
            _replace_changed(part[..., 3:], picture.alpha[top : top + rows, :, None])
    return deep


def _replace_changed(deep: NDArray[np.uint16], levels: NDArray[np.uint8]) -> None:
    is_changed = (to_bytes(deep) != levels).any(axis=-1)
    # 65535 = 257 * 255.
    deep[is_changed] = levels[is_changed].astype(np.uint16) * 257
