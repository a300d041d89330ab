"""Metrics of filled images: plain functions, one value per image."""

from keras_inpaint.metrics.frechet_distance import frechet_distance
from keras_inpaint.metrics.perceptual_distance import PerceptualDistance
from keras_inpaint.metrics.pixel_errors import l1, l2, psnr
from keras_inpaint.metrics.ssim import ssim
from keras_inpaint.metrics.total_variation import total_variation

__all__ = [
    "PerceptualDistance",
    "frechet_distance",
    "l1",
    "l2",
    "psnr",
    "ssim",
    "total_variation",
]


def __dir__() -> list[str]:
    return sorted(__all__)
