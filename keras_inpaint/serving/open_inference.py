"""The Open Inference Protocol (V2), as KServe and NVIDIA Triton speak it.

Reference: https://github.com/kserve/open-inference-protocol, and its extension of binary
tensors: https://github.com/triton-inference-server/server/blob/main/docs/protocol/\
extension_binary_data.md
"""

import json
import math
import struct
from itertools import chain
from typing import Any

import numpy as np

from keras_inpaint.serving.dialects import (
    ARRAYS,
    CHANNELS,
    FILES,
    INPUTS,
    OUTPUTS,
    SKETCHES,
    Request,
    check_arrays,
    check_files,
    check_names,
    from_base64,
    inputs_of,
    optional_inputs,
    read_json,
    to_base64,
)
from keras_inpaint.serving.limits import Limits, Refusal, shown
from keras_inpaint.serving.models import Model

# Length of the JSON that stands before binary tensors.
LENGTH_HEADER = "Inference-Header-Content-Length"
_TYPES = {ARRAYS: "UINT8", FILES: "BYTES"}
# What tensors may have beside what they must.
_OPTIONAL = frozenset(("parameters", "data"))
# KServe's client repeats the model's name, which the path has.
_BESIDE_INPUTS = frozenset(("id", "parameters", "outputs", "model_name", "model_version"))
_LENGTH = struct.Struct("<I")


def parse(body: bytes, header_length: str | None, limits: Limits, model: Model) -> Request:
    """Reads a request to `infer`; the names of its inputs say which signature it is for.

    Args:
        body: bytes. JSON, and binary tensors behind it.
        header_length: str or `None`. What the header `LENGTH_HEADER` says.
        limits: `Limits`.
        model: `Model` that is asked.

    Returns:
        `Request`, whose options are the `id` and which outputs are to be binary.

    Raises:
        Refusal: 400, or 413.
    """
    length = _header_length(header_length, len(body))
    document = read_json(body[:length], limits)
    check_names(document, "body", {"inputs"}, _BESIDE_INPUTS)
    named = _inputs(document["inputs"])
    signature = next(
        (each for each in INPUTS if set(named) - {SKETCHES[each]} == set(INPUTS[each])), None
    )
    if signature is None:
        sets = " or ".join(str(inputs_of(each, model.is_guided)) for each in INPUTS)
        may = ", with or without the last one" if model.is_guided else ""
        raise Refusal(400, f"`inputs` must be {sets}{may}. Received: {shown(list(named))}")
    optional_inputs(signature, named, model)
    position = length
    tensors = {}
    for name, tensor in named.items():
        content, position = _content(tensor, name, body, position)
        tensors[name] = _tensor(tensor, name, content, signature, limits)
    if position != len(body):
        raise Refusal(
            400,
            f"The body has {len(body) - position} bytes more than its tensors. Check "
            f"`binary_data_size` and the header {LENGTH_HEADER}.",
        )
    columns = {
        name: tensors[name] for name in inputs_of(signature, model.is_guided) if name in tensors
    }
    if signature == ARRAYS:
        check_arrays(columns, limits)
    else:
        check_files(columns, limits)
    return Request(signature, columns, _options(document, OUTPUTS[signature]))


def answer(request: Request, outputs: Any, model: str, version: int) -> tuple[bytes, int]:
    """Returns the body that answers a request, and the length of its JSON.

    Args:
        request: `Request` that `parse` returned.
        outputs: uint8 array `(num, height, width, 3)`, or a list of PNG files.
        model: str. The model's name.
        version: int. The model's version.
    """
    is_files = request.signature == FILES
    tensor: dict[str, Any] = {
        "name": OUTPUTS[request.signature],
        "datatype": _TYPES[request.signature],
        "shape": [len(outputs)] if is_files else list(outputs.shape),
    }
    binary = b""
    if request.options["is_binary"]:
        binary = (
            b"".join(_LENGTH.pack(len(content)) + content for content in outputs)
            if is_files
            else outputs.tobytes()
        )
        tensor["parameters"] = {"binary_data_size": len(binary)}
    elif is_files:
        tensor["parameters"] = {"content_type": "base64"}
        tensor["data"] = [to_base64(content) for content in outputs]
    else:
        tensor["data"] = outputs.ravel().tolist()
    head: dict[str, Any] = {"model_name": model, "model_version": str(version)}
    if request.options["id"] is not None:
        head["id"] = request.options["id"]
    text = json.dumps({**head, "outputs": [tensor]}).encode("utf-8")
    return text + binary, len(text)


