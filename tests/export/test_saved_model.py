import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from export.odd_networks import Fickle

import keras_inpaint.export
from keras_inpaint import Inpainter, InpaintingGAN, export_saved_model
from keras_inpaint.losses import HingeObjective
from keras_inpaint.masks import Mosaic
from keras_inpaint.models import Generator, PatchCritic
from keras_inpaint.ops import fits_at_once

SIZES = [(1, 256, 256), (3, 256, 256), (1, 300, 451), (3, 300, 451)]
NO_LIMIT = 2**62

# Runs where neither the package nor Keras can be imported.
PROGRAM = """
import importlib.abc, importlib.machinery, json, sys

class Refused(importlib.abc.Loader):
    def exec_module(self, module):
        raise ModuleNotFoundError(f"No module named {module.__name__!r}")

class OnlyTensorFlow:
    # TensorFlow asks where Keras lies without importing it.
    def find_spec(self, name, path=None, target=None):
        if name in ("keras", "keras_inpaint", "tf_keras"):
            found = importlib.machinery.PathFinder.find_spec(name, path, target)
            spec = found or importlib.machinery.ModuleSpec(name, None)
            spec.loader = Refused()
            return spec

sys.meta_path.insert(0, OnlyTensorFlow())
for name in ("keras", "keras_inpaint"):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        continue
    raise AssertionError(f"{name} can be imported")

import numpy as np
import tensorflow as tf

version, inputs, outputs = sys.argv[1:]
model = tf.saved_model.load(version)
answers = {}
with np.load(inputs) as requests:
    for key in sorted({name.split(".")[0] for name in requests.files}):
        photos, masks = (tf.constant(requests[f"{key}.{kind}"]) for kind in ("photos", "masks"))
        answer = model.signatures["serving_default"](images=photos, masks=masks)
        answers[f"{key}.default"] = answer["completed"]
        files = [[tf.io.encode_png(one) for one in pictures] for pictures in (photos, masks)]
        answer = model.signatures["serving_bytes"](
            image_bytes=tf.stack(files[0]), mask_bytes=tf.stack(files[1])
        )
        answer = [tf.io.decode_png(file) for file in answer["completed_bytes"]]
        answers[f"{key}.bytes"] = np.stack(answer)
np.savez(outputs, **answers)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def answers_elsewhere(version, requests, folder):
    """What a process that has TensorFlow alone makes of requests, by size."""
    arrays = {
        f"{'x'.join(map(str, size))}.{kind}": array
        for size, pictures in requests.items()
        for kind, array in zip(("photos", "masks"), pictures, strict=True)
    }
    np.savez(folder / "requests.npz", **arrays)
    paths = [str(version), str(folder / "requests.npz"), str(folder / "answers.npz")]
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, *paths],
        cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    loaded = json.loads(answer.stdout.splitlines()[-1])
    assert "tensorflow" in loaded
    assert not {"keras", "keras_inpaint"} & set(loaded)
    with np.load(folder / "answers.npz") as file:
        return dict(file)


def check_answers(inpainter, version, sizes, make_pictures, folder):
    requests = {size: make_pictures(*size) for size in sizes}
    answers = answers_elsewhere(version, requests, folder)
    for size, (photos, masks) in requests.items():
        expected = inpainter.inpaint_batch(photos, masks, memory_limit=NO_LIMIT)
        known = masks[..., 0] <= 127
        for signature in ("default", "bytes"):
            found = answers[f"{'x'.join(map(str, size))}.{signature}"]
            assert found.dtype == np.uint8
            assert np.abs(found.astype(int) - expected).max() <= 1
            np.testing.assert_array_equal(found[known], photos[known])
            assert (found != photos)[~known].mean() > 0.5


def test_answers_where_only_tensorflow_is_installed(
    inpainter, version, make_pictures, tmp_path
):
    # The graph decides by each request whether its attention is worked on in blocks.
    memory = inpainter.generator.refine_network.attention.memory
    at_once = [
        fits_at_once(memory, (-(-height // 8), -(-width // 8)), num)
        for num, height, width in SIZES
    ]
    assert at_once == [True, True, True, False]
    check_answers(inpainter, version, SIZES, make_pictures, tmp_path)


@pytest.mark.slow
def test_answers_of_large_pictures(make_pictures, tmp_path):
    memory, sizes = 2**29, [(1, 768, 1024), (3, 384, 512)]
    # The attention of either size is worked on in blocks of lines.
    for num, height, width in sizes:
        assert not fits_at_once(memory, (height // 8, width // 8), num)
    inpainter = Inpainter(Generator.deepfill_v2(width=4, attention={"memory": memory}))
    version = inpainter.export(tmp_path / "model")
    check_answers(inpainter, version, sizes, make_pictures, tmp_path)


def test_the_hole_is_shown_where_something_stands_in_it(
    echo, make_pictures, tmp_path, monkeypatch
):
    tf = pytest.importorskip("tensorflow")
    # The numbers below check more, and what this does takes as long as the exports.
    monkeypatch.setattr(
        "keras_inpaint.export.parity.check_saved_model", lambda inpainter, folder: None
    )
    photos, masks = make_pictures(2, 30, 70)
    blanked = np.where(masks > 127, 128, photos)
    versions = []
    for corruption, expected in ((None, blanked), (Mosaic(8), photos)):
        version = Inpainter(echo, corruption=corruption).export(str(tmp_path / "echo"))
        answer = tf.saved_model.load(version).signatures["serving_default"](
            images=tf.constant(photos), masks=tf.constant(masks)
        )
        np.testing.assert_array_equal(answer["completed"], expected)
        versions.append(version)
    assert versions == [tmp_path / "echo" / "1", tmp_path / "echo" / "2"]
    assert sorted((tmp_path / "echo").iterdir()) == versions


def test_model_that_differs_is_not_kept(tmp_path):
    with pytest.raises(ValueError, match=r"a difference of \d+ levels in pictures of 2 x 80"):
        export_saved_model(Inpainter(Fickle()), tmp_path / "models" / "fickle")
    assert not list(tmp_path.iterdir())


def test_other_channels_are_refused(tmp_path):
    grey = Inpainter(Generator.deepfill_v2(width=4, channels=1))
    with pytest.raises(ValueError, match=r"colour pictures.*channels=1"):
        grey.export(tmp_path / "grey")
    assert not list(tmp_path.iterdir())


def test_other_backends_are_told_how(echo, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"KERAS_BACKEND=tensorflow.*backend='jax'"):
        export_saved_model(Inpainter(echo), tmp_path / "echo")


def test_the_old_export_of_a_training_model_warns(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        keras_inpaint.export, "export_saved_model", lambda *given: asked.append(given)
    )
    corruption = Mosaic(8)
    generator, critic = Generator.deepfill_v2(width=4), PatchCritic(4)
    gan = InpaintingGAN(generator, critic, HingeObjective(), corruption=corruption)
    with pytest.warns(DeprecationWarning, match=r"export_saved_model\(gan.inpainter"):
        gan.export(folder=tmp_path / "model")
    ((inpainter, folder),) = asked
    assert inpainter.generator is generator
    assert inpainter.corruption is corruption
    assert folder == tmp_path / "model"
