"""Checks before an export of any format: the inpainter, and the libraries that are needed."""

import importlib
from typing import Any

import keras

_CHANNELS = 3


def check_exportable(inpainter: Any, what: str, options: str) -> None:
    """Refuses an inpainter that no graph of TensorFlow can be made of.

    Args:
        inpainter: `keras_inpaint.Inpainter`.
        what: str. What is to be written, for the error, such as `"A SavedModel"`.
        options: str. Those of the command line that write it.

    Raises:
        ValueError: If the backend is not TensorFlow, the generator is an export itself, or its
            pictures have other than 3 channels.
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
