"""Callbacks of `fit`, which do not make it wait for the device.

Keras turns the logs of each step into numbers before any callback sees them, and to do so
waits until the device has finished the step. What stands here works at the beginning of
steps, where there are no logs, and reads numbers where they are reported.
"""

import logging
import time
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inpaint.arguments import check_int
from keras_inpaint.files import atomic_write, weights_size, write_json
from keras_inpaint.gan.step_guard import NonFiniteStep
from keras_inpaint.ops.compositing import corrupt
from keras_inpaint.ops.offset_colors import offset_colors
from keras_inpaint.ops.resampling import upsample_nearest
from keras_inpaint.pictures import Picture, sheet, to_photos, write_picture

_LOG = logging.getLogger("keras_inpaint.gan")
_SECONDS_BETWEEN_UPDATES = 0.5
# Steps whose batches were left out: each is as large as a batch.
_MOST_SAVED = 10


class LazyCallbackList(keras.callbacks.CallbackList):
    """A `CallbackList` that reads the numbers of a step only for those who look at them.

    The hooks for the end of a batch are left out unless a callback has one of its own. A
    progress bar is updated twice a second, and at the end of an epoch.

    Args:
        callbacks: Callback, list of them, or `None`: what `fit` was given.
        verbose: `"auto"` or int, see `keras.Model.fit`.
        **params: See `keras.callbacks.CallbackList`: `epochs`, `steps` and `model`.
    """

    def __init__(self, callbacks: Any, verbose: Any, **params: Any) -> None:
        # A list: of a callback alone, Keras does not ask whether it looks at batches.
        callbacks = [] if callbacks is None else keras.tree.flatten(callbacks)
        shows = verbose != 0
        super().__init__(
            callbacks, add_history=True, add_progbar=shows, verbose=verbose, **params
        )
        bar = keras.callbacks.ProgbarLogger
        others = [each for each in self.callbacks if not isinstance(each, bar)]
        self._has_bar = len(others) < len(self.callbacks)
        self._looks_at_training = any(_looks_at_batches(each, "train") for each in others)
        self._looks_at_validation = any(_looks_at_batches(each, "test") for each in others)
        self._updated_at = time.monotonic()
        self._unread: tuple[int, Any] | None = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now = time.monotonic()
        is_due = self._has_bar and now - self._updated_at >= _SECONDS_BETWEEN_UPDATES
        if self._looks_at_training or is_due:
            self._unread, self._updated_at = None, now
            super().on_train_batch_end(batch, logs)
        else:
            self._unread = batch, logs

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._looks_at_validation:
            super().on_test_batch_end(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        # The bar learns from its last update how many steps there were.
        if self._has_bar and self._unread is not None:
            super().on_train_batch_end(*self._unread)
        self._unread = None
        super().on_epoch_end(epoch, logs)


def _looks_at_batches(callback: keras.callbacks.Callback, kind: str) -> bool:
    """Tells whether a callback has a hook of its own for the end of a batch."""
    # Those of Keras that save once an epoch have one, and do nothing in it.
    if getattr(callback, "save_freq", None) == "epoch":
        return False
    names = ["on_train_batch_end", "on_batch_end"] if kind == "train" else ["on_test_batch_end"]
    return any(
        getattr(getattr(callback, name), "__func__", None)
        is not getattr(keras.callbacks.Callback, name)
        for name in names
    )


class TerminateOnNonFinite(keras.callbacks.Callback):
    """Ends `fit` where a loss or a gradient is not finite, and saves what shows why.

    Keras's `TerminateOnNaN` sees the loss alone, and when it does the weights are spoiled. A
    step of `InpaintingGAN` that is not finite leaves them as they were, and so do the steps
    that the device was given before this callback looks. `fit` has one without a folder unless
    it is given another. With `compile(on_nonfinite="skip")`, it reports such a step, saves it
    if it is one of the first ten, and the training goes on.

    Args:
        folder: str, path or `None`. For each step that is found, a folder in it such as
            `step-000001000` gets `nonfinite.json`, with the step and all terms of both losses;
            where `draw_batch` is given, `batch.npz`, its images, masks and boxes; and, where
            the training ends, `training.weights.h5`: networks and optimizers before the step,
            so that `load_weights` and `train_on_batch` repeat it.
        draw_batch: Function of the number of a step, counted from the start of the whole
            training, that returns its batch once more; or `None`.
        every: int. Steps from one look to the next; there is one at the end of each epoch too.
            To look is to wait for the device.
        report: Function or `None`. Called with each message, in place of the logger
            `keras_inpaint.gan`.

    Attributes:
        found: The last `NonFiniteStep` that was found, or `None`.
        saved: Path of what was saved of it, or `None`.

    Raises:
        ValueError: If `every` is no int of at least 1.

    Example:
    >>> gan = keras_inpaint.InpaintingGAN.deepfill_v2(width=8, image_size=64, critic_width=8)
    >>> gan.compile(run_eagerly=True)
    >>> images = np.full((3, 64, 64, 3), -0.5, "float32")
    >>> images[1] = np.nan
    >>> stop = keras_inpaint.gan.TerminateOnNonFinite(every=1, report=print)
    >>> options = {"batch_size": 1, "shuffle": False, "verbose": 0, "callbacks": [stop]}
    >>> history = gan.fit(images, **options)
    Step 1 is not finite (...): the training has ended, with the weights from before it.
    >>> gan.num_steps, bool(np.isfinite(gan.generator.get_weights()[0]).all())
    (1, True)
    """

    def __init__(
        self,
        folder: str | PathLike[str] | None = None,
        draw_batch: Callable[[int], Any] | None = None,
        every: int = 100,
        report: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self.folder = None if folder is None else Path(folder)
        self.draw_batch = draw_batch
        self.every = check_int("every", every, "counts steps", at_least=1)
        self.found: NonFiniteStep | None = None
        self.saved: Path | None = None
        self._report = report or _LOG.warning
        self._num_looks = 0

    def on_train_begin(self, logs: Any = None) -> None:
        self.found = self.saved = None
        self.model.guard.begin()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._num_looks = 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # Where several steps are one execution, not each number comes.
        if batch // self.every > self._num_looks:
            self._num_looks = batch // self.every
            self._look()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._look()

    def on_train_end(self, logs: Any = None) -> None:
        self.model.guard.end()

    def _look(self) -> None:
        gan = self.model
        found = gan.guard.found()
        if found is None or found == self.found:
            return
        self.found, self.saved = found, None
        where = ""
        if self.folder is not None:
            try:
                self.saved = self._save(gan, self.folder, found)
                where = f" Its losses are in {self.saved}." if self.saved else ""
            # That it cannot be saved is no reason not to tell what has happened.
            except (OSError, ValueError) as error:
                where = f" It cannot be saved: {error}"
        what = f"Step {found.step} is not finite ({', '.join(found.names)})"
        if gan.guard.skips:
            gan.guard.reset()
            self._report(f"{what}: its batch was left out.{where}")
            return
        gan.stop_training = True
        self._report(f"{what}: the training has ended, with the weights from before it.{where}")

    def _save(self, gan: Any, folder: Path, found: NonFiniteStep) -> Path | None:
        path = folder / f"step-{found.step:09d}"
        if gan.guard.skips and len(list(folder.glob("step-*"))) >= _MOST_SAVED:
            return None
        arrays: dict[str, Any] = {}
        if self.draw_batch is not None:
            batch = gan.drawn_batch(self.draw_batch(found.step), found.step)
            arrays = {name: np.asarray(values) for name, values in batch.items()}
        variables = [] if gan.guard.skips else [*gan.variables, *gan.optimizer.variables]
        size = weights_size(variables) + sum(each.nbytes for each in arrays.values()) + 2**16
        with atomic_write(path, is_folder=True, size=size) as draft:
            # JSON has no NaN.
            terms = {name: f"{value:g}" for name, value in found.terms.items()}
            write_json(draft / "nonfinite.json", {"step": found.step, "terms": terms})
            if arrays:
                np.savez(draft / "batch.npz", **arrays)
            if variables:
                gan.save_weights(draft / "training.weights.h5")
        return path


class PictureSheets(keras.callbacks.Callback):
    """Draws a sheet of filled pictures every so many steps, always of the same pictures.

    A row a picture: the true one, what the generator sees, its first guess, the filled
    picture, and where each part of the hole was copied from, coloured as
    `keras_inpaint.ops.offset_colors` says, if the generator returns `"offsets"`. The files
    are named `step-000001000.png`.

    Args:
        images: Array of shape `(num, height, width, channels)`, in `[-1, 1]`.
        masks: Array of shape `(num, height, width, 1)`: 1 in the hole, else 0.
        folder: str or path. Where the sheets go; made where it is missing.
        every: int. Steps from one sheet to the next. They are counted from the start of
            the whole training, `InpaintingGAN.steps`.

    Raises:
        ValueError: If there are no pictures, not one mask per picture, or `every` is no
            int of at least 1.

    Example:
    >>> import os, tempfile
    >>> gan = keras_inpaint.InpaintingGAN.deepfill_v2(width=8, image_size=64, critic_width=8)
    >>> gan.compile(run_eagerly=True)
    >>> images = np.full((2, 64, 64, 3), -0.5, "float32")
    >>> masks = np.ones((2, 64, 64, 1), "float32")
    >>> masks[:, :32] = 0
    >>> folder = tempfile.mkdtemp()
    >>> sheets = keras_inpaint.gan.PictureSheets(images, masks, folder, every=2)
    >>> history = gan.fit(images, batch_size=1, callbacks=[sheets], verbose=0)
    >>> os.listdir(folder)
    ['step-000000002.png']
    """

    def __init__(
        self, images: Any, masks: Any, folder: str | PathLike[str], every: int = 1000
    ) -> None:
        super().__init__()
        self.images = np.asarray(images, "float32")
        self.masks = np.asarray(masks, "float32")
        if (
            self.images.ndim != 4
            or not self.images.size
            or self.masks.shape != (*self.images.shape[:3], 1)
        ):
            raise ValueError(
                "`images` must be of shape (num, height, width, channels), at least one, and "
                "`masks` of shape (num, height, width, 1). "
                f"Received: {self.images.shape} and {self.masks.shape}"
            )
        self.folder = Path(folder)
        meaning = "counts the steps from one sheet to the next"
        self.every = check_int("every", every, meaning, at_least=1)
        self._first_step = 0
        self._num_drawn = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        # Asked once: JAX would have to collect all weights to answer after each step.
        self._first_step = self.model.num_steps
        self._num_drawn = self._first_step // self.every

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # After the steps before this one, see above.
        self._draw_if_due(self._first_step + batch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._draw_if_due(self.model.num_steps)

    def _draw_if_due(self, step: int) -> None:
        if step // self.every > self._num_drawn:
            self._num_drawn = step // self.every
            self.draw(step)

    def draw(self, step: int) -> None:
        """Draws a sheet now.

        Args:
            step: int. The number in the file's name.
        """
        num, height, _, _ = self.images.shape
        batch = {"images": self.images, "masks": self.masks}
        sketch = getattr(self.model, "sketch", None)
        if sketch is not None:
            batch["sketches"] = keras.ops.convert_to_numpy(sketch(self.images))
        outputs = self.model.predict_on_batch(batch)
        # After the prediction, in which all processes that train together take part.
        # A model of another kind trains in one.
        if not getattr(getattr(self.model, "backend", None), "is_chief", True):
            return
        # A model made under a distribution strategy answers once a replica.
        outputs = {name: np.asarray(output)[:num] for name, output in outputs.items()}
        columns = {
            "true": self.images,
            "corrupted": (self.model.corruption or corrupt)(self.images, self.masks),
            "coarse": outputs["coarse"],
            "completed": outputs["completed"],
        }
        # Networks of one's own may copy nothing.
        if "offsets" in outputs:
            offsets = offset_colors(outputs["offsets"])
            columns["offsets"] = upsample_nearest(offsets, height // offsets.shape[1])
        rows = list(zip(*map(_as_bytes, columns.values()), strict=True))
        self.folder.mkdir(parents=True, exist_ok=True)
        write_picture(
            self.folder / f"step-{step:09d}.png", Picture(sheet(rows, titles=list(columns)))
        )


def _as_bytes(images: Any) -> NDArray[np.uint8]:
    """Images in `[-1, 1]` of any number of channels as grey or coloured bytes."""
    images = np.asarray(keras.ops.convert_to_numpy(images), "float32")
    images = images[..., :3] if images.shape[-1] >= 3 else images[..., 0]
    return to_photos(images)
