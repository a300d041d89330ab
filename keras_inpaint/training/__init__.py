"""The training run: from photos on disk to a preset."""

import importlib
from typing import Any

from keras_inpaint.moved_names import moved_names
from keras_inpaint.training.settings import Settings

__all__ = ["Settings", "train"]

_moved = moved_names(
    __name__,
    {
        "InpaintingGAN": "keras_inpaint.gan.InpaintingGAN",
        "PairedOptimizer": "keras_inpaint.gan.PairedOptimizer",
        "PictureSheets": "keras_inpaint.gan.PictureSheets",
    },
)


def __getattr__(name: str) -> Any:
    # On first use: the command line reads `Settings` before it asks for Keras.
    if name == "train":
        return importlib.import_module("keras_inpaint.training.run").train
    return _moved(name)


def __dir__() -> list[str]:
    return sorted(__all__)
