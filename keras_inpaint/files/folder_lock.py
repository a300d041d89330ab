"""One process per folder."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import filelock


class FolderLock:
    """Keeps a second process from writing to a folder.

    The system gives the lock back when the process ends, however it ends; the file that
    carries it stays. Where the disk knows no locks, nobody is kept out.

    Args:
        folder: str or path of a folder that exists.
        what: str. What another process would be doing there, for the error.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If another process, or another lock of this one, holds the folder.

    Example:
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> lock = keras_inpaint.files.FolderLock(folder, "training")
    >>> keras_inpaint.files.FolderLock(folder, "training")
    Traceback (most recent call last):
        ...
    ValueError: Another training is writing to this folder...
    >>> lock.release()
    """

    NAME = ".lock"

    def __init__(self, folder: str | os.PathLike[str], what: str = "process") -> None:
        path = Path(folder) / self.NAME
        # Made here: a folder that cannot be written to is an error, one without locks is none.
        path.touch()
        self._lock = filelock.FileLock(path, blocking=False, fallback_to_soft=False)
        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise ValueError(
                f"Another {what} is writing to this folder: wait until it has ended, stop it, "
                f"or choose another folder. Received: folder={str(folder)!r}"
            ) from error
        except (OSError, NotImplementedError):
            # Some network disks know no locks: better written without one than not at all.
            pass

    def release(self) -> None:
        """Lets others in."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()
