"""The file formats of pictures, known by their suffix, and the pictures of a folder."""

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
    return path.suffix.lower() in FORMATS and not path.name.startswith(".")


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
        List of `pathlib.Path`: the files whose suffix is one of `SUFFIXES`,
        except hidden ones.

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
    paths = sorted(p for p in folder.iterdir() if is_picture_name(p) and p.is_file())
    if not paths:
        raise ValueError(
            f"`folder` must hold pictures ({', '.join(SUFFIXES)}), and holds none. "
            f"Received: folder={str(folder)!r}"
        )
    return paths
