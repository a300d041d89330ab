"""Exporting models that run where this package is not installed."""

from keras_inpaint.export.saved_model import export_saved_model

__all__ = ["export_saved_model"]
