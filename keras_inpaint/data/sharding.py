"""Writing shards: from folders of any size to few large files, resumed where it was killed."""

import collections
import hashlib
import io
import itertools
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from PIL import Image

from keras_inpaint.arguments import check_int
from keras_inpaint.data.pairs import find_pairs, names_within
from keras_inpaint.data.shards import FORMAT, INDEX, UNFINISHED, VERSION, Shards
from keras_inpaint.data.sources import Source, find_files
from keras_inpaint.files import (
    FolderLock,
    atomic_write,
    check_target,
    open_source,
    write_json,
)
from keras_inpaint.files.atomic import TEMPORARY_SUFFIX
from keras_inpaint.files.remote import is_remote
from keras_inpaint.pictures import MAX_PIXELS, read_header, read_picture
from keras_inpaint.pictures.formats import PREFIX_SIZE, picture_format
from keras_inpaint.pictures.masks import MaskOptions, check_mask_size
from keras_inpaint.pictures.opening import default_memory_limit
from keras_inpaint.pictures.resizing import downsample, resize_holes

# Called with the photos that are done, those there are, and the name of the last one.
Progress = Callable[[int, int, str], None]

# Their pixels are exact: shrunk, they stay so.
_EXACT = ("BMP", "GIF", "PNG", "TIFF", "TGA", "PPM", "PCX")
_QUALITY = 95


class _Item(NamedTuple):
    """A photo that is to be written, and its masks."""

    path: str
    name: str
    masks: tuple[str, ...]


class _Record(NamedTuple):
    """Bytes to be written, and what they are called."""

    name: str
    content: bytes


class _Prepared(NamedTuple):
    """What becomes of a photo: its records, or why there are none."""

    item: _Item
    photo: _Record | None = None
    masks: tuple[_Record, ...] = ()
    reason: str = ""


def write_shards(
    source: Source,
    output: str | os.PathLike[str],
    masks: Source | None = None,
    mask_options: dict[str, Any] | None = None,
    max_size: int | None = None,
    shard_size: int = 2**28,
    max_pixels: int | None = MAX_PIXELS,
    memory_limit: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    decode: bool = False,
) -> Shards:
    """Writes photos into shards, which `keras_inpaint.data.photos` reads like a folder.

    A shard is a TFRecord file, each record of which is a picture file. The folder also gets
    `shards.json`, with sizes and checksums of all shards and photos. It appears when all of
    them are written: killed before, the same call goes on where it was. Photos whose header
    cannot be read, and those whose mask does not fit them, are left out.

    Args:
        source: A folder, a list or a pattern, see `find_photos`.
        output: str or path of a folder: new, empty, or that of shards to go on with.
        masks: `None`, or mask files, one or several for each photo, see `find_pairs`. They
            are written as what they mean: upright, of the photo's size, white in the hole.
        mask_options: dict or `None`. What masks mean, see `keras_inpaint.data.photos`.
        max_size: int or `None`. Pixels of the short side to which larger photos are shrunk;
            these become JPEG, or PNG where their pixels were exact. All others are kept byte
            for byte.
        shard_size: int. Bytes of a shard, about: the last photo may go beyond.
        max_pixels: int or `None`. Pixels of the largest photo or mask that is read.
        memory_limit: int or `None`. Bytes that reading one of them may take; `None` for half
            of the machine's memory.
        workers: int or `None`. Threads that read; `None` for one per processor, at most 8.
        progress: Function or `None`. Called with the number of photos that are done, that of
            all photos, and the name of the last one.
        decode: bool. Whether each photo is decoded to its end, so that one that is cut off
            behind its header is left out here, and not passed over in training.

    Returns:
        `Shards`.

    Raises:
        FileNotFoundError: If the source, or that of the masks, is missing.
        ModuleNotFoundError: If google-crc32c (the extra `shards`) is not installed.
        OSError: If the folder cannot be written to.
        ValueError: If an argument is out of its bounds, there are no photos, or `output`
            holds something else.

    Example:
    >>> import os, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> keras_inpaint.pictures.write_picture(
    ...     os.path.join(folder, "a.png"),
    ...     keras_inpaint.pictures.Picture(np.zeros((40, 60, 3), "uint8")))
    >>> shards = keras_inpaint.data.write_shards(folder, os.path.join(folder, "shards"))
    >>> len(shards.photos), sorted(os.listdir(os.path.join(folder, "shards")))
    (1, ['.lock', 'shard-00000.tfrecord', 'shards.json'])
    """
    check_int("max_size", max_size, "counts pixels", at_least=1, or_none="photos as they are")
    check_int("shard_size", shard_size, "counts bytes", at_least=1)
    masked_crc32c(b"")
    options = MaskOptions.of(mask_options, has_masks=masks is not None)
    limits = (max_pixels, memory_limit or default_memory_limit())
    if is_remote(output):
        raise ValueError(
            "`output` must be a local folder. Copy it to the object store when it is whole. "
            f"Received: output={os.fspath(output)!r}"
        )
    check_target(output, is_folder=True, name="output")
    items = _items(source, masks, options.pattern, output)
    # What of it changes, makes other shards.
    choices = {"max_size": max_size, "shard_size": shard_size, "masks": repr(options)}
    # Only where it is asked for: plans of before had none.
    choices |= {"decode": True} if decode else {}
    names = "\n".join(repr((item.name, len(item.masks))) for item in items)
    plan = {**choices, "photos": hashlib.sha256(names.encode()).hexdigest()}
    folder = _Folder(Path(output), plan)
    folder.path.mkdir(parents=True, exist_ok=True)
    with FolderLock(folder.path, "writing of shards"):
        if not folder.is_finished:
            write_json(folder.path / UNFINISHED, plan)
            preparer = _Preparer(options, max_size, limits, decode)
            folder.write(items, preparer, shard_size, workers, progress)
        return Shards.read(folder.path)


