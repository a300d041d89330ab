"""The files that a stream of photos had to leave out."""

import logging
import threading

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

    def add(self, path: str, reason: str) -> None:
        """Notes that `path` is left out; warns the first time."""
        with self._lock:
            is_new = path not in self._reasons
            self._reasons.setdefault(path, reason)
        if is_new:
            logger.warning("Skipped %s: %s", path, reason)

    def __contains__(self, path: str) -> bool:
        return path in self._reasons
