"""The signals that ask a process to end, and what is done about them."""

import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

# Sent where the machine is shut down, and where the terminal is closed (not on Windows).
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
# These, and Ctrl-C.
STOPPING = (signal.SIGINT, *ENDING)


@contextmanager
def handled(
    numbers: tuple[signal.Signals, ...], handler: Callable[[int, FrameType | None], Any]
) -> Iterator[None]:
    """Calls a function where one of some signals comes, within a context.

    A signal that the process was started to ignore, as `nohup` has it ignore SIGHUP, stays
    ignored. In other threads than the main one, to which Python gives signals, nothing changes.

    Args:
        numbers: Signals, such as `ENDING`.
        handler: Function of a signal's number and a frame, see `signal.signal`.

    Example:
    >>> import os, signal
    >>> from keras_inpaint.signals import ENDING, handled
    >>> came = []
    >>> with handled(ENDING, lambda number, frame: came.append(number)):
    ...     os.kill(os.getpid(), signal.SIGTERM)
    >>> came == [signal.SIGTERM]
    True
    """
    before = {}

    def call(number: int, frame: FrameType | None) -> Any:
        if number == getattr(signal, "SIGHUP", None):
            _leave_terminal()
        return handler(number, frame)

    try:
        if threading.current_thread() is threading.main_thread():
            for number in numbers:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    before[number] = signal.signal(number, call)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _leave_terminal() -> None:
    """Sends what is yet to be written to a terminal nowhere.

    Whoever writes to a terminal that was closed is given an error, which would end the process
    before it has saved.
    """
    for descriptor in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
