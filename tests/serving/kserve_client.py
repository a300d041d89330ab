"""What kserve's own client asks a server, in an environment that has it; prints JSON."""

import asyncio
import base64
import json
import sys

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig


async def ask(address, arrays, files):
    """Answers of both protocols, of arrays and of files, as lists of numbers and base64."""
    answers = {}
    first = InferenceRESTClient(RESTConfig(protocol="v1"))
    rows = {name: array[0].tolist() for name, array in arrays.items()}
    answer = await first.infer(address, {"instances": [rows]}, model_name="fake")
    answers["v1 arrays"] = answer["predictions"]
    row = {name: {"b64": text} for name, text in files.items()}
    body = {"signature_name": "serving_bytes", "instances": [row]}
    answer = await first.infer(address, body, model_name="fake")
    answers["v1 files"] = answer["predictions"][0]["b64"]
    second = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await second.is_server_live(address)
    assert await second.is_server_ready(address)
    assert await second.is_model_ready(address, "fake")
    for is_binary in (False, True):
        inputs = []
        for name, array in arrays.items():
            inputs.append(InferInput(name, list(array.shape), "UINT8"))
            inputs[-1].set_data_from_numpy(array, binary_data=is_binary)
        request = InferRequest("fake", inputs)
        answer = await second.infer(address, request, model_name="fake")
        answers[f"v2 arrays, binary {is_binary}"] = answer.outputs[0].as_numpy().tolist()
    inputs = []
    for name, text in files.items():
        inputs.append(InferInput(name, [1], "BYTES"))
        inputs[-1].set_data_from_numpy(
            np.array([base64.b64decode(text)], object), binary_data=True
        )
    answer = await second.infer(address, InferRequest("fake", inputs), model_name="fake")
    # In base64: the client asks for no binary answer.
    (answers["v2 files"],) = answer.outputs[0].as_numpy().ravel().tolist()
    try:
        await second.infer(address, request, model_name="other")
    except Exception as error:
        answers["error"] = str(error)
    return answers


given = json.load(sys.stdin)
arrays = {name: np.array(value, np.uint8) for name, value in given["arrays"].items()}
print(json.dumps(asyncio.run(ask(given["address"], arrays, given["files"]))))
