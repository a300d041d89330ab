"""What the two dialects of HTTP share: JSON without surprises, arrays, and one request."""

import base64
import binascii
import json
import math
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inpaint.pictures.pixels import Bytes
from keras_inpaint.serving.limits import Limits, Refusal, shown
from keras_inpaint.serving.models import Model

ARRAYS, FILES = "serving_default", "serving_bytes"
# Inputs of each signature of an exported model, and its output.
INPUTS = {ARRAYS: ("images", "masks"), FILES: ("image_bytes", "mask_bytes")}
# What a guided model may be sent with them.
SKETCHES = {ARRAYS: "sketches", FILES: "sketch_bytes"}
OUTPUTS = {ARRAYS: "completed", FILES: "completed_bytes"}
# Channels of the arrays.
CHANNELS = {"images": 3, "masks": 1, "sketches": 1}


@dataclass(frozen=True)
class Request:
    """Pictures to be filled, in whichever dialect they came.

    Args:
        signature: `ARRAYS` or `FILES`.
        inputs: dict of the signature's two inputs, and of sketches where something is drawn.
            Of `ARRAYS`: uint8 arrays of shape `(num, height, width, channels)`. Of `FILES`:
            lists of bytes, and `None` for a sketch of nothing.
        options: dict. What the dialect needs to write the answer.
    """

    signature: str
    inputs: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)


def inputs_of(signature: str, is_guided: bool) -> tuple[str, ...]:
    """Returns the names of the inputs that a model describes."""
    return (*INPUTS[signature], *((SKETCHES[signature],) if is_guided else ()))


def optional_inputs(signature: str, given: Any, model: Model) -> frozenset[str]:
    """Returns the names of what a request may have beside the inputs that it must have.

    Args:
        signature: `ARRAYS` or `FILES`.
        given: Any value of JSON. Where it is an object, its names are those of inputs.
        model: `Model` that is asked.

    Raises:
        Refusal: 400 where it has a sketch, and the model is not guided.
    """
    name = SKETCHES[signature]
    if isinstance(given, dict) and name in given:
        model.check_guided(name)
    return frozenset((name,)) if model.is_guided else frozenset()


def read_json(body: bytes, limits: Limits) -> dict[str, Any]:
    """Reads a JSON object as the standard has it: no NaN, and no name twice.

    Raises:
        Refusal: 400, or 413 where it is too long.
    """
    if len(body) > limits.max_json:
        raise Refusal(
            413,
            f"JSON must have at most {limits.max_json} bytes. Send files instead of numbers, "
            f"or tensors by the binary extension. Received: {len(body)}",
        )
    try:
        document = json.loads(
            body.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_unique,
        )
    except RecursionError as error:
        raise Refusal(400, "The body is nested too deeply to be read.") from error
    except UnicodeDecodeError as error:
        raise Refusal(400, "The body must be JSON in UTF-8.") from error
    except ValueError as error:
        raise Refusal(400, f"The body is no valid JSON: {shown(str(error), 160)}") from error
    if not isinstance(document, dict):
        raise Refusal(400, f"The body must be a JSON object. Received: {_kind(document)}")
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{shown(twice)} stands there twice")
    return named


def check_names(
    document: Any, name: str, required: set[str], optional: frozenset[str] = frozenset()
) -> None:
    """Refuses what is no object of the names that are known.

    Args:
        document: Any value of JSON.
        name: str. What it is called.
        required: set of the names that must be there.
        optional: frozenset of those that may.
    """
    if not isinstance(document, dict):
        raise Refusal(400, f"`{name}` must be an object. Received: {_kind(document)}")
    missing = sorted(required - set(document))
    unexpected = sorted(set(document) - required - optional)
    if missing or unexpected:
        what = f"lacks {missing}" if missing else f"has the unexpected {shown(unexpected)}"
        raise Refusal(
            400, f"`{name}` must have the names {sorted(required | optional)}. It {what}."
        )


