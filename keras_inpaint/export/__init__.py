"""Exporting models that run where this package is not installed."""

from keras_inpaint.export.litert_file import export_litert
from keras_inpaint.export.onnx_file import export_onnx
from keras_inpaint.export.saved_model import export_saved_model

__all__ = ["export_litert", "export_onnx", "export_saved_model"]


def __dir__() -> list[str]:
    return sorted(__all__)
