"""The training run: from photos on disk to a preset."""

from keras_inpaint.moved_names import moved_names
from keras_inpaint.training.run import train
from keras_inpaint.training.settings import Settings

__all__ = ["Settings", "train"]

__getattr__ = moved_names(
    __name__,
    {
        "InpaintingGAN": "keras_inpaint.gan.InpaintingGAN",
        "PairedOptimizer": "keras_inpaint.gan.PairedOptimizer",
        "PictureSheets": "keras_inpaint.gan.PictureSheets",
    },
)
