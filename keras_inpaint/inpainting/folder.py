"""Folders of photos filled, from what is named to the report."""

import dataclasses
import functools
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_inpaint.arguments import check_choice, check_int
from keras_inpaint.data.pairs import Pairs, apart, find_pairs, is_same, own_pairs
from keras_inpaint.data.sources import Source, describe_left_out
from keras_inpaint.files import FolderLock, check_target
from keras_inpaint.files.room import KnownFolder
from keras_inpaint.inpainting.folder_pipeline import GO_ON, Job, Options, Pipeline, Progress
from keras_inpaint.inpainting.folder_report import (
    FAILED,
    FolderReport,
    Manifest,
    Outcome,
    recipe,
)
from keras_inpaint.inpainting.sketches import check_guided
from keras_inpaint.pictures.formats import FORMATS
from keras_inpaint.presets import find_preset, read_metadata

if TYPE_CHECKING:
    from keras_inpaint.inpainting.inpainter import Inpainter

_LOG = logging.getLogger("keras_inpaint.inpainting")

ENGINES = ("threads", "ray")


def inpaint_folder(
    inpainter: "Inpainter | str | os.PathLike[str] | Callable[[], Inpainter]",
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
    if engine == "ray" and _is_loaded(inpainter):
        raise ValueError(
            "With engine='ray', `inpainter` must be what each process can load: the name or "
            "the path of a preset, or a function that returns one. Received: an Inpainter"
        )
    if engine == "ray":
        from keras_inpaint.inpainting.on_ray import check_address

        # Before the folder is made, and the photos are found.
        check_address(address)


def _is_loaded(inpainter: Any) -> bool:
    return not callable(inpainter) and not isinstance(inpainter, str | os.PathLike)


def _loader(inpainter: Any, is_checked: bool) -> "Callable[[], Inpainter]":
    if isinstance(inpainter, str | os.PathLike):
        if is_checked:
            # Before a cluster is started for it.
            read_metadata(find_preset(inpainter))
        return functools.partial(_load_preset, inpainter)
    return (lambda: inpainter) if _is_loaded(inpainter) else inpainter


def _load_preset(preset: str | os.PathLike[str]) -> "Inpainter":
    # Keras takes seconds to load: what is refused before it must not wait.
    from keras_inpaint.inpainting.inpainter import Inpainter

    return Inpainter.from_preset(preset)


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
