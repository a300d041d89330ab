"""Sketches that requests send to a server with a guided preset."""

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


@pytest.mark.parametrize("ink", ["bright", "dark"])
def test_the_hole_follows_the_sketch_of_the_request(guided, inpainter, ink):
    sketch = LINES if ink == "bright" else 255 - LINES
    data = {} if ink == "bright" else {"invert_sketch": "true"}
    answer = guided.post("/inpaint", files={**FILES, "sketch": encode(sketch)}, data=data)
    assert answer.status_code == 200, answer.text
    drawn, plain = (inpainter.inpaint(PHOTO, MASK, sketch=each) for each in (LINES, None))
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


def test_a_network_that_is_not_guided_has_no_place_for_a_sketch(client):
    answer = client.post("/inpaint", files={**FILES, "sketch": encode(LINES)})
    assert answer.status_code == 400
    assert "`sketch`" in answer.json()["error"]
    assert "guided" in answer.json()["error"]


def test_clients_can_see_whether_there_is_a_place_for_a_sketch(guided, client):
    assert guided.get("/v2/models/guided").json()["parameters"] == {"guided": True}
    assert "parameters" not in client.get("/v2/models/fake").json()
    document = guided.get("/openapi.json").json()
    (form,) = document["paths"]["/inpaint"]["post"]["requestBody"]["content"].values()
    schema = document["components"]["schemas"][form["schema"]["$ref"].rpartition("/")[2]]
    assert {"sketch", "invert_sketch"} <= set(schema["properties"])
    assert "guided" in schema["properties"]["sketch"]["description"]
    assert "sketch" not in schema["required"]
