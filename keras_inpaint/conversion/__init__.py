"""Conversion: published weights become presets."""

from keras_inpaint.conversion.converting import convert

__all__ = ["convert"]


def __dir__() -> list[str]:
    return sorted(__all__)
