"""Ending a trial that has gone astray."""

import math
from typing import Any

import keras
from keras_tuner.errors import FailedTrialError


class FiniteMeasures(keras.callbacks.Callback):
    """Fails the trial at the end of an epoch in which a loss or the objective left all bounds.

    Keras's own `TerminateOnNaN` looks at a value named `loss`, which two networks do not
    have.

    Args:
        objective: str or `None`. The measure that trials are compared by: of the others, a
            PSNR of holes that are empty is infinite and no failure.

    Raises:
        keras_tuner.errors.FailedTrialError: By which the search records the trial as failed,
            and passes over it.
    """

    def __init__(self, objective: str | None = None) -> None:
        super().__init__()
        self.objective = objective

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        for name, value in (logs or {}).items():
            is_measure = name.startswith("val_") and name != self.objective
            if math.isnan(value) or (math.isinf(value) and not is_measure):
                raise FailedTrialError(f"`{name}` became {value:g} in epoch {epoch + 1}.")
