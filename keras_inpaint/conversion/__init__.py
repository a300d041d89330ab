"""Conversion: published weights become presets."""

from typing import Any

__all__ = ["convert"]


def __getattr__(name: str) -> Any:
    # Keras, which it needs, takes seconds: finding files must not wait for it.
    if name == "convert":
        from keras_inpaint.conversion.converting import convert

        return convert
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
