"""What ships: photos of any size filled, and presets on disk."""

from keras_inpaint.inpainting.inpainter import Inpainter
from keras_inpaint.inpainting.preset import (
    FORMAT_VERSION,
    bundled_presets,
    find_preset,
    read_metadata,
    read_network,
    read_object,
)
from keras_inpaint.inpainting.preset_writing import write_preset

__all__ = [
    "FORMAT_VERSION",
    "Inpainter",
    "bundled_presets",
    "find_preset",
    "read_metadata",
    "read_network",
    "read_object",
    "write_preset",
]
