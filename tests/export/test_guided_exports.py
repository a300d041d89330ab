"""Exports of guided generators: sketches as an input of every format."""

import io
import json

import keras
import numpy as np
import pytest
from PIL import Image

tf = pytest.importorskip("tensorflow")

from keras_inpaint import Inpainter, export_litert, export_onnx, export_saved_model  # noqa: E402
from keras_inpaint.export.graph import check_files, check_pairs  # noqa: E402
from keras_inpaint.export.parity import check_filling  # noqa: E402
from keras_inpaint.export.signatures import Signatures  # noqa: E402
from keras_inpaint.models import Generator  # noqa: E402

# Of holes: (-0.5 + 1) * 127.5, and on the lines (0.5 + 1) * 127.5.
PAPER, INK = 64, 191


class Draughtsman(keras.Model):
    """A guided network that darkens what it sees and draws the sketch on it, brightly."""

    channels, size_multiple, guided = 3, 8, True

    def __init__(self):
        super().__init__()
        self.ink = keras.layers.Dense(3, use_bias=False, kernel_initializer="ones")

    def call(self, inputs):
        return {"refined": 0.5 * inputs["corrupted"] - 0.5 + self.ink(inputs["sketches"])}


@pytest.fixture(scope="module")
def inpainter():
    return Inpainter(Draughtsman(), "draughtsman", image_size=64)


