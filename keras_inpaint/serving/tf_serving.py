"""The REST dialect of TensorFlow Serving (`/v1/models/NAME:predict`).

Reference: https://www.tensorflow.org/tfx/serving/api_rest
"""

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
    stack_rows,
    to_array,
    to_base64,
)
from keras_inpaint.serving.limits import Limits, Refusal, shown
from keras_inpaint.serving.models import Model

_FORMATS = ("instances", "inputs")


def parse(body: bytes, limits: Limits, model: Model) -> Request:
    """Reads a request to `:predict`, in rows (`instances`) or columns (`inputs`).

    Args:
        body: bytes of the JSON.
        limits: `Limits`.
        model: `Model` that is asked.

    Returns:
        `Request`, whose option `is_rows` says how it came.

    Raises:
        Refusal: 400, or 413.
    """
    document = read_json(body, limits)
    given = [name for name in _FORMATS if name in document]
    if len(given) != 1:
        raise Refusal(
            400,
            "The body must have either `instances` (rows) or `inputs` (columns). It has "
            f"{' and '.join(given) or 'neither'}.",
        )
    check_names(document, "body", {given[0]}, frozenset(("signature_name",)))
    signature = document.get("signature_name") or ARRAYS
    if not isinstance(signature, str) or signature not in INPUTS:
        raise Refusal(
            400,
            f"`signature_name` must be one of {list(INPUTS)}. Received: {shown(signature)}",
        )
    is_rows = given[0] == "instances"
    columns = (
        _from_rows(document["instances"], signature, model)
        if is_rows
        else _from_columns(document["inputs"], signature, model)
    )
    if signature == ARRAYS:
        check_arrays(columns, limits)
    else:
        check_files(columns, limits)
    return Request(signature, columns, {"is_rows": is_rows})


def answer(request: Request, outputs: Any) -> dict[str, Any]:
    """Returns the JSON that answers a request.

    Args:
        request: `Request` that `parse` returned.
        outputs: uint8 array `(num, height, width, 3)`, or a list of PNG files.
    """
    # As TensorFlow Serving has it: where there is one output, its name is left out.
    if request.signature == ARRAYS:
        values: Any = outputs.tolist()
    else:
        values = [{"b64": to_base64(content)} for content in outputs]
    return {"predictions" if request.options["is_rows"] else "outputs": values}


def status(version: int) -> dict[str, Any]:
    """Returns what `GET /v1/models/NAME` answers."""
    return {
        "model_version_status": [
            {
                "version": str(version),
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }


def metadata(name: str, version: int, is_guided: bool = False) -> dict[str, Any]:
    """Returns what `GET /v1/models/NAME/metadata` answers."""
    signatures = {
        signature: {
            "inputs": {
                each: _tensor(each, signature) for each in inputs_of(signature, is_guided)
            },
            "outputs": {OUTPUTS[signature]: _tensor(OUTPUTS[signature], signature)},
            "method_name": "tensorflow/serving/predict",
        }
        for signature in INPUTS
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def _tensor(name: str, signature: str) -> dict[str, Any]:
    sizes = [-1] if signature == FILES else [-1, -1, -1, CHANNELS.get(name, 3)]
    return {
        "dtype": "DT_STRING" if signature == FILES else "DT_UINT8",
        "tensor_shape": {
            "dim": [{"size": str(size), "name": ""} for size in sizes],
            "unknown_rank": False,
        },
        "name": name,
    }


def _from_rows(instances: Any, signature: str, model: Model) -> dict[str, Any]:
    if not isinstance(instances, list) or not instances:
        raise Refusal(400, "`instances` must be a list of at least one object.")
    names, drawn = INPUTS[signature], SKETCHES[signature]
    for index, instance in enumerate(instances):
        optional = optional_inputs(signature, instance, model)
        check_names(instance, f"instances[{index}]", set(names), optional)
    # Rows may differ: nothing is drawn in those without a sketch.
    has_sketches = any(drawn in instance for instance in instances)
    if signature == FILES:
        return {
            name: [
                _file(instance[name], f"instances[{index}].{name}")
                if name in instance
                else None
                for index, instance in enumerate(instances)
            ]
            for name in (*names, *((drawn,) if has_sketches else ()))
        }
    columns = {
        name: stack_rows([to_array([instance[name]], name) for instance in instances], name)
        for name in names
    }
    if has_sketches:
        nothing = np.zeros_like(columns["masks"][:1])
        columns[drawn] = stack_rows(
            [
                to_array([instance[drawn]], drawn) if drawn in instance else nothing
                for instance in instances
            ],
            drawn,
        )
    return columns


def _from_columns(inputs: Any, signature: str, model: Model) -> dict[str, Any]:
    optional = optional_inputs(signature, inputs, model)
    check_names(inputs, "inputs", set(INPUTS[signature]), optional)
    names = [name for name in inputs_of(signature, model.is_guided) if name in inputs]
    if signature == ARRAYS:
        return {name: to_array(inputs[name], name) for name in names}
    for name in names:
        if not isinstance(inputs[name], list):
            raise Refusal(400, f"`inputs.{name}` must be a list of files.")
    return {
        name: [
            _file(content, f"inputs.{name}[{index}]")
            for index, content in enumerate(inputs[name])
        ]
        for name in names
    }


def _file(value: Any, name: str) -> bytes:
    check_names(value, name, {"b64"})
    return from_base64(value["b64"], name)
