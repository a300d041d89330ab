"""Checks before an export of any format: the inpainter, and the libraries that are needed."""

import importlib
import os
from os import PathLike
from pathlib import Path
from typing import Any

import keras

from keras_inpaint.files import check_target, weights_size

# Bytes at most of a graph without its weights, in one file.
_GRAPH_SIZE = 2**20
_CHANNELS = 3


def check_exportable(inpainter: Any, what: str, options: str) -> None:
    """Refuses an inpainter that no graph of TensorFlow can be made of.

    Args:
        inpainter: `keras_inpaint.Inpainter`.
        what: str. What is to be written, for the error, such as `"A SavedModel"`.
        options: str. Those of the command line that write it.

    Raises:
        ValueError: If the backend is not TensorFlow, the generator is an export itself, its
            pictures have other than 3 channels, or it is guided.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ValueError(
            f"{what} is written by the TensorFlow backend. Save a preset with "
            "`save_to_preset` and export it in another process: `KERAS_BACKEND=tensorflow "
            f"keras-inpaint export --preset PRESET {options}`. "
            f"Received: backend={backend!r}"
        )
    generator = inpainter.generator
    if not isinstance(generator, keras.Model):
        raise ValueError(
            f"{what} is made of a network of Keras. Export the preset that this export was "
            f"made of. Received: inpainter={inpainter!r}"
        )
    if generator.channels != _CHANNELS:
        raise ValueError(
            f"{what} is made of generators for colour pictures, whose `channels` are 3: the "
            "pictures of its requests are red, green and blue. "
            f"Received: channels={generator.channels}"
        )
    if getattr(generator, "guided", False):
        raise ValueError(
            f"{what} has requests of photos and masks alone: a guided generator could not be "
            "shown a sketch. Fill by `Inpainter.inpaint(..., sketch=...)`. "
            "Received: generator.guided=True"
        )


def file_to_write(path: str | PathLike[str], suffix: str) -> Path:
    """Refuses a file that cannot be written, or is named otherwise than its format asks.

    Args:
        path: str or path of the file.
        suffix: str. What its name must end in.

    Returns:
        Path: the absolute one.

    Raises:
        OSError: As `keras_inpaint.files.check_target`, and so `ValueError`.
        ValueError: If the name ends otherwise.
    """
    path = Path(os.path.abspath(path))
    if path.suffix != suffix:
        raise ValueError(
            f"`path` must end in {suffix}: one file is written. Received: path={str(path)!r}"
        )
    check_target(path)
    return path


def file_size(inpainter: Any) -> int:
    """Bytes at most of a file of the whole inpainter."""
    return _GRAPH_SIZE + weights_size(inpainter.generator.variables)


def check_libraries(extra: str, names: tuple[str, ...]) -> None:
    """Refuses to begin where a library of an extra is missing.

    Args:
        extra: str. The extra of this package.
        names: tuple of str. Names of the modules.

    Raises:
        ModuleNotFoundError: It says what to install.
    """
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"Exporting to this format takes {name}, which is not installed. Run "
                f"`pip install 'keras-inpaint[{extra}]'`.",
                name=name,
            ) from error
