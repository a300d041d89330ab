"""Training: the model that is fitted, and what it needs."""

from keras_inpaint.training.inpainting_gan import InpaintingGAN
from keras_inpaint.training.paired_optimizer import PairedOptimizer

__all__ = ["InpaintingGAN", "PairedOptimizer"]
