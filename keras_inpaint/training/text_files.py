"""Files that are there whole or not at all."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Behind the name of a file that is being written.
DRAFT_SUFFIX = ".unfinished"


def write_text(path: Path, text: str) -> None:
    """Writes a text file, or replaces one, at once.

    Args:
        path: Path of the file.
        text: str. What is in it.

    Raises:
        OSError: If it cannot be written.
    """
    draft = path.with_name(f"{path.name}{DRAFT_SUFFIX}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            # Else a machine that loses its power may keep the new name and none of the text.
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_table(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Writes rows as a CSV file, or replaces one, at once.

    Args:
        path: Path of the file.
        columns: Sequence of str. Names of the columns, in their order.
        rows: Sequence of dicts of values by column; a value that is missing is left empty.

    Raises:
        OSError: If it cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
