"""Exporting models that run where this package is not installed."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_inpaint.export.litert_file import export_litert
    from keras_inpaint.export.onnx_file import export_onnx
    from keras_inpaint.export.saved_model import export_saved_model

__all__ = ["export_litert", "export_onnx", "export_saved_model"]

_HOMES = {
    "export_litert": "litert_file",
    "export_onnx": "onnx_file",
    "export_saved_model": "saved_model",
}


def __getattr__(name: str) -> Any:
    # Keras, which they need, takes seconds: what can be refused without it must not wait.
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
