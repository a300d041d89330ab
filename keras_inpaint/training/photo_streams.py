"""The photos of a run: those to train on, and those for validation."""

from typing import Any

from keras_inpaint.data import SkipLog
from keras_inpaint.data.photo_files import PhotoFiles, seed_at_step
from keras_inpaint.data.photos import stream
from keras_inpaint.data.sources import Source, check_exists
from keras_inpaint.data.wait_clock import WaitClock
from keras_inpaint.files import check_source
from keras_inpaint.training.settings import Settings, mask_options

# Photos, mask files or `None`, and how these are chosen, see `keras_inpaint.data.photos`.
PhotoSource = tuple[Source, Source | None, str]


def check_sources(settings: Settings) -> None:
    """Raises an error where photos, masks or weights that settings name are missing."""
    for name in ("data", "masks", "validation", "validation_masks"):
        source = getattr(settings, name)
        if source is not None:
            check_exists(source, name)
    network = settings.perceptual_network
    if network is not None and network.endswith(".npz"):
        check_source(network, what="NPZ file", name="perceptual_network")


def find_run_photos(
    settings: Settings,
    source: PhotoSource,
    is_training: bool,
    log: SkipLog | None = None,
    part: tuple[int, int] = (0, 1),
) -> PhotoFiles:
    """Finds the photos of a run, and the masks of files, once for all of its streams.

    Args:
        settings: `Settings`.
        source: What `training_source` or `validation_source` returns, or a part of it.
        is_training: bool. Whether they are to train on: at least one batch is needed.
        log: `keras_inpaint.data.SkipLog` or `None`.
        part: Pair of ints, see `keras_inpaint.data.photos`: that of one of several processes,
            which share each batch.

    Returns:
        `PhotoFiles`, of which some may turn out to be damaged.

    Raises:
        FileNotFoundError: If the photos or masks are missing.
        ValueError: If there are too few, none can be decoded, or the masks do not fit them.
    """
    files, masks, mask_choice = source
    is_own = not is_training and settings.validation is not None
    return PhotoFiles(
        files,
        settings.batch_size // part[1],
        is_training,
        masks,
        mask_choice,
        log,
        None if masks is None else mask_options(settings),
        # A folder of photos may hold the run's own, with its sheets.
        (settings.output,),
        settings.max_pixels,
        settings.memory_limit,
        part,
        settings.max_skipped,
        names=("validation", "validation_masks") if is_own else ("data", "masks"),
    )


def training_source(settings: Settings) -> PhotoSource:
    """Returns the photos that settings name to train on."""
    return settings.data, settings.masks, settings.mask_choice


def validation_source(settings: Settings) -> PhotoSource:
    """Returns the photos that settings name for validation, else those to train on."""
    if settings.validation is None:
        return training_source(settings)
    return settings.validation, settings.validation_masks, "paired"


def training_stream(
    settings: Settings,
    source: PhotoSource | PhotoFiles,
    step: int,
    log: SkipLog | None = None,
    clock: WaitClock | None = None,
) -> Any:
    """Streams photos to train on, without end.

    Args:
        settings: `Settings`.
        source: What `training_source` or, once for several streams, `find_run_photos` returns.
        step: int. The step that the stream begins at: a resumed run draws what it would
            have drawn without the interruption. Nothing before it is read.
        log: `keras_inpaint.data.SkipLog` or `None`; the photos' own where they were found.
        clock: `WaitClock` or `None`. Times the batches.

    Returns:
        What `keras_inpaint.data.photos` returns.
    """
    files = _found(settings, source, True, log)
    batches = stream(
        files,
        image_size=settings.image_size,
        batch_size=settings.batch_size // files.part[1],
        shuffle=True,
        flip=True,
        crop="random",
        seed=seed_at_step(settings.seed, 0),
        repeat=True,
        drop_remainder=True,
        min_scale=settings.min_scale,
        start=step,
        channels=settings.channels,
    )
    return batches if clock is None else clock.watch(batches)


def validation_stream(
    settings: Settings,
    source: PhotoSource | PhotoFiles,
    batch_size: int | None = None,
    log: SkipLog | None = None,
    drop_remainder: bool = False,
) -> Any:
    """Streams the centre squares of photos, always in the same order.

    Args:
        settings: As `source` and `log`, see `training_stream`.
        batch_size: int or `None`, for that of the settings.
        drop_remainder: bool. Whether to leave out a last, smaller batch.

    Returns:
        What `keras_inpaint.data.photos` returns.
    """
    files = _found(settings, source, False, log)
    return stream(
        files,
        image_size=settings.image_size,
        batch_size=(batch_size or settings.batch_size) // files.part[1],
        shuffle=False,
        flip=False,
        crop="centre",
        seed=0,
        repeat=False,
        drop_remainder=drop_remainder,
        min_scale=None,
        channels=settings.channels,
    )


def _found(
    settings: Settings,
    source: PhotoSource | PhotoFiles,
    is_training: bool,
    log: SkipLog | None,
) -> PhotoFiles:
    if isinstance(source, PhotoFiles):
        return source
    return find_run_photos(settings, source, is_training, log)
