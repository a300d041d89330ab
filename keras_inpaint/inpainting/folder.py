"""Photo files filled: some are read and written while others are filled."""

import dataclasses
import functools
import logging
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_inpaint.arguments import check_choice, check_int
from keras_inpaint.data.pairs import Pairs, apart, find_pairs, is_same, own_pairs
from keras_inpaint.data.sources import Source, describe_left_out
from keras_inpaint.files import FolderLock, atomic_write, check_source, check_target
from keras_inpaint.files.room import DiskFullError, KnownFolder, LostFolderError
from keras_inpaint.inpainting.detail import DETAILS
from keras_inpaint.inpainting.folder_report import (
    COPIED,
    FAILED,
    FILLED,
    SKIPPED,
    FolderReport,
    Manifest,
    Outcome,
    recipe,
)
from keras_inpaint.inpainting.inpainter import Inpainter, check_guided
from keras_inpaint.inpainting.memory import estimate_memory
from keras_inpaint.inpainting.planning import METHODS, choose_method
from keras_inpaint.pictures import Picture, is_lossy, read_header, what_is_lost
from keras_inpaint.pictures.formats import FORMATS
from keras_inpaint.pictures.masks import Mask, MaskOptions, check_mask_size, stored_orientation
from keras_inpaint.pictures.opening import MAX_PIXELS, amount, default_memory_limit
from keras_inpaint.pictures.pixels import Holes
from keras_inpaint.pictures.reading import read_frames, read_picture
from keras_inpaint.pictures.writing import SEVERAL_FRAMES, write_draft
from keras_inpaint.presets import find_preset, read_metadata

_LOG = logging.getLogger("keras_inpaint.inpainting")
# Called with the numbers of photos that are done and of all, and with the outcome of one.
Progress = Callable[[int, int, Outcome], None]

ENGINES = ("threads", "ray")
# Where the disk of what is filled was lost.
GO_ON = "Then run the same again: it goes on where it stopped."
# Photos of one size that are filled at once; more are no faster on a CPU.
_LARGEST_BATCH = 8
# Photos that are read ahead, so that there are some of one size among them.
_READ_AHEAD = 24
# The part of the memory that photos may take that wait to be filled, or written.
_WAITING_PART = 4


@dataclass(frozen=True)
class Options:
    """How photos are filled: the arguments of `inpaint_folder` of these names."""

    method: str | None = None
    feather: int = 0
    memory_limit: int | None = None
    max_pixels: int | None = MAX_PIXELS
    invert_mask: bool = False
    mask_from_alpha: bool = False
    grow: int = 0
    turn_mask: bool = False
    all_frames: bool = False
    detail: str = "copy"
    invert_sketch: bool = False

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS, or_none="the one that suits the photo")
        check_choice("detail", self.detail, DETAILS)
        for name in ("feather", "grow"):
            check_int(name, getattr(self, name), "counts pixels", at_least=0)
        for name, what in (("memory_limit", "bytes"), ("max_pixels", "pixels")):
            check_int(name, getattr(self, name), f"counts {what}", at_least=1, or_none="any")

    def masks(self) -> MaskOptions:
        """What mask files mean."""
        return MaskOptions(self.invert_mask, self.mask_from_alpha, self.grow, self.turn_mask)

    def recipe(self) -> dict[str, Any]:
        """The arguments that a filled photo depends on."""
        limits = ("memory_limit", "max_pixels")
        return {key: it for key, it in dataclasses.asdict(self).items() if key not in limits}


@dataclass(frozen=True)
class Job:
    """A photo, its masks, the file that the filled photo is written to, and a sketch."""

    photo: str
    masks: tuple[str, ...]
    output: Path
    sketch: str | None = None

    def ended(self, status: str, reason: str = "") -> Outcome:
        """Makes the outcome."""
        mask = self.masks[0] if len(self.masks) == 1 else self.masks
        output = None if status == FAILED else str(self.output)
        return Outcome(self.photo, status, mask, output, reason, self.sketch)


