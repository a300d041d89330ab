"""How far a command is, in one line that is rewritten, or in plain lines."""

import shutil
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

_CLEAR_LINE = "\r\x1b[2K"


class Progress:
    """Says on the terminal what is done, and how much time the rest will take.

    Where the output is no terminal, each item has a plain line, without the time. It is
    a context: the line disappears at its end.

    Args:
        total: int. How many items there are.
        stream: Where to write; `sys.stderr` unless given.
        clock: Function that returns seconds.

    Example:
    >>> import io
    >>> from keras_inpaint.cli.progress import Progress
    >>> stream = io.StringIO()
    >>> with Progress(2, stream) as progress:
    ...     progress.begin("a.jpg")
    ...     progress.begin("b.jpg")
    >>> stream.getvalue().splitlines()
    ['1/2 a.jpg', '2/2 b.jpg']
    """

    def __init__(
        self,
        total: int,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._is_terminal = self._stream.isatty()
        self._start = 0.0
        self._num_begun = 0
        self._line = ""

    def begin(self, name: str) -> None:
        """Begins the next item."""
        if not self._num_begun:
            self._start = self._clock()
        self._num_begun += 1
        self._line = f"{self._num_begun}/{self.total} {name}"
        if self._is_terminal:
            self._draw(self._num_begun - 1)
        elif self.total > 1:
            print(self._line, file=self._stream, flush=True)

    def update(self, num_done: int, num_parts: int) -> None:
        """Says how many parts of the item are done."""
        if self._is_terminal:
            self._draw(self._num_begun - 1 + num_done / num_parts)

    def say(self, text: str, stream: TextIO | None = None) -> None:
        """Prints a line of its own, to another stream if need be."""
        self._clear()
        print(text, file=stream or self._stream, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._clear()

    def _draw(self, num_done: float) -> None:
        text = self._line
        if num_done:
            elapsed = self._clock() - self._start
            text += f", {_words(elapsed * (self.total - num_done) / num_done)} left"
        # A line that wraps could not be rewritten.
        columns = shutil.get_terminal_size().columns - 1
        if len(text) > columns:
            text = "..." + text[3 - columns :]
        self._stream.write(_CLEAR_LINE + text)
        self._stream.flush()

    def _clear(self) -> None:
        if self._is_terminal:
            self._stream.write(_CLEAR_LINE)
            self._stream.flush()


def _words(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} min"
    return f"about {round(seconds / 3600)} h"
