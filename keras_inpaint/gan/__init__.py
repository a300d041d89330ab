"""The model that is trained: a generator, a critic, and what `fit` does with them."""

from keras_inpaint.gan.callbacks import PictureSheets
from keras_inpaint.gan.inpainting_gan import InpaintingGAN
from keras_inpaint.gan.paired_optimizer import PairedOptimizer

__all__ = ["InpaintingGAN", "PairedOptimizer", "PictureSheets"]


def __dir__() -> list[str]:
    return sorted(__all__)
