"""The chunks of PNG files, and the kind of them that Pillow cannot write: 16 bits of colour.

Everything but the pixels is read here, so that nothing in it (a megabyte of text, a wrong
checksum) keeps anybody from reading the pixels. Section numbers are those of the PNG
specification, third edition.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Of these the pixels are made, also those of an animation.
_PIXELS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"))
TEXT = (b"tEXt", b"zTXt", b"iTXt")
# What the numbers of the pixels mean, besides a colour profile.
COLOUR = (b"cHRM", b"gAMA", b"sRGB", b"cICP")
# True of the file as it was, not of what is written: colours of its background, counts of its
# palette, significant bits, when it was changed.
_OUTDATED = (b"bKGD", b"hIST", b"sBIT", b"sPLT", b"tIME", b"oFFs")
_XMP = b"XML:com.adobe.xmp"
# Before EXIF had a chunk of its own, ImageMagick wrote it as text, which Pillow reads.
_OLD_EXIF = b"Raw profile type exif"
# What is kept of a chunk, and of a profile once inflated, in bytes. Profiles with tables for
# every colour have some megabytes.
_LARGEST_CHUNK = 2**24
_ROWS_AT_ONCE = 64


class Chunk(NamedTuple):
    """A chunk of a file: its kind, where its content begins, and the bytes of that."""

    kind: bytes
    start: int
    length: int

    def read(self, file: BinaryIO) -> bytes:
        """Reads the content; nothing where it is too long or its checksum is wrong."""
        if self.length > _LARGEST_CHUNK:
            return b""
        file.seek(self.start)
        content, checksum = file.read(self.length), file.read(4)
        is_right = zlib.crc32(self.kind + content) == int.from_bytes(checksum)
        return content if is_right else b""


def find_chunks(file: BinaryIO) -> list[Chunk]:
    """Lists the chunks of a PNG file, without reading what is in them.

    Args:
        file: Binary file that begins with `SIGNATURE`.

    Returns:
        List of `Chunk`. The last one may end after the file does, where that was cut off.
    """
    end = file.seek(0, io.SEEK_END)
    chunks, position = [], len(SIGNATURE)
    while position + 8 <= end:
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        chunks.append(Chunk(kind, position + 8, length))
        if kind == b"IEND":
            break
        position += length + 12
    return chunks


class PixelsOf(io.RawIOBase):
    """A PNG file as it would be if it held nothing but pixels.

    Args:
        file: Binary file.
        chunks: List of `Chunk`: all of its chunks.
    """

    def __init__(self, file: BinaryIO, chunks: list[Chunk]) -> None:
        self.file = file
        spans = [(0, len(SIGNATURE))]
        for chunk in chunks:
            start, end = chunk.start - 8, chunk.start + chunk.length + 4
            if chunk.kind not in _PIXELS:
                continue
            if spans[-1][1] == start:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((start, end))
        # Where each span begins here, where in the file, and its length.
        lengths = [end - start for start, end in spans]
        begins = np.cumsum([0, *lengths]).tolist()
        self._spans = [
            (begin, start, length)
            for begin, (start, _), length in zip(begins, spans, lengths, strict=False)
        ]
        self._length = begins[-1]
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}
        self._position = base[whence] + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        wanted = self._length if size is None or size < 0 else size
        parts = []
        for begin, start, length in self._spans:
            skipped = self._position - begin
            if not 0 <= skipped < length or not wanted:
                continue
            self.file.seek(start + skipped)
            part = self.file.read(min(wanted, length - skipped))
            parts.append(part)
            self._position += len(part)
            wanted -= len(part)
        return b"".join(parts)


class Extras(NamedTuple):
    """What a PNG file holds beside its pixels.

    Args:
        text: Tuple of pairs of a chunk's kind and content.
        colour: As `text`.
        resolution: Pair of floats or None. Pixels an inch, across and down.
        icc_profile: bytes or None.
        exif: bytes or None. As it stands in a JPEG file, beginning with `Exif`.
        xmp: bytes or None.
        num_lost: int. Chunks that are not kept.
    """

    text: tuple[tuple[bytes, bytes], ...]
    colour: tuple[tuple[bytes, bytes], ...]
    resolution: tuple[float, float] | None
    icc_profile: bytes | None
    exif: bytes | None
    xmp: bytes | None
    num_lost: int


def read_extras(file: BinaryIO, chunks: list[Chunk]) -> Extras:
    """Reads what a PNG file holds beside its pixels."""
    text, colour, num_lost = [], [], 0
    found: dict[bytes, bytes] = {}
    for chunk in chunks:
        kind = chunk.kind
        if kind in _PIXELS or kind in _OUTDATED:
            continue
        content = chunk.read(file)
        if not content:
            num_lost += 1
        elif kind in TEXT and content.startswith(_XMP + bytes(1)):
            found[_XMP] = _international_text(content)
        elif kind in TEXT and content.startswith(_OLD_EXIF):
            found.setdefault(b"eXIf", _old_exif(kind, content))
        elif kind in TEXT:
            text.append((kind, content))
        elif kind in COLOUR:
            colour.append((kind, content))
        elif kind in (b"pHYs", b"iCCP", b"eXIf"):
            found[kind] = content
        else:
            num_lost += 1
    exif = found.get(b"eXIf")
    return Extras(
        tuple(text),
        tuple(colour),
        _resolution(found.get(b"pHYs", b"")),
        _profile(found.get(b"iCCP", b"")),
        None if not exif else b"Exif\0\0" + exif.removeprefix(b"Exif\0\0"),
        found.get(_XMP) or None,
        num_lost,
    )


def _resolution(content: bytes) -> tuple[float, float] | None:
    # 11.3.4.3: pixels per unit, across and down; 1 is the metre, 0 no unit at all.
    if len(content) != 9 or content[8] != 1:
        return None
    across, down = struct.unpack(">II", content[:8])
    return across * 0.0254, down * 0.0254


def _profile(content: bytes) -> bytes | None:
    # 11.3.2.3: a name, how it is compressed (there is one way), and the profile.
    name, _, rest = content.partition(b"\0")
    return _inflated(rest[1:]) or None if name and rest[:1] == b"\0" else None


def _international_text(content: bytes) -> bytes:
    # 11.3.3.4: keyword, two flags, language, translated keyword, text.
    _, _, rest = content.partition(b"\0")
    parts = rest[2:].split(b"\0", 2)
    if len(parts) < 3:
        return b""
    return _inflated(parts[2]) if rest[:1] == b"\1" else parts[2]


def _old_exif(kind: bytes, content: bytes) -> bytes:
    _, _, rest = content.partition(b"\0")
    text = _inflated(rest[1:]) if kind == b"zTXt" else rest
    # A name and a length, each in a line of its own, and then hexadecimal digits.
    digits = b"".join(text.split(b"\n")[3:])
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return b""


def _inflated(content: bytes) -> bytes:
    """Inflates a text; nothing where it is damaged or would be too long."""
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(content, _LARGEST_CHUNK)
    except zlib.error:
        return b""
    return b"" if inflate.unconsumed_tail else text


def write_png16(
    file: BinaryIO, pixels: NDArray[np.uint16], chunks: list[tuple[bytes, bytes]]
) -> None:
    """Writes a PNG file of 16 bits a channel.

    Args:
        file: Binary file.
        pixels: uint16 array of shape `(height, width, 3)`, or 4 with alpha.
        chunks: List of pairs of a kind and a content, which go before the pixels.
    """
    height, width, channels = pixels.shape
    colour_type = {3: 2, 4: 6}[channels]
    file.write(SIGNATURE)
    _write_chunk(
        file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    )
    for kind, content in chunks:
        _write_chunk(file, kind, content)
    deflate = zlib.compressobj()
    for lines in _filtered(pixels):
        _write_chunk(file, b"IDAT", deflate.compress(lines))
    _write_chunk(file, b"IDAT", deflate.flush())
    _write_chunk(file, b"IEND", b"")


def _filtered(pixels: NDArray[np.uint16]) -> Iterator[bytes]:
    """The bytes of rows, each row as its difference to the one above (9.2)."""
    above = np.zeros_like(pixels[:1])
    for top in range(0, len(pixels), _ROWS_AT_ONCE):
        rows = pixels[top : top + _ROWS_AT_ONCE]
        stack = np.concatenate([above, rows]).astype(">u2")
        levels = stack.reshape(len(stack), -1).view(np.uint8)
        # Bytes wrap around, as the filter asks for.
        lines = levels[1:] - levels[:-1]
        yield np.insert(lines, 0, 2, axis=1).tobytes()
        above = rows[-1:]


def _write_chunk(file: BinaryIO, kind: bytes, content: bytes) -> None:
    file.write(struct.pack(">I4s", len(content), kind) + content)
    file.write(zlib.crc32(kind + content).to_bytes(4))


def make_chunks(
    icc_profile: bytes | None,
    colour: tuple[tuple[bytes, bytes], ...],
    text: tuple[tuple[bytes, bytes], ...],
    resolution: tuple[float, float] | None,
    exif: bytes | None,
    xmp: bytes | None,
) -> list[tuple[bytes, bytes]]:
    """Makes the chunks of what a picture has beside its pixels, in the order of 5.6."""
    # A profile and `sRGB` would contradict each other (11.3.2.3).
    chunks = [each for each in colour if not (icc_profile and each[0] == b"sRGB")]
    if icc_profile:
        chunks.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc_profile)))
    if resolution:
        across, down = (round(per_inch / 0.0254) for per_inch in resolution)
        chunks.append((b"pHYs", struct.pack(">IIB", across, down, 1)))
    if exif:
        chunks.append((b"eXIf", exif.removeprefix(b"Exif\0\0")))
    if xmp:
        chunks.append(xmp_chunk(xmp))
    return [*chunks, *text]


def xmp_chunk(xmp: bytes) -> tuple[bytes, bytes]:
    """Makes the chunk that holds XMP data: its kind and its content."""
    return b"iTXt", _XMP + bytes(5) + xmp
