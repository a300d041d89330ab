"""The terminal: results, messages, progress, and what libraries say meanwhile."""

import argparse
import faulthandler
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Column

from keras_inpaint.files import check_target, shown
from keras_inpaint.files.room import KnownFolder
from keras_inpaint.pictures import is_picture_file

# The parent of all loggers of the package.
LOGGER = logging.getLogger("keras_inpaint")
# Where no bar is drawn. A file of a hundred thousand lines helps nobody.
_SECONDS_BETWEEN_LINES = 10
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

    def formatMessage(self, record: logging.LogRecord) -> str:
        # One line, whatever the names of files hold.
        return shown(record.message)


def print_result(text: str | os.PathLike[str]) -> None:
    """Prints a result on standard output, as one line that can be shown there.

    That nobody reads it, as behind `| head`, is no reason to stop: the work goes on.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        print(shown(text).encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except BrokenPipeError:
        # Else Python complains once more as it ends.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def known_folder(path: str | os.PathLike[str]) -> KnownFolder:
    """Remembers the folder of what a command writes later; its disk may be lost before."""
    return KnownFolder.above(path, "Then run the command again.")


def check_report(path: str | os.PathLike[str], name: str) -> None:
    """Refuses a report that cannot be written, or would take the place of a picture."""
    check_target(path, name=name)
    if is_picture_file(path):
        raise ValueError(
            f"`{name}` writes JSON, and would replace a picture. Choose another name. "
            f"Received: {name}={os.fspath(path)!r}"
        )


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
def silent_libraries() -> Iterator[None]:
    """Keeps what libraries in C print, such as libtiff and TensorFlow, from the terminal.

    What matters of it, their Python sides raise as errors. If anything goes wrong that is no
    user's doing, all that was said is shown. With `--verbose`, nothing is kept back.
    """
    if LOGGER.isEnabledFor(logging.DEBUG):
        yield
        return
    # 3: errors too, for a missing GPU is reported as one.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    pillow = logging.getLogger("PIL")
    before = pillow.propagate
    pillow.propagate = False
    with _said_elsewhere() as said:
        try:
            yield
        except (OSError, ValueError, ModuleNotFoundError):
            raise
        except Exception:
            said.seek(0)
            print(said.read().decode(errors="backslashreplace"), file=sys.stderr)
            raise
        finally:
            pillow.propagate = before


@contextmanager
def _said_elsewhere() -> Iterator[Any]:
    """Sends what is written to the process's own standard error to a file, but not Python's."""
    sys.stderr.flush()
    descriptor, python = os.dup(2), sys.stderr
    is_own = _descriptor(python) == 2
    with tempfile.TemporaryFile() as said:
        if is_own:
            sys.stderr = os.fdopen(
                os.dup(descriptor),
                "w",
                buffering=1,
                encoding=python.encoding,
                errors=python.errors,
            )
            # A library that ends the process must not do so without a word.
            faulthandler.enable(sys.stderr)
        os.dup2(said.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(descriptor, 2)
            os.close(descriptor)
            if is_own:
                faulthandler.disable()
                sys.stderr.close()
                sys.stderr = python


def _descriptor(file: Any) -> int | None:
    try:
        return int(file.fileno())
    except (AttributeError, OSError, ValueError):
        return None


class _Meanwhile:
    """A file in the place of standard error, which it is itself once the file is closed.

    Libraries make loggers while they load, which write to what they found for as long as the
    process lasts.
    """

    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr if self._file.closed else self._file, name)


@contextmanager
def quiet_start() -> Iterator[None]:
    """Keeps what libraries say in Python while they load from the terminal.

    As `silent_libraries`, which does the same for C: errors are told all the same.
    """
    if LOGGER.isEnabledFor(logging.DEBUG):
        yield
        return
    CONSOLE.file = sys.stderr
    try:
        with tempfile.TemporaryFile("w+") as said, redirect_stderr(_Meanwhile(said)):
            try:
                yield
            except (OSError, ValueError, ModuleNotFoundError):
                raise
            except BaseException:
                said.seek(0)
                shutil.copyfileobj(said, CONSOLE.file)
                raise
    finally:
        CONSOLE.file = None  # type: ignore[assignment]


def in_words(seconds: float) -> str:
    """Writes a duration as people say it.

    Example:
    >>> from keras_inpaint.cli.console import in_words
    >>> in_words(59.6), in_words(3700)
    ('1 min 0 s', '1 h 1 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


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
        self._start = time.monotonic()
        self._next_line = self._start + _SECONDS_BETWEEN_LINES

    def begin(self, name: str) -> None:
        """Begins the next item."""
        self._bar.update(self._task, completed=self._num_begun, description=shown(name))
        self._num_begun += 1
        if not self._is_drawn and self.total > 1:
            LOGGER.info("%d/%d %s", self._num_begun, self.total, name)

    def update(self, num_done: int, num_parts: int) -> None:
        """Advances by the parts of the item that are done."""
        self._bar.update(self._task, completed=self._num_begun - 1 + num_done / num_parts)

    def advance(self, num_done: int, total: int, name: str) -> None:
        """Notes that so many of all items are done, in any order, `name` the last of them."""
        self._bar.update(self._task, completed=num_done, total=total, description=shown(name))
        now = time.monotonic()
        if self._is_drawn or now < self._next_line or num_done == total:
            return
        self._next_line = now + _SECONDS_BETWEEN_LINES
        left = (now - self._start) / num_done * (total - num_done)
        LOGGER.info("%d/%d, about %s left", num_done, total, in_words(left))

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
