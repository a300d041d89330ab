"""What leaves the package: models that run where it is not installed."""

from keras_inpaint.export.saved_model import export_saved_model

__all__ = ["export_saved_model"]
