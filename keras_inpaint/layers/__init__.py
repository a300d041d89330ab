"""Keras layers of the publications."""

from keras_inpaint.layers.contextual_attention import ContextualAttention
from keras_inpaint.layers.gated_conv2d import GatedConv2D
from keras_inpaint.layers.padded_conv2d import PaddedConv2D
from keras_inpaint.layers.spectral_conv2d import SpectralConv2D

__all__ = ["ContextualAttention", "GatedConv2D", "PaddedConv2D", "SpectralConv2D"]


def __dir__() -> list[str]:
    return sorted(__all__)
