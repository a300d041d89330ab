"""The disk: its room, made sure of before a library writes, and whether it is still there."""

import errno
import math
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

# Bytes that HDF5 spends on a file, and on each variable beside its values: headers, groups,
# padding.
_FILE_OVERHEAD, _OVERHEAD = 16384, 4096
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Of disks that cannot reserve; they still know how much is free.
_CANNOT_RESERVE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


# Of disks that were taken away: a cable, a network, the program behind a mount.
_LOST = (errno.EIO, errno.ENOTCONN, errno.ESTALE)


class DiskFullError(OSError):
    """The one error of this package for a disk that is full, with its `errno`."""


class LostFolderError(OSError):
    """The one error of this package for a folder that is not there any more."""


class KnownFolder:
    """A folder that is written to later, and that may be lost before: unmounted, or moved.

    What is in its place then, such as the empty folder that a disk was mounted on, is another.

    Args:
        path: str or path of the folder.
        advice: str. What to do once it is brought back.

    Raises:
        OSError: If it is not there.

    Example:
    >>> import tempfile
    >>> from keras_inpaint.files.room import KnownFolder
    >>> KnownFolder(tempfile.mkdtemp(), "Start again.").check()
    """

    def __init__(self, path: str | os.PathLike[str], advice: str) -> None:
        self._path, self._advice = path, advice
        self._identity = self._identify()

    @classmethod
    def above(cls, path: str | os.PathLike[str], advice: str) -> Self:
        """Remembers where a file or folder will be: the nearest folder above that is there.

        Args:
            path: str or path of what is written later; folders above it may be missing.
            advice: As `KnownFolder` takes.
        """
        parents = Path(os.path.realpath(path)).parents
        return cls(next(each for each in parents if each.exists()), advice)

    def check(self) -> None:
        """Refuses to go on where it is lost.

        Raises:
            LostFolderError: If it is.
        """
        reason = "another folder is in its place"
        try:
            if self._identify() == self._identity:
                return
        except OSError as error:
            reason = str(error)
        raise self._lost(reason)

    def check_error(self, error: BaseException) -> None:
        """Explains an error of writing to it where it is lost.

        Args:
            error: The exception, of whatever library.

        Raises:
            LostFolderError: If that is why.
        """
        if not isinstance(error, Exception):
            return
        if _tells(error, _LOST):
            raise self._lost(" ".join(str(error).split())) from error
        try:
            self.check()
        except LostFolderError as lost:
            raise lost from error

    def _identify(self) -> tuple[int, int]:
        status = os.stat(self._path)
        return status.st_dev, status.st_ino

    def _lost(self, reason: str) -> LostFolderError:
        return LostFolderError(
            f"The folder is not there any more ({reason}): its disk was taken away, or it was "
            f"moved. Bring it back. {self._advice} Received: folder={str(self._path)!r}"
        )


def reserve_room(
    folder: str | os.PathLike[str], size: int, path: str | os.PathLike[str] | None = None
) -> None:
    """Makes sure that the disk of a folder has room, right before a library writes there.

    HDF5 ends the whole process by a segmentation fault where a disk is full, so that there
    is no error to catch: the room is reserved first, and given back for the library to use.

    Args:
        folder: str or path of a folder that exists.
        size: int. Bytes that are about to be written.
        path: str, path or `None`. What is written, for the error; the folder if `None`.

    Raises:
        DiskFullError: If there is less room.
        OSError: If the folder cannot be written to.

    Example:
    >>> import tempfile
    >>> keras_inpaint.files.reserve_room(tempfile.mkdtemp(), 1000)
    """
    if size < 1:
        return
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            _reserve(file.fileno(), size, folder)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise no_room(folder if path is None else path, error, size) from error


def _reserve(descriptor: int, size: int, folder: str | os.PathLike[str]) -> None:
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
            return
    except OSError as error:
        if error.errno not in _CANNOT_RESERVE:
            raise
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def weights_size(variables: Iterable[Any], dtype_size: int = 4) -> int:
    """Returns how many bytes a file of weights takes at most.

    Args:
        variables: `keras.Variable` of any number, or arrays.
        dtype_size: int. Bytes of each number.

    Returns:
        int: bytes.

    Example:
    >>> keras_inpaint.files.weights_size([np.zeros((3, 3)), np.zeros(())])
    24616
    """
    sizes: list[int] = [dtype_size * math.prod(each.shape) + _OVERHEAD for each in variables]
    return _FILE_OVERHEAD + sum(sizes)


def is_full(error: BaseException) -> bool:
    """Returns whether an error says that a disk is full, a quota or a file's limit reached.

    Libraries in C++ tell it in words of their own kinds of errors.
    """
    return _tells(error, _FULL)


def _tells(error: BaseException, numbers: tuple[int, ...]) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in numbers
    return any(os.strerror(number) in str(error) for number in numbers)


def no_room(
    path: str | os.PathLike[str], error: BaseException, size: int | None = None
) -> DiskFullError:
    """Returns the error to raise from one that `is_full`.

    Args:
        path: str or path of what was to be written, or of its folder.
        error: The exception that says that the disk is full.
        size: int or `None`. Bytes that were to be written, where that is known.
    """
    number = getattr(error, "errno", None)
    number = number if number in _FULL else errno.ENOSPC
    what = "what is to be written" if size is None else _in_words(size)
    full = DiskFullError(
        f"There is no room for {what} ({os.strerror(number)}). Make room on the disk, or "
        f"choose another folder. Received: path={str(Path(path))!r}"
    )
    # Not an argument: with a number, Python would write it before the message.
    full.errno = number
    return full


def _in_words(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size} bytes"
