import keras
import numpy as np
import pytest
from PIL import Image

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow only"
)

import keras_inpaint.export  # noqa: E402
import keras_inpaint.serving  # noqa: E402
from keras_inpaint import Inpainter  # noqa: E402
from keras_inpaint.cli import presets  # noqa: E402
from keras_inpaint.cli.main import main  # noqa: E402
from keras_inpaint.export.saved_model import MAX_PIXELS  # noqa: E402


class Echo(keras.Model):
    """Predicts what it sees."""

    channels, size_multiple = 3, 8

    def call(self, inputs):
        return {"refined": inputs["corrupted"]}


@pytest.fixture
def asked(monkeypatch):
    """The presets asked for; all are an echo, quick to export."""
    asked = []

    def load(preset):
        asked.append(preset)
        return Inpainter(Echo())

    monkeypatch.setattr(presets, "check_preset", lambda preset: None)
    monkeypatch.setattr(presets, "load_inpainter", load)
    return asked


def test_export_prints_where_the_version_is(asked, tmp_path, capfd):
    output = tmp_path / "saved_models" / "echo"
    (output / "4").mkdir(parents=True)
    assert main(["export", "--output", str(output), "--preset", "mine"]) == 0
    told = capfd.readouterr()
    assert told.out == f"{output / '5'}\n"
    assert told.err == ""
    assert "serving_default" in tf.saved_model.load(output / "5").signatures
    assert asked == ["mine"]


def test_the_page_is_written_by_its_format(asked, monkeypatch, tmp_path, capfd):
    written = []

    def export(inpainter, folder):
        written.append((type(inpainter.generator), folder))
        return folder

    monkeypatch.setattr(keras_inpaint.serving, "export_page", export)
    words = ["export", "--format", "page", "--output", str(tmp_path / "site")]
    assert main(words) == 0
    assert written == [(Echo, tmp_path / "site")]
    assert capfd.readouterr().out == f"{tmp_path / 'site'}\n"
    assert main([*words, "--max-pixels", "100"]) == 2
    assert "--max-pixels is no option of --format page" in capfd.readouterr().err


def test_limit_of_pixels_is_that_of_the_option(asked, monkeypatch, tmp_path, capsys):
    limits = []

    def export(inpainter, folder, max_pixels="default"):
        limits.append(max_pixels)
        return folder / "1"

    monkeypatch.setattr(keras_inpaint.export, "export_saved_model", export)
    words = ["export", "--output", str(tmp_path / "model")]
    for option in ([], ["--max-pixels", "100000"], ["--max-pixels", "0"]):
        assert main([*words, *option]) == 0
    assert limits == ["default", 100_000, None]
    assert main(["export", "--help"]) == 0
    assert f"(default: {MAX_PIXELS}," in " ".join(capsys.readouterr().out.split())


def test_an_onnx_file_is_written_and_takes_the_place_of_a_preset(
    asked, tmp_path, monkeypatch, capfd
):
    for library in ("onnx", "onnxruntime", "tf2onnx"):
        pytest.importorskip(library)
    path, filled = tmp_path / "echo.onnx", tmp_path / "filled.png"
    assert main(["export", "--format", "onnx", "--output", str(path)]) == 0
    told = capfd.readouterr()
    assert (told.out, told.err) == (f"{path}\n", "")
    monkeypatch.undo()
    photo = np.arange(40 * 50 * 3, dtype="uint8").reshape(40, 50, 3)
    mask = np.zeros((40, 50), "uint8")
    mask[10:20, 5:30] = 255
    for name, pixels in (("photo", photo), ("mask", mask)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    words = ["inpaint", str(tmp_path / "photo.png"), "--mask", str(tmp_path / "mask.png")]
    assert main([*words, "--output", str(filled), "--preset", str(path)]) == 0
    # An echo of the hole that it is shown: mid-grey.
    expected = np.where(mask[..., None] > 0, 128, photo)
    np.testing.assert_array_equal(np.asarray(Image.open(filled)), expected)
    missing = str(tmp_path / "missing.onnx")
    assert main([*words, "--output", str(filled), "--preset", missing]) == 2
    assert "no such ONNX file" in capfd.readouterr().err


def test_a_litert_file_of_one_size_is_written(asked, tmp_path, monkeypatch, capfd):
    pytest.importorskip("ai_edge_litert")
    path = tmp_path / "echo.tflite"
    words = ["--format", "litert", "--image-size", "48x72", "--output", str(path)]
    assert main(["export", *words, "--float16"]) == 0
    told = capfd.readouterr()
    assert (told.out, told.err) == (f"{path}\n", "")
    assert path.is_file()


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["--format", "onnx", "--output", "model"], "must end in .onnx"),
        (
            ["--format", "onnx", "--output", "a.onnx", "--max-pixels", "99999"],
            "--max-pixels is no option of --format onnx",
        ),
        (["--output", "model", "--float16"], "--float16 is no option of --format saved_model"),
        (
            ["--format", "onnx", "--output", "a.onnx", "--image-size", "64"],
            "takes pictures of any size",
        ),
        (["--format", "litert", "--output", "a.tflite"], "needs --image-size HxW"),
        (["--output", "model", "--max-pixels", "1000"], "at least 65536"),
        ([], "--output"),
        (["--output", "saved_models/echo/1"], "Leave out the number"),
        (["--output", "photos"], "append one"),
    ],
)
def test_wrong_use_of_export_is_told_in_one_line(
    asked, tmp_path, monkeypatch, capsys, words, advice
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("")
    assert main(["export", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert advice in error
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_export_of_no_preset_is_told_in_one_line(tmp_path, capsys):
    output = str(tmp_path / "model")
    assert main(["export", "--output", output, "--preset", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
