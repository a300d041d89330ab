"""The photos of a run: those to learn from, and those to measure on."""

from typing import Any

from keras_inpaint.data import SkipLog, photos
from keras_inpaint.data.photo_files import seed_at_step
from keras_inpaint.data.sources import Source
from keras_inpaint.training.settings import Settings

# Photos, mask files or `None`, and how these are chosen, see `keras_inpaint.data.photos`.
Choice = tuple[Source, Source | None, str]


def learned(settings: Settings) -> Choice:
    """The photos that settings name to learn from."""
    return settings.data, settings.masks, settings.mask_choice


def measured(settings: Settings) -> Choice:
    """The photos that settings name to measure on; those to learn from without any."""
    if settings.validation is None:
        return learned(settings)
    return settings.validation, settings.validation_masks, "paired"


def learning_stream(
    settings: Settings, choice: Choice, step: int, log: SkipLog | None = None
) -> Any:
    """Streams photos to learn from, for ever.

    Args:
        settings: `Settings`.
        choice: What `learned` returns.
        step: int. The step that the stream begins at: a run that goes on there draws what
            it would have drawn.
        log: `keras_inpaint.data.SkipLog` or `None`.

    Returns:
        What `keras_inpaint.data.photos` returns.
    """
    return _stream(
        settings,
        choice,
        batch_size=settings.batch_size,
        seed=seed_at_step(settings.seed, step),
        repeat=True,
        min_scale=settings.min_scale,
        log=log,
    )


def measuring_stream(
    settings: Settings,
    choice: Choice,
    batch_size: int | None = None,
    log: SkipLog | None = None,
) -> Any:
    """Streams the middles of photos, always in the same order.

    Args:
        settings: As all but `batch_size`, see `learning_stream`.
        batch_size: int or `None`, for that of the settings.

    Returns:
        What `keras_inpaint.data.photos` returns.
    """
    return _stream(
        settings,
        choice,
        batch_size=batch_size or settings.batch_size,
        shuffle=False,
        flip=False,
        crop="centre",
        drop_remainder=False,
        log=log,
    )


def _stream(settings: Settings, choice: Choice, **options: Any) -> Any:
    source, masks, mask_choice = choice
    size = settings.image_size
    return photos(source, image_size=size, masks=masks, mask_choice=mask_choice, **options)