def _items(
    source: Source,
    masks: Source | None,
    pattern: str | None,
    output: str | os.PathLike[str],
) -> list[_Item]:
    if masks is None:
        found = find_files(source, [output])
        names = names_within(found.paths, source)
        return [_Item(*each, ()) for each in zip(found.paths, names, strict=True)]
    pairs = find_pairs(source, masks, pattern, [output], ("source", "masks"))
    if pairs.without_mask:
        path, reason = next(iter(pairs.without_mask.items()))
        raise ValueError(
            "Each photo needs a mask of its own: of its name, or that and `_mask`, or as "
            f"`pattern` says. Received: {len(pairs.without_mask)} photos without, the first "
            f"one {path!r}: {reason}"
        )
    return [
        _Item(*photo, tuple(pair.mask for pair in own))
        for photo, own in itertools.groupby(pairs.pairs, lambda pair: (pair.photo, pair.name))
    ]


class _Preparer:
    """Makes the records of a photo, in any thread."""

    def __init__(
        self,
        options: MaskOptions,
        max_size: int | None,
        limits: tuple[int | None, int],
        decode: bool,
    ) -> None:
        self.options = options
        self.max_size = max_size
        self.limits = limits
        self.decode = decode

    def __call__(self, item: _Item) -> _Prepared:
        try:
            return self._prepared(item)
        except (OSError, ValueError) as error:
            return _Prepared(item, reason=" ".join(str(error).split()))

    def _prepared(self, item: _Item) -> _Prepared:
        size = read_header(item.path).size
        with open_source(item.path, what="picture") as file:
            content = file.read()
        target = size
        if self.max_size is not None and min(size) > self.max_size:
            height, width = (max(round(n * self.max_size / min(size)), 1) for n in size)
            target = (height, width)
            content = self._shrunk(item.path, content, target)
        elif self.decode:
            read_picture(item.path, *self.limits)
        masks = tuple(
            _Record(
                # As `find_pairs` finds it.
                f"{item.name}_mask{f'{number:03}' if len(item.masks) > 1 else ''}.png",
                self._mask(mask, item.path, size, target),
            )
            for number, mask in enumerate(item.masks)
        )
        return _Prepared(item, _Record(item.name, content), masks)

    def _shrunk(self, path: str, content: bytes, size: tuple[int, int]) -> bytes:
        picture = read_picture(path, *self.limits)
        pixels = downsample(picture.pixels, size)
        is_exact = picture_format(content[:PREFIX_SIZE]) in _EXACT
        file = io.BytesIO()
        Image.fromarray(pixels).save(
            file,
            "PNG" if is_exact else "JPEG",
            icc_profile=picture.icc_profile,
            **({} if is_exact else {"quality": _QUALITY, "subsampling": 0}),
        )
        return file.getvalue()

    def _mask(
        self, mask: str, photo: str, size: tuple[int, int], target: tuple[int, int]
    ) -> bytes:
        holes = self.options.find_holes(mask, photo, *self.limits).holes
        if holes.shape != size:
            check_mask_size(holes.shape, size, repr(mask))
        file = io.BytesIO()
        Image.fromarray(resize_holes(holes, target)).save(file, "PNG")
        return file.getvalue()


