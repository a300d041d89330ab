"""Generative image inpainting in Keras 3: fills holes in photographs."""

import importlib
from typing import Any

from keras_inpaint.version import __version__

# Names load on first use: `import keras_inpaint` asks neither for TensorFlow nor for time.
_SUBPACKAGES = (
    "conversion",
    "data",
    "evaluation",
    "export",
    "files",
    "gan",
    "inpainting",
    "layers",
    "losses",
    "masks",
    "metrics",
    "models",
    "ops",
    "pictures",
    "presets",
    "serving",
    "training",
    "tuning",
)
_HOMES = {
    "Inpainter": "inpainting",
    "InpaintingGAN": "gan",
    "convert": "conversion",
    "evaluate": "evaluation",
    "export_litert": "export",
    "export_onnx": "export",
    "export_saved_model": "export",
    "inpaint_folder": "inpainting",
    "upload_preset": "presets",
}

__all__ = [
    "Inpainter",
    "InpaintingGAN",
    "__version__",
    "convert",
    "evaluate",
    "export_litert",
    "export_onnx",
    "export_saved_model",
    "inpaint_folder",
    "upload_preset",
    *_SUBPACKAGES,
]


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
