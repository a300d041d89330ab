"""The disk: files written whole or not at all, and read only where they are regular ones."""

from keras_inpaint.files.atomic import atomic_write, check_target, keras_draft, sweep
from keras_inpaint.files.file_part import FilePart
from keras_inpaint.files.folder_lock import FolderLock
from keras_inpaint.files.reading import check_source, open_source, read_source, sha256, shown
from keras_inpaint.files.room import reserve_room, weights_size
from keras_inpaint.files.text import write_json, write_table, write_text

__all__ = [
    "FilePart",
    "FolderLock",
    "atomic_write",
    "check_source",
    "check_target",
    "keras_draft",
    "open_source",
    "read_source",
    "reserve_room",
    "sha256",
    "shown",
    "sweep",
    "weights_size",
    "write_json",
    "write_table",
    "write_text",
]


def __dir__() -> list[str]:
    return sorted(__all__)
