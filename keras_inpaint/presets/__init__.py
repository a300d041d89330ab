"""Presets: trained networks as folders of files, bundled, on disk or on the hub."""

from keras_inpaint.presets.reading import (
    FORMAT_VERSION,
    bundled_presets,
    find_preset,
    read_metadata,
    read_network,
    read_object,
)
from keras_inpaint.presets.uploading import upload_preset
from keras_inpaint.presets.writing import write_preset

__all__ = [
    "FORMAT_VERSION",
    "bundled_presets",
    "find_preset",
    "read_metadata",
    "read_network",
    "read_object",
    "upload_preset",
    "write_preset",
]


def __dir__() -> list[str]:
    return sorted(__all__)
