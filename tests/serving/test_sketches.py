"""Sketches that requests send to a server with a guided preset."""

import base64
import json
import struct

import numpy as np
import pytest
from serving.fake_server import decode, encode, photo_and_mask
from starlette.testclient import TestClient

import keras_inpaint
from keras_inpaint.models import Generator

PHOTO, MASK = photo_and_mask()
LINES = np.zeros_like(MASK)
LINES[12:15] = 255
FILES = {"photo": encode(PHOTO), "mask": encode(MASK)}
ARRAYS = {
    "images": PHOTO[None],
    "masks": MASK[None, ..., None],
    "sketches": LINES[None, ..., None],
}
NAMED = {"image_bytes": PHOTO, "mask_bytes": MASK, "sketch_bytes": LINES}


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A tiny network, whose first kernel meets the sketch alone."""
    generator = Generator(4, guided=True)
    kernel = np.zeros(generator.weights[0].shape, "float32")
    kernel[:, :, 3] = 1
    generator.weights[0].assign(kernel)
    folder = tmp_path_factory.mktemp("presets") / "guided"
    keras_inpaint.Inpainter(generator, image_size=64).save_to_preset(folder)
    return str(folder)


@pytest.fixture(scope="module")
def guided(preset):
    with TestClient(keras_inpaint.serving.create_app(preset)) as client:
        yield client


@pytest.fixture(scope="module")
def inpainter(preset):
    return keras_inpaint.Inpainter.from_preset(preset)


@pytest.fixture(scope="module")
def drawn(inpainter):
    return inpainter.inpaint(PHOTO, MASK, sketch=LINES)


@pytest.fixture(scope="module")
def plain(inpainter):
    return inpainter.inpaint(PHOTO, MASK)


@pytest.mark.parametrize("ink", ["bright", "dark"])
def test_the_hole_follows_the_sketch_of_the_request(guided, drawn, plain, ink):
    sketch = LINES if ink == "bright" else 255 - LINES
    data = {} if ink == "bright" else {"invert_sketch": "true"}
    answer = guided.post("/inpaint", files={**FILES, "sketch": encode(sketch)}, data=data)
    assert answer.status_code == 200, answer.text
    assert (drawn != plain).any()
    np.testing.assert_array_equal(decode(answer.content), drawn)
    answer = guided.post("/inpaint", files=FILES)
    np.testing.assert_array_equal(decode(answer.content), plain)


@pytest.mark.parametrize(
    ("sketch", "advice"),
    [
        (b"", "`sketch`"),
        (b"no picture", "`sketch`"),
        (encode(PHOTO), "`sketch`"),
        (encode(LINES[:40]), f"Received: a sketch of {LINES.shape[1]} x 40"),
    ],
    ids=["nothing", "text", "a photograph", "another size"],
)
def test_a_sketch_that_cannot_be_read_is_refused_by_the_name_of_its_field(
    guided, sketch, advice
):
    answer = guided.post("/inpaint", files={**FILES, "sketch": sketch})
    assert answer.status_code == 400
    assert advice in answer.json()["error"]


def test_more_pixels_than_the_limit_are_too_many_in_a_sketch_too(preset):
    limits = keras_inpaint.serving.Limits(max_pixels=PHOTO[..., 0].size)
    app = keras_inpaint.serving.create_app(preset, limits=limits)
    with TestClient(app) as client:
        answer = client.post("/inpaint", files={**FILES, "sketch": encode(LINES)})
        assert answer.status_code == 200
        large = encode(np.tile(LINES, (2, 1)))
        answer = client.post("/inpaint", files={**FILES, "sketch": large})
        assert answer.status_code == 413
        rows = [row_of_files(sketch_bytes=large)]
        predict(client, {"signature_name": "serving_bytes", "instances": rows}, 413)


# --- TensorFlow Serving's dialect


def predict(client, document, status=200, model="guided"):
    answer = client.post(f"/v1/models/{model}:predict", content=json.dumps(document))
    assert answer.status_code == status, answer.text
    return answer.json()


def b64(content):
    return {"b64": base64.b64encode(content).decode()}


def row_of_arrays(**changes):
    return {name: each[0].tolist() for name, each in ARRAYS.items()} | changes


def row_of_files(**changes):
    files = {name: encode(each) for name, each in NAMED.items()} | changes
    return {name: b64(each) for name, each in files.items()}


def without(row, name):
    return {key: value for key, value in row.items() if key != name}


def test_rows_follow_their_sketches_and_need_not_have_one(guided, drawn, plain):
    row = row_of_arrays()
    rows = [without(row, "sketches"), row]
    filled = predict(guided, {"instances": rows})["predictions"]
    np.testing.assert_allclose(filled, [plain, drawn], atol=1)
    row = row_of_files()
    rows = [row, without(row, "sketch_bytes")]
    body = {"signature_name": "serving_bytes", "instances": rows}
    answers = predict(guided, body)["predictions"]
    filled = [decode(base64.b64decode(each["b64"])) for each in answers]
    np.testing.assert_allclose(np.array(filled, int), [drawn, plain], atol=1)


def test_columns_follow_their_sketches_and_need_not_have_any(guided, drawn, plain):
    for sketched, wanted in ((True, drawn), (False, plain)):
        columns = {name: [value] for name, value in row_of_arrays().items()}
        columns = columns if sketched else without(columns, "sketches")
        (filled,) = predict(guided, {"inputs": columns})["outputs"]
        np.testing.assert_allclose(filled, wanted, atol=1)
        columns = {name: [value] for name, value in row_of_files().items()}
        columns = columns if sketched else without(columns, "sketch_bytes")
        body = {"signature_name": "serving_bytes", "inputs": columns}
        (file,) = predict(guided, body)["outputs"]
        filled = decode(base64.b64decode(file["b64"])).astype(int)
        np.testing.assert_allclose(filled, wanted, atol=1)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (row_of_arrays(sketches=LINES[:40, :, None].tolist()), "`sketches` must be as many"),
        (row_of_arrays(sketches=PHOTO[..., :1].tolist()), "`sketches`"),
        (row_of_arrays(sketches=7), "`sketches`"),
        (row_of_arrays(sketch=1), "'sketch'"),
        (row_of_files(sketch_bytes=b"none"), "`sketch_bytes[0]`"),
        (row_of_files(sketch_bytes=encode(PHOTO)), "`sketch_bytes[0]`"),
        (
            row_of_files(sketch_bytes=encode(LINES[:40])),
            "`sketch_bytes[0]`: The sketch must be",
        ),
    ],
    ids=["size", "levels", "number", "name", "no file", "photograph", "size of a file"],
)
def test_a_sketch_that_cannot_be_followed_is_refused_by_its_name(guided, row, field):
    signature = "serving_bytes" if "sketch_bytes" in row else "serving_default"
    body = {"signature_name": signature, "instances": [row]}
    assert field in predict(guided, body, 400)["error"]


def test_there_is_one_sketch_for_each_picture(guided):
    columns = {name: [value] for name, value in row_of_arrays().items()}
    columns["sketches"] *= 2
    assert "`sketches`" in predict(guided, {"inputs": columns}, 400)["error"]
    columns = {name: [value] for name, value in row_of_files().items()}
    columns["sketch_bytes"] *= 2
    body = {"signature_name": "serving_bytes", "inputs": columns}
    assert "Received: 2 sketches, 1 pictures" in predict(guided, body, 400)["error"]


# --- the Open Inference Protocol


def infer(client, inputs, binary=b"", model="guided"):
    head = json.dumps({"inputs": inputs}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))} if binary else {}
    url = f"/v2/models/{model}/infer"
    return client.post(url, content=head + binary, headers=headers)


def tensors(datatype, named, is_binary=False):
    """The inputs of a request, of shapes and data by name."""
    return [
        {"name": name, "shape": shape, "datatype": datatype}
        | ({"parameters": {"binary_data_size": len(data)}} if is_binary else {"data": data})
        for name, (shape, data) in named.items()
    ]


@pytest.mark.parametrize("kind", ["json", "binary", "files", "binary files"])
def test_tensors_of_the_protocol_follow_a_sketch(guided, drawn, plain, kind):
    if kind in ("json", "binary"):
        datatype = "UINT8"
        named = {
            name: (list(each.shape), each.tolist() if kind == "json" else each.tobytes())
            for name, each in ARRAYS.items()
        }
    else:
        datatype, files = "BYTES", {name: encode(each) for name, each in NAMED.items()}
        named = {
            name: ([1], [b64(each)["b64"]] if kind == "files" else length(each) + each)
            for name, each in files.items()
        }
    for names, wanted in ((list(named), drawn), (list(named)[:2], plain)):
        chosen = {name: named[name] for name in names}
        is_binary = kind.startswith("binary")
        inputs = tensors(datatype, chosen, is_binary)
        binary = b"".join(data for _, data in chosen.values()) if is_binary else b""
        answer = infer(guided, inputs, binary)
        assert answer.status_code == 200, answer.text
        (output,) = answer.json()["outputs"]
        filled = (
            np.reshape(output["data"], output["shape"])[0]
            if datatype == "UINT8"
            else decode(base64.b64decode(output["data"][0]))
        )
        np.testing.assert_allclose(filled.astype(int), wanted, atol=1)


def length(content):
    return struct.pack("<I", len(content))


# --- models that are not guided, and what all say of themselves


def test_a_network_that_is_not_guided_has_no_place_for_a_sketch(client):
    answer = client.post("/inpaint", files={**FILES, "sketch": encode(LINES)})
    assert answer.status_code == 400
    errors = {"sketch": answer.json()["error"]}
    for name, row in (("sketches", row_of_arrays()), ("sketch_bytes", row_of_files())):
        signature = "serving_bytes" if name == "sketch_bytes" else "serving_default"
        head = {"signature_name": signature}
        columns = {key: [value] for key, value in row.items()}
        for body in ({**head, "instances": [row]}, {**head, "inputs": columns}):
            errors[name] = predict(client, body, 400, "fake")["error"]
            assert f"`{name}` is for guided generators" in errors[name]
    named = {name: (list(each.shape), each.tolist()) for name, each in ARRAYS.items()}
    answer = infer(client, tensors("UINT8", named), model="fake")
    assert answer.status_code == 400
    errors["V2"] = answer.json()["error"].replace("sketches", "sketch")
    # In the same words everywhere.
    wanted = (
        "`sketch` is for guided generators, which were trained with `guided=True`. Leave it "
        "out. Received: sketch, and 'fake', which is not guided"
    )
    assert {
        each.replace("sketches", "sketch").replace("sketch_bytes", "sketch")
        for each in errors.values()
    } == {wanted}


def test_clients_can_see_whether_there_is_a_place_for_a_sketch(guided, client):
    metadata = guided.get("/v2/models/guided").json()
    assert metadata["parameters"] == {"guided": True}
    assert metadata["inputs"][2] == {
        "name": "sketches",
        "datatype": "UINT8",
        "shape": [-1, -1, -1, 1],
        "parameters": {"optional": True},
    }
    assert "parameters" not in client.get("/v2/models/fake").json()
    for served, name, wanted in (
        (guided, "guided", [set(ARRAYS), set(NAMED)]),
        (client, "fake", [{"images", "masks"}, {"image_bytes", "mask_bytes"}]),
    ):
        described = served.get(f"/v1/models/{name}/metadata").json()["metadata"]
        signatures = described["signature_def"]["signature_def"]
        names = [
            set(signatures[each]["inputs"]) for each in ("serving_default", "serving_bytes")
        ]
        assert names == wanted
    document = guided.get("/openapi.json").json()
    (form,) = document["paths"]["/inpaint"]["post"]["requestBody"]["content"].values()
    schema = document["components"]["schemas"][form["schema"]["$ref"].rpartition("/")[2]]
    assert {"sketch", "invert_sketch"} <= set(schema["properties"])
    assert "guided" in schema["properties"]["sketch"]["description"]
    assert "sketch" not in schema["required"]
