"""The photos of a run: those to train on, and those for validation."""

from typing import Any

from keras_inpaint.data import SkipLog, photos
from keras_inpaint.data.photo_files import seed_at_step
from keras_inpaint.data.sources import Source
from keras_inpaint.training.settings import Settings, mask_options

# Photos, mask files or `None`, and how these are chosen, see `keras_inpaint.data.photos`.
PhotoSource = tuple[Source, Source | None, str]


def training_source(settings: Settings) -> PhotoSource:
    """Returns the photos that settings name to train on."""
    return settings.data, settings.masks, settings.mask_choice


def validation_source(settings: Settings) -> PhotoSource:
    """Returns the photos that settings name for validation, else those to train on."""
    if settings.validation is None:
        return training_source(settings)
    return settings.validation, settings.validation_masks, "paired"


def training_stream(
    settings: Settings, source: PhotoSource, step: int, log: SkipLog | None = None
) -> Any:
    """Streams photos to train on, without end.

    Args:
        settings: `Settings`.
        source: What `training_source` returns.
        step: int. The step that the stream begins at: a resumed run draws what it would
            have drawn without the interruption.
        log: `keras_inpaint.data.SkipLog` or `None`.

    Returns:
        What `keras_inpaint.data.photos` returns.
    """
    return _stream(
        settings,
        source,
        batch_size=settings.batch_size,
        seed=seed_at_step(settings.seed, step),
        repeat=True,
        min_scale=settings.min_scale,
        log=log,
    )


def validation_stream(
    settings: Settings,
    source: PhotoSource,
    batch_size: int | None = None,
    log: SkipLog | None = None,
) -> Any:
    """Streams the centre squares of photos, always in the same order.

    Args:
        settings: As `source` and `log`, see `training_stream`.
        batch_size: int or `None`, for that of the settings.

    Returns:
        What `keras_inpaint.data.photos` returns.
    """
    return _stream(
        settings,
        source,
        batch_size=batch_size or settings.batch_size,
        shuffle=False,
        flip=False,
        crop="centre",
        drop_remainder=False,
        log=log,
    )


def _stream(settings: Settings, source: PhotoSource, **options: Any) -> Any:
    files, masks, mask_choice = source
    size = settings.image_size
    # A folder of photos may hold the run's own, with its sheets.
    apart = (settings.output,)
    return photos(
        files,
        image_size=size,
        masks=masks,
        mask_choice=mask_choice,
        mask_options=None if masks is None else mask_options(settings),
        leave_out=apart,
        max_pixels=settings.max_pixels,
        memory_limit=settings.memory_limit,
        **options,
    )
