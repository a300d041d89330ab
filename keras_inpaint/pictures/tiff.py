"""The directories of TIFF files, and files without what these describe in vain."""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

# TIFF 6.0, section 2: bytes of each type of value, the first of which has the number 1; 13 to
# 18 are those of BigTIFF.
_SIZES = (1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 1, 1, 8, 8, 8)
# Tags without which pixels cannot be decoded, or mean something else.
_OF_PIXELS = frozenset(
    (
        *(*range(254, 260), 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 318, 319, 320),
        *(*range(322, 326), 330, 332, 338, 339, 340, 341, 347, *range(529, 533)),
    )
)
# Directories that are looked at; documents have fewer pages.
_MOST_DIRECTORIES = 1000


class _Form(NamedTuple):
    """How a kind of TIFF file writes numbers: how many entries, an entry, and a position."""

    number: struct.Struct
    entry: struct.Struct
    position: struct.Struct


class _Directory(NamedTuple):
    """A directory: where it begins, its entries as they are written, and where the next is."""

    start: int
    entries: list[bytes]
    following: bytes


def sound_directories(file: BinaryIO) -> tuple[BinaryIO, int]:
    """Looks through the directories of a TIFF file, and nothing else of it.

    Args:
        file: Binary file that can be sought in.

    Returns:
        tuple: the file, without the entries whose values would lie beyond its end, unless they
        are those of pixels; and how many bytes all entries of one directory describe at most.
    """
    size = file.seek(0, io.SEEK_END)
    form, first = _form(file)
    patches, most = {}, 0
    for directory in _directories(file, form, first):
        lengths = [_length(entry, form) for entry in directory.entries]
        most = max(most, sum(lengths))
        kept = [
            entry
            for entry, length in zip(directory.entries, lengths, strict=True)
            if _tag(entry, form) in _OF_PIXELS or not _is_beyond(entry, length, form, size)
        ]
        if len(kept) < len(directory.entries):
            content = form.number.pack(len(kept)) + b"".join(kept) + directory.following
            patches[directory.start] = content
    return cast(BinaryIO, _Patched(file, patches)) if patches else file, most


def _form(file: BinaryIO) -> tuple[_Form, int]:
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    if head[2:4] in (b"+\0", b"\0+"):
        form = _Form(*(struct.Struct(order + each) for each in ("Q", "HHQ8s", "Q")))
        return form, form.position.unpack(head[8:16])[0]
    form = _Form(*(struct.Struct(order + each) for each in ("H", "HHL4s", "L")))
    return form, form.position.unpack(head[4:8])[0]


def _directories(file: BinaryIO, form: _Form, start: int) -> Iterator[_Directory]:
    seen: set[int] = set()
    while start and start not in seen and len(seen) < _MOST_DIRECTORIES:
        seen.add(start)
        file.seek(start)
        head = file.read(form.number.size)
        if len(head) < form.number.size:
            return
        count, size = min(form.number.unpack(head)[0], 2**16), form.entry.size
        content = file.read(count * size)
        entries = [content[at : at + size] for at in range(0, len(content) - size + 1, size)]
        following = file.read(form.position.size)
        yield _Directory(start, entries, following)
        if len(following) < form.position.size:
            return
        (start,) = form.position.unpack(following)


def _tag(entry: bytes, form: _Form) -> int:
    return int(form.entry.unpack(entry)[0])


def _length(entry: bytes, form: _Form) -> int:
    _, kind, number, _ = form.entry.unpack(entry)
    return int(number) * (_SIZES[kind - 1] if 0 < kind <= len(_SIZES) else 1)


def _is_beyond(entry: bytes, length: int, form: _Form, size: int) -> bool:
    # What is short enough stands in the entry itself.
    if length <= form.position.size:
        return False
    (position,) = form.position.unpack(form.entry.unpack(entry)[3])
    return bool(position + length > size)


class _Patched(io.RawIOBase):
    """A file some of whose bytes are others.

    Args:
        file: Binary file.
        patches: dict of bytes by the positions where they stand.
    """

    def __init__(self, file: BinaryIO, patches: dict[int, bytes]) -> None:
        self.file = file
        self._patches = patches

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.file.seek(offset, whence)

    def read(self, size: int | None = -1) -> bytes:
        start = self.file.tell()
        content = bytearray(self.file.read(-1 if size is None else size))
        for at, patch in self._patches.items():
            first, last = max(at, start), min(at + len(patch), start + len(content))
            if first < last:
                content[first - start : last - start] = patch[first - at : last - at]
        return bytes(content)
