"""How far a command is: a bar on a terminal, plain lines elsewhere."""

import logging
import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Column

from keras_inpaint.cli.console import CONSOLE

_LOG = logging.getLogger(__name__)


class Progress:
    """The progress over items, with the time that the rest will take.

    Where the output is no terminal, each of several items has a plain line, without the
    time. As a context, the bar disappears at its end.

    Args:
        total: int. Number of items.
        console: `rich.console.Console`.

    Example:
    >>> from rich.console import Console
    >>> from keras_inpaint.cli.progress import Progress
    >>> with Progress(2, Console()) as progress:
    ...     progress.begin("a.jpg")
    ...     progress.update(1, 2)
    """

    def __init__(self, total: int, console: Console = CONSOLE) -> None:
        self.total = total
        self._is_drawn = console.is_terminal and _LOG.isEnabledFor(logging.INFO)
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
            _LOG.info("%d/%d %s", self._num_begun, self.total, name)

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
