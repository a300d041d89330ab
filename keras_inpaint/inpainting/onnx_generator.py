"""A model exported as an ONNX file, as a generator."""

import json
import os
from collections.abc import Sequence
from os import PathLike
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inpaint.files import check_source
from keras_inpaint.inpainting.exported import DescribedGenerator
from keras_inpaint.pictures.pixels import to_images, to_photos

Bytes = NDArray[np.uint8]

# Under this key, the file's metadata hold the description of the inpainter as JSON.
DESCRIPTION_KEY = "keras_inpaint"
# Of the inputs, guided generators alone have the last one.
INPUTS, OUTPUTS = ("images", "masks", "sketches"), ("completed", "predicted")
# Levels of masks: known, hole, and the hole's first pixel; of sketches, off lines and on them.
_KNOWN, _HOLE, _FIRST_OF_HOLE = 0, 255, 254
# ONNX Runtime's levels of severity. Errors are raised in any case.
_FATAL = 4


class OnnxGenerator(DescribedGenerator):
    """The generator in an ONNX file, run by ONNX Runtime as an `Inpainter` runs one.

    Args:
        path: str or path of the file.
        providers: Sequence of str or `None`. ONNX Runtime's execution providers, the first
            that can run a part of the graph runs it; `None` for all that are installed.

    Raises:
        ModuleNotFoundError: If ONNX Runtime is not installed.
        OSError: If the file cannot be read.
        ValueError: If it is none that `keras_inpaint.export_onnx` wrote.
    """

    def __init__(
        self, path: str | PathLike[str], providers: Sequence[str] | None = None
    ) -> None:
        onnxruntime = _onnxruntime()
        check_source(path, what="ONNX file")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL
        providers = providers or onnxruntime.get_available_providers()
        try:
            self._session = onnxruntime.InferenceSession(os.fspath(path), options, providers)
        # Its errors have no name in public.
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"ONNX Runtime cannot read this file: {reason}. Received: path={str(path)!r}"
            ) from error
        known = self._session.get_modelmeta().custom_metadata_map.get(DESCRIPTION_KEY)
        try:
            description = json.loads(known)
            super().__init__(description["name"], description)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "The file must be one that `keras-inpaint export --format onnx` wrote, whose "
                f"metadata describe the inpainter. Received: path={str(path)!r}"
            ) from error

    def fill(
        self, images: Bytes, masks: Bytes, sketches: Bytes | None = None
    ) -> dict[str, Bytes]:
        """Runs the graph.

        Args:
            images: uint8 array of shape `(num, height, width, 3)`.
            masks: uint8 array of shape `(num, height, width, 1)`: above 127 in the hole, or
                zeros and ones. A mask of one value has no hole.
            sketches: As `masks`, above 127 on the lines, of a guided generator.

        Returns:
            dict: `completed` and `predicted`, uint8 arrays like `images`.
        """
        given = (images, masks, *([] if sketches is None else [sketches]))
        names = INPUTS[: len(given)]
        inputs = dict(zip(names, map(np.ascontiguousarray, given), strict=True))
        return dict(zip(OUTPUTS, self._session.run(OUTPUTS, inputs), strict=True))

    def predict_on_batch(self, inputs: dict[str, Any]) -> dict[str, NDArray[np.float32]]:
        """Returns the filling of pictures, `"refined"` alone, to the nearest byte.

        Args:
            inputs: dict of `corrupted`, `masks` and, where it is guided, `sketches`, as a
                generator takes.
        """
        marked = [_levels(inputs[name]) for name in INPUTS[1:] if name in inputs]
        # The graph blanks the hole again; all else are bytes that come back as they were.
        predicted = self.fill(to_photos(inputs["corrupted"]), *marked)["predicted"]
        return {"refined": to_images(predicted)}


def _levels(marks: Any) -> Bytes:
    """Levels by which the graph sees what a mask or a sketch of zeros and ones marks."""
    is_marked = np.asarray(marks) > 0
    levels = np.where(is_marked, np.uint8(_HOLE), np.uint8(_KNOWN))
    # A picture may be a hole all over, and a mask of one value would say that none is.
    levels[:, 0, 0][is_marked[:, 0, 0]] = _FIRST_OF_HOLE
    return levels


def _onnxruntime() -> ModuleType:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "ONNX files are run by ONNX Runtime, which is not installed. Run "
            "`pip install 'keras-inpaint[onnx]'`.",
            name="onnxruntime",
        ) from error
    module: ModuleType = onnxruntime
    return module
