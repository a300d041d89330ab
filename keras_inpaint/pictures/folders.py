"""The pictures of a folder."""

import os
from pathlib import Path

from keras_inpaint.pictures.formats import SUFFIXES, is_picture_name


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
