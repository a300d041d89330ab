"""Photos in shards: few large TFRecord files, and an index that says where each photo lies."""

import json
import os
from dataclasses import dataclass, field
from typing import Any, Self

from keras_inpaint.files import FilePart, open_source
from keras_inpaint.files.remote import file_sizes, is_file

INDEX = "shards.json"
# In its place while shards are written.
UNFINISHED = "shards.unfinished.json"
FORMAT, VERSION = "keras_inpaint.shards", 1

Path = str | os.PathLike[str]


@dataclass(frozen=True)
class Shards:
    """The photos that a folder of shards holds, see `write_shards`.

    A shard is a TFRecord file whose records are picture files, as they were. Each can be read
    by its path here, at once and in any order, without the records before it.

    Args:
        photos: List of str. Paths of the photos, as `keras_inpaint.pictures.read_picture`
            takes them.
        masks: List of str. Paths of their masks, if they have any, whose names are those of
            the photos and `_mask`.
        num_shards: int. Number of files.
        skipped: dict of str: the files that could not be read when the shards were written,
            with the reason.
    """

    photos: list[str]
    masks: list[str] = field(default_factory=list)
    num_shards: int = 0
    skipped: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads the index of a folder of shards, and sees that they are all there.

        Args:
            folder: str or path.

        Returns:
            `Shards`.

        Raises:
            FileNotFoundError: If a shard is missing.
            ValueError: If the shards are unfinished, or one is damaged.
        """
        folder = os.fspath(folder)
        index = _read_index(folder)
        sizes = file_sizes(folder)
        found = cls([], num_shards=len(index["shards"]))
        for shard in index["shards"]:
            path = os.path.join(folder, shard["file"])
            _check_size(path, sizes.get(shard["file"]), shard["size"])
            found.photos.extend(_paths(path, shard["photos"]))
            found.masks.extend(_paths(path, shard["masks"]))
            found.skipped.update(shard["skipped"])
        return found


def is_shards(source: Any) -> bool:
    """Checks whether a source of photos is a folder of shards."""
    return isinstance(source, str | os.PathLike) and any(
        is_file(os.path.join(source, name)) for name in (INDEX, UNFINISHED)
    )


def _read_index(folder: str) -> dict[str, Any]:
    path = os.path.join(folder, INDEX)
    if not is_file(path):
        raise ValueError(
            "These shards are unfinished. Write the others first: run `keras-inpaint shard` "
            f"again with the same words. Received: {folder!r}"
        )
    try:
        with open_source(path, what="index") as file:
            index: dict[str, Any] = json.load(file)
        version = index["version"] if index["format"] == FORMAT else None
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged: it is no index of shards. Write the shards again. ({error})"
        ) from error
    if version != VERSION:
        raise ValueError(
            f"{path} is of a version that this one cannot read. Update keras-inpaint. "
            f"Received: version={version}"
        )
    return index


def _check_size(path: str, found: int | None, size: int) -> None:
    if found is None:
        raise FileNotFoundError(
            f"A shard is missing. Copy it again, or write the shards again. Received: {path!r}"
        )
    if found != size:
        raise ValueError(
            f"{path} is damaged: it has {found:,} bytes where the index says {size:,}. Copy "
            "this shard again, or write the shards again."
        )


def _paths(file: str, rows: list[list[Any]]) -> list[str]:
    return [
        str(FilePart(file, offset, size, int(crc32, 16), name))
        for name, offset, size, crc32 in rows
    ]
