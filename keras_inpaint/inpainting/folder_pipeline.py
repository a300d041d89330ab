"""The pipeline that fills photo files: some are read and written while others are filled."""

import dataclasses
import logging
import os
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_inpaint.arguments import check_choice, check_int
from keras_inpaint.files import atomic_write, check_source
from keras_inpaint.files.room import DiskFullError, KnownFolder, LostFolderError
from keras_inpaint.inpainting.detail import DETAILS
from keras_inpaint.inpainting.folder_report import (
    COPIED,
    FAILED,
    FILLED,
    SKIPPED,
    Manifest,
    Outcome,
)
from keras_inpaint.inpainting.memory import estimate_memory
from keras_inpaint.inpainting.planning import METHODS, choose_method
from keras_inpaint.inpainting.sketches import check_sketch_size, find_lines
from keras_inpaint.pictures import Picture, is_lossy, read_header, what_is_lost
from keras_inpaint.pictures.formats import FORMATS
from keras_inpaint.pictures.masks import Mask, MaskOptions, check_mask_size, stored_orientation
from keras_inpaint.pictures.opening import MAX_PIXELS, amount, default_memory_limit
from keras_inpaint.pictures.pixels import Holes
from keras_inpaint.pictures.reading import read_frames, read_picture
from keras_inpaint.pictures.writing import SEVERAL_FRAMES, write_draft

_LOG = logging.getLogger("keras_inpaint.inpainting")
# Called with the numbers of photos that are done and of all, and with the outcome of one.
Progress = Callable[[int, int, Outcome], None]

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
        lines: bool array like `holes`, or None: what is drawn into the hole.
        sources: list of `os.stat_result`: the sizes and times of photo and masks.
        memory: int. Bytes that it takes until it is written.
    """

    job: Job
    frames: list[tuple[Picture, int]]
    holes: Holes
    lines: Holes | None
    sources: list[os.stat_result]
    memory: int


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
            sketch_header = read_header(job.sketch)
            check_sketch_size(sketch_header.size, header.size)
            mask_memory = max(mask_memory, sketch_header.memory)
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
            holes, lines = self._read_mask(job, bounds), self._read_sketch(job, header, bounds)
            return _Work(job, frames, holes, lines, sources, memory)
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

    def _read_sketch(self, job: Job, header: Any, bounds: dict[str, Any]) -> Holes | None:
        if job.sketch is None:
            return None
        return find_lines(job.sketch, self.options.invert_sketch, header.size, **bounds)

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
        elif mask.is_scattered:
            _LOG.warning(
                "%s has two values that alternate from pixel to pixel, as in a dithered photo: "
                "each brighter pixel is taken for a hole. A mask has areas of one value.",
                path,
            )

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
        is_plain = not options.feather and work.lines is None
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
                    sketch=work.lines,
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
            # Of a folder, the manifest knows, and `overwrite` was asked for.
            is_replaced = self.manifest is None and output.exists()
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
            if is_replaced:
                _LOG.info("%s was there already, and was replaced.", output)
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
    arrays: list[Any] = [work.holes, work.lines]
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
