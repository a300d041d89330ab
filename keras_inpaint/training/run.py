"""A whole training run: from photos on disk to a preset."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras import ops

from keras_inpaint.data import SkipLog
from keras_inpaint.gan.callbacks import PictureSheets
from keras_inpaint.gan.inpainting_gan import VALIDATION_INDEX
from keras_inpaint.gan.validation import unpack
from keras_inpaint.ops.random import picture_seeds
from keras_inpaint.training.building import build, set_learning_rates
from keras_inpaint.training.distribution import devices_scope
from keras_inpaint.training.photo_streams import (
    learned,
    learning_stream,
    measured,
    measuring_stream,
)
from keras_inpaint.training.run_folder import RunFolder
from keras_inpaint.training.settings import Settings
from keras_inpaint.training.stop_request import StopRequest

_LOG = logging.getLogger("keras_inpaint.training")
# Pictures on a sheet.
_NUM_SHOWN = 4


def train(
    settings: Settings, verbose: int = 0, report: Callable[[str], None] | None = None
) -> int:
    """Trains a network on photos, or goes on where an earlier run stopped.

    Every `save_every` steps the run is measured, logged and saved. Ctrl-C ends it after
    the step under way, and saves. A run that was stopped, or killed, and goes on from a
    checkpoint sees the photos and masks that it would have seen without the stop.

    Args:
        settings: `keras_inpaint.training.settings.Settings`.
        verbose: `0`, or `1` to show Keras's progress bar.
        report: Function or `None`. Called with each message, in place of the logger
            `keras_inpaint.training`.

    Returns:
        int: Steps made so far; fewer than `settings.steps` where the run was stopped.

    Raises:
        FileNotFoundError: If the photos or the preset are missing.
        OSError: If the run's folder cannot be written to, or the preset not be fetched.
        ValueError: If the settings do not fit each other, the photos, or the run that
            `output` holds; or if the training diverges.
    """
    # What can be wrong is looked at before anything is written.
    learning_stream(settings, learned(settings), step=0)
    validation = None
    if settings.validation is not None:
        validation = measuring_stream(settings, measured(settings))
    info, warn = report or _LOG.info, report or _LOG.warning
    with devices_scope(settings, info):
        gan = build(settings, warn)
    with RunFolder(settings, gan) as folder:
        if folder.restore(gan, warn):
            info(f"Going on from step {gan.num_steps} of {folder.path}.")
        return _train(gan, folder, settings, validation, verbose, info)


def _train(
    gan: Any,
    folder: RunFolder,
    settings: Settings,
    validation: Any,
    verbose: int,
    report: Callable[[str], None],
) -> int:
    """Makes the steps that are missing; returns how many were made in all."""
    step: int = gan.num_steps
    # One for the run, so that a damaged photo is named once.
    log = SkipLog()
    callbacks: list[Any] = []
    if settings.sheets_every and step < settings.steps:
        shown = _shown(gan, settings, log)
        callbacks.append(PictureSheets(*shown, folder.sheets, settings.sheets_every))
    with StopRequest() as stop:
        callbacks.append(stop)
        while step < settings.steps and not stop.asked:
            # Up to the next multiple, so that an interrupted run falls into step again.
            end = min(settings.steps, (step // settings.save_every + 1) * settings.save_every)
            set_learning_rates(gan, settings, step)
            batches = learning_stream(settings, learned(settings), step, log)
            measures = _fit(gan, batches, end - step, verbose, callbacks)
            if validation is not None and not stop.asked:
                for name, value in gan.evaluate(
                    validation, verbose=0, return_dict=True
                ).items():
                    measures[f"val_{name}"] = float(value)
            step = gan.num_steps
            folder.check_is_finite(gan, step)
            _save(gan, folder, settings, step, measures)
            told = "  ".join(f"{name} {value:.4g}" for name, value in measures.items())
            report(f"step {step}/{settings.steps}  {told}")
    return step


def _fit(
    gan: Any, batches: Any, num_steps: int, verbose: int, callbacks: list[Any]
) -> dict[str, float]:
    history = gan.fit(
        batches,
        steps_per_epoch=num_steps,
        epochs=1,
        shuffle=False,
        verbose=verbose,
        callbacks=callbacks,
    )
    return {name: float(values[-1]) for name, values in history.history.items()}


def _save(
    gan: Any, folder: RunFolder, settings: Settings, step: int, measures: dict[str, float]
) -> None:
    metadata = {
        "architecture": f"{settings.architecture}, width {gan.generator.width}",
        "trained_on": f"{Path(settings.data).name}, {step} steps of {settings.batch_size}",
        "image_size": settings.image_size,
    }
    with folder.writing(gan, step):
        folder.log.add({"step": step, **measures})
        gan.save_to_preset(folder.preset, metadata)
        # Last: what goes on from here finds all else written.
        folder.save(gan, step)


def _shown(gan: Any, settings: Settings, log: SkipLog) -> tuple[Any, Any]:
    """The images of the sheets, and the masks that validation has for them."""
    batches = measuring_stream(settings, measured(settings), _NUM_SHOWN, log)
    images, masks, _ = unpack(next(iter(batches)))
    if masks is None:
        num, height, width, _ = images.shape
        seeds = picture_seeds(gan.seed, VALIDATION_INDEX, ops.arange(num, dtype="int32"))
        masks, _ = gan.masks(seeds, height, width)
    return images, ops.convert_to_numpy(masks)
