"""What a command tells: results on standard output, messages on standard error."""

import argparse
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

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
