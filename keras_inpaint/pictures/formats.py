"""The file formats of pictures: known by their content, written by their suffix."""

import functools
import os
import stat
from pathlib import Path

from PIL import Image

# Pillow's name of the format that is written for each suffix.
FORMATS = {
    ".bmp": "BMP",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
SUFFIXES = tuple(sorted(FORMATS))
"""The suffixes of the files that photos are written to, such as `.png`."""
# Pillow hands these to other programs, or knows them by name only.
_NOT_READ = frozenset(("BUFR", "EPS", "FPX", "GRIB", "HDF5", "MIC", "MPEG", "WMF"))
# What Pillow calls a format whose first bytes nothing else has. Those of others are a letter
# or two, which a text may begin with too.
_CERTAIN = frozenset(
    ("AVIF", "DDS", "GIF", "HEIF", "JPEG", "JPEG2000", "PNG", "PSD", "QOI", "TIFF", "WEBP")
)
# As many bytes as Pillow looks at.
PREFIX_SIZE = 16
# ISO/IEC 23008-12, annex B, and AVIF 1.1, section 6: the brand at byte 8.
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")


@functools.cache
def _pillow_formats() -> tuple[str, ...]:
    """Names of all formats that are read. Also those of packages that add some to Pillow."""
    try:
        # The extra `heif`.
        from pillow_heif import register_heif_opener
    except ImportError:
        pass
    else:
        register_heif_opener()
    Image.init()
    return tuple(sorted(set(Image.ID) - _NOT_READ))


@functools.cache
def _read_suffixes() -> frozenset[str]:
    formats = _pillow_formats()
    known = {
        suffix
        for suffix, kind in Image.registered_extensions().items()
        if kind in formats and kind in _CERTAIN | {"BMP", "TGA"}
    }
    # Also those that an older Pillow does not know: such a file is named, not passed over.
    return frozenset({*known, *FORMATS, ".avif", ".heic", ".heif"})


def read_formats(suffix: str = "") -> tuple[str, ...]:
    """Lists the formats that a file may be read as, by Pillow's names for them.

    Args:
        suffix: str. Suffix of the file's name. A few old formats have no mark in their
            content: only the suffix tells them from a file that is no picture.

    Returns:
        Tuple of str.
    """
    extensions = Image.registered_extensions()
    return tuple(
        kind
        for kind in _pillow_formats()
        if Image.OPEN[kind][1] is not None or extensions.get(suffix.lower()) == kind
    )


def picture_format(prefix: bytes) -> str | None:
    """Finds the format of a file by its first bytes.

    Args:
        prefix: bytes. The first `PREFIX_SIZE` bytes.

    Returns:
        str: Pillow's name of the format, such as `"JPEG"`, or None.
    """
    for kind in _pillow_formats():
        accepts = Image.OPEN[kind][1]
        try:
            answer = accepts is not None and accepts(prefix)
        except Exception:
            # Of very short files.
            continue
        # A text says why the file cannot be read.
        if answer and not isinstance(answer, str):
            return kind
    return None


def missing_decoder(prefix: bytes) -> str | None:
    """Tells what has to be installed for a picture that this machine cannot decode.

    Args:
        prefix: bytes. The first `PREFIX_SIZE` bytes.

    Returns:
        str: what to install, or None where the file is not known to be a picture.

    Example:
    >>> from keras_inpaint.pictures.formats import missing_decoder
    >>> missing_decoder(b"GIF89a") is None
    True
    """
    brand = prefix[8:12] if prefix[4:8] == b"ftyp" else b""
    if brand in _AVIF_BRANDS and "AVIF" not in _pillow_formats():
        return "a newer Pillow reads AVIF (pip install --upgrade pillow)"
    if brand in _HEIF_BRANDS and "HEIF" not in _pillow_formats():
        return "HEIC needs the extra `heif` (pip install 'keras-inpaint[heif]')"
    return None


def is_picture_name(path: str | os.PathLike[str]) -> bool:
    """Checks whether a file's name is that of a picture; hidden files are none.

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
    return path.suffix.lower() in _read_suffixes() and not path.name.startswith(".")


def is_picture_file(path: str | os.PathLike[str]) -> bool:
    """Checks whether a file is a picture, by what is in it and whatever its name.

    A file that is named like a picture and cannot be read is none.

    Args:
        path: str or Path. Only a regular file is opened.

    Returns:
        bool.

    Example:
    >>> keras_inpaint.pictures.is_picture_file("missing.png")
    False
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            prefix = file.read(PREFIX_SIZE)
            kind = picture_format(prefix)
            if kind is None:
                return missing_decoder(prefix) is not None
            if kind not in _CERTAIN:
                file.seek(0)
                Image.open(file, formats=(kind,)).close()
    except Exception:
        # Pillow raises errors of many kinds over what only looks like a picture.
        return False
    return True


def is_lossy(path: str | os.PathLike[str]) -> bool:
    """Checks whether writing to `path` changes pixels: JPEG does.

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


def list_pictures(folder: str | os.PathLike[str]) -> list[Path]:
    """Lists the picture files of a folder, sorted; folders below it are not searched.

    Args:
        folder: str or Path.

    Returns:
        List of `pathlib.Path`: the files that are pictures by their content or
        their name, except hidden ones.

    Raises:
        FileNotFoundError: If there is no such folder.
        NotADirectoryError: If it is a file.
        ValueError: If it holds no picture.

    Example:
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> keras_inpaint.pictures.write_picture(
    ...     folder + "/b.png", keras_inpaint.pictures.Picture(np.zeros((1, 1, 3), "uint8")))
    >>> [path.name for path in keras_inpaint.pictures.list_pictures(folder)]
    ['b.png']
    """
    folder = Path(folder)
    if not folder.exists():
        raise FileNotFoundError(
            f"There is no such folder. Check its name. Received: folder={str(folder)!r}"
        )
    if not folder.is_dir():
        raise NotADirectoryError(
            "`folder` must name a folder, not a file. Pass the folder that holds the file. "
            f"Received: folder={str(folder)!r}"
        )
    paths = sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".")
        and path.is_file()
        and (is_picture_name(path) or is_picture_file(path))
    )
    if not paths:
        raise ValueError(
            "`folder` must hold pictures, such as JPEG or PNG files, and holds none. "
            f"Received: folder={str(folder)!r}"
        )
    return paths
