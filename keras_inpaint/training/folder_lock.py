"""One process a folder."""

from pathlib import Path
from typing import IO

try:
    import fcntl
except ModuleNotFoundError:  # Windows, which knows no such locks.
    fcntl = None  # type: ignore[assignment]


class FolderLock:
    """Keeps a second process from writing to a folder.

    The system gives the lock back when the process ends, however it ends; the file that
    carries it stays. Where the system or the disk knows no locks, nobody is kept out.

    Args:
        folder: path of a folder that exists.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If another process holds the lock.

    Example:
    >>> import pathlib, tempfile
    >>> from keras_inpaint.training.folder_lock import FolderLock
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> lock = FolderLock(folder)
    >>> FolderLock(folder)
    Traceback (most recent call last):
        ...
    ValueError: Another training is writing to this folder...
    >>> lock.release()
    """

    NAME = ".lock"

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = (folder / self.NAME).open("ab")
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise ValueError(
                "Another training is writing to this folder: wait until it has ended, stop "
                f"it, or choose another folder. Received: output={str(folder)!r}"
            ) from error
        except OSError:
            # Some network disks know no locks: better trained without one than not at all.
            pass

    def release(self) -> None:
        """Lets others in."""
        self._file.close()
