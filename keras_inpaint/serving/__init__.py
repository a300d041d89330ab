"""Answers over HTTP: TensorFlow Serving's dialect, the Open Inference Protocol, photos."""

import importlib
from typing import Any

from keras_inpaint.serving.limits import Limits

__all__ = ["Limits", "create_app", "export_page", "serve"]

# They need Keras, which takes seconds, and but for one the extra `serving`.
_HOMES = {"create_app": "server", "export_page": "static_page", "serve": "server"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
