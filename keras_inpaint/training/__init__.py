"""Training: the model that is fitted, and what it needs."""

from keras_inpaint.training.inpainting_gan import InpaintingGAN
from keras_inpaint.training.paired_optimizer import PairedOptimizer
from keras_inpaint.training.picture_sheets import PictureSheets
from keras_inpaint.training.run import train
from keras_inpaint.training.settings import Settings

__all__ = ["InpaintingGAN", "PairedOptimizer", "PictureSheets", "Settings", "train"]