@dataclass
class _Work:
    """A photo that was read, until it is written.

    Args:
        job: `Job`.
        frames: list of pairs of a `Picture` and the milliseconds that it is shown.
        holes: bool array of shape `(height, width)`: True in the hole.
        sources: list of `os.stat_result`: the sizes and times of photo and masks.
        memory: int. Bytes that it takes until it is written.
    """

    job: Job
    frames: list[tuple[Picture, int]]
    holes: Holes
    sources: list[os.stat_result]
    memory: int


def inpaint_folder(
    inpainter: Inpainter | str | os.PathLike[str] | Callable[[], Inpainter],
    photos: Source,
    masks: Source | None,
    output: str | os.PathLike[str],
    *,
    sketch: Source | None = None,
    mask_pattern: str | None = None,
    each_mask: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
    engine: str = "threads",
    address: str | None = None,
    **options: Any,
) -> FolderReport:
    """Fills the holes of all photos of a folder.

    While some photos are filled, others are read and written. Those of one size that the
    network sees as a whole are filled at once. What an earlier call has done is left as it
    is: a manifest in the folder of filled photos knows the sizes and times of all files, the
    weights and the arguments. So a call that was cut off, however it was, goes on. Files that
    are there already, and are not as an earlier call has left them, are not replaced: their
    photos fail.

    A photo that fails does not end the call: it is in the report, with the reason.

    Args:
        inpainter: `Inpainter`, what `Inpainter.from_preset` takes, or a function that returns
            one: it is called when the photos are found.
        photos: A folder, a pattern, or a list of paths, see `keras_inpaint.data.find_photos`.
        masks: As `photos`, one file for all photos, or None for masks beside the photos; with
            `mask_from_alpha`, for the photos themselves. See `keras_inpaint.data.find_pairs`.
        output: str or path of a folder, made where it is missing. A filled photo has the name
            and the folder that its photo has in `photos`; where no such file can be written,
            as of AVIF or GIF, it is a PNG file of that name and `.png`.
        sketch: What guided generators are to draw into the photos, see `Inpainter.inpaint`:
            one file for all photos, all of one size; or as `photos`, paired with them as
            masks are, by the same name or one that ends in `_sketch`. A photo without a
            sketch of its own is then without a partner, and is not filled. None draws nothing.
        mask_pattern: str or None. What masks are called, such as `"{name}_hole"`.
        each_mask: bool. Of a photo with several masks, whether each makes a filled photo,
            named like the mask; else the holes of all are filled in one.
        overwrite: bool. Whether to do again what is done, and replace files that others made.
        workers: int or None. Threads that read, and threads that write; None for one per
            processor, at most 4. With `engine="ray"`, processes; None for as many as the
            cluster has room for.
        progress: Function or None. Called when a photo is done with the number of those, the
            number of all, and its `Outcome`.
        engine: `"threads"`, or `"ray"` for the processes of a Ray cluster (`pip install
            'keras-inpaint[cluster]'`), each with a network of its own: `inpainter` is then no
            `Inpainter`, and all machines read and write under the same paths.
        address: str or None. With `engine="ray"`, the cluster, such as `"auto"`; None for
            one that is started on this machine for the call.
        **options: `method`, `feather` and `detail`, as `Inpainter.inpaint` takes.
            `memory_limit`: int or None, bytes that all of it may take on top of what the
            process has; None for half of the machine's memory. `max_pixels`: int or None,
            pixels of the largest photo that is read. `invert_mask`, `mask_from_alpha`,
            `grow`: see `keras_inpaint.pictures.read_mask`. `turn_mask`: bool, whether masks
            are turned as EXIF turns their photos. `all_frames`: bool, whether all frames of
            an animation, or pages of a document, are filled; else the first. `invert_sketch`:
            bool, whether the lines of sketches are the darker ones.

    Returns:
        `FolderReport`.

    Raises:
        OSError: If the folder cannot be written, or its disk is full or lost.
        ValueError: If there is no photo with a mask, an argument is out of bounds, or another
            process is writing to the folder.

    Example:
    >>> import os, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> pixels, mask = np.full((40, 60, 3), 90, "uint8"), np.zeros((40, 60, 3), "uint8")
    >>> mask[10:20, 20:30] = 255
    >>> for name, content in (("a.png", pixels), ("a_mask.png", mask)):
    ...     keras_inpaint.pictures.write_picture(
    ...         os.path.join(folder, name), keras_inpaint.pictures.Picture(content))
    >>> inpainter = keras_inpaint.Inpainter(keras_inpaint.models.Generator.deepfill_v2(width=8))
    >>> output = os.path.join(folder, "filled")
    >>> keras_inpaint.inpaint_folder(inpainter, folder, None, output).counts
    {'filled': 1}
    >>> keras_inpaint.inpaint_folder(inpainter, folder, None, output).counts
    {'skipped': 1}
    """
    start, chosen = time.monotonic(), Options(**options)
    _check_engine(engine, address, inpainter, workers)
    folder = Path(output)
    check_target(folder, is_folder=True, name="output")
    known = KnownFolder.above(folder, GO_ON)
    found, sketches = find_jobs(photos, masks, mask_pattern, chosen, sketch, [folder])
    jobs, outcomes = _jobs(found.pairs, folder, each_mask, sketches)
    unpaired = {**found.without_mask, **found.without_photo}
    for path, reason in unpaired.items():
        _LOG.warning("%s: %s", path, reason)
    if found.left_out:
        _LOG.info("Left out: %s.", describe_left_out(found.left_out))
    load = _loader(inpainter, is_checked=engine == "ray")
    if engine == "threads":
        loaded = load()
        if sketch is not None:
            check_guided(loaded)
    known.check()
    # Of a link that leads nowhere, `mkdir` would say that it is there.
    Path(os.path.realpath(folder)).mkdir(parents=True, exist_ok=True)
    known = KnownFolder(folder, GO_ON)

    def tell(num_done: int, num_all: int, outcome: Outcome) -> None:
        if outcome.status == FAILED:
            _LOG.warning("%s failed: %s", outcome.photo, outcome.reason)
        if progress is not None:
            progress(num_done, num_all, outcome)

    for index, outcome in enumerate(outcomes, start=1):
        tell(index, len(jobs) + len(outcomes), outcome)
    with FolderLock(folder, "run of inpaint_folder"):
        if engine == "threads":
            manifest = Manifest(folder, recipe(loaded.generator, chosen.recipe()))
            pipeline = Pipeline(
                lambda: loaded, chosen, manifest, overwrite, workers, known=known
            )
            outcomes += pipeline.run(jobs, tell)
        else:
            from keras_inpaint.inpainting.on_ray import fill_on_ray

            outcomes += fill_on_ray(
                load, jobs, chosen, folder, overwrite, tell, address, workers
            )
    seconds = time.monotonic() - start
    return FolderReport(outcomes, unpaired, found.left_out, seconds)


