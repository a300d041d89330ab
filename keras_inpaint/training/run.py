"""A whole training run: from photos on disk to a preset."""

import copy
import itertools
import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from keras_inpaint.data import SkipLog
from keras_inpaint.data.photo_files import PhotoFiles
from keras_inpaint.data.wait_clock import WaitClock
from keras_inpaint.gan.batches import unpack
from keras_inpaint.gan.callbacks import PictureSheets, TerminateOnNonFinite
from keras_inpaint.gan.inpainting_gan import VALIDATION_INDEX
from keras_inpaint.gan.progress_line import ProgressLine
from keras_inpaint.gan.tensor_board import TensorBoard
from keras_inpaint.ops.random import picture_seeds
from keras_inpaint.signals import STOPPING, handled
from keras_inpaint.training.building import build, devices_scope, shared_devices
from keras_inpaint.training.cluster import Cluster, tasks_of
from keras_inpaint.training.photo_streams import (
    check_sources,
    find_run_photos,
    training_source,
    training_stream,
    validation_source,
    validation_stream,
)
from keras_inpaint.training.run_folder import NONFINITE, RunFolder, check_kind
from keras_inpaint.training.run_report import write_report
from keras_inpaint.training.settings import Settings

_LOG = logging.getLogger("keras_inpaint.training")
# Rows of a sheet.
_NUM_ROWS = 4
# Steps from one time to the next that several processes ask each other whether to end.
_STEPS_TO_STOP = 20


def train(
    settings: Settings, verbose: int = 0, report: Callable[[str], None] | None = None
) -> int:
    """Trains a network on photos, or goes on where an earlier run stopped.

    Every `save_every` steps the run is validated, logged and saved. Ctrl-C, SIGTERM and SIGHUP
    end it after the current step, and save. A run that was stopped, or killed, and is resumed
    from a checkpoint sees the photos and masks that it would have seen without the
    interruption.

    With `distribution="multiworker"`, several processes that are started alike train as one,
    and the chief alone writes; see `keras_inpaint.training.cluster`.

    Args:
        settings: `keras_inpaint.training.settings.Settings`.
        verbose: `0`, or `1` to show the progress in a line of the terminal.
        report: Function or `None`. Called with each message, in place of the logger
            `keras_inpaint.training`.

    Returns:
        int: Steps made so far; fewer than `settings.steps` where the run was stopped.

    Raises:
        ConnectionError: If another process has ended or cannot be reached any more.
        FileNotFoundError: If the photos or the preset are missing.
        OSError: If the run's folder cannot be written to, or the preset not be fetched.
        ValueError: If the settings do not fit each other, the photos, or the run that
            `output` holds; or if the training diverges.
    """
    # Raises for wrong settings before anything is written; the folder first, for which no
    # photos need be looked for.
    tasks = tasks_of(settings)
    if tasks is None or tasks.index == 0:
        check_kind(settings.output)
    check_sources(settings)
    part = (0, 1) if tasks is None else (tasks.index, len(tasks.addresses))
    # One for the run, so that what is left out is named once.
    log = SkipLog()
    photos = find_run_photos(settings, training_source(settings), True, log, part)
    counts = f"{len(photos.paths)} photos"
    shown = photos
    if settings.validation is not None:
        shown = find_run_photos(settings, validation_source(settings), False, log, part)
        counts += f", {len(shown.paths)} for validation"
    info, warn = report or _LOG.info, report or _LOG.warning
    with ExitStack() as stack:
        if tasks is not None:
            others = ", ".join(tasks.addresses)
            info(f"This is {tasks}: waiting until all are there, at {others}.")
        cluster = Cluster(tasks)
        stack.enter_context(cluster.finding_lost())
        cluster.check_equal(settings, counts)
        stack.enter_context(shared_devices(settings, info))
        with devices_scope(settings, info, cluster.strategy):
            gan = build(settings, warn)
        folder = _open_folder(stack, gan, settings, cluster, (info, warn))
        if gan.num_steps < settings.steps:
            info(
                f"Training on {counts}. The first step compiles the networks, and takes much "
                "longer than the others."
            )
        step = _train(gan, folder, settings, photos, shown, verbose, info, cluster)
        # Nobody ends before the chief has written.
        cluster.any(False)
        return step


