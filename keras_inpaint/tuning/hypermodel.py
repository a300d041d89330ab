"""The model of a trial, its training, and its photos, as Keras Tuner asks for them."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import keras_tuner
import numpy as np
from keras import ops
from keras_tuner.errors import FailedTrialError
from numpy.typing import NDArray

from keras_inpaint.data import SkipLog
from keras_inpaint.data.sources import find_files
from keras_inpaint.gan.inpainting_gan import VALIDATION_INDEX
from keras_inpaint.losses import LossWeights
from keras_inpaint.ops.random import picture_seeds
from keras_inpaint.training.building import boxes_and_strokes, build
from keras_inpaint.training.photo_streams import (
    PhotoSource,
    check_sources,
    find_run_photos,
    training_source,
    training_stream,
    validation_source,
    validation_stream,
)
from keras_inpaint.training.settings import Settings
from keras_inpaint.tuning.search_space import search_ranges

_WEIGHTS = tuple(LossWeights().get_config())
# Every eighth photo is for validation where the settings name none for it.
_HELD_OUT = 8


class InpaintingHyperModel(keras_tuner.HyperModel):
    """Builds and trains the model of a trial: settings with some of them replaced.

    Searches for the loss weights unless told otherwise. For any tuner of Keras Tuner; all
    trials start from the same weights, and see the same photos and masks. `search` of the
    tuner takes what `fit` takes; without data it takes the photos of the settings: `steps`
    in all, validated every `save_every`.

    Args:
        settings: `keras_inpaint.training.Settings`. What trials have in common.
        names: Sequence of str, see `keras_inpaint.tuning.search_ranges`; the loss weights
            that the objective uses unless given.
        bounds: dict of names and pairs, see there.
        measures: dict of names and functions, see `InpaintingGAN.add_measure`.
        objective: str or `None`. The metric that trials are compared by: a trial fails
            where it is not finite, and one of pixels sets a floor to the critic's weight.

    Raises:
        ValueError: See `keras_inpaint.tuning.search_ranges`.

    Example:
    >>> import keras_tuner
    >>> from keras_inpaint.tuning import InpaintingHyperModel
    >>> settings = keras_inpaint.training.Settings("photos", "search", width=4, critic_width=4)
    >>> hypermodel = InpaintingHyperModel(settings)
    >>> [each.name for each in hypermodel.ranges]
    ['hole', 'known', 'adversarial', 'coarse']
    >>> hp = keras_tuner.HyperParameters()
    >>> hp.Fixed("hole", 3.0)
    3.0
    >>> hypermodel.build(hp).loss_weights.hole
    3.0
    """

    def __init__(
        self,
        settings: Settings,
        names: Sequence[str] | None = None,
        bounds: Mapping[str, tuple[float, float]] | None = None,
        measures: Mapping[str, Any] | None = None,
        objective: str | None = None,
    ) -> None:
        super().__init__(name="inpainting")
        self.settings = settings
        self.measures = dict(measures or {})
        # One for all trials, so that what is left out is named once.
        self.log = SkipLog()
        self.objective = objective
        is_of_pixels = objective is None or objective.removeprefix("val_") not in self.measures
        self.ranges = search_ranges(settings, names, bounds, floor_adversarial=is_of_pixels)

    def declare_hyperparameters(self, hp: Any) -> None:
        """Declares everything that is searched for, without building a model."""
        for each in self.ranges:
            each.draw(hp)

    def settings_of(self, hp: Any) -> Settings:
        """Returns the settings of a trial.

        Args:
            hp: `keras_tuner.HyperParameters`.

        Returns:
            `Settings`, of which `keras_inpaint.training.train` makes the same model.
        """
        values = {each.name: each.draw(hp) for each in self.ranges}
        weights = {name: value for name, value in values.items() if name in _WEIGHTS}
        others = {name: value for name, value in values.items() if name not in _WEIGHTS}
        if "learning_rate" in others and self.settings.final_learning_rate is not None:
            # It falls by the same factor, whatever it starts at.
            factor = self.settings.final_learning_rate / self.settings.learning_rate
            others["final_learning_rate"] = others["learning_rate"] * factor
        weights = {**(self.settings.loss_weights or {}), **weights}
        return dataclasses.replace(self.settings, loss_weights=weights or None, **others)

    def build(self, hp: Any) -> Any:
        gan = build(self.settings_of(hp), report=_ignore)
        for name, measure in self.measures.items():
            gan.add_measure(name, measure)
        return gan

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        settings = self.settings_of(hp)
        callbacks = [
            _FailUnlessFinite(self.objective),
            *(kwargs.pop("callbacks", None) or []),
        ]
        if not args and "x" not in kwargs:
            args = (training_photos(settings, model.num_steps, self.log),)
            kwargs = {
                "validation_data": validation_photos(
                    settings, self._validation_masks(), self.log
                ),
                "steps_per_epoch": settings.save_every,
                "epochs": settings.steps // settings.save_every,
                "shuffle": False,
                **kwargs,
            }
        return model.fit(*args, callbacks=callbacks, **kwargs)

    def _validation_masks(self) -> Any:
        """The sampler of validation, where each trial has one of its own to learn from."""
        if "box_share" not in [each.name for each in self.ranges]:
            return None
        share = self.settings.box_share
        return boxes_and_strokes(self.settings.image_size, 0.5 if share is None else share)


class _FailUnlessFinite(keras.callbacks.Callback):
    """Fails the trial at the end of an epoch in which a loss or the objective is not finite.

    Unlike Keras's `TerminateOnNaN`, which ends the training and leaves the trial its earlier
    epochs to be compared by. Of other metrics infinity is no failure: the PSNR of a hole that
    is empty is infinite.
    """

    def __init__(self, objective: str | None = None) -> None:
        super().__init__()
        self.objective = objective

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        for name, value in (logs or {}).items():
            is_other_metric = name.startswith("val_") and name != self.objective
            if math.isnan(value) or (math.isinf(value) and not is_other_metric):
                raise FailedTrialError(f"`{name}` became {value:g} in epoch {epoch + 1}.")


def check_photos(settings: Settings, log: SkipLog | None = None) -> None:
    """Looks for the photos, and the masks of files, of every trial.

    Args:
        settings: `Settings`.
        log: `keras_inpaint.data.SkipLog` or `None`, and so in all others.

    Raises:
        FileNotFoundError: If the photos are missing.
        ValueError: If there are too few, none can be decoded, or the masks do not fit them.
    """
    check_sources(settings)
    find_run_photos(settings, _training_choice(settings), True, log)
    find_run_photos(settings, _validation_choice(settings), False, log)


def training_photos(settings: Settings, step: int, log: SkipLog | None = None) -> Any:
    """Streams the photos that a trial learns from, without end.

    Args:
        settings: `Settings`. Without `validation`, every eighth photo is left out.
        step: int. The step that the stream begins at.

    Returns:
        What `keras_inpaint.data.photos` returns.
    """
    return training_stream(settings, _training_choice(settings), step, log)


def validation_photos(
    settings: Settings, sampler: Any = None, log: SkipLog | None = None
) -> Any:
    """Streams the photos that trials are compared on, always the same.

    Args:
        settings: `Settings`. Without `validation`, every eighth photo of `data` is taken.
        sampler: A sampler of `keras_inpaint.masks`, or `None`. Draws the masks where the
            trials' own samplers differ.

    Returns:
        What `keras_inpaint.data.photos` returns.
    """
    choice = _validation_choice(settings)
    batches = validation_stream(settings, choice, log=log)
    _, masks, _ = choice
    if sampler is None or masks is not None:
        return batches
    return _with_masks(batches, sampler, settings)


def _training_choice(settings: Settings) -> PhotoSource:
    source, masks, choice = training_source(settings)
    if settings.validation is None:
        source = _split(settings)[0]
    return source, masks, choice


def _validation_choice(settings: Settings) -> PhotoSource:
    source, masks, choice = validation_source(settings)
    if settings.validation is None:
        source = _split(settings)[1]
    return source, masks, choice


def _split(settings: Settings) -> tuple[list[str], list[str]]:
    """The photos to train on, and those for validation."""
    paths = find_files(settings.data, name="data").paths
    validation = paths[::_HELD_OUT]
    training = [path for index, path in enumerate(paths) if index % _HELD_OUT]
    if not training:
        raise ValueError(
            "Trials need photos to train on and others for validation. Add photos, or name "
            f"others in `validation`. Received: {len(paths)} photo in {settings.data!r}"
        )
    return training, validation


def _with_masks(batches: Any, sampler: Any, settings: Settings) -> Any:
    import tensorflow as tf

    size = settings.image_size

    def draw(number: np.int64, num: np.int32) -> NDArray[np.float32]:
        indices = int(number) * settings.batch_size + np.arange(int(num), dtype=np.int32)
        seeds = picture_seeds(settings.seed, VALIDATION_INDEX, indices)
        return np.asarray(ops.convert_to_numpy(sampler(seeds, size, size)[0]))

    def add_masks(number: Any, images: Any) -> Any:
        # Outside of the graph, in which no other backend can draw.
        masks = tf.numpy_function(
            draw, [number, tf.shape(images)[0]], tf.float32, stateful=False
        )
        return images, tf.ensure_shape(masks, (images.shape[0], size, size, 1))

    return batches.enumerate().map(add_masks)


def _ignore(text: str) -> None:
    pass
