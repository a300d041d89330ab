"""A part of a file, such as a photo of a shard."""

import os
import re
import zlib
from typing import NamedTuple, Self

_PART = re.compile(
    r"(?P<file>.+)::(?P<offset>\d+)\+(?P<size>\d+):(?P<crc32>[0-9a-f]{8})::(?P<name>.+)",
    re.DOTALL,
)


class FilePart(NamedTuple):
    """Some bytes of a file, such as a photo of a shard, which have a path of their own.

    `str(part)` is that path: whatever reads files by `open_source` reads it too.

    Args:
        file: str. Path of the file.
        offset: int. Where the bytes begin.
        size: int. Number of bytes.
        crc32: int. Their checksum, as `zlib.crc32` computes it.
        name: str. What they are called.

    Example:
    >>> path = str(keras_inpaint.files.FilePart("a.tfrecord", 12, 345, 255, "beach.jpg"))
    >>> path
    'a.tfrecord::12+345:000000ff::beach.jpg'
    >>> keras_inpaint.files.FilePart.of(path).size
    345
    """

    file: str
    offset: int
    size: int
    crc32: int
    name: str

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Self | None:
        """Returns the part that a path names; `None` where it names a file."""
        match = _PART.fullmatch(os.fspath(path))
        if match is None:
            return None
        file, offset, size, crc32, name = match.groups()
        return cls(file, int(offset), int(size), int(crc32, 16), name)

    def __str__(self) -> str:
        return f"{self.file}::{self.offset}+{self.size}:{self.crc32:08x}::{self.name}"

    def check(self, content: bytes) -> bytes:
        """Returns the bytes that were read.

        Raises:
            ValueError: If they do not have their checksum.
        """
        if len(content) != self.size or zlib.crc32(content) != self.crc32:
            raise ValueError(
                f"{self.file} is damaged: what it holds of {self.name} does not have its "
                "checksum. Write the shards again, or copy this one again. "
                f"Received: path={str(self)!r}"
            )
        return content
