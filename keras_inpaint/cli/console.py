"""The terminal: messages, progress, and what libraries say while they load."""

import argparse
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Column

# The parent of all loggers of the package.
LOGGER = logging.getLogger("keras_inpaint")
# Progress is drawn on it too, below the messages.
CONSOLE = Console(stderr=True)


class _Handler(logging.Handler):
    """Writes messages above the progress that is drawn; elsewhere they are plain lines."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            CONSOLE.print(
                self.format(record), markup=False, highlight=False, emoji=False, soft_wrap=True
            )
        except Exception:
            self.handleError(record)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if LOGGER.isEnabledFor(logging.DEBUG):
            return f"{record.levelname} {record.name}: {text}"
        return f"keras-inpaint: {text}" if record.levelno >= logging.ERROR else text


def add_verbosity(parser: argparse.ArgumentParser) -> None:
    """Adds `--quiet` and `--verbose` to a parser."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--quiet",
        dest="level",
        action="store_const",
        const=logging.WARNING,
        default=logging.INFO,
        help="print results, warnings and errors only",
    )
    group.add_argument(
        "--verbose",
        dest="level",
        action="store_const",
        const=logging.DEBUG,
        help="also print what libraries say, the source of each message, and tracebacks",
    )


@contextmanager
def messages(level: int) -> Iterator[None]:
    """Prints what the package's loggers say, from a level on, on standard error."""
    handler = _Handler()
    handler.setFormatter(_Formatter())
    before = LOGGER.level, LOGGER.propagate
    LOGGER.setLevel(level)
    LOGGER.addHandler(handler)
    # Libraries give the root a handler of their own, which would say it once more.
    LOGGER.propagate = False
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before[0])
        LOGGER.propagate = before[1]


def shows_progress() -> bool:
    """Returns whether progress is drawn: on a terminal, unless asked to be quiet."""
    return sys.stdout.isatty() and LOGGER.isEnabledFor(logging.INFO)


@contextmanager
def quiet_start() -> Iterator[None]:
    """Keeps what libraries say while they load from the terminal.

    What a user did wrong, or has not installed, is told by an exception. If anything else
    goes wrong, all that was said is shown. With `--verbose`, nothing is kept back.
    """
    if LOGGER.isEnabledFor(logging.DEBUG):
        yield
        return
    # 3: errors too, for a missing GPU is reported as one. Silences what comes later.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as said:
        # The first words are C++'s, said before TensorFlow has read its log level.
        os.dup2(said.fileno(), 2)
        try:
            yield
        except (OSError, ValueError, ModuleNotFoundError):
            raise
        except BaseException:
            said.seek(0)
            with os.fdopen(os.dup(stderr), "wb") as terminal:
                shutil.copyfileobj(said, terminal)
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)


class Progress:
    """The progress over items, with the time that the rest will take.

    Where the output is no terminal, each of several items has a plain line, without the
    time. As a context, the bar disappears at its end.

    Args:
        total: int. Number of items.
        console: `rich.console.Console`.

    Example:
    >>> from rich.console import Console
    >>> from keras_inpaint.cli.console import Progress
    >>> with Progress(2, Console()) as progress:
    ...     progress.begin("a.jpg")
    ...     progress.update(1, 2)
    """

    def __init__(self, total: int, console: Console = CONSOLE) -> None:
        self.total = total
        self._is_drawn = console.is_terminal and LOGGER.isEnabledFor(logging.INFO)
        self._bar = Bar(
            MofNCompleteColumn(),
            BarColumn(),
            TimeRemainingColumn(),
            # Cut rather than wrapped.
            TextColumn("{task.description}", table_column=Column(no_wrap=True), markup=False),
            console=console,
            transient=True,
            disable=not self._is_drawn,
            # Results that go to a file must not be drawn above the bar instead.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._bar.add_task("", total=total)
        self._num_begun = 0

    def begin(self, name: str) -> None:
        """Begins the next item."""
        self._bar.update(self._task, completed=self._num_begun, description=name)
        self._num_begun += 1
        if not self._is_drawn and self.total > 1:
            LOGGER.info("%d/%d %s", self._num_begun, self.total, name)

    def update(self, num_done: int, num_parts: int) -> None:
        """Advances by the parts of the item that are done."""
        self._bar.update(self._task, completed=self._num_begun - 1 + num_done / num_parts)

    def __enter__(self) -> Self:
        if self._is_drawn:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Early versions of rich end a bar that was never drawn by an empty line.
        if self._is_drawn:
            self._bar.stop()
