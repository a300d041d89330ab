"""Files that are read: regular ones alone, parts of them, and names as messages show them."""

import hashlib
import io
import os
import stat
from typing import BinaryIO

from keras_inpaint.files.atomic import KINDS
from keras_inpaint.files.file_part import FilePart
from keras_inpaint.files.remote import is_remote, read_remote

Path = str | os.PathLike[str]


def check_source(path: Path, *, what: str = "file", name: str = "path") -> os.stat_result:
    """Refuses what is no regular file, without opening it.

    To open a FIFO is to wait for whoever writes to it, perhaps for ever; a device may never
    end.

    Args:
        path: str or path, or a link to one.
        what: str. What the file should be, for the error.
        name: str. The name of the argument, for the error.

    Returns:
        `os.stat_result`: size and times of the file.

    Raises:
        FileNotFoundError: If there is nothing of that name.
        ValueError: If it is a folder, a FIFO, a device or a socket.

    Example:
    >>> keras_inpaint.files.check_source("/dev/null", what="picture")
    Traceback (most recent call last):
        ...
    ValueError: `path` must name a picture file. Received: path='/dev/null', which is a \
character device
    """
    part = FilePart.of(path)
    try:
        status = os.stat(path if part is None else part.file)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"There is no such {what}. Received: {name}={os.fspath(path)!r}"
        ) from error
    _check_is_regular(status, path, what, name)
    return status


def open_source(path: Path, *, what: str = "file", name: str = "path") -> BinaryIO:
    """Opens a regular file to read its bytes; anything else is refused, and never waited for.

    Args:
        path: str or path of a file, or of a `FilePart`; or one of fsspec, such as
            `s3://bucket/a.jpg`, of which all is read at once.
        what, name: str. What messages call the file and its argument, see `check_source`.

    Returns:
        A binary file.

    Raises:
        OSError: If it is missing or may not be read.
        ValueError: As `check_source`, and if a part does not have its checksum.
    """
    if (part := FilePart.of(path)) is not None:
        if is_remote(part.file):
            content = read_remote(part.file, part.offset, part.offset + part.size)
        else:
            with open_source(part.file, what=what, name=name) as file:
                file.seek(part.offset)
                content = file.read(part.size)
        return io.BytesIO(part.check(content))
    if is_remote(path):
        return io.BytesIO(read_remote(path))
    check_source(path, what=what, name=name)
    # Should it be exchanged for a FIFO at this moment, this does not wait for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags), "rb")
    try:
        _check_is_regular(os.fstat(file.fileno()), path, what, name)
    except ValueError:
        file.close()
        raise
    return file


def read_source(path: Path, limit: int, *, what: str = "file", name: str = "path") -> bytes:
    """Reads all bytes of a regular file that has no more than `limit` of them.

    Args:
        path: As all others but `limit`, see `open_source`.
        limit: int. Bytes.

    Returns:
        The bytes.

    Raises:
        OSError: If it is missing or cannot be read.
        ValueError: As `open_source`, and if the file is larger.
    """
    with open_source(path, what=what, name=name) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(
            f"The {what} is larger than any of its kind ({limit:,} bytes). "
            f"Received: {name}={os.fspath(path)!r}"
        )
    return content


def sha256(path: Path) -> str:
    """Returns the checksum of a file, in hexadecimal.

    Args:
        path: str or path.

    Returns:
        str: SHA-256, 64 digits.

    Raises:
        OSError: If it is missing or cannot be read.
        ValueError: As `check_source`.
    """
    with open_source(path) as file:
        digest = hashlib.sha256()
        while part := file.read(2**20):
            digest.update(part)
        return digest.hexdigest()


def _check_is_regular(status: os.stat_result, path: Path, what: str, name: str) -> None:
    mode = stat.S_IFMT(status.st_mode)
    if mode != stat.S_IFREG:
        kind = KINDS.get(mode, "something else")
        received = f"Received: {name}={os.fspath(path)!r}, which is {kind}"
        reason = ", not a folder" if mode == stat.S_IFDIR else ""
        raise ValueError(f"`{name}` must name a {what} file{reason}. {received}")


def shown(text: Path) -> str:
    """Returns a name, or any text, as one line that a terminal can show.

    A name may hold line breaks and escape codes, which would forge lines of their own, or
    bytes that are no text: they are shown as Python writes them.

    Args:
        text: str or path.

    Returns:
        str of one line.

    Example:
    >>> keras_inpaint.files.shown("a\\n\\x1b[2Jb.png")
    'a\\\\n\\\\x1b[2Jb.png'
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in os.fspath(text)
    )
