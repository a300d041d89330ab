"""Checks of the inpainter before an export of any format."""

from typing import Any

import keras

from keras_inpaint.files import weights_size

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
        ValueError: If the backend is not TensorFlow, the generator is an export itself, or
            its pictures have other than 3 channels.
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


def file_size(inpainter: Any) -> int:
    """Bytes at most of a file of the whole inpainter."""
    return _GRAPH_SIZE + weights_size(inpainter.generator.variables)
