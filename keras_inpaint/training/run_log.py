"""What was measured in a run, a line a checkpoint."""

import csv
from pathlib import Path
from typing import Any

from keras_inpaint.files import write_table


class RunLog:
    """A run's table of losses and measures, by the step after which they were taken.

    It agrees with the checkpoints: lines of steps that a run has lost, and makes again, are
    taken out. Keras's `CSVLogger` only appends, and leaves a part of a line where it is killed.

    Args:
        path: Path of the CSV file, which need not exist yet.

    Example:
    >>> import pathlib, tempfile
    >>> from keras_inpaint.training.run_log import RunLog
    >>> path = pathlib.Path(tempfile.mkdtemp(), "log.csv")
    >>> RunLog(path).add({"step": 10, "critic_loss": 0.5})
    >>> path.read_text().splitlines()
    ['step,critic_loss', '10,0.5']
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, row: dict[str, Any]) -> None:
        """Adds a line, in the place of any of its `step` or later.

        Args:
            row: dict of values by column, one of which is `step`.

        Raises:
            OSError: If the file cannot be written.
            ValueError: If the file holds something else.
        """
        self._write([*self._rows(before=row["step"]), row])

    def cut(self, after: int) -> None:
        """Takes out the lines of later steps.

        Args:
            after: int. The last step that stays.

        Raises:
            OSError: If the file cannot be written.
            ValueError: If the file holds something else.
        """
        rows = self._rows(before=after + 1)
        if rows:
            self._write(rows)

    def _rows(self, before: int) -> list[dict[str, Any]]:
        """The lines of the steps before one."""
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        try:
            return [row for row in rows if int(row["step"]) < before]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{self.path} must have a number in its column `step`, a line a "
                "checkpoint. Repair it, or move it away."
            ) from error

    def _write(self, rows: list[dict[str, Any]]) -> None:
        columns = list(dict.fromkeys(name for each in rows for name in each))
        write_table(self.path, columns, rows)