def _check_engine(engine: str, address: str | None, inpainter: Any, workers: Any) -> None:
    check_choice("engine", engine, ENGINES)
    check_int("workers", workers, "counts processes", at_least=1, or_none="their usual number")
    if engine == "threads" and address is not None:
        raise ValueError(
            "`address` is that of a Ray cluster: choose the engine 'ray'. "
            f"Received: {address!r}"
        )
    if engine == "ray" and isinstance(inpainter, Inpainter):
        raise ValueError(
            "With engine='ray', `inpainter` must be what each process can load: the name or "
            "the path of a preset, or a function that returns one. Received: an Inpainter"
        )
    if engine == "ray":
        from keras_inpaint.inpainting.on_ray import check_address

        # Before the folder is made, and the photos are found.
        check_address(address)


def _loader(inpainter: Any, is_checked: bool) -> Callable[[], Inpainter]:
    if isinstance(inpainter, str | os.PathLike):
        if is_checked:
            # Before a cluster is started for it.
            read_metadata(find_preset(inpainter))
        return functools.partial(Inpainter.from_preset, inpainter)
    return (lambda: inpainter) if isinstance(inpainter, Inpainter) else inpainter


def find_jobs(
    photos: Source,
    masks: Source | None,
    pattern: str | None,
    options: Options,
    sketch: Source | None = None,
    leave_out: Sequence[str | os.PathLike[str]] = (),
) -> tuple[Pairs, dict[str, str]]:
    """Finds the photos, their masks and their sketches; none of these is a photo itself.

    With `mask_from_alpha`, a photo may be its own mask. Where there are sketches, photos
    without one are without a partner.

    Returns:
        tuple: `Pairs` of photos and masks, and a dict of sketches by photo.
    """
    aside = [*leave_out, *_aside(sketch, photos, masks)]
    if options.mask_from_alpha and (masks is None or is_same(photos, masks)):
        found = own_pairs(photos, aside)
    else:
        found = find_pairs(photos, masks, pattern, aside)
    if sketch is None:
        return found, {}
    read = [pair.mask for pair in found.pairs if pair.mask != pair.photo]
    names = ("photos", "sketch")
    drawn = find_pairs(photos, sketch, None, [*leave_out, *read], names, kind="sketch")
    return _with_sketches(found, drawn)