@pytest.fixture(scope="module")
def version(inpainter, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "draughtsman"
    return export_saved_model(inpainter, folder, max_pixels=2**16)


@pytest.fixture(scope="module")
def model(version):
    return tf.saved_model.load(version)


@pytest.fixture(scope="module")
def onnx_path(inpainter, tmp_path_factory):
    for name in ("onnx", "onnxruntime", "tf2onnx"):
        pytest.importorskip(name)
    return export_onnx(inpainter, tmp_path_factory.mktemp("onnx") / "draughtsman.onnx")


@pytest.fixture(scope="module")
def drawing():
    """A photo and a mask of one hole, a line through it, and what is to be seen then."""
    photo = np.random.default_rng(0).integers(0, 256, (33, 47, 3), np.uint8)
    mask, sketch = np.zeros((2, 33, 47), np.uint8)
    mask[8:20, 10:30] = 255
    sketch[12:14] = 255
    filled = photo.copy()
    filled[8:20, 10:30] = PAPER
    filled[12:14, 10:30] = INK
    return photo, mask, sketch, filled


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def tensors(photo, mask, sketch):
    arrays = {"images": photo[None], "masks": mask[None, ..., None]}
    return arrays | {"sketches": sketch[None, ..., None]}


def files(photo, mask, sketch):
    named = {"image_bytes": photo, "mask_bytes": mask, "sketch_bytes": sketch}
    return {name: tf.constant([png(pixels)]) for name, pixels in named.items()}


def completed(signatures, photo, mask, sketches):
    """What both signatures fill by each of several sketches, which must be the same."""
    given = [tensors(photo, mask, sketch) for sketch in sketches]
    arrays = {name: tf.concat([each[name] for each in given], axis=0) for name in given[0]}
    filled = signatures["serving_default"](**arrays)["completed"].numpy()
    given = [files(photo, mask, sketch) for sketch in sketches]
    contents = {name: tf.concat([each[name] for each in given], axis=0) for name in given[0]}
    found = signatures["serving_bytes"](**contents)["completed_bytes"].numpy()
    decoded = [np.asarray(Image.open(io.BytesIO(file))) for file in found]
    np.testing.assert_array_equal(decoded, filled)
    return filled


def test_each_signature_of_a_saved_model_takes_sketches_last(model):
    inputs = {
        name: {key: spec.dtype.name for key, spec in each.structured_input_signature[1].items()}
        for name, each in model.signatures.items()
    }
    assert inputs == {
        "serving_default": {"images": "uint8", "masks": "uint8", "sketches": "uint8"},
        "serving_bytes": dict.fromkeys(("image_bytes", "mask_bytes", "sketch_bytes"), "string"),
        "features": {"corrupted": "float32", "masks": "float32", "sketches": "float32"},
    }


def test_lines_are_drawn_in_the_hole_alone_and_read_as_masks_are(model, inpainter, drawing):
    photo, mask, sketch, filled = drawing
    np.testing.assert_array_equal(inpainter.inpaint(photo, mask, sketch=sketch), filled)
    soft = np.where(sketch > 0, 128, 127).astype("uint8")
    soft[20] = 0
    plain = np.where(filled == INK, PAPER, filled)
    plain[mask == 0] = photo[mask == 0]
    # One value, whichever, draws nothing.
    nothing = [np.full_like(sketch, value) for value in (0, 255)]
    sketches = [sketch, sketch // 255, soft, *nothing]
    wanted = [filled] * 3 + [plain] * 2
    found = completed(model.signatures, photo, mask, sketches)
    np.testing.assert_array_equal(found, wanted)


def test_sketches_that_are_unclear_or_do_not_fit_are_named(model, drawing):
    photo, mask, sketch, _ = drawing
    cases = [
        (sketch // 255 * 90, r"\[0\]` must be above 127 on the lines.*\[0 90\]"),
        (sketch[:20], r"` must have the height and width of `images`|of its picture"),
    ]
    for wrong, message in cases:
        for give, name, field in (
            (tensors, "serving_default", "sketches"),
            (files, "serving_bytes", "sketch_bytes"),
        ):
            given = {key: tf.constant(each) for key, each in give(photo, mask, wrong).items()}
            with pytest.raises(tf.errors.InvalidArgumentError, match=message) as caught:
                model.signatures[name](**given)
            assert f"`{field}" in str(caught.value)


def test_a_sketch_has_the_limit_of_pixels_in_its_header_too(drawing):
    photo, mask, sketch, _ = drawing
    given = files(photo, mask, np.zeros((400, 400), np.uint8))
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match=r"`sketch_bytes\[0\]` must have at most 65536 pixels.*400 400",
    ):
        check_files(**given, max_pixels=2**16)
    given = files(photo, mask, sketch) | {"sketch_bytes": tf.constant([b"none"])}
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`sketch_bytes\[0\]` cannot be"):
        check_files(**given)


def test_there_is_one_sketch_for_each_picture(drawing):
    photo, mask, sketch, _ = drawing
    message = "one sketch for each of `image.*Received: 2 sketches, 1 pictures"
    given = files(photo, mask, sketch) | {"sketch_bytes": tf.constant([png(sketch)] * 2)}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        check_files(**given)
    images, masks, sketches = map(tf.constant, tensors(photo, mask, sketch).values())
    twice = tf.repeat(sketches, 2, axis=0)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        check_pairs(images, masks, ("images", "masks"), sketches=twice)


def test_requests_that_warm_a_server_up_draw_lines(version, model):
    logs = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    path = str(version / "assets.extra" / "tf_serving_warmup_requests")
    for record in tf.data.TFRecordDataset(path):
        request = logs.PredictionLog.FromString(record.numpy()).predict_log.request
        (_, specs) = model.signatures[
            request.model_spec.signature_name
        ].structured_input_signature
        given = {key: tf.make_ndarray(proto) for key, proto in request.inputs.items()}
        assert set(given) == set(specs)
        for key, array in given.items():
            assert specs[key].is_compatible_with(tf.constant(array))
        if "sketches" in given:
            lines = given["sketches"][given["masks"] > 0]
            assert 0 < lines.astype(bool).sum() < lines.size


def test_an_export_that_draws_no_lines_is_told_from_its_inpainter(inpainter):
    with pytest.raises(ValueError, match=f"a difference of {INK - PAPER} levels"):
        check_filling(
            inpainter,
            [lambda photos, masks, sketches: inpainter.inpaint_batch(photos, masks)],
        )


@pytest.mark.parametrize("kind", ["saved model", "onnx"])
def test_what_was_exported_follows_a_sketch_window_by_window(
    inpainter, kind, version, make_pictures, request
):
    exported = (
        Inpainter.from_saved_model(version)
        if kind == "saved model"
        else Inpainter.from_onnx(request.getfixturevalue("onnx_path"))
    )
    (photo,), (mask,) = make_pictures(1, 150, 200)
    sketch = np.zeros((150, 200), np.uint8)
    sketch[::7] = 255
    for options in ({"method": "crop", "feather": 3, "detail": "none"}, {"method": "whole"}):
        wanted, plain = (
            inpainter.inpaint(photo, mask, sketch=each, **options) for each in (sketch, None)
        )
        filled = exported.inpaint(photo, mask, sketch=sketch, **options)
        # Feathering rounds once more.
        assert np.abs(filled.astype(int) - wanted).max() <= 2
        assert np.abs(plain.astype(int) - wanted).max() > 100
        filled = exported.inpaint(photo, mask, **options)
        assert np.abs(filled.astype(int) - plain).max() <= 2


def test_a_hole_all_over_may_be_a_line_all_over(inpainter, onnx_path):
    photo, everywhere = np.full((64, 72, 3), 9, "uint8"), np.ones((64, 72), bool)
    exported = Inpainter.from_onnx(onnx_path)
    assert (exported.inpaint(photo, everywhere, sketch=everywhere) == INK).all()
    assert (exported.inpaint(photo, everywhere) == PAPER).all()


def test_an_onnx_file_says_that_it_takes_sketches(onnx_path):
    import onnx

    model = onnx.load(onnx_path)
    assert [each.name for each in model.graph.input] == ["images", "masks", "sketches"]
    (metadata,) = model.metadata_props
    assert json.loads(metadata.value)["guided"] is True


def test_an_onnx_file_is_evaluated_by_the_edges_of_the_photos(onnx_path, tmp_path, capsys):
    from keras_inpaint.cli.main import main

    photo = np.full((64, 64, 3), 255, np.uint8)
    photo[:, 32:] = 0
    Image.fromarray(photo).save(tmp_path / "photo.png")
    command = ["evaluate", "--data", str(tmp_path), "--preset", str(onnx_path)]
    assert main([*command, "--image-size", "64"]) == 0
    assert "draughtsman is guided: EdgeSketch draws" in capsys.readouterr().err


def test_a_litert_file_takes_a_sketch(inpainter, drawing, tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    path = export_litert(inpainter, tmp_path / "model.tflite", (33, 47))
    runner = interpreter.Interpreter(model_path=str(path)).get_signature_runner(
        "serving_default"
    )
    *pictures, filled = drawing
    np.testing.assert_array_equal(runner(**tensors(*pictures))["completed"][0], filled)


def test_the_graph_of_another_generator_takes_no_sketch(echo):
    signatures = Signatures(Inpainter(echo))
    with pytest.raises(TypeError):
        signatures.serving_default(*(tf.zeros((1, 8, 8, num), tf.uint8) for num in (3, 1, 1)))


def test_a_server_of_an_export_follows_sketches(version, drawing):
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

    from keras_inpaint.serving import create_app

    *pictures, filled = drawing
    row = {name: each[0].tolist() for name, each in tensors(*pictures).items()}
    with TestClient(create_app(model=version.parent)) as client:
        answer = client.post(
            "/v1/models/draughtsman:predict", content=json.dumps({"instances": [row]})
        )
        assert answer.status_code == 200, answer.text
        np.testing.assert_array_equal(answer.json()["predictions"], [filled])
        names = ("photo", "mask", "sketch")
        sent = {name: png(pixels) for name, pixels in zip(names, pictures, strict=True)}
        answer = client.post("/inpaint", files=sent)
        assert answer.status_code == 200, answer.text
        found = np.asarray(Image.open(io.BytesIO(answer.content)))
        np.testing.assert_array_equal(found, filled)


@pytest.mark.slow
def test_a_preset_of_a_guided_network_is_exported_from_the_command_line(
    make_pictures, tmp_path
):
    from keras_inpaint.cli.main import main

    for name in ("onnx", "onnxruntime", "tf2onnx"):
        pytest.importorskip(name)
    generator = Generator.deepfill_v2(width=4, guided=True)
    kernel = np.zeros(generator.weights[0].shape, "float32")
    kernel[:, :, 3] = 1
    generator.weights[0].assign(kernel)
    preset = Inpainter(generator, image_size=64)
    preset.save_to_preset(tmp_path / "guided")
    (photo,), (mask,) = make_pictures(1, 75, 90)
    sketch = np.zeros((75, 90), np.uint8)
    sketch[30:33] = 255
    wanted, plain = (preset.inpaint(photo, mask, sketch=each) for each in (sketch, None))
    assert np.abs(wanted.astype(int) - plain).max() > 1
    command = ["export", "--preset", str(tmp_path / "guided"), "--output"]
    assert main([*command, str(tmp_path / "models")]) == 0
    assert main([*command, str(tmp_path / "guided.onnx"), "--format", "onnx"]) == 0
    for exported in (
        Inpainter.from_saved_model(tmp_path / "models" / "1"),
        Inpainter.from_onnx(tmp_path / "guided.onnx"),
    ):
        filled = exported.inpaint(photo, mask, sketch=sketch)
        assert np.abs(filled.astype(int) - wanted).max() <= 1
