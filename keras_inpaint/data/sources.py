"""From a folder, a list or a pattern to the paths of photos."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from keras_inpaint.pictures import SUFFIXES, is_picture_name

Source = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def find_photos(source: Source) -> list[str]:
    """Lists the photos of a source, always in the same order.

    Args:
        source: One of
            - a folder, searched with all folders below it for files named
              like pictures; hidden files and folders are passed over;
            - a pattern such as `"photos/*/beach_*.jpg"` (`**` for any depth),
              of which files named like pictures are taken;
            - a picture file, or a text file that lists one path per line,
              relative to the text file; empty lines are passed over;
            - an iterable of paths.
            Listed paths are taken as they are, in their order.

    Returns:
        List of str.

    Raises:
        FileNotFoundError: If a folder or file is missing.
        ValueError: If the source holds no photos.

    Example:
    >>> keras_inpaint.data.find_photos(["b.jpg", "a.jpg"])
    ['b.jpg', 'a.jpg']
    """
    if not isinstance(source, str | os.PathLike):
        paths = [os.fspath(path) for path in source]
        advice = "The list is empty."
    elif os.path.isdir(source):
        paths = _in_folder(os.fspath(source))
        advice = f"Put files ({', '.join(SUFFIXES)}) into the folder, or name another one."
    elif os.path.isfile(source):
        paths = [os.fspath(source)] if is_picture_name(source) else _in_list(Path(source))
        advice = "The text file lists no paths; write one per line."
    elif glob.has_magic(os.fspath(source)):
        found = glob.glob(os.fspath(source), recursive=True)
        paths = sorted(path for path in found if is_picture_name(path) and os.path.isfile(path))
        advice = "No picture file matches the pattern."
    else:
        raise FileNotFoundError(
            "`source` must be a folder, a list of paths, a pattern, or a text file that "
            f"lists paths; there is nothing of this name. Received: source={str(source)!r}"
        )
    if not paths:
        raise ValueError(f"`source` holds no photos. {advice} Received: source={source!r}")
    return paths


def _in_folder(folder: str) -> list[str]:
    paths = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [os.path.join(parent, name) for name in files if is_picture_name(name)]
    return sorted(paths)


def _in_list(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            "`source` must be a text file in UTF-8 that lists one path per line, or a "
            f"picture ({', '.join(SUFFIXES)}). Received: source={str(path)!r}"
        ) from error
    return [str(path.parent / line.strip()) for line in lines if line.strip()]
