"""Answers over HTTP: TensorFlow Serving's dialect, the Open Inference Protocol, photos."""

from typing import Any

from keras_inpaint.serving.limits import Limits
from keras_inpaint.serving.static_page import export_page

__all__ = ["Limits", "create_app", "export_page", "serve"]


def __getattr__(name: str) -> Any:
    # These need the extra `serving`.
    if name in ("create_app", "serve"):
        from keras_inpaint.serving import server

        return getattr(server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