def server_metadata(version: str) -> dict[str, Any]:
    """Returns what `GET /v2` answers."""
    return {
        "name": "keras-inpaint",
        "version": version,
        "extensions": ["binary_tensor_data"],
    }


def model_metadata(name: str, version: int, is_guided: bool = False) -> dict[str, Any]:
    """Returns what `GET /v2/models/NAME` answers: the tensors that a request needs."""
    return {
        **({"parameters": {"guided": True}} if is_guided else {}),
        "name": name,
        "versions": [str(version)],
        "platform": "keras_inpaint",
        "inputs": [
            {
                "name": each,
                "datatype": "UINT8",
                "shape": [-1, -1, -1, CHANNELS[each]],
                **({} if each in INPUTS[ARRAYS] else {"parameters": {"optional": True}}),
            }
            for each in inputs_of(ARRAYS, is_guided)
        ],
        "outputs": [{"name": OUTPUTS[ARRAYS], "datatype": "UINT8", "shape": [-1, -1, -1, 3]}],
    }


def _header_length(text: str | None, most: int) -> int:
    if text is None:
        return most
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= most):
        raise Refusal(
            400,
            f"The header {LENGTH_HEADER} must be a number of bytes of the body, which has "
            f"{most}. Received: {shown(text)}",
        )
    return int(text)


def _inputs(inputs: Any) -> dict[str, Any]:
    if not isinstance(inputs, list):
        raise Refusal(400, "`inputs` must be a list of tensors.")
    named: dict[str, Any] = {}
    for index, tensor in enumerate(inputs[:8]):
        name = f"inputs[{index}]"
        check_names(tensor, name, {"name", "shape", "datatype"}, _OPTIONAL)
        if not isinstance(tensor["name"], str) or tensor["name"] in named:
            raise Refusal(
                400,
                f"`{name}.name` must be a text that stands there once. Received: "
                f"{shown(tensor['name'])}",
            )
        named[tensor["name"]] = tensor
    return named


def _content(
    tensor: dict[str, Any], name: str, body: bytes, position: int
) -> tuple[memoryview | None, int]:
    """The binary content of a tensor, if it has any, and where that of the next begins."""
    parameters = _parameters(tensor, name)
    size = parameters.get("binary_data_size")
    if (size is None) == ("data" not in tensor):
        raise Refusal(
            400,
            f"`{name}` must have either `data` or the parameter `binary_data_size`.",
        )
    if size is None:
        return None, position
    if type(size) is not int or not 0 <= size <= len(body) - position:
        raise Refusal(
            400,
            f"`{name}.parameters.binary_data_size` must be a number of the "
            f"{len(body) - position} bytes that are left in the body. Received: {shown(size)}",
        )
    return memoryview(body)[position : position + size], position + size


def _parameters(owner: dict[str, Any], name: str) -> dict[str, Any]:
    parameters = owner.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise Refusal(400, f"`{name}.parameters` must be an object.")
    return parameters


