import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
logs = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")

from keras_inpaint.export.warm_up import WARM_UP_FILE, prediction_log, write_warm_up  # noqa: E402


def requests(version):
    path = str(version / "assets.extra" / "tf_serving_warmup_requests")
    for record in tf.data.TFRecordDataset(path):
        yield logs.PredictionLog.FromString(record.numpy()).predict_log.request


def test_every_signature_has_a_request_that_fits(version, signatures):
    asked = []
    for request in requests(version):
        name = request.model_spec.signature_name
        (_, specs) = signatures[name].structured_input_signature
        assert set(request.inputs) == set(specs)
        for key, proto in request.inputs.items():
            assert specs[key].is_compatible_with(tf.constant(tf.make_ndarray(proto)))
        assert request.model_spec.name == "untrained"
        asked.append(name)
    assert sorted(asked) == ["features", "serving_bytes", "serving_default"]


@pytest.mark.parametrize(("image_size", "side"), [(40, 40), (None, 256)])
def test_pictures_have_the_size_that_the_network_learned(tmp_path, image_size, side):
    write_warm_up(tmp_path, "model", image_size)
    assert (tmp_path / WARM_UP_FILE).is_file()
    default, files, features = requests(tmp_path)
    assert tf.make_ndarray(default.inputs["images"]).shape == (1, side, side, 3)
    assert tf.make_ndarray(default.inputs["masks"]).max() == 255
    (mask,) = tf.make_ndarray(files.inputs["mask_bytes"])
    assert tf.io.decode_png(mask).shape == (side, side, 1)
    assert tf.make_ndarray(features.inputs["corrupted"]).dtype == np.float32


@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 16383, 16384, 3_000_000])
def test_messages_are_those_of_the_official_schema(size):
    # Lengths of one, two, three and four groups of 7 bits.
    array = np.arange(size, dtype=np.uint8)
    files = np.array([b"", b"\x00" * 200])
    written = prediction_log("mödel", "serving_default", {"images": array, "files": files})
    expected = logs.PredictionLog()
    request = expected.predict_log.request
    request.model_spec.name = "mödel"
    request.model_spec.signature_name = "serving_default"
    request.inputs["images"].CopyFrom(tf.make_tensor_proto(array))
    request.inputs["files"].CopyFrom(tf.make_tensor_proto(files))
    assert logs.PredictionLog.FromString(written) == expected
