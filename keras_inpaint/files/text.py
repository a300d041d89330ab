"""Text files of a run, a report or an evaluation."""

import csv
import io
import json
import os
from collections.abc import Sequence
from typing import Any

from keras_inpaint.files.atomic import atomic_write


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text file in UTF-8, or replaces one, whole or not at all.

    Args:
        path: str or path of the file.
        text: str. Its content.

    Raises:
        OSError: If it cannot be written.
        ValueError: If `path` names a device, a FIFO or a socket.
    """
    with atomic_write(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Writes a JSON file, or replaces one, whole or not at all.

    Args:
        path: str or path of the file.
        content: What JSON can hold; no number in it may be NaN or infinite.

    Raises:
        OSError: As `write_text`, and so `ValueError`.
        ValueError: If a number is not finite.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_table(
    path: str | os.PathLike[str], columns: Sequence[str], rows: Sequence[dict[str, Any]]
) -> None:
    """Writes rows as a CSV file, or replaces one, whole or not at all.

    Args:
        path: str or path of the file.
        columns: Sequence of str. Names of the columns, in their order.
        rows: Sequence of dicts of values by column; a value that is missing is left empty.

    Raises:
        OSError: As `write_text`, and so `ValueError`.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
