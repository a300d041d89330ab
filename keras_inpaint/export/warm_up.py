"""Requests that a server sends to itself before it answers those of others."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_inpaint.pictures.pixels import MASK_THRESHOLD

# Path in which TensorFlow Serving looks for the requests.
WARM_UP_FILE = Path("assets.extra", "tf_serving_warmup_requests")

# Of networks of which it is not known; the publications' size.
PUBLISHED_SIZE = 256
# Field numbers of TensorFlow Serving's public messages: prediction_log.proto,
# predict.proto, model.proto. A map is a repeated message of a key and a value.
_LOG_PREDICT, _PREDICT_REQUEST = 6, 1
_REQUEST_MODEL, _REQUEST_INPUTS = 1, 2
_MODEL_NAME, _MODEL_SIGNATURE = 1, 3
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_HAS_LENGTH = 2


def write_warm_up(
    folder: Path, name: str, image_size: int | None = None, is_guided: bool = False
) -> None:
    """Writes one request for each signature into a SavedModel.

    Args:
        folder: Path of the SavedModel.
        name: str. Name of the model on the server.
        image_size: int or `None`. Height and width of the pictures; 256 if `None`.
        is_guided: bool. Whether the signatures take sketches.
    """
    side = image_size or PUBLISHED_SIZE
    path = folder / WARM_UP_FILE
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in _requests(side, is_guided).items():
            writer.write(prediction_log(name, signature, inputs))


def prediction_log(
    name: str, signature: str, inputs: Mapping[str, NDArray[np.generic]]
) -> bytes:
    """Encodes a request as a `tensorflow.serving.PredictionLog`.

    By hand, for these messages come with `tensorflow-serving-api` only, and all that is
    needed of them are fields within fields.

    Args:
        name: str. The model's name.
        signature: str. The signature's name.
        inputs: dict of arrays by name.

    Returns:
        bytes.
    """
    model = _field(_MODEL_NAME, name.encode()) + _field(_MODEL_SIGNATURE, signature.encode())
    request = _field(_REQUEST_MODEL, model)
    for key, array in inputs.items():
        tensor = tf.make_tensor_proto(array).SerializeToString()
        entry = _field(_ENTRY_KEY, key.encode()) + _field(_ENTRY_VALUE, tensor)
        request += _field(_REQUEST_INPUTS, entry)
    return _field(_LOG_PREDICT, _field(_PREDICT_REQUEST, request))


def _requests(side: int, is_guided: bool) -> dict[str, dict[str, NDArray[np.generic]]]:
    photos = np.full((1, side, side, 3), 127, np.uint8)
    masks = np.zeros((1, side, side, 1), np.uint8)
    masks[:, side // 4 : side // 2, side // 4 : side // 2] = 255
    sketches = np.zeros_like(masks)
    # A line through the hole.
    sketches[:, side // 3] = 255
    marks = {"masks": masks, **({"sketches": sketches} if is_guided else {})}
    files = {"image_bytes": photos, "mask_bytes": masks}
    files |= {"sketch_bytes": sketches} if is_guided else {}
    return {
        "serving_default": {"images": photos, **marks},
        "serving_bytes": {
            key: np.array([tf.io.encode_png(pictures[0]).numpy()])
            for key, pictures in files.items()
        },
        "features": {
            "corrupted": np.zeros((1, side, side, 3), np.float32),
            **{key: (each > MASK_THRESHOLD).astype(np.float32) for key, each in marks.items()},
        },
    }


def _field(number: int, content: bytes) -> bytes:
    """A field with a length: string, bytes or message."""
    return _varint(number << 3 | _HAS_LENGTH) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """A number in groups of 7 bits, the lowest first; the top bit says that more follow."""
    groups = []
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])
