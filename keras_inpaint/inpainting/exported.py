"""An exported model as a generator, and what an export says of itself."""

import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inpaint.files import write_json
from keras_inpaint.inpainting.sketches import is_guided

# In the SavedModel's folder for what servers need beside the graph.
DESCRIPTION_FILE = Path("assets.extra", "inpainter.json")
_SIGNATURE = "features"
# Of exports of earlier versions, which say nothing of themselves.
_UNKNOWN: dict[str, Any] = {
    "image_size": None,
    "size_multiple": 8,
    "width": None,
    "is_blanked": True,
    "attention": None,
}


def describe(inpainter: Any) -> dict[str, Any]:
    """Returns what an `Inpainter` around an exported graph has to know.

    Args:
        inpainter: `keras_inpaint.Inpainter`.

    Returns:
        dict of what JSON can hold.
    """
    generator = inpainter.generator
    attention = getattr(getattr(generator, "refine_network", None), "attention", None)
    # Said of guided ones alone: the files of all others stay as they were.
    guided = {"guided": True} if is_guided(generator) else {}
    return {
        "image_size": inpainter.image_size,
        "size_multiple": generator.size_multiple,
        "width": getattr(generator, "width", None),
        "is_blanked": inpainter.corruption is None,
        # By these, the layer estimates its memory.
        "attention": attention and {"rate": attention.rate, "memory": attention.memory},
        **guided,
    }


def write_description(inpainter: Any, folder: Path) -> None:
    """Writes the description of an inpainter beside an exported graph.

    Args:
        inpainter: `keras_inpaint.Inpainter`.
        folder: Path of the SavedModel.
    """
    path = folder / DESCRIPTION_FILE
    path.parent.mkdir(exist_ok=True)
    write_json(path, describe(inpainter))


def read_description(folder: Path) -> dict[str, Any]:
    """Reads what `write_description` wrote; of exports without it, what most have.

    Raises:
        ValueError: If it is damaged.
    """
    path = folder / DESCRIPTION_FILE
    if not path.exists():
        return dict(_UNKNOWN)
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        known = {name: description[name] for name in _UNKNOWN}
        return {**known, "guided": bool(description.get("guided"))}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"The export is damaged: {DESCRIPTION_FILE} cannot be read ({error}). Export it "
            f"again. Received: {str(folder)!r}"
        ) from error


class DescribedGenerator:
    """What an `Inpainter` asks of its generator, from the description of an export.

    Args:
        name: str.
        description: dict, as `describe` returns.
    """

    channels = 3

    def __init__(self, name: str, description: dict[str, Any]) -> None:
        self.name, self.description = name, description
        self.size_multiple = int(description["size_multiple"])
        self.guided = bool(description.get("guided"))
        if description["width"] is not None:
            self.width = int(description["width"])
        if description["attention"] is not None:
            self.refine_network = _Attending(description["attention"])

    @property
    def corruption(self) -> str | None:
        """What stood in the hole in training is not known, but that the network sees it."""
        return None if self.description["is_blanked"] else "unknown"


class _Attending:
    """Where the estimate of memory looks for the attention."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        from keras_inpaint.layers import ContextualAttention

        self.attention = ContextualAttention(**arguments)


class ExportedGenerator(DescribedGenerator):
    """The generator in an exported graph, called as an `Inpainter` calls one.

    Args:
        folder: str or path of one version of the model.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no model that `keras_inpaint.export_saved_model` wrote.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        import tensorflow as tf

        folder = Path(folder)
        if not (folder / "saved_model.pb").is_file():
            raise ValueError(
                "`folder` must be one version of an exported model, such as "
                f"saved_models/NAME/1. Received: {str(folder)!r}"
            )
        super().__init__(folder.parent.name, read_description(folder))
        # Kept: with it goes the graph.
        self._model = tf.saved_model.load(str(folder))
        if _SIGNATURE not in self._model.signatures:
            raise ValueError(
                f"The model must have the signature {_SIGNATURE!r}, as those have that "
                f"`keras-inpaint export` writes. Received: {list(self._model.signatures)}"
            )
        self._features = self._model.signatures[_SIGNATURE]

    def predict_on_batch(self, inputs: dict[str, Any]) -> dict[str, NDArray[np.float32]]:
        """Returns the filling of pictures, `"refined"` alone.

        Args:
            inputs: dict of `corrupted`, `masks` and, where it is guided, `sketches`, as a
                generator takes.
        """
        import tensorflow as tf

        tensors = {name: tf.constant(value, tf.float32) for name, value in inputs.items()}
        return {"refined": self._features(**tensors)["refined"].numpy()}
