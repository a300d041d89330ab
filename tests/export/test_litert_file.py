"""An inpainter as LiteRT files: `export_litert`."""

import sys

import keras
import numpy as np
import pytest
from export.odd_networks import Untranslatable

pytest.importorskip("ai_edge_litert")

from ai_edge_litert.interpreter import Interpreter

from keras_inpaint import Inpainter, export_litert
from keras_inpaint.layers import PaddedConv2D


class Dilated(keras.Model):
    """A network of a dilated convolution, of enough weights for their size to be seen."""

    channels, size_multiple = 3, 8

    def __init__(self):
        super().__init__()
        self.wide = PaddedConv2D(64, 3, dilation_rate=2, activation="elu")
        self.narrow = PaddedConv2D(3, 3, activation="tanh")

    def call(self, inputs):
        return {"refined": self.narrow(self.wide(inputs["corrupted"]))}


@pytest.fixture(scope="module")
def inpainter():
    keras.utils.set_random_seed(0)
    return Inpainter(Dilated(), "dilated")


@pytest.mark.parametrize("float16", [False, True])
def test_a_file_of_one_size_fills_as_the_inpainter(inpainter, make_pictures, tmp_path, float16):
    path = export_litert(inpainter, tmp_path / "small.tflite", (50, 70), float16)
    assert path == tmp_path / "small.tflite"
    assert list(tmp_path.iterdir()) == [path]
    runner = Interpreter(model_path=str(path)).get_signature_runner("serving_default")
    photos, masks = make_pictures(1, 50, 70)
    wanted = inpainter.inpaint_batch(photos, masks).astype(int)
    completed = runner(images=photos, masks=masks)["completed"]
    assert completed.dtype == np.uint8
    assert np.abs(completed - wanted).max() <= 1
    known = masks[..., 0] <= 127
    np.testing.assert_array_equal(completed[known], photos[known])
    # Weights of 4 or 2 bytes, and a graph of about 10 kB.
    num_weights = inpainter.generator.count_params()
    assert abs(path.stat().st_size - (2 if float16 else 4) * num_weights) < 16_000


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("model.bin", {}, r"must end in \.tflite.*model\.bin"),
        ("model.tflite", {"image_size": (64, 0)}, "at least 1.*image_size=0"),
        ("model.tflite", {"image_size": (64, 64, 3)}, "height and width.*64, 64, 3"),
        ("model.tflite", {"image_size": 64}, "height and width.*64"),
    ],
)
def test_wrong_use_is_refused(inpainter, tmp_path, name, options, message):
    with pytest.raises(ValueError, match=message):
        export_litert(inpainter, tmp_path / name, **{"image_size": (64, 64), **options})
    assert not list(tmp_path.iterdir())


def test_where_litert_or_tensorflow_is_missing_it_says_what_to_do(
    inpainter, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'keras-inpaint\[litert\]'"):
        export_litert(inpainter, tmp_path / "model.tflite", (64, 64))
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"KERAS_BACKEND=tensorflow.*--format litert"):
        export_litert(inpainter, tmp_path / "model.tflite", (64, 64))
    assert not list(tmp_path.iterdir())


def test_operations_that_litert_has_not_are_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot be written for LiteRT"):
        export_litert(Inpainter(Untranslatable()), tmp_path / "model.tflite", (64, 64))
    assert not list(tmp_path.iterdir())
