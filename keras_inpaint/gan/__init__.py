"""The model that is trained: a generator, a critic, and what `fit` does with them."""

from keras_inpaint.gan.callbacks import PictureSheets, TerminateOnNonFinite
from keras_inpaint.gan.inpainting_gan import InpaintingGAN
from keras_inpaint.gan.paired_optimizer import PairedOptimizer
from keras_inpaint.gan.progress_line import ProgressLine
from keras_inpaint.gan.tensor_board import TensorBoard

__all__ = [
    "InpaintingGAN",
    "PairedOptimizer",
    "PictureSheets",
    "ProgressLine",
    "TensorBoard",
    "TerminateOnNonFinite",
]


def __dir__() -> list[str]:
    return sorted(__all__)
