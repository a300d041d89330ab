"""Bodies that nobody sends by accident: a 4xx in one line, and the next answer is right."""

import base64
import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from serving.fake_server import check_answers_rightly, encode, photo_and_mask

PREDICT = "/v1/models/fake:predict"
INFER = "/v2/models/fake/infer"
PHOTO, MASK = (encode(each) for each in photo_and_mask())


def text(content):
    return base64.b64encode(content).decode()


def nested(*shape, value=1):
    return np.full(shape, value).tolist()


def png_claiming(width, height, depth=8, colour=2, data=b""):
    """A PNG file whose header claims a size, whatever its data holds."""

    def chunk(kind, content):
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def jpeg_claiming(width, height):
    content = bytearray(encode(np.zeros((8, 8, 3), np.uint8), "JPEG"))
    start = content.index(b"\xff\xc0") + 5
    content[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def animation(kind, num=3):
    frames = [Image.new("RGB", (64, 48), (80 * index, 0, 0)) for index in range(num)]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


# --- files, in each of the places where one is taken

FILES = {
    "empty": b"",
    "a text": b"hello",
    "svg named png": b'<svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>',
    "html": b"<!doctype html><script>alert(1)</script>",
    "zip": b"PK\x03\x04" + b"\0" * 40,
    "truncated png": PHOTO[:300],
    "truncated jpeg": encode(photo_and_mask()[0], "JPEG")[:400],
    "png header alone": PHOTO[:33],
    "png signature alone": PHOTO[:8],
    "png of nothing": png_claiming(64, 48),
    "png bomb": png_claiming(30000, 30000, data=b"\0" * 1000),
    "png of 2 thousand million": png_claiming(2**31 - 1, 1),
    "png of no size": png_claiming(0, 0),
    "jpeg bomb": jpeg_claiming(65500, 65500),
    "bmp bomb": b"BM" + struct.pack("<4I2i2H24x", 70, 0, 54, 40, 2**30, 2**30, 1, 24),
    "webp bomb": b"RIFF\x1e\0\0\0WEBPVP8X\x0a" + b"\0" * 7 + b"\xff" * 6,
    "gif bomb": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b";",
    "tiff bomb": b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIII", 256, 4, 2**32 - 1, 8, 0),
    "animated png": animation("PNG"),
    "tiff of three pages": animation("TIFF"),
    "animated gif": animation("GIF"),
    "animated webp": animation("WEBP"),
    "photo of another size": encode(np.zeros((47, 64, 3), np.uint8)),
}  # fmt: skip
PLACES = ("photo", "mask", "image_bytes", "mask_bytes", "binary")


def send_file(client, content, place):
    pair = {"photo": PHOTO, "mask": MASK}
    if place in pair:
        return client.post("/inpaint", files=pair | {place: content})
    names = {"image_bytes": PHOTO, "mask_bytes": MASK}
    if place in names:
        row = {name: {"b64": text(each)} for name, each in (names | {place: content}).items()}
        body = {"signature_name": "serving_bytes", "instances": [row]}
        return client.post(PREDICT, content=json.dumps(body))
    files = [struct.pack("<I", len(each)) + each for each in (content, MASK)]
    inputs = [
        {
            "name": name,
            "shape": [1],
            "datatype": "BYTES",
            "parameters": {"binary_data_size": len(each)},
        }
        for name, each in zip(names, files, strict=True)
    ]
    head = json.dumps({"inputs": inputs}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    return client.post(INFER, content=head + b"".join(files), headers=headers)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_photo_is_refused_by_the_name_of_its_field(client, name, place):
    answer = send_file(client, FILES[name], place)
    check_refused(answer, (400, 413))
    if answer.status_code == 400:
        field = {"binary": "image_bytes"}.get(place, place)
        other = {"photo": "mask", "image_bytes": "mask_bytes"}.get(field, field)
        assert field in answer.text or (
            name == "photo of another size" and other in answer.text
        )


def check_refused(answer, statuses=(400,)):
    assert answer.status_code in statuses, answer.text[:500]
    message = answer.json()["error"]
    assert message
    assert "\n" not in message
    assert "Traceback" not in message
    assert "/tmp" not in message
    assert len(message) < 600


# --- bodies of TensorFlow Serving's dialect

ROW = {"images": nested(8, 8, 3), "masks": nested(8, 8, 1)}
ROWS_OF = {name: [value] for name, value in ROW.items()}
TALLER = {"images": nested(9, 8, 3), "masks": nested(9, 8, 1)}


def row(changes):
    return {"instances": [ROW | changes]}


def columns(*files):
    inputs = {name: list(files) for name in ("image_bytes", "mask_bytes")}
    return {"signature_name": "serving_bytes", "inputs": inputs}


ROWS = {
    "nothing": (b"", "no valid JSON"),
    "no json": (b"hello", "no valid JSON"),
    "half of it": (b'{"instances": [', "no valid JSON"),
    "not utf-8": (b'{"instances": "\xff"}', "UTF-8"),
    "utf-16": ('{"instances": 1}'.encode("utf-16"), "UTF-8"),
    "a list": ([], "JSON object"),
    "a number": (7, "JSON object"),
    "null": (None, "JSON object"),
    "nan": (b'{"instances": NaN}', "NaN is no number"),
    "infinity": (b'{"instances": [-Infinity]}', "Infinity is no number"),
    "a number that is too large": (b'{"instances": 1e999}', "too large"),
    "a number of 5000 digits": (b'{"instances": ' + b"1" * 5000 + b"}", "no valid JSON"),
    "deep": (b'{"instances": ' + b"[" * 100000, "nested too deeply"),
    "a name twice": (b'{"instances": 1, "instances": 2}', "'instances' stands there twice"),
    "neither": ({}, "either `instances`"),
    "both": ({"instances": [], "inputs": {}}, "either `instances`"),
    "an unknown name": ({"instances": [ROW], "signatur_name": "x"}, "signatur_name"),
    "an unknown signature": ({"instances": [ROW], "signature_name": "no"}, "signature_name"),
    "a signature that is a list": ({"instances": [ROW], "signature_name": ["x"]}, "signature_"),
    "no rows": ({"instances": []}, "instances"),
    "rows of numbers": ({"instances": [1]}, r"instances\[0\]"),
    "a missing mask": ({"instances": [{"images": ROW["images"]}]}, "masks"),
    "a field too many": (row({"extra": 1}), "extra"),
    "images of text": (row({"images": "x"}), "images"),
    "images of null": (row({"images": None}), "images"),
    "ragged": (row({"images": [[[1, 2, 3]], []]}), "images"),
    "ragged in depth": (row({"images": [[[1, 2, 3]], [7]]}), "images"),
    "empty": (row({"images": [[]]}), "images"),
    "two channels": (row({"images": nested(8, 8, 2)}), "images"),
    "one row of two sizes": ({"instances": [ROW, TALLER]}, "one size"),
    "texts of digits": (row({"masks": nested(8, 8, 1, value="1")}), "masks"),
    "true": (row({"masks": nested(8, 8, 1, value=True)}), "masks"),
    "fractions": (row({"images": nested(8, 8, 3, value=0.5)}), "images"),
    "256": (row({"images": nested(8, 8, 3, value=256)}), "0 to 255"),
    "minus one": (row({"images": nested(8, 8, 3, value=-1)}), "0 to 255"),
    "beyond 64 bits": (row({"images": nested(8, 8, 3, value=10**30)}), "0 to 255"),
    "masks of another size": (row({"masks": nested(8, 9, 1)}), "masks"),
    "more images": ({"inputs": ROWS_OF | {"images": 2 * [ROW["images"]]}}, "masks"),
    "columns in a list": ({"inputs": [1]}, "inputs"),
    "files as text": (columns("x"), "image_bytes"),
    "files of no base64": (columns({"b64": "!"}), "image_bytes.*base64"),
    "files of no ascii": (columns({"b64": "ä"}), "image_bytes.*base64"),
    "files of a number": (columns({"b64": 7}), "image_bytes.*base64"),
    "no files": (columns(), "mask_bytes"),
    "half a surrogate": (b'{"instances": [1], "signature_name": "\\ud800"}', "signature_name"),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_a_malformed_request_to_predict_is_refused_in_one_line(client, name):
    body, message = ROWS[name]
    content = body if isinstance(body, bytes) else json.dumps(body)
    answer = client.post(PREDICT, content=content)
    check_refused(answer)
    assert_says(answer, message)


def assert_says(answer, message):
    with pytest.raises(ValueError, match=message):
        raise ValueError(answer.json()["error"])


# --- bodies of the Open Inference Protocol

IMAGES = {"name": "images", "shape": [1, 8, 8, 3], "datatype": "UINT8", "data": [1] * 192}
MASKS = {"name": "masks", "shape": [1, 8, 8, 1], "datatype": "UINT8", "data": [1] * 64}


def tensors(**changes):
    image = {name: value for name, value in (IMAGES | changes).items() if value is not ...}
    return {"inputs": [image, MASKS]}


def output(parameters):
    return {"outputs": [{"name": "completed", "parameters": parameters}]}


def files_of(name, value):
    return {"name": name, "shape": [1], "datatype": "BYTES", "data": [value]}


BINARY = {"data": ..., "parameters": {"binary_data_size": 192}}
TENSORS = {
    "no inputs": ({}, "inputs"),
    "inputs of an object": ({"inputs": {}}, "inputs"),
    "inputs of nothing": ({"inputs": []}, "inputs"),
    "inputs of numbers": ({"inputs": [1, 2]}, r"inputs\[0\]"),
    "one input": ({"inputs": [MASKS]}, "inputs"),
    "three inputs": ({"inputs": [IMAGES, MASKS, IMAGES | {"name": "more"}]}, "inputs"),
    "an input twice": ({"inputs": [MASKS, MASKS]}, "once"),
    "a name of a list": (tensors(name=[]), "name"),
    "no name": (tensors(name=...), "name"),
    "no shape": (tensors(shape=...), "shape"),
    "a shape of text": (tensors(shape="1,8,8,3"), "images.shape"),
    "a shape of true": (tensors(shape=[True, 8, 8, 3]), "images.shape"),
    "a negative shape": (tensors(shape=[-1, 8, 8, 3]), "images.shape"),
    "a shape of zero": (tensors(shape=[0, 8, 8, 3]), "images.shape"),
    "four channels": (tensors(shape=[1, 8, 8, 4]), "images.shape"),
    "three axes": (tensors(shape=[8, 8, 3]), "images.shape"),
    "another shape": (tensors(shape=[1, 8, 9, 3]), "images"),
    "float": (tensors(datatype="FP32"), "images.datatype"),
    "a datatype of a list": (tensors(datatype=["UINT8"]), "images.datatype"),
    "too few values": (tensors(data=[1]), "192 values"),
    "values of text": (tensors(data=["1"] * 192), "images.data"),
    "values of 256": (tensors(data=[256] * 192), "0 to 255"),
    "values beyond 64 bits": (tensors(data=[2**80] * 192), "0 to 255"),
    "data of a number": (tensors(data=7), "images.data"),
    "neither data nor size": (tensors(data=...), "either `data`"),
    "data and size": (tensors(parameters={"binary_data_size": 1}), "either `data`"),
    "parameters of a list": (tensors(parameters=[1]), "parameters"),
    "binary data that are not there": (tensors(**BINARY), "binary_data_size"),
    "a negative size": (tensors(data=..., parameters={"binary_data_size": -1}), "data_size"),
    "a size of text": (tensors(data=..., parameters={"binary_data_size": "1"}), "data_size"),
    "an unknown output": (tensors() | {"outputs": [{"name": "refined"}]}, r"outputs\[0\].name"),
    "outputs of a number": (tensors() | {"outputs": 7}, "outputs"),
    "a classification": (tensors() | output({"classification": 1}), "classification"),
    "binary perhaps": (tensors() | output({"binary_data": "perhaps"}), "binary_data"),
    "an id of a number": (tensors() | {"id": 7}, "id"),
    "a 7": ({"inputs": [files_of("image_bytes", 7), files_of("mask_bytes", 7)]}, "image"),
}  # fmt: skip


@pytest.mark.parametrize("name", TENSORS)
def test_malformed_tensors_are_refused_in_one_line(client, name):
    body, message = TENSORS[name]
    answer = client.post(INFER, content=json.dumps(body))
    check_refused(answer)
    assert_says(answer, message)


def test_a_shape_beyond_all_memory_is_413(client):
    body = tensors(shape=[10**9, 10**9, 10**9, 3])
    check_refused(client.post(INFER, content=json.dumps(body)), (413,))


@pytest.mark.parametrize("length", ["-1", "x", "", "1" * 30, "999999999", "٣", "1.5"])
def test_a_wrong_length_of_the_json_is_refused(client, length):
    headers = {"Inference-Header-Content-Length": length.encode()}
    answer = client.post(INFER, content=json.dumps(tensors()), headers=headers)
    check_refused(answer)
    assert "Inference-Header-Content-Length" in answer.text


@pytest.mark.parametrize(
    "elements", [b"\xff\xff\xff\xff", b"\0", struct.pack("<I", 9) + b"8 bytes.", b""]
)
def test_elements_that_end_before_their_length_are_refused(client, elements):
    inputs = [
        {
            "name": name,
            "shape": [1],
            "datatype": "BYTES",
            "parameters": {"binary_data_size": len(elements)},
        }
        for name in ("image_bytes", "mask_bytes")
    ]
    head = json.dumps({"inputs": inputs}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = client.post(INFER, content=head + 2 * elements, headers=headers)
    check_refused(answer)
    assert "image_bytes" in answer.text


# --- forms

BOUNDARY = {"Content-Type": "multipart/form-data; boundary=x"}
DISPOSITION = b'--x\r\nContent-Disposition: form-data; name="photo"'


def wish(**data):
    return {"files": {"photo": PHOTO, "mask": MASK}, "data": data}


def raw(content, more=""):
    headers = {"Content-Type": BOUNDARY["Content-Type"] + more}
    return {"content": content, "headers": headers}


FORMS = {
    "nothing": ({}, "photo"),
    "json": ({"content": b"{}"}, "photo"),
    "no boundary": ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, ""),
    "no parts": (raw(b"x"), ""),
    "half a part": (raw(DISPOSITION), ""),
    "a part without a name": (raw(b"--x\r\n\r\nhello\r\n--x--\r\n"), ""),
    "a strange charset": (raw(DISPOSITION + b"\r\n\r\n\xff\r\n--x--", "; charset=none"), ""),
    "a photo of text": ({"data": {"photo": "x", "mask": "y"}}, "photo"),
    "no mask": ({"files": {"photo": PHOTO}}, "mask"),
    "a photo twice": ({"files": 2 * [("photo", PHOTO)] + [("mask", MASK)]}, "photo"),
    "an unknown field": (wish(feathr=1), "feathr"),
    "feather of text": (wish(feather="many"), "feather"),
    "feather below 0": (wish(feather=-1), "feather"),
    "feather beyond all": (wish(feather=10**30), "feather"),
    "feather of nan": (wish(feather="nan"), "feather"),
    "grow of a fraction": (wish(grow="1.5"), "grow"),
    "another method": (wish(method="magic"), "method"),
    "a photograph for a mask": ({"files": {"photo": PHOTO, "mask": PHOTO}}, "mask"),
    "no transparency": ({"files": {"photo": PHOTO}, "data": {"mask_from_alpha": True}}, "mask"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_a_malformed_form_is_refused_by_the_name_of_the_field(client, name):
    arguments, message = FORMS[name]
    answer = client.post("/inpaint", **arguments)
    check_refused(answer)
    assert message in answer.text


@pytest.mark.parametrize("path", ["/inpaint", PREDICT, INFER])
def test_bodies_beyond_the_limit_are_413_with_and_without_a_length(serve, path):
    served = serve(max_body=10**5)
    for content in (b"x" * 200_000, iter([b"x" * 60_000] * 3)):
        check_refused(served.client.post(path, content=content), (413,))
    assert served.server.bodies.total == 0
    check_answers_rightly(served.client)


def test_more_pixels_or_pictures_than_the_limits_are_413(serve):
    served = serve(max_pixels=3000, max_pictures=2)
    files = {"photo": PHOTO, "mask": MASK}
    check_refused(served.client.post("/inpaint", files=files), (413,))
    rows = {"instances": 3 * [ROW]}
    check_refused(served.client.post(PREDICT, content=json.dumps(rows)), (413,))
    served = serve(max_json=100)
    check_refused(served.client.post(PREDICT, content=json.dumps(rows)), (413,))


def test_more_memory_than_the_limit_is_413(serve):
    served = serve(memory=10**6)
    files = {"photo": PHOTO, "mask": MASK}
    check_refused(served.client.post("/inpaint", files=files), (413,))


def test_compressed_bodies_are_415(client):
    for coding in ("gzip", "deflate", "br", "x"):
        headers = {"Content-Encoding": coding}
        check_refused(client.post(PREDICT, content=b"x", headers=headers), (415,))


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_405_and_say_which_is_right(client, method):
    # To read the status of a model of this name is a request of its own, and answered 404.
    for path in ("/inpaint", INFER) + (() if method == "GET" else (PREDICT,)):
        answer = client.request(method, path)
        check_refused(answer, (405,))
        assert answer.headers["allow"] == "POST"
        expected = f"{path!r} takes POST alone. Received: {method}"
        assert answer.json()["error"] == expected


def test_after_all_of_this_the_answer_is_right(client, served):
    check_answers_rightly(client)
    assert served.server.admission.num == 0
    assert served.server.budget.used == 0
    assert served.server.bodies.total == 0
