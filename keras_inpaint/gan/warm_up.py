"""Warm-up: which of the two networks a step trains."""

import enum
from typing import Any

import keras


class Phase(enum.Enum):
    """What a training step trains.

    `RECONSTRUCTION`: the generator alone, whose loss does not ask the critic. `CRITIC`: the
    critic alone. `BOTH`: the critic, and then the generator.
    """

    RECONSTRUCTION = "reconstruction"
    CRITIC = "critic"
    BOTH = "both"


def phase_of(step: int, reconstruction_steps: int, critic_only_steps: int) -> Phase:
    """Returns the phase of a step.

    Args:
        step: int. How many steps were made before.
        reconstruction_steps: int. Steps of the first phase.
        critic_only_steps: int. Steps of the second one.

    Example:
    >>> from keras_inpaint.gan.warm_up import phase_of
    >>> [phase_of(step, 2, 1).value for step in range(4)]
    ['reconstruction', 'reconstruction', 'critic', 'both']
    """
    if step < reconstruction_steps:
        return Phase.RECONSTRUCTION
    if step < reconstruction_steps + critic_only_steps:
        return Phase.CRITIC
    return Phase.BOTH


class PhaseChanges(keras.callbacks.Callback):
    """Makes an `InpaintingGAN` enter the phase of each step as `fit` comes to it."""

    def __init__(self) -> None:
        super().__init__()
        self._first_step = 0
        # Keras's `model` collects all weights on JAX whenever it is asked for.
        self._gan: Any = None

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._gan = model

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._first_step = self._gan.num_steps

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._gan.enter_phase_of(self._first_step + batch)