def _aside(source: Source | None, *others: Source | None) -> list[str | os.PathLike[str]]:
    """What is not searched for others: a source, unless it is one of them or holds it."""
    if not isinstance(source, str | os.PathLike):
        return []
    paths = [other for other in others if isinstance(other, str | os.PathLike)]
    return [source] if all(apart(source, other) for other in paths) else []


def _with_sketches(found: Pairs, drawn: Pairs) -> tuple[Pairs, dict[str, str]]:
    """Leaves photos out that have no sketch, or several, and says so."""
    sketches: dict[str, list[str]] = {}
    for photo, sketch, _ in drawn.pairs:
        sketches.setdefault(photo, []).append(sketch)
    used = {path for paths in sketches.values() for path in paths}
    used |= {pair.mask for pair in found.pairs}
    photos = {pair.photo for pair in found.pairs}
    without = {photo: why for photo, why in drawn.without_mask.items() if photo in photos}
    for photo in photos & sketches.keys():
        if len(sketches[photo]) > 1:
            names = ", ".join(map(os.path.basename, sketches[photo]))
            without[photo] = f"it has several sketches ({names})"
    own = {photo: paths[0] for photo, paths in sketches.items() if len(paths) == 1}
    pairs = [pair for pair in found.pairs if pair.photo in own]
    unpaired = {**without, **found.without_mask, **found.without_photo, **drawn.without_photo}
    rest = {path: reason for path, reason in unpaired.items() if path not in used}
    return dataclasses.replace(found, pairs=pairs, without_mask=rest, without_photo={}), own


def _jobs(
    pairs: Sequence[Any], folder: Path, each_mask: bool, sketches: dict[str, str]
) -> tuple[list[Job], list[Outcome]]:
    """What is to be done, and the photos whose filled ones would have one name.

    No file that is read is replaced: neither photos nor masks nor sketches.
    """
    jobs: dict[Path, Job] = {}
    clashes = []
    for photo, masks, name in _with_all_masks(pairs, each_mask):
        output = folder / name
        if output.suffix.lower() not in FORMATS:
            output = output.with_name(f"{output.name}.png")
        # Some file systems take no notice of capitals; a photo must not replace another one.
        key = Path(str(output).casefold())
        if key in jobs:
            reason = f"{jobs[key].photo} would be written to the same file"
            clashes.append(Job(photo, masks, output).ended(FAILED, reason))
        else:
            jobs[key] = Job(photo, masks, output, sketches.get(photo))
    inputs = [path for pair in pairs for path in pair[:2]] + [*sketches.values()]
    replaced = _replaced(list(jobs.values()), inputs)
    clashes += [
        job.ended(FAILED, f"{path} would be replaced by the filled photo")
        for job, path in replaced.values()
    ]
    return [job for job in jobs.values() if job.output not in replaced], clashes