class _Folder:
    """The folder that shards are written to: what is done already, and what is left."""

    def __init__(self, path: Path, plan: dict[str, Any]) -> None:
        self.path = path
        self.plan = plan
        earlier = [path / name for name in (INDEX, UNFINISHED) if (path / name).exists()]
        self.is_finished = (path / INDEX).exists()
        if earlier:
            self._check_plan(earlier[0])
        elif path.exists() and not all(
            each.name == FolderLock.NAME or each.name.endswith(TEMPORARY_SUFFIX)
            for each in path.iterdir()
        ):
            raise ValueError(
                "`output` must be a new folder, an empty one, or that of shards to go on with. "
                f"Received: output={str(path)!r}"
            )

    def _check_plan(self, path: Path) -> None:
        content = json.loads(path.read_text(encoding="utf-8"))
        earlier = content.get("plan", content)
        keys = self.plan.keys() | earlier.keys()
        differing = sorted(key for key in keys if earlier.get(key) != self.plan.get(key))
        if differing:
            raise ValueError(
                "`output` holds shards of other photos or options. Choose another folder, or "
                f"delete this one. Received: output={str(self.path)!r}, which differs in "
                f"{', '.join(differing)}"
            )

    def write(
        self,
        items: list[_Item],
        preparer: _Preparer,
        shard_size: int,
        workers: int | None,
        progress: Progress | None,
    ) -> None:
        """Writes the shards that are missing, and the index."""
        entries = self._written()
        done = sum(entry["num_items"] for entry in entries)
        prepared = _in_order(preparer, items[done:], workers or min(os.cpu_count() or 1, 8))
        first = next(prepared, None)
        while first is not None:
            rest = itertools.chain([first], prepared)
            name = f"shard-{len(entries):05}"
            path = self.path / f"{name}.tfrecord"
            with atomic_write(path) as draft, draft.open("wb") as file:
                shard = _Shard(file)
                for each in rest:
                    shard.add(each)
                    done += 1
                    if progress is not None:
                        progress(done, len(items), each.item.name)
                    if shard.size >= shard_size:
                        break
            entry = shard.entry(path.name)
            # After the shard: where there is an entry, the shard is whole.
            write_json(self.path / f"{name}.json", entry)
            entries.append(entry)
            first = next(prepared, None)
        if not any(entry["photos"] for entry in entries):
            reasons = [reason for entry in entries for reason in entry["skipped"].values()]
            raise ValueError(
                "None of the photos can be read. The first failed with: "
                f"{reasons[0]}. Received: {len(items)} photos"
            )
        index = {"format": FORMAT, "version": VERSION, "plan": self.plan, "shards": entries}
        with atomic_write(self.path / INDEX) as draft:
            # Not `write_json`: with a line per number, an index would be three times as long.
            draft.write_text(json.dumps(index, ensure_ascii=False), encoding="utf-8")
        (self.path / UNFINISHED).unlink(missing_ok=True)
        for number in range(len(entries)):
            (self.path / f"shard-{number:05}.json").unlink(missing_ok=True)

    def _written(self) -> list[dict[str, Any]]:
        """The entries of the shards that are whole, up to the first one that is not."""
        entries: list[dict[str, Any]] = []
        for number in itertools.count():
            path = self.path / f"shard-{number:05}.json"
            if not path.exists():
                return entries
            entry = json.loads(path.read_text(encoding="utf-8"))
            shard = self.path / entry["file"]
            if not shard.exists() or shard.stat().st_size != entry["size"]:
                return entries
            entries.append(entry)
        raise AssertionError


class _Shard:
    """A TFRecord file that is being written, and its entry in the index.

    A record is its length (8 bytes), a checksum of these, the bytes, and their checksum:
    https://www.tensorflow.org/tutorials/load_data/tfrecord
    """

    def __init__(self, file: BinaryIO) -> None:
        self.size = 0
        self._file = file
        self._hash = hashlib.sha256()
        self._rows: dict[str, list[list[Any]]] = {"photos": [], "masks": []}
        self._skipped: dict[str, str] = {}
        self._num_items = 0

    def add(self, prepared: _Prepared) -> None:
        """Writes the records of a photo, or notes why there are none."""
        self._num_items += 1
        if prepared.photo is None:
            self._skipped[prepared.item.path] = prepared.reason
            return
        self._rows["photos"].append(self._add(prepared.photo))
        self._rows["masks"].extend(map(self._add, prepared.masks))

    def _add(self, record: _Record) -> list[Any]:
        length = struct.pack("<Q", len(record.content))
        before = length + masked_crc32c(length)
        row = [
            record.name,
            self.size + len(before),
            len(record.content),
            f"{zlib.crc32(record.content):08x}",
        ]
        for part in (before, record.content, masked_crc32c(record.content)):
            self._file.write(part)
            self._hash.update(part)
            self.size += len(part)
        return row

    def entry(self, name: str) -> dict[str, Any]:
        """What the index says of the shard."""
        return {
            "file": name,
            "size": self.size,
            "sha256": self._hash.hexdigest(),
            "num_items": self._num_items,
            "skipped": self._skipped,
            **self._rows,
        }


def masked_crc32c(content: bytes) -> bytes:
    """Computes the checksum of TFRecord files.

    Example:
    >>> from keras_inpaint.data.sharding import masked_crc32c
    >>> masked_crc32c(b"").hex()
    'd8ea82a2'
    """
    try:
        import google_crc32c
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Writing shards needs google-crc32c, which is not installed. Run `pip install "
            "'keras-inpaint[shards]'`",
            name="google_crc32c",
        ) from error
    crc = google_crc32c.value(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _in_order(
    function: Callable[[_Item], _Prepared], items: Iterable[_Item], workers: int
) -> Iterator[_Prepared]:
    """Results of a function in the order of the items, of which a few are worked on at once."""
    waiting: collections.deque[Future[_Prepared]] = collections.deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
