"""What ships: photos of any size filled."""

from typing import TYPE_CHECKING, Any

from keras_inpaint.inpainting.folder import inpaint_folder
from keras_inpaint.inpainting.folder_report import FolderReport
from keras_inpaint.moved_names import moved_names

if TYPE_CHECKING:
    from keras_inpaint.inpainting.inpainter import Inpainter

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
_moved = moved_names(
    __name__, {name: f"keras_inpaint.presets.{name}" for name in _PRESET_NAMES}
)


def __getattr__(name: str) -> Any:
    # Keras, which it needs, takes seconds: what can be refused without it must not wait.
    if name == "Inpainter":
        from keras_inpaint.inpainting.inpainter import Inpainter

        return Inpainter
    return _moved(name)


def __dir__() -> list[str]:
    return sorted(__all__)