def _replaced(jobs: list[Job], inputs: list[str]) -> dict[Path, tuple[Job, str]]:
    """The jobs whose filled photos would be written over photos or masks that are read."""
    existing = {file: job for job in jobs if (file := _identity(job.output)) is not None}
    # Mostly there are none.
    read = ((path, _identity(path)) for path in (inputs if existing else ()))
    found = ((path, existing[file]) for path, file in read if file in existing)
    return {job.output: (job, path) for path, job in found}


def _identity(path: str | Path) -> tuple[int, int] | None:
    """Which file it is, whatever its name; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _with_all_masks(
    pairs: Sequence[Any], each_mask: bool
) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Photos, their masks, and the name of the filled one; one of each mask if asked for."""
    photos: dict[tuple[str, str], list[str]] = {}
    for photo, mask, name in pairs:
        photos.setdefault((photo, name), []).append(mask)
    for (photo, name), masks in photos.items():
        if each_mask and len(masks) > 1:
            for mask in masks:
                stem = os.path.splitext(os.path.basename(mask))[0]
                suffix = os.path.splitext(name)[1]
                yield photo, (mask,), os.path.join(os.path.dirname(name), stem + suffix)
        else:
            yield photo, tuple(masks), name


class Pipeline:
    """Fills photo files, of which some are read and written meanwhile.

    Args:
        load: Function that returns the `Inpainter`. It is called when the first photo is to be
            filled: what cannot be read is told before.
        options: `Options`.
        manifest: `Manifest`, or None where none is kept.
        overwrite: bool. Whether to do again what the manifest lists.
        workers: int or None. Threads that read, and threads that write.
        parts: Function or None. Called as parts of one photo are filled.
        known: `KnownFolder` or None. That of the filled photos: where it is lost, nothing is
            written.
    """

    def __init__(
        self,
        load: Callable[[], Any],
        options: Options,
        manifest: Manifest | None = None,
        overwrite: bool = False,
        workers: int | None = None,
        parts: Callable[[int, int], None] | None = None,
        known: KnownFolder | None = None,
    ) -> None:
        self.load = load
        self.options = options
        self.manifest = manifest
        self.overwrite = overwrite
        self.workers = workers or min(os.cpu_count() or 1, 4)
        self.parts, self.known = parts, known
        self.limit = options.memory_limit or default_memory_limit()
        self._waiting = _Budget(self.limit // _WAITING_PART)
        self._told: set[tuple[str, ...]] = set()
        self._told_lock = threading.Lock()

    def run(self, jobs: Sequence[Job], progress: Progress | None = None) -> list[Outcome]:
        """Does all jobs, and returns what became of each, in the order in which they ended.

        Raises:
            DiskFullError: If there is no room for what is to be written.
            LostFolderError: If the folder of what is written is not there any more.
        """
        outcomes: list[Outcome] = []

        def end(job: Job, status: str, reason: str = "") -> None:
            outcomes.append(job.ended(status, reason))
            if progress is not None:
                progress(len(outcomes), len(jobs), outcomes[-1])

        remaining = deque(jobs)
        reading: dict[Future[Any], Job] = {}
        writing: dict[Future[Any], Job] = {}
        ready: list[_Work] = []
        with (
            _threads(self.workers) as readers,
            _threads(self.workers) as writers,
            self._waiting.released_at_the_end(),
        ):
            while remaining or reading or writing or ready:
                while remaining and len(reading) + len(ready) < _READ_AHEAD:
                    job = remaining.popleft()
                    reading[readers.submit(self._read, job)] = job
                if not ready:
                    wait([*reading, *writing], return_when=FIRST_COMPLETED)
                for job, work in _ended(reading, end):
                    ready += [work] if work is not None else []
                    if work is None:
                        end(job, SKIPPED)
                for job, status in _ended(writing, end):
                    end(job, status)
                if ready:
                    for work in self._fill(self._next_batch(ready), end):
                        writing[writers.submit(self._write, work)] = work.job
        return outcomes

    def _read(self, job: Job) -> _Work | None:
        """Reads a photo and its masks; None where an earlier run has done it."""
        paths = [job.photo, *job.masks, *filter(None, [job.sketch])]
        sources = [check_source(path, what="picture") for path in paths]
        manifest = None if self.overwrite else self.manifest
        if manifest is not None and manifest.is_done(job.output, sources):
            return None
        if manifest is not None and manifest.is_others(job.output):
            raise ValueError(
                f"{job.output} is there already, and not as an earlier run has left it. Choose "
                "another folder for the filled photos, or have it replaced (--overwrite)."
            )
        options = self.options
        header, mask_memory = read_header(job.photo), 0
        for mask in job.masks:
            mask_header = read_header(mask)
            size = mask_header.size[::-1] if self._turns(job) else mask_header.size
            check_mask_size(size, header.size, repr(mask), stored_orientation(job.photo))
            mask_memory = max(mask_memory, mask_header.memory)
        if job.sketch is not None:
            mask_memory = max(mask_memory, read_header(job.sketch).memory)
        num_frames = header.num_frames if options.all_frames else 1
        memory = num_frames * header.memory + mask_memory
        bounds = {"max_pixels": options.max_pixels, "memory_limit": self.limit}
        self._waiting.take(memory)
        try:
            if options.all_frames:
                self._check_frames(job, num_frames, memory)
                frames = list(read_frames(job.photo, **bounds))
            else:
                frames = [(read_picture(job.photo, **bounds), 0)]
            return _Work(job, frames, self._read_mask(job, bounds), sources, memory)
        except BaseException:
            self._waiting.give_back(memory)
            raise

    def _turns(self, job: Job) -> bool:
        return self.options.turn_mask and stored_orientation(job.photo) > 4

    def _check_frames(self, job: Job, num_frames: int, memory: int) -> None:
        if num_frames > 1 and FORMATS[job.output.suffix.lower()] not in SEVERAL_FRAMES:
            raise ValueError(
                "The file to write holds one picture: choose .tiff for pages, .webp or .png "
                f"for frames. Received: {job.output.name!r}, {num_frames} frames"
            )
        if memory > self.limit:
            raise ValueError(
                f"All {num_frames} frames at once take about {amount(memory)} of "
                "memory, more than the limit. Raise it (--memory-limit), or leave out "
                "--all-frames."
            )

    def _read_mask(self, job: Job, bounds: dict[str, Any]) -> Holes:
        holes: list[Holes] = []
        for path in job.masks:
            mask = self.options.masks().find_holes(path, job.photo, **bounds)
            self._tell_extremes(path, mask, is_alone=len(job.masks) == 1)
            holes = [np.logical_or.reduce([*holes, mask.holes]) if holes else mask.holes]
        if len(job.masks) > 1 and self._is_new("masks"):
            _LOG.warning(
                "%s has %d masks (%s): their holes are filled together. --each-mask makes a "
                "filled photo of each.",
                job.photo,
                len(job.masks),
                ", ".join(map(os.path.basename, job.masks)),
            )
        return holes[0]

    def _tell_extremes(self, path: str, mask: Mask, is_alone: bool) -> None:
        if not mask.holes.any() and not is_alone:
            _LOG.warning("%s has no hole: it holds %s.", path, mask.seen)
        elif not mask.holes.any():
            _LOG.warning(
                "%s has no hole: the photo stays as it is. The mask holds %s; the hole is what "
                "is brighter than the rest of it, or darker with --invert-mask.",
                path,
                mask.seen,
            )
        elif mask.holes.all():
            _LOG.warning("%s leaves nothing known: all is invented (%s).", path, mask.seen)

    def _next_batch(self, ready: list[_Work]) -> list[_Work]:
        """Takes the photo that has waited longest, and those of its size to fill with it."""
        first = ready.pop(0)
        if not ready or not self._sees_whole(first):
            return [first]
        batch = [first]
        for work in list(ready):
            is_like = work.holes.shape == first.holes.shape and self._sees_whole(work)
            if is_like and len(batch) < self._most_at_once(first.holes.shape):
                batch.append(work)
        # Powers of two: a network is compiled for few sizes of batches.
        batch = batch[: 1 << (len(batch).bit_length() - 1)]
        for work in batch[1:]:
            ready.remove(work)
        return batch

    def _sees_whole(self, work: _Work) -> bool:
        """Checks whether the network sees the photo as it is, so that several can be seen."""
        options = self.options
        is_plain = not options.feather and work.job.sketch is None
        if len(work.frames) > 1 or not is_plain or not work.holes.any():
            return False
        if options.method is not None:
            return options.method == "whole"
        return choose_method(work.holes, self.load().image_size or 256) == "whole"

    def _most_at_once(self, size: tuple[int, ...]) -> int:
        generator, num = self.load().generator, _LARGEST_BATCH
        while num > 1 and estimate_memory(generator, (size[0], size[1]), num) > self._left():
            num //= 2
        return num

    def _left(self, memory: int = 0) -> int:
        """Bytes that filling may take, whatever else is under way: a result depends on it."""
        return max(self.limit - max(memory, self.limit // _WAITING_PART), 1)

    def _fill(
        self, batch: list[_Work], end: Callable[[Job, str, str], None]
    ) -> Iterator[_Work]:
        """Fills photos, and gives those that can be written."""
        try:
            if len(batch) > 1:
                pixels = self.load().inpaint_batch(
                    [work.frames[0][0].pixels for work in batch],
                    [work.holes for work in batch],
                    memory_limit=self._left(),
                )
                for work, filled in zip(batch, pixels, strict=True):
                    work.frames = [(_with_filling(work.frames[0][0], filled, work.holes), 0)]
            elif batch[0].holes.any():
                self._fill_one(batch[0])
        except (OSError, ValueError) as error:
            for work in batch:
                self._waiting.give_back(work.memory)
                end(work.job, FAILED, str(error))
            return
        yield from batch

    def _fill_one(self, work: _Work) -> None:
        options = self.options
        frames = []
        for picture, shown in work.frames:
            check_mask_size(work.holes.shape, picture.size, repr(work.job.masks[0]))
            with _memory_errors(picture):
                filled = self.load().inpaint(
                    picture.pixels,
                    work.holes,
                    method=options.method,
                    feather=options.feather,
                    detail=options.detail,
                    memory_limit=self._left(_held(work)),
                    progress=self.parts,
                    out=picture.pixels,
                    sketch=work.job.sketch,
                    invert_sketch=options.invert_sketch,
                )
            frames.append((_with_filling(picture, filled, work.holes), shown))
        work.frames = frames

    def _write(self, work: _Work) -> str:
        """Writes a filled photo; one without a hole is copied where its format stays."""
        job, output = work.job, work.job.output
        try:
            if self.known is not None:
                self.known.check()
            output.parent.mkdir(parents=True, exist_ok=True)
            is_copied = not work.holes.any() and _kind(job.photo) == _kind(output)
            with atomic_write(output) as draft:
                if is_copied:
                    shutil.copyfile(job.photo, draft)
                else:
                    write_draft(
                        draft,
                        [picture for picture, _ in work.frames],
                        [shown for _, shown in work.frames],
                    )
                if self.manifest is not None:
                    self.manifest.add(output, work.sources, draft.stat())
            if not is_copied:
                self._tell_losses(job, work.frames[0][0])
            return FILLED if work.holes.any() else COPIED
        finally:
            work.frames = []
            self._waiting.give_back(work.memory)

    def _tell_losses(self, job: Job, picture: Picture) -> None:
        """Tells what the file of a filled photo does not keep: each kind once."""
        output = job.output
        lost = tuple(what_is_lost(output, picture))
        if lost and self._is_new("lost", _kind(output), *lost):
            _LOG.warning("%s cannot hold the photo's %s; PNG can.", output, " and ".join(lost))
        if picture.unkept and self._is_new("unkept", *picture.unkept):
            parts = " and ".join(picture.unkept)
            _LOG.warning("%s has %s, which %s does not keep.", job.photo, parts, output)
        if is_lossy(output) and self._is_new("lossy"):
            _LOG.info(
                "JPEG is encoded anew, which changes known pixels a little; PNG, TIFF and "
                "WebP keep them."
            )
        if picture.num_frames > 1 and not self.options.all_frames:
            _LOG.warning(
                "%s has %d frames or pages: the first one is filled, the others are left out. "
                "--all-frames fills all.",
                job.photo,
                picture.num_frames,
            )

    def _is_new(self, *what: str) -> bool:
        with self._told_lock:
            is_new = what not in self._told
            self._told.add(what)
        return is_new


def _with_filling(picture: Picture, filled: Any, holes: Holes) -> Picture:
    """A photo with its hole filled, and opaque there, so that the filling is seen."""
    alpha = picture.alpha
    if alpha is not None:
        alpha = np.where(holes, np.uint8(255), alpha)
    return dataclasses.replace(picture, pixels=filled, alpha=alpha)


def _held(work: _Work) -> int:
    """Bytes of the pixels and masks of a photo that was read."""
    arrays: list[Any] = [work.holes]
    for picture, _ in work.frames:
        arrays += [picture.pixels, picture.alpha, picture.deep]
    return sum(array.nbytes for array in arrays if array is not None)


@contextmanager
def _memory_errors(picture: Picture) -> Iterator[None]:
    """Names the way out where the memory does not suffice after all."""
    try:
        yield
    except Exception as error:
        # TensorFlow's own kind of MemoryError, known by name: other backends have none.
        name = type(error).__name__
        if not isinstance(error, MemoryError) and "ResourceExhausted" not in name:
            raise
        height, width = picture.size
        raise ValueError(
            "The memory does not suffice for this photo. Try --method crop, make it "
            f"smaller, or end other programs. Received: {width} x {height} pixels"
        ) from error


def _kind(path: str | os.PathLike[str]) -> str:
    suffix = Path(path).suffix.lower()
    return FORMATS.get(suffix, suffix)


def _ended(
    futures: dict[Future[Any], Job], end: Callable[[Job, str, str], None]
) -> list[tuple[Job, Any]]:
    """Takes what has ended, in the order of its beginning; failures are ended here.

    Raises:
        DiskFullError: If there is no room: there will be none for the next photo either.
        LostFolderError: As `DiskFullError`, if what is written to is not there any more.
    """
    results = []
    for future in [each for each in futures if each.done()]:
        job = futures.pop(future)
        try:
            results.append((job, future.result()))
        except (DiskFullError, LostFolderError):
            raise
        except (OSError, ValueError, MemoryError) as error:
            end(job, FAILED, str(error) or type(error).__name__)
    return results


@contextmanager
def _threads(num: int) -> Iterator[ThreadPoolExecutor]:
    """Threads of which, if anything goes wrong, none begins anything new."""
    pool = ThreadPoolExecutor(num)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Budget:
    """Memory that photos share which wait; one that needs more than all of it waits alone."""

    def __init__(self, total: int) -> None:
        self.total, self._taken, self._is_over = total, 0, False
        self._changed = threading.Condition()
        # In turn: else a large photo would wait until all small ones are done.
        self._turn = threading.Lock()

    def take(self, amount: int) -> None:
        with self._turn, self._changed:
            self._changed.wait_for(
                lambda: self._is_over or not self._taken or self._taken + amount <= self.total
            )
            self._taken += amount

    def give_back(self, amount: int) -> None:
        with self._changed:
            self._taken -= amount
            self._changed.notify_all()

    @contextmanager
    def released_at_the_end(self) -> Iterator[None]:
        """Lets all go on that wait, where nobody is left to give anything back."""
        try:
            yield
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify_all()
