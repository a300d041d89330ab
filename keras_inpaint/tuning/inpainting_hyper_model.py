"""What Keras Tuner asks for a model and a training of it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import keras_tuner

from keras_inpaint.losses import LossWeights
from keras_inpaint.training.building import boxes_and_strokes, build, set_learning_rates
from keras_inpaint.training.settings import Settings
from keras_inpaint.tuning.finite_measures import FiniteMeasures
from keras_inpaint.tuning.ranges import search_ranges
from keras_inpaint.tuning.trial_photos import measured_photos, training_photos

_WEIGHTS = tuple(LossWeights().get_config())


class InpaintingHyperModel(keras_tuner.HyperModel):
    """Builds and trains the model of a trial: settings with some numbers replaced.

    Searches for the loss weights unless told otherwise. For any tuner of Keras Tuner; all
    trials start from the same weights, and see the same photos and masks. `search` of the
    tuner takes what `fit` takes; without data it takes the photos of the settings: `steps`
    in all, measured every `save_every`.

    Args:
        settings: `keras_inpaint.training.Settings`. What trials have in common.
        names: Sequence of str, see `keras_inpaint.tuning.search_ranges`; the loss weights
            that the objective uses unless given.
        bounds: dict of names and pairs, see there.
        measures: dict of names and functions, see `InpaintingGAN.add_measure`.
        objective: str or `None`. What trials are compared by, so that one is failed where
            it is not finite; a measure of pixels sets a floor to the critic's weight.

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
        self.objective = objective
        is_of_pixels = objective is None or objective.removeprefix("val_") not in self.measures
        self.ranges = search_ranges(settings, names, bounds, floor_adversarial=is_of_pixels)

    def declare_hyperparameters(self, hp: Any) -> None:
        """Names everything that is searched for, without building a model."""
        for each in self.ranges:
            each.draw(hp)

    def settings_of(self, hp: Any) -> Settings:
        """The settings of a trial.

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
        gan = build(self.settings_of(hp), report=_say_nothing)
        for name, measure in self.measures.items():
            gan.add_measure(name, measure)
        return gan

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        settings = self.settings_of(hp)
        callbacks = [
            _Rates(settings),
            FiniteMeasures(self.objective),
            *(kwargs.pop("callbacks", None) or []),
        ]
        if not args and "x" not in kwargs:
            args = (training_photos(settings, model.num_steps),)
            kwargs = {
                "validation_data": measured_photos(settings, self._common_masks()),
                "steps_per_epoch": settings.save_every,
                "epochs": settings.steps // settings.save_every,
                "shuffle": False,
                **kwargs,
            }
        return model.fit(*args, callbacks=callbacks, **kwargs)

    def _common_masks(self) -> Any:
        """The sampler to measure with, where each trial has one of its own."""
        if "box_share" not in [each.name for each in self.ranges]:
            return None
        share = self.settings.box_share
        return boxes_and_strokes(self.settings.image_size, 0.5 if share is None else share)


class _Rates(keras.callbacks.Callback):
    """Both optimizers' rates, which fall as they do in a run of as many steps."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        set_learning_rates(self.model, self.settings, self.model.num_steps)


def _say_nothing(text: str) -> None:
    pass