def _tensor(
    tensor: dict[str, Any],
    name: str,
    content: memoryview | None,
    signature: str,
    limits: Limits,
) -> Any:
    datatype, shape = tensor["datatype"], tensor["shape"]
    if datatype != _TYPES[signature]:
        raise Refusal(
            400,
            f"`{name}.datatype` must be {_TYPES[signature]}. Received: {shown(datatype)}",
        )
    wanted = [None] if signature == FILES else [None, None, None, CHANNELS[name]]
    is_shape = isinstance(shape, list) and len(shape) == len(wanted)
    if not is_shape or not all(
        type(side) is int and side > 0 and side == (want or side)
        for side, want in zip(shape, wanted, strict=True)
    ):
        axes = str([-1 if want is None else want for want in wanted])
        raise Refusal(400, f"`{name}.shape` must be {axes}. Received: {shown(shape)}")
    count = math.prod(shape)
    # No body is as long; the number may be.
    if count > 4 * limits.max_pixels:
        raise Refusal(
            413,
            f"`{name}.shape` must be of at most {limits.max_pixels} pixels. Received: "
            f"{shown(shape)}",
        )
    values: Any
    if content is not None:
        values = _split(content, name) if signature == FILES else content
    else:
        values = _flat(tensor["data"], name, count)
        if signature == FILES:
            values = [from_base64(text, f"{name}.data") for text in values]
        else:
            values = _bytes(values, name)
    if len(values) != count:
        raise Refusal(
            400,
            f"`{name}` must have the {count} values of its shape {shape}. Received: "
            f"{len(values)}",
        )
    if signature == FILES:
        return values
    return np.frombuffer(values, np.uint8).reshape(shape)


def _split(content: memoryview, name: str) -> list[bytes]:
    """Files, each with its length before it."""
    files, position = [], 0
    while position < len(content):
        start = position + _LENGTH.size
        length = _LENGTH.unpack(content[position:start])[0] if start <= len(content) else 0
        position = start + length
        if position > len(content):
            raise Refusal(
                400,
                f"`{name}` must hold elements, each after its length in 4 bytes, the lowest "
                "first. They end before the data does.",
            )
        files.append(bytes(content[start:position]))
    return files


def _flat(data: Any, name: str, count: int) -> list[Any]:
    """The values of a tensor, which may be nested or not."""
    if not isinstance(data, list):
        raise Refusal(400, f"`{name}.data` must be a list.")
    level = data
    for _ in range(3):
        if len(level) > count or set(map(type, level)) != {list}:
            break
        level = list(chain.from_iterable(level))
    return level


def _bytes(values: list[Any], name: str) -> bytes:
    if set(map(type, values)) - {int} or not values:
        raise Refusal(400, f"`{name}.data` must hold whole numbers, 0 to 255.")
    try:
        return bytes(values)
    except (ValueError, OverflowError) as error:
        raise Refusal(400, f"`{name}.data` must hold bytes, 0 to 255.") from error


def _options(document: dict[str, Any], output: str) -> dict[str, Any]:
    identity = document.get("id")
    if identity is not None and not isinstance(identity, str):
        raise Refusal(400, f"`id` must be a text. Received: {shown(identity)}")
    is_binary = _parameters(document, "body").get("binary_data_output", False)
    outputs = document.get("outputs")
    if outputs is not None:
        if not isinstance(outputs, list) or len(outputs) != 1:
            raise Refusal(400, f"`outputs` must be a list of one, named {output!r}.")
        check_names(outputs[0], "outputs[0]", {"name"}, frozenset(("parameters",)))
        if outputs[0]["name"] != output:
            raise Refusal(
                400,
                f"`outputs[0].name` must be {output!r}. Received: {shown(outputs[0]['name'])}",
            )
        parameters = _parameters(outputs[0], "outputs[0]")
        if "classification" in parameters:
            raise Refusal(400, "`outputs[0].parameters` cannot ask for a classification.")
        is_binary = parameters.get("binary_data", is_binary)
    if not isinstance(is_binary, bool):
        raise Refusal(400, "`binary_data` must be true or false.")
    return {"id": identity, "is_binary": is_binary}