def _open_folder(
    stack: ExitStack,
    gan: Any,
    settings: Settings,
    cluster: Cluster,
    reports: tuple[Callable[[str], None], Callable[[str], None]],
) -> RunFolder | None:
    """Opens the run's folder in the chief, and gives all processes what it holds."""
    info, warn = reports
    folder = None
    # On JAX, processes load what all of them load: the chief alone does so into another model.
    is_apart = cluster.tasks is not None and cluster.strategy is None
    source = gan
    if is_apart:
        with gan.backend.alone():
            source = build(settings, warn)
    if cluster.is_chief:
        # It makes networks of its checkpoint, and on JAX all would have to make them.
        with gan.backend.alone():
            folder = stack.enter_context(RunFolder(settings, gan, warn))
            if folder.restore(source, warn):
                told = f"Going on from step {source.num_steps} of {folder.path}."
                if source.num_steps >= settings.steps:
                    told = (
                        f"All {settings.steps} steps of {folder.path} are made: raise --steps."
                    )
                info(told)
    cluster.copy_from_chief(gan, source)
    return folder


def _train(
    gan: Any,
    folder: RunFolder | None,
    settings: Settings,
    photos: PhotoFiles,
    shown: PhotoFiles,
    verbose: int,
    report: Callable[[str], None],
    cluster: Cluster,
) -> int:
    """Makes the remaining steps; returns how many were made in all."""
    step: int = gan.num_steps
    clock = WaitClock()
    line = ProgressLine(settings.steps, settings.batch_size, clock, is_drawn=verbose > 0)
    callbacks: list[Any] = [line]
    board = None
    if folder is not None:
        # Before what draws into the folder.
        callbacks.append(_watch(folder))
        if settings.tensorboard:
            board = TensorBoard(folder.tensorboard, folder.sheets)
    if step < settings.steps:
        callbacks += _sheets(gan, folder, settings, shown, cluster)
    validation = _validation(settings, shown, cluster)
    guard = TerminateOnNonFinite(None if folder is None else folder.nonfinite, report=report)
    callbacks.append(guard)
    with StopRequest(cluster) as stop:
        callbacks.append(stop)
        while step < settings.steps and not stop.asked:
            # Up to the next multiple, also where an interruption came between two.
            end = min(settings.steps, (step // settings.save_every + 1) * settings.save_every)
            batches = training_stream(settings, photos, step, clock=clock)
            batches = cluster.distribute(batches, settings.batch_size)
            guard.draw_batch = partial(_draw_again, settings, photos, step)
            metrics = _fit(gan, batches, end - step, callbacks)
            if guard.found is not None and settings.on_nonfinite == "stop":
                raise ValueError(_describe_nonfinite(folder, guard))
            if validation is not None and not stop.asked:
                for name, value in gan.evaluate(
                    validation, verbose=0, return_dict=True
                ).items():
                    metrics[f"val_{name}"] = float(value)
            step = gan.num_steps
            if folder is None:
                continue
            folder.check_is_finite(gan, step)
            _save(gan, folder, settings, step, metrics)
            if board is not None:
                board.write(step, metrics)
            numbers = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
            report("  ".join([f"step {step}/{settings.steps}", numbers, line.summary()]))
    if board is not None:
        board.close()
    if folder is not None:
        skipped = photos.log.reasons
        path = write_report(folder.path, settings, step, skipped, line.summary())
        if skipped:
            report(f"{len(skipped)} damaged files were left out: see {path}.")
    return step


def _watch(folder: RunFolder) -> Any:
    """The callback that ends a run whose folder is lost."""
    return keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: folder.check_is_there(),
        on_epoch_end=lambda epoch, logs: folder.check_is_there(),
    )


def _validation(settings: Settings, photos: PhotoFiles, cluster: Cluster) -> Any:
    """The batches for validation; `None` where there are none."""
    if settings.validation is None:
        return None
    # On JAX, devices share whole batches alone.
    is_whole = keras.distribution.distribution() is not None
    if is_whole and len(photos.paths) < settings.batch_size:
        raise ValueError(
            "`validation` must hold at least one batch of photos, which the devices share. "
            f"Received: {len(photos.paths)} photos, batch_size={settings.batch_size}"
        )
    batches = validation_stream(settings, photos, drop_remainder=is_whole)
    return cluster.distribute(batches, settings.batch_size)


def _describe_nonfinite(folder: RunFolder | None, guard: TerminateOnNonFinite) -> str:
    if folder is not None and guard.found is not None:
        return folder.describe_nonfinite(guard.found, guard.saved)
    return "A step is not finite: see what the chief says. Received: a loss or gradient of it"


def repeat_step(settings: Settings, step: int) -> dict[str, float]:
    """Repeats a step that was not finite, of which a run has saved all.

    Args:
        settings: `Settings` of the run, of which some may differ, such as `precision`.
        step: int. Its number, as the run reported it.

    Returns:
        dict: All terms of both losses, means over the batch, and the norms of both gradients.

    Raises:
        FileNotFoundError: If nothing was saved of such a step.
        ValueError: If the settings do not fit what was saved.
    """
    folder = Path(settings.output) / NONFINITE / f"step-{step:09d}"
    weights, batch = folder / "training.weights.h5", folder / "batch.npz"
    if not (weights.exists() and batch.exists()):
        saved = sorted(path.name for path in folder.parent.glob("step-*"))
        raise FileNotFoundError(
            "A step is repeated of which the run has saved the weights and the batch. "
            f"Received: step={step}, where {folder.parent} has {', '.join(saved) or 'none'}"
        )
    gan = build(settings)
    gan.load_weights(weights)
    with np.load(batch) as arrays:
        logs = gan.train_on_batch(dict(arrays), return_dict=True)
    found = gan.guard.found()
    return {name: float(x) for name, x in logs.items()} if found is None else found.terms


def _draw_again(settings: Settings, photos: PhotoFiles, first: int, step: int) -> Any:
    """The batch of a step, of all processes, out of the stream that began at another one."""
    batches = training_stream(settings, _whole(photos), first)
    # `fit` looks at the first batch, and what it trains on is the second pass.
    next(iter(batches))
    return next(itertools.islice(batches, step - first, None))


def _whole(photos: PhotoFiles) -> PhotoFiles:
    """The same photos, read as one process alone reads them."""
    photos = copy.copy(photos)
    photos.part = (0, 1)
    return photos


def _fit(gan: Any, batches: Any, num_steps: int, callbacks: list[Any]) -> dict[str, float]:
    history = gan.fit(
        batches,
        steps_per_epoch=num_steps,
        epochs=1,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
    )
    return {name: float(values[-1]) for name, values in history.history.items()}


def _save(
    gan: Any, folder: RunFolder, settings: Settings, step: int, metrics: dict[str, float]
) -> None:
    metadata = {
        "architecture": f"{settings.architecture}, width {gan.generator.width}",
        "trained_on": f"{Path(settings.data).name}, {step} steps of {settings.batch_size}",
        "image_size": settings.image_size,
    }
    folder.save(gan, step, metrics, metadata)


def _sheets(
    gan: Any,
    folder: RunFolder | None,
    settings: Settings,
    photos: PhotoFiles,
    cluster: Cluster,
) -> list[Any]:
    """The callback that draws sheets, in all processes; none where they cannot predict."""
    distribution = keras.distribution.distribution()
    num_devices = 1 if distribution is None else distribution.device_mesh.devices.size
    # Those of JAX share equal parts of what one process predicts.
    if not settings.sheets_every or (num_devices > 1 and cluster.tasks is not None):
        return []
    images, masks = _sheet_rows(gan, settings, _whole(photos))
    num = len(images) // num_devices * num_devices
    if not num:
        return []
    path = settings.output if folder is None else folder.sheets
    return [PictureSheets(images[:num], masks[:num], path, settings.sheets_every)]


def _sheet_rows(gan: Any, settings: Settings, photos: PhotoFiles) -> tuple[Any, Any]:
    """The images of the sheets, with the masks that validation draws for them."""
    batches = validation_stream(settings, photos, _NUM_ROWS)
    images, masks, _ = unpack(next(iter(batches)))
    if masks is None:
        num, height, width, _ = images.shape
        seeds = picture_seeds(gan.seed, VALIDATION_INDEX, ops.arange(num, dtype="int32"))
        masks, _ = gan.masks(seeds, height, width)
    return images, ops.convert_to_numpy(masks)


class StopRequest(keras.callbacks.Callback):
    """Ends `fit` after the current step on Ctrl-C, or where machine or terminal are closed.

    An exception in the middle of a step would leave one network updated and the other
    not. As a context manager, it handles `keras_inpaint.signals.STOPPING`; the second
    signal raises KeyboardInterrupt at once. Of several processes, all end
    after the same step, a few steps later.

    Args:
        cluster: `keras_inpaint.training.cluster.Cluster` or `None`.

    Example:
    >>> from keras_inpaint.training.run import StopRequest
    >>> with StopRequest() as request:
    ...     request.asked
    False
    """

    def __init__(self, cluster: Cluster | None = None) -> None:
        super().__init__()
        self.asked = False
        self._came = False
        self._cluster = None if cluster is None or cluster.tasks is None else cluster
        # Not Keras's `model`, which on JAX collects all weights: a signal may come at any time.
        self._trained: Any = None
        self._handled: Any = None

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._trained = model

    def __enter__(self) -> Self:
        self._handled = handled(STOPPING, self._ask)
        self._handled.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._handled.__exit__(kind, error, traceback)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._came:
            raise KeyboardInterrupt
        self._came = True
        if self._cluster is None:
            self._stop()

    def _stop(self) -> None:
        self.asked = True
        if self._trained is not None:
            self._trained.stop_training = True

    def on_train_begin(self, logs: Any = None) -> None:
        # `fit` resets the flag as it begins.
        if self.asked:
            self._stop()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._cluster is None or batch % _STEPS_TO_STOP:
            return
        if self._cluster.any(self._came):
            self._stop()
