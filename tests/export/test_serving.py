"""The examples of docs/serving.md, run against a server that speaks as the real one."""

import pathlib
import re

import numpy as np
import pytest
from PIL import Image

tf = pytest.importorskip("tensorflow")
grpc = pytest.importorskip("grpc")
pytest.importorskip("tensorflow_serving")

from export.prediction_service import grpc_server, http_server  # noqa: E402
from tensorflow_serving.apis import (  # noqa: E402
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

pytestmark = pytest.mark.slow

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "serving.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


def example(word):
    (found,) = (text for text in EXAMPLES if word in text)
    return found


@pytest.fixture
def files(make_pictures, tmp_path, monkeypatch):
    """A photo and its mask, where the examples expect them."""
    monkeypatch.chdir(tmp_path)
    # Where the web is reached through a proxy, this machine is not.
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    photos, masks = make_pictures(1, 66, 90)
    Image.fromarray(photos[0]).save("photo.jpg", quality=95)
    Image.fromarray(masks[0, ..., 0]).save("mask.png")
    return np.asarray(Image.open("photo.jpg")), masks[0]


def check_filled(inpainter, files):
    photo, mask = files
    expected = inpainter.inpaint_batch(photo[None], mask[None])[0]
    filled = np.asarray(Image.open("filled.png"))
    assert np.abs(filled.astype(int) - expected).max() <= 1
    known = mask[..., 0] <= 127
    np.testing.assert_array_equal(filled[known], photo[known])


def test_clients_of_the_page_are_answered(inpainter, signatures, files):
    servers = (("urllib", "8501", http_server), ("import grpc", "8500", grpc_server))
    for word, documented, serve in servers:
        source = example(word)
        assert f"localhost:{documented}" in source
        with serve(signatures) as port:
            address = f"127.0.0.1:{port}"
            exec(source.replace(f"localhost:{documented}", address), {})
        check_filled(inpainter, files)
        pathlib.Path("filled.png").unlink()


def test_server_warms_up_and_refuses_what_is_wrong(version, signatures, make_pictures):
    path = str(version / "assets.extra" / "tf_serving_warmup_requests")
    logs = [
        prediction_log_pb2.PredictionLog.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(path)
    ]
    photos, masks = make_pictures(3, 30, 41)
    with (
        grpc_server(signatures) as port,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for log in logs:
            assert stub.Predict(log.predict_log.request).outputs
        request = predict_pb2.PredictRequest()
        request.inputs["images"].CopyFrom(tf.make_tensor_proto(photos))
        request.inputs["masks"].CopyFrom(tf.make_tensor_proto(masks))
        completed = tf.make_ndarray(stub.Predict(request).outputs["completed"])
        known = masks[..., 0] <= 127
        np.testing.assert_array_equal(completed[known], photos[known])

        request.inputs["masks"].CopyFrom(tf.make_tensor_proto(masks[:, :, 1:]))
        _refused(stub, request, "`masks` must have the height and width of `images`")
        request.model_spec.signature_name = "serving_bytes"
        request.inputs.clear()
        files = [tf.io.encode_png(photo).numpy() for photo in photos]
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([*files[:2], b"none"]))
        request.inputs["mask_bytes"].CopyFrom(tf.make_tensor_proto(files))
        _refused(stub, request, "`image_bytes[2]` cannot be decoded")


def _refused(stub, request, message):
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert message in caught.value.details()
