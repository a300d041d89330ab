"""The server over HTTP, with a network that paints grey."""

import asyncio
import base64
import json
import threading
import time

import numpy as np
import pytest
from serving.fake_server import (
    FakeGenerator,
    check_answers_rightly,
    decode,
    encode,
    expected,
    photo_and_mask,
)

from keras_inpaint import Inpainter
from keras_inpaint.pictures import read_picture

PREDICT = "/v1/models/fake:predict"
INFER = "/v2/models/fake/infer"


@pytest.fixture(scope="module")
def pair():
    return photo_and_mask()


def b64(content):
    return {"b64": base64.b64encode(content).decode()}


def test_a_photo_is_filled_and_known_pixels_come_back_exactly(client):
    check_answers_rightly(client)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "image/png"),
        ("image/webp", "image/webp"),
        ("text/html, image/jpeg;q=0.9, image/png;q=0.1", "image/jpeg"),
        ("image/*;q=0.5, image/webp", "image/webp"),
        ("image/png;q=0, image/*", "image/webp"),
    ],
)
def test_the_answer_is_of_the_kind_that_the_client_accepts(client, pair, accept, kind):
    photo, mask = pair
    files = {"photo": encode(photo), "mask": encode(mask)}
    answer = client.post("/inpaint", files=files, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    tolerance = 40 if kind == "image/jpeg" else 0
    difference = decode(answer.content).astype(int) - expected(photo, mask)
    assert np.abs(difference).mean() <= tolerance


def test_a_photo_larger_than_the_network_is_filled_in_the_windows_of_inpaint(serve):
    served = serve(max_batch_size=2)
    photo, mask = photo_and_mask(500, 700)
    mask[300:420, 200:500] = mask[40:44, 600:603] = mask[480:, 5:9] = 255
    answer = post_pair(served, (photo, mask))
    assert answer.status_code == 200, answer.text
    alone = FakeGenerator()
    filled = Inpainter(alone, image_size=64).inpaint(photo, mask > 127)
    np.testing.assert_array_equal(decode(answer.content), filled)
    np.testing.assert_array_equal(filled[mask == 0], photo[mask == 0])
    assert sum(served.generator.batch_sizes) == sum(alone.batch_sizes) > 3


def test_a_client_that_accepts_no_picture_gets_406(client, pair):
    files = {"photo": encode(pair[0]), "mask": encode(pair[1])}
    answer = client.post("/inpaint", files=files, headers={"Accept": "text/html"})
    assert answer.status_code == 406
    assert "`Accept` must allow one of" in answer.json()["error"]


def test_feather_and_grow_change_known_pixels_near_the_hole(client, pair):
    photo, mask = pair
    files = {"photo": encode(photo), "mask": encode(mask)}
    grown = decode(client.post("/inpaint", files=files, data={"grow": 2}).content)
    assert (grown[10, 8:32] == 191).all()
    feathered = decode(client.post("/inpaint", files=files, data={"feather": 3}).content)
    assert (feathered[10, 9] != photo[10, 9]).any()
    assert (feathered[10, 5] == photo[10, 5]).all()


def test_fields_of_the_form_are_arguments_of_inpaint(client, pair, monkeypatch):
    seen, inpaint = {}, Inpainter.inpaint

    def recorded(self, *args, **options):
        seen.update(options)
        return inpaint(self, *args, **options)

    monkeypatch.setattr(Inpainter, "inpaint", recorded)
    files = {"photo": encode(pair[0]), "mask": encode(pair[1])}
    wish = {"method": "crop", "feather": 2, "detail": "none"}
    assert client.post("/inpaint", files=files, data=wish).status_code == 200
    assert {name: seen[name] for name in wish} == wish
    answer = client.post("/inpaint", files=files, data={"detail": "soft"})
    assert answer.status_code == 400
    assert "`detail`" in answer.json()["error"]


def test_exif_profile_and_alpha_of_the_photo_are_kept(client, pair):
    photo, mask = pair
    alpha = np.full(mask.shape, 7, np.uint8)
    content = encode(np.dstack([photo, alpha]), icc_profile=b"x" * 16 + b"RGB " + b"x" * 120)
    answer = client.post("/inpaint", files={"photo": content, "mask": encode(mask)})
    picture = read_picture(answer.content)
    assert picture.alpha is not None
    assert (picture.alpha == 7).all()
    assert picture.icc_profile[16:20] == b"RGB "


def test_the_sixteen_bits_of_a_photo_are_kept(client, pair):
    deep = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21
    files = {"photo": encode(deep), "mask": encode(pair[1])}
    picture = read_picture(client.post("/inpaint", files=files).content)
    assert picture.deep is not None
    known = pair[1] == 0
    np.testing.assert_array_equal(picture.deep[..., 0][known], deep[known])


def test_the_transparency_of_the_photo_can_be_the_mask(client, pair):
    photo, mask = pair
    content = encode(np.dstack([photo, 255 - mask]))
    answer = client.post("/inpaint", files={"photo": content}, data={"mask_from_alpha": True})
    assert answer.status_code == 200, answer.text
    np.testing.assert_array_equal(decode(answer.content)[mask == 0], photo[mask == 0])


# --- TensorFlow Serving's dialect


def predict(client, document, status=200, path=PREDICT):
    answer = client.post(path, content=json.dumps(document))
    assert answer.status_code == status, answer.text
    return answer.json()


def test_arrays_are_filled_in_rows_and_in_columns(client, pair):
    photo, mask = pair
    images, masks = photo[None].tolist(), mask[None, ..., None].tolist()
    rows = predict(client, {"instances": [{"images": images[0], "masks": masks[0]}]})
    columns = predict(client, {"inputs": {"images": images, "masks": masks}})
    ones = (mask[None, ..., None] > 127).astype(int).tolist()
    assert predict(client, {"inputs": {"images": images, "masks": ones}}) == columns
    slope = np.broadcast_to(np.arange(photo.shape[1])[None, :, None], (*photo.shape[:2], 1))
    unclear = {"inputs": {"images": images, "masks": [slope.tolist()]}}
    assert "unclear" in predict(client, unclear, 400)["error"]
    np.testing.assert_array_equal(rows["predictions"][0], expected(photo, mask))
    assert columns == {"outputs": rows["predictions"]}


@pytest.mark.parametrize("is_rows", [True, False])
def test_files_are_filled_whatever_their_sizes(client, pair, is_rows):
    pairs = [pair, photo_and_mask(40, 40)]
    files = [(encode(photo), encode(mask)) for photo, mask in pairs]
    rows = [{"image_bytes": b64(image), "mask_bytes": b64(mask)} for image, mask in files]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    document = {"instances": rows} if is_rows else {"inputs": columns}
    answer = predict(client, {"signature_name": "serving_bytes", **document})
    for completed, (photo, mask) in zip(
        answer["predictions" if is_rows else "outputs"], pairs, strict=True
    ):
        filled = decode(base64.b64decode(completed["b64"]))
        np.testing.assert_array_equal(filled, expected(photo, mask))


def test_status_and_metadata_are_those_of_tensorflow_serving(client):
    (status,) = client.get("/v1/models/fake").json()["model_version_status"]
    assert (status["version"], status["state"]) == ("1", "AVAILABLE")
    assert client.get("/v1/models/fake/versions/1").json()["model_version_status"] == [status]
    metadata = client.get("/v1/models/fake/metadata").json()["metadata"]
    signatures = metadata["signature_def"]["signature_def"]
    assert signatures["serving_default"]["inputs"]["images"]["dtype"] == "DT_UINT8"
    assert set(signatures["serving_bytes"]["inputs"]) == {"image_bytes", "mask_bytes"}


@pytest.mark.parametrize(
    "path", ["/v1/models/no", "/v1/models/fake/versions/2", "/v2/models/no/ready", "/no"]
)
def test_what_is_not_there_is_404_in_one_line(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "\n" not in answer.json()["error"]


# --- the Open Inference Protocol


def infer_json(pair, **extra):
    photo, mask = pair
    tensors = {"images": photo[None], "masks": mask[None, ..., None]}
    inputs = [
        {"name": name, "shape": list(array.shape), "datatype": "UINT8", "data": array.tolist()}
        for name, array in tensors.items()
    ]
    return {"inputs": inputs, **extra}


@pytest.mark.parametrize("is_flat", [True, False])
def test_tensors_in_json_are_filled_flat_or_nested(client, pair, is_flat):
    document = infer_json(pair, id="seven")
    if is_flat:
        for tensor in document["inputs"]:
            tensor["data"] = np.ravel(tensor["data"]).tolist()
    answer = client.post(INFER, content=json.dumps(document))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    (output,) = body["outputs"]
    assert (body["id"], body["model_name"], body["model_version"]) == ("seven", "fake", "1")
    filled = np.reshape(output["data"], output["shape"])
    np.testing.assert_array_equal(filled[0], expected(*pair))


def test_the_name_that_clients_of_kserve_repeat_is_taken(client, pair):
    document = infer_json(pair, model_name="fake", id=None)
    assert client.post(INFER, content=json.dumps(document)).status_code == 200


def test_files_travel_as_base64_in_json(client, pair):
    inputs = [
        {"name": name, "shape": [1], "datatype": "BYTES", "data": [b64(encode(each))["b64"]]}
        for name, each in zip(("image_bytes", "mask_bytes"), pair, strict=True)
    ]
    answer = client.post(INFER, content=json.dumps({"inputs": inputs}))
    assert answer.status_code == 200, answer.text
    (output,) = answer.json()["outputs"]
    assert output["parameters"] == {"content_type": "base64"}
    filled = decode(base64.b64decode(output["data"][0]))
    np.testing.assert_array_equal(filled, expected(*pair))


def test_health_and_metadata_of_the_protocol(client):
    assert client.get("/v2/health/live").status_code == 200
    assert client.get("/v2/health/ready").status_code == 200
    assert client.get("/v2/models/fake/ready").json() == {"name": "fake", "ready": True}
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    metadata = client.get("/v2/models/fake").json()
    assert [each["name"] for each in metadata["inputs"]] == ["images", "masks"]


# --- load, time, key, versions


def in_threads(function, num):
    results = [None] * num

    def run(index):
        results[index] = function()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(num)]
    for thread in threads:
        thread.start()
    return threads, results


def wait_until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def post_pair(served, pair):
    files = {"photo": encode(pair[0]), "mask": encode(pair[1])}
    return served.client.post("/inpaint", files=files)


def test_requests_of_one_size_share_a_batch_of_the_network(serve, pair):
    served = serve(max_batch_size=4)
    served.generator.may_go.clear()
    first, _ = in_threads(lambda: post_pair(served, pair), 1)
    served.generator.has_begun.wait(10)
    others, answers = in_threads(lambda: post_pair(served, pair), 4)
    wait_until(lambda: served.keeper.current.num_waiting == 4)
    served.generator.may_go.set()
    for thread in first + others:
        thread.join(20)
    assert served.generator.batch_sizes == [1, 4]
    for answer in answers:
        np.testing.assert_array_equal(decode(answer.content), expected(*pair))
    assert "keras_inpaint_batch_size_count 2.0" in served.client.get("/metrics").text


def test_beyond_the_limit_of_requests_the_answer_is_429_with_a_time(serve, pair):
    served = serve(max_requests=2, workers=2)
    served.generator.may_go.clear()
    threads, answers = in_threads(lambda: post_pair(served, pair), 2)
    wait_until(lambda: served.server.admission.num == 2)
    refused = post_pair(served, pair)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert served.client.get("/healthz").status_code == 200
    served.generator.may_go.set()
    for thread in threads:
        thread.join(20)
    assert [answer.status_code for answer in answers] == [200, 200]
    check_answers_rightly(served.client)


def test_when_the_time_is_over_the_work_is_given_up(serve, pair):
    served = serve(timeout=2.0, max_batch_size=1)
    served.generator.may_go.clear()
    first, _ = in_threads(lambda: post_pair(served, pair), 1)
    served.generator.has_begun.wait(10)
    late = post_pair(served, pair)
    assert late.status_code == 504
    assert "given up" in late.json()["error"]
    first[0].join(20)
    served.generator.may_go.set()
    wait_until(lambda: served.server.admission.num == 0 and served.generator.batch_sizes)
    # The second never came to the network.
    assert served.generator.batch_sizes == [1]


def test_an_error_of_the_network_in_a_batch_is_not_shared(serve, pair):
    served = serve()
    served.generator.error = MemoryError()
    answer = post_pair(served, pair)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    served.generator.error = None
    check_answers_rightly(served.client)


def test_with_a_key_only_probes_are_open(serve, pair):
    served = serve(key="secret")
    assert served.client.get("/readyz").status_code == 200
    assert served.client.get("/v2/health/live").status_code == 200
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic secret"}):
        answer = served.client.get("/metrics", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    headers = {"Authorization": "Bearer secret"}
    assert served.client.get("/metrics", headers=headers).status_code == 200
    assert served.client.post(PREDICT, content=b"x" * 2**20).status_code == 401


def test_a_new_version_answers_and_the_old_one_ends_what_it_began(serve, pair):
    served = serve()
    old = served.generator
    old.may_go.clear()
    threads, answers = in_threads(lambda: post_pair(served, pair), 1)
    old.has_begun.wait(10)
    served.source.version = 2
    assert served.keeper.refresh()
    check_answers_rightly(served.client)
    assert served.generator.batch_sizes == [1]
    old.may_go.set()
    threads[0].join(20)
    assert answers[0].status_code == 200
    assert old.batch_sizes == [1]
    assert served.client.get("/v1/models/fake/versions/1").status_code == 404
    assert served.client.get("/v1/models/fake/versions/2").status_code == 200


def test_a_version_that_cannot_be_loaded_leaves_the_old_one(serve, caplog):
    served = serve()
    served.source.version, served.source.error = 2, ValueError("it is damaged")
    assert not served.keeper.refresh()
    assert "Version 2 of fake cannot be loaded, version 1 stays: it is damaged" in caplog.text
    check_answers_rightly(served.client)


def test_the_openapi_document_names_every_route(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/inpaint", PREDICT.replace("fake", "{name}"), "/v2/models/{name}/infer"} <= set(
        paths
    )


def test_a_mask_of_another_size_is_refused_with_both_sizes(client, pair):
    photo, mask = pair
    files = {"photo": encode(photo), "mask": encode(mask[:, :40])}
    error = client.post("/inpaint", files=files).json()["error"]
    assert "`mask`: The mask must be of the photo's size, 64 x 48 pixels." in error
    assert error.endswith("Received: a mask of 40 x 48")


def test_nobody_works_for_a_client_that_has_gone(serve, pair):
    served = serve(max_batch_size=1)
    served.generator.may_go.clear()
    first, _ = in_threads(lambda: post_pair(served, pair), 1)
    served.generator.has_begun.wait(10)
    request = served.client.build_request(
        "POST", "/inpaint", files={"photo": encode(pair[0]), "mask": encode(pair[1])}
    )
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/inpaint",
        "raw_path": b"/inpaint",
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
    }
    body, sent = request.read(), []

    async def send(message):
        sent.append(message)

    async def call():
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive():
            for message in messages:
                return message
            while not served.keeper.current.num_waiting:
                await asyncio.sleep(0.01)
            return {"type": "http.disconnect"}

        await served.app(scope, receive, send)
        # Its thread ends at the next look, before the network is free.
        async with asyncio.timeout(10):
            while served.server.admission.num > 1:
                await asyncio.sleep(0.01)

    asyncio.run(call())
    assert sent == []
    served.generator.may_go.set()
    first[0].join(20)
    assert served.generator.batch_sizes == [1]


def test_what_came_before_the_server_began_to_end_is_answered(serve, pair):
    served = serve()
    answers = []

    async def call(begins_to_end):
        request = served.client.build_request(
            "POST", "/inpaint", files={"photo": encode(pair[0]), "mask": encode(pair[1])}
        )
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        scope = {"type": "http", "method": "POST", "path": "/inpaint", "raw_path": b"/inpaint"}
        messages = [{"type": "http.request", "body": request.read(), "more_body": False}]

        async def receive():
            if not messages:
                await asyncio.sleep(60)
            if begins_to_end:
                answers.append(asyncio.ensure_future(served.server.drain()))
                await asyncio.sleep(0)
            return messages.pop()

        async def send(message):
            if message["type"] == "http.response.start":
                # Not before the answer is sent.
                assert not begins_to_end or not answers[0].done()
                answers.append(message["status"])

        await served.app({**scope, "query_string": b"", "headers": headers}, receive, send)

    async def both():
        await call(begins_to_end=True)
        await asyncio.wait_for(answers[0], 10)
        await call(begins_to_end=False)

    asyncio.run(both())
    assert answers[1:] == [200, 503]
