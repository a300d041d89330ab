"""The files that a stream of photos had to leave out."""

import logging
import os
import threading

from keras_inpaint.data.sources import describe_left_out

logger = logging.getLogger("keras_inpaint.data")


class SkipLog:
    """The files that could not be decoded, each with its reason.

    A damaged file must not end a training run of days, nor stay unnoticed:
    each is named once in a warning of the logger `keras_inpaint.data` and
    kept here.

    Example:
    >>> log = keras_inpaint.data.SkipLog()
    >>> log.count, log.reasons
    (0, {})
    """

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}
        self._left_out: dict[str, set[str]] = {}
        self._noted: set[str] = set()
        # Photos are decoded by many threads.
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """Number of files left out so far, each counted once."""
        return len(self._reasons)

    @property
    def reasons(self) -> dict[str, str]:
        """Path of each file left out, with the reason."""
        with self._lock:
            return dict(self._reasons)

    @property
    def last_reason(self) -> str:
        """The reason of the file that was left out last; empty if there is none."""
        with self._lock:
            return next(reversed(self._reasons.values()), "")

    @property
    def left_out(self) -> dict[str, list[str]]:
        """Paths of files that were taken for no photos, by the reason."""
        with self._lock:
            return {reason: sorted(paths) for reason, paths in self._left_out.items()}

    def leave_out(self, left_out: dict[str, list[str]]) -> None:
        """Notes which files of a folder are no photos; says how many are new."""
        new: dict[str, list[str]] = {}
        with self._lock:
            for reason, paths in left_out.items():
                known = self._left_out.setdefault(reason, set())
                if more := [path for path in paths if path not in known]:
                    new[reason] = more
                    known.update(more)
        if new:
            folder = os.path.commonpath(
                [os.path.dirname(path) for paths in new.values() for path in paths]
            )
            logger.info("Left out of %s: %s.", folder or ".", describe_left_out(new))

    def note(self, path: str, remark: str) -> None:
        """Warns of something about a file that is used all the same, once."""
        with self._lock:
            is_new = path not in self._noted
            self._noted.add(path)
        if is_new:
            logger.warning("%s %s", path, remark)

    def add(self, path: str, reason: str) -> None:
        """Notes that `path` is left out; warns the first time."""
        with self._lock:
            is_new = path not in self._reasons
            self._reasons.setdefault(path, reason)
        if is_new:
            logger.warning("Skipped %s: %s", path, reason)

    def __contains__(self, path: str) -> bool:
        return path in self._reasons