def to_array(value: Any, name: str) -> Bytes:
    """Makes nested lists an array of bytes.

    Not by `numpy.asarray`, to which true is 1, "7" is 7, and a long text among numbers a
    reason to take as much memory for each of them.

    Args:
        value: Any value of JSON.
        name: `"images"`, `"masks"` or `"sketches"`, for the shape and for messages.

    Returns:
        uint8 array of shape `(num, height, width, channels)`.

    Raises:
        Refusal: 400.
    """
    level: list[Any] = [value]
    shape: list[int] = []
    for _ in range(4):
        if set(map(type, level)) != {list}:
            raise _wrong_shape(name, f"{_kind(_not_of(level, list))} at depth {len(shape)}")
        lengths = set(map(len, level))
        if len(lengths) != 1 or not min(lengths):
            raise _wrong_shape(name, f"lists of the lengths {sorted(lengths)[:4]} in one row")
        shape.append(lengths.pop())
        level = list(chain.from_iterable(level))
    if set(map(type, level)) != {int}:
        raise Refusal(
            400, f"`{name}` must hold whole numbers. Received: {_kind(_not_of(level, int))}"
        )
    least, most = min(level), max(level)
    if least < 0 or most > 255:
        received = shown(least if least < 0 else most)
        raise Refusal(400, f"`{name}` must hold bytes, 0 to 255. Received: {received}")
    array = np.array(level, np.uint8).reshape(shape)
    if shape[-1] != CHANNELS[name]:
        raise _wrong_shape(name, f"the shape {tuple(shape)}")
    return array


def check_arrays(request: dict[str, Bytes], limits: Limits) -> None:
    """Refuses arrays that are not one mask for each picture, or too many pixels."""
    images = request["images"]
    for name, others in request.items():
        if images.shape[:3] != others.shape[:3]:
            raise Refusal(
                400,
                f"`{name}` must be as many as `images`, and of their height and width. "
                f"Received: `images` of shape {images.shape}, `{name}` of shape {others.shape}",
            )
    check_count(len(images), limits)
    num_pixels = images.size // 3
    if num_pixels > limits.max_pixels:
        raise Refusal(
            413,
            f"`images` must have at most {limits.max_pixels} pixels in all. Received: "
            f"{num_pixels}",
        )


def check_count(num: int, limits: Limits) -> None:
    """Refuses requests of too many pictures."""
    if num > limits.max_pictures:
        raise Refusal(
            413,
            f"A request may have at most {limits.max_pictures} pictures. Received: {num}",
        )


def check_files(request: dict[str, list[Any]], limits: Limits) -> None:
    """Refuses files that are not one mask for each picture, or too many."""
    images = request["image_bytes"]
    for name, kinds in (("mask_bytes", "masks"), ("sketch_bytes", "sketches")):
        others = request.get(name, images)
        if len(images) != len(others) or not images:
            raise Refusal(
                400,
                f"`{name}` must be as many as `image_bytes`, at least one. Received: "
                f"{len(others)} {kinds}, {len(images)} pictures",
            )
    check_count(len(images), limits)


def from_base64(text: Any, name: str) -> bytes:
    """Decodes base64, and nothing that only looks like it.

    Raises:
        Refusal: 400.
    """
    if not isinstance(text, str):
        raise Refusal(400, f"`{name}` must be text in base64. Received: {_kind(text)}")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(400, f"`{name}` must be valid base64: {error}.") from error


def to_base64(content: bytes) -> str:
    """Encodes bytes as text."""
    return base64.b64encode(content).decode("ascii")


def stack_rows(rows: list[NDArray[Any]], name: str) -> Bytes:
    """Makes one array of pictures, each an array with a first axis of 1."""
    shapes = {row.shape for row in rows}
    if len(shapes) > 1:
        raise Refusal(
            400,
            f"`{name}` must be of one size in all instances. Send files (`{FILES}`), or "
            f"several requests. Received: shapes {sorted(shape[1:] for shape in shapes)[:4]}",
        )
    return np.concatenate(rows)


def _wrong_shape(name: str, received: str) -> Refusal:
    return Refusal(
        400,
        f"`{name}` must be nested lists of shape (number, height, width, {CHANNELS[name]}), "
        f"none of them empty. Received: {received}",
    )


def _not_of(values: list[Any], kind: type) -> Any:
    return next(value for value in values if type(value) is not kind)


def _kind(value: Any) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: f"the text {shown(value)}",
        type(None): "null",
        bool: "true or false",
    }
    return names.get(type(value), f"the number {shown(value)}")
