"""What ships: photos of any size filled."""

from keras_inpaint.inpainting.folder import inpaint_folder
from keras_inpaint.inpainting.folder_report import FolderReport
from keras_inpaint.inpainting.inpainter import Inpainter
from keras_inpaint.moved_names import moved_names

__all__ = ["FolderReport", "Inpainter", "inpaint_folder"]

_PRESET_NAMES = (
    "FORMAT_VERSION",
    "bundled_presets",
    "find_preset",
    "read_metadata",
    "read_network",
    "read_object",
    "write_preset",
)
__getattr__ = moved_names(
    __name__, {name: f"keras_inpaint.presets.{name}" for name in _PRESET_NAMES}
)


def __dir__() -> list[str]:
    return sorted(__all__)
