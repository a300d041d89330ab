"""Files of object stores and other remote disks, by the paths of fsspec."""

import glob
import os
import re
from typing import Any

Path = str | os.PathLike[str]

_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://.*", re.DOTALL)


def is_remote(path: Any) -> bool:
    """Checks whether a path is one of fsspec, such as `s3://bucket/photos`.

    Example:
    >>> from keras_inpaint.files.remote import is_remote
    >>> is_remote("s3://bucket/a.jpg"), is_remote("C:/photos/a.jpg")
    (True, False)
    """
    return isinstance(path, str | os.PathLike) and bool(_REMOTE.fullmatch(os.fspath(path)))


def file_system(path: Path) -> tuple[Any, str]:
    """Returns the file system of a remote path, and what the path is called there.

    Raises:
        ModuleNotFoundError: If fsspec, or its package for this protocol, is not installed.
        ValueError: If fsspec knows no such protocol.
    """
    path = os.fspath(path)
    received = f"Received: {path!r}"
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Paths of object stores need fsspec, which is not installed. Run `pip install "
            f"'keras-inpaint[remote]'`. {received}",
            name="fsspec",
        ) from error
    protocol = path.split("://")[0]
    try:
        found: tuple[Any, str] = fsspec.core.url_to_fs(path)
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise ModuleNotFoundError(
            f"Paths of {protocol}:// need another package: {reason}. Run `pip install "
            f"'fsspec[{protocol}]'`. {received}",
            name=error.name or protocol,
        ) from error
    except ValueError as error:
        raise ValueError(
            f"fsspec knows no paths of {protocol}://. Name a local path, or one of another "
            f"protocol, such as s3:// or gs://. {received}"
        ) from error
    return found


def read_remote(path: Path, start: int | None = None, end: int | None = None) -> bytes:
    """Reads a remote file, or some of its bytes, by one request.

    Args:
        path: str or path.
        start: int or `None`. The first byte.
        end: int or `None`. The byte after the last one.

    Raises:
        FileNotFoundError: If there is no such file.
        OSError: If it cannot be read.
    """
    system, name = file_system(path)
    try:
        content: bytes = system.cat_file(name, start=start, end=end)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no such file. Received: path={os.fspath(path)!r}"
        ) from error
    return content


def is_file(path: Path) -> bool:
    """Checks whether there is a file of a name, local or remote."""
    if not is_remote(path):
        return os.path.isfile(path)
    system, name = file_system(path)
    return bool(system.isfile(name))


def exists(path: Path) -> bool:
    """Checks whether there is a file or folder of a name, local or remote."""
    if not is_remote(path):
        return os.path.exists(path)
    system, name = file_system(path)
    return bool(system.exists(name))


def file_sizes(folder: Path) -> dict[str, int]:
    """Returns the sizes of a folder's files by their names, as one listing has them."""
    if not is_remote(folder):
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    system, name = file_system(folder)
    entries = system.ls(name, detail=True)
    return {
        os.path.basename(entry["name"]): entry["size"]
        for entry in entries
        if entry["type"] == "file"
    }


def list_remote(path: Path) -> list[str]:
    """Lists the files below a remote folder, or those that match a pattern, sorted."""
    system, name = file_system(path)
    found = system.glob(name) if glob.has_magic(name) else system.find(name)
    return sorted(system.unstrip_protocol(each) for each in found)
