"""Searching for loss weights, and other settings, with Keras Tuner."""

import importlib

import keras

try:
    from keras_inpaint.tuning.hypermodel import InpaintingHyperModel
    from keras_inpaint.tuning.search import measure_objective, search
    from keras_inpaint.tuning.search_space import search_ranges

    if keras.backend.backend() == "tensorflow":
        # Keras Tuner imports it in every trial: without it each would fail, after its set-up.
        importlib.import_module("tensorboard")
except ModuleNotFoundError as error:
    if error.name not in ("keras_tuner", "tensorboard"):
        raise
    package = error.name.replace("_", "-")
    raise ModuleNotFoundError(
        f"`keras_inpaint.tuning` needs {package}, which is not installed. Run `pip install "
        f"{package}`.",
        name=error.name,
    ) from error

__all__ = ["InpaintingHyperModel", "measure_objective", "search", "search_ranges"]


def __dir__() -> list[str]:
    return sorted(__all__)
