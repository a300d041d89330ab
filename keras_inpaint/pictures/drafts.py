"""Files that appear, or are exchanged, whole or not at all."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def draft_of(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives another name to write to; at the end, the file there takes its place.

    Args:
        path: str or path of the file to be. A symbolic link stays one; the file it points
            to is replaced.

    Yields:
        Path in the same folder. Where something fails, the file there is removed.

    Example:
    >>> import os, tempfile
    >>> from keras_inpaint.pictures.drafts import draft_of
    >>> path = os.path.join(tempfile.mkdtemp(), "note.txt")
    >>> with draft_of(path) as draft:
    ...     _ = draft.write_text("whole")
    >>> open(path).read(), len(os.listdir(os.path.dirname(path)))
    ('whole', 1)
    """
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield draft
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
