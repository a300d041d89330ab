"""Writing to disk: whole or not at all, with room made sure of, one process per folder."""

from keras_inpaint.files.atomic import atomic_write, check_target, keras_draft, sweep
from keras_inpaint.files.folder_lock import FolderLock
from keras_inpaint.files.room import reserve_room, weights_size
from keras_inpaint.files.text import write_json, write_table, write_text

__all__ = [
    "FolderLock",
    "atomic_write",
    "check_target",
    "keras_draft",
    "reserve_room",
    "sweep",
    "weights_size",
    "write_json",
    "write_table",
    "write_text",
]
