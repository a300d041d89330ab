"""Files of earlier versions load, on either backend, and compute what they computed.

Names that Keras registered and the keys of configs in these files have to be read for ever.
`tests/fixtures/make.py` shows what they hold.
"""

import json
import pathlib
import shutil
import tarfile

import keras
import numpy as np
import pytest

import keras_inpaint as ki
from keras_inpaint.cli.main import main

FIXTURES = pathlib.Path(__file__).parents[1] / "fixtures"
ARCHIVES = sorted(FIXTURES.glob("*/*.tar.xz"))
BACKEND = keras.backend.backend()
pytestmark = pytest.mark.skipif(
    BACKEND not in ("tensorflow", "jax"), reason="models are trained on TensorFlow and on JAX"
)
# Rounding of float32 over some forty convolutions, or in another order on another backend.
CLOSE = {"rtol": 1e-4, "atol": 2e-5}


class Files:
    """One archive of files and what is expected of them."""

    def __init__(self, archive, folder):
        with tarfile.open(archive) as contents:
            contents.extractall(folder, filter="data")
        self.folder = folder
        self.about = json.loads((folder / "about.json").read_text())
        with np.load(folder / "expected.npz") as arrays:
            self.expected = dict(arrays)
        self.batch = tuple(self.expected[name] for name in ("images", "masks", "boxes"))

    def check_numbers(self, gan, name):
        """Compares what both networks compute with the arrays whose names begin with one."""
        images, masks, boxes = self.batch
        outputs = gan({"images": images, "masks": masks})
        for key in ("coarse", "refined"):
            self.check(outputs[key], f"{name}/{key}")
        patches = np.stack(
            [
                image[top : top + height, left : left + width]
                for image, (top, left, height, width) in zip(images, boxes, strict=True)
            ]
        )
        scores = gan.critic({"images": images, "masks": masks, "patches": patches})
        for key, values in (scores if isinstance(scores, dict) else {"all": scores}).items():
            # Scores of Wasserstein critics count by their differences: the gradient of the last
            # bias is 0 but for rounding, of which Adam makes a step of any size.
            is_free = isinstance(scores, dict) and name.endswith("after")
            self.check(
                values, f"{name}/scores/{key}", centre=np.mean if is_free else np.zeros_like
            )

    def check(self, values, name, centre=np.zeros_like):
        found, expected = keras.ops.convert_to_numpy(values), self.expected[name]
        found, expected = found - centre(found), expected - centre(expected)
        np.testing.assert_allclose(found, expected, err_msg=name, **CLOSE)


@pytest.fixture(
    scope="module",
    params=ARCHIVES,
    ids=[f"{each.parent.name}-{each.name.removesuffix('.tar.xz')}" for each in ARCHIVES],
)
def files(request, tmp_path_factory):
    return Files(request.param, tmp_path_factory.mktemp("files"))


def batches(batch, steps):
    if BACKEND == "jax":
        return (batch for _ in range(steps))
    import tensorflow as tf

    return tf.data.Dataset.from_tensors(batch).repeat(steps)


def test_there_are_files_of_both_backends():
    assert {path.name for path in ARCHIVES} == {"tensorflow.tar.xz", "jax.tar.xz"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed, but will:UserWarning")
def test_keras_file_computes_what_it_did_and_its_training_goes_on(files):
    # Which registers the class under the name in the file.
    assert ki.InpaintingGAN
    gan = keras.saving.load_model(files.folder / "model.keras")
    files.check_numbers(gan, "model")
    history = gan.fit(batches(files.batch, steps=2), verbose=0).history
    # Without the optimizers' state the second update would be another one.
    files.check_numbers(gan, "model/after")
    for name in ("hole_loss", "known_loss", "critic_loss"):
        files.check(history[name], f"model/history/{name}")
    total = history["loss"] if "loss" in history else history["generator_loss"]
    files.check(total, "model/history/generator_loss")


def test_weights_file_computes_what_it_did(files):
    width, critic_width = {"deepfill_v1": (2, 2), "deepfill_v2": (4, 2)}[files.about["model"]]
    make = getattr(ki.InpaintingGAN, files.about["model"])
    gan = make(width=width, critic_width=critic_width, image_size=32)
    gan.load_weights(files.folder / "model.weights.h5")
    files.check_numbers(gan, "weights")


def test_preset_computes_what_it_did(files):
    preset = files.folder / "run" / "preset"
    files.check_numbers(ki.InpaintingGAN.from_preset(preset), "run")
    inpainter = ki.Inpainter.from_preset(preset)
    assert inpainter.image_size == 32
    for photo, mask, filled in zip(
        files.expected["run/photos"], files.batch[1], files.expected["run/filled"], strict=True
    ):
        found = inpainter.inpaint(photo, mask[..., 0] > 0).astype(int)
        assert np.abs(found - filled).max() <= 1


@pytest.mark.slow
def test_run_goes_on_from_its_checkpoint(files, tmp_path, monkeypatch, capsys):
    for name in ("photos", "masks", "run"):
        shutil.copytree(files.folder / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--config", "run/settings.json", "--steps", "4"]) == 0
    told = capsys.readouterr()
    assert "from step 2" in told.out + told.err
    # Of a run of four steps that was not interrupted. Every photo, every mask and either side
    # of them are the same, so that the order in which they are drawn does not matter.
    files.check_numbers(ki.InpaintingGAN.from_preset("run/preset"), "run/after")
    log = (tmp_path / "run" / "log.csv").read_text().splitlines()
    before = (files.folder / "run" / "log.csv").read_text().splitlines()
    assert len(log) == len(before) + 1 == 3
    assert log[1].split(",")[: before[1].count(",") + 1] == before[1].split(",")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow loads SavedModels")
def test_saved_model_computes_what_it_did(files):
    if not (files.folder / "saved_model").exists():
        pytest.skip("JAX writes none")
    import tensorflow as tf

    model = tf.saved_model.load(files.folder / "saved_model" / "1")
    photos, masks = files.expected["run/photos"], files.batch[1].astype("uint8") * 255
    signatures = model.signatures
    filled = signatures["serving_default"](images=photos, masks=masks)["completed"]
    expected = files.expected["run/filled"].astype(int)
    assert np.abs(filled.numpy() - expected).max() <= 1
    # As the network sees small pictures: continued by mirrors.
    images, masks, _ = files.batch
    around = ((0, 0), (0, 32), (0, 32), (0, 0))
    seen = {"corrupted": np.pad(images * (1 - masks), around, mode="symmetric")}
    seen["masks"] = np.pad(masks, around, mode="symmetric")
    outputs = ki.Inpainter.from_preset(files.folder / "run" / "preset").generator(seen)
    features = signatures["features"](corrupted=images * (1 - masks), masks=masks)
    np.testing.assert_allclose(features["refined"], outputs["refined"][:, :32, :32], **CLOSE)
    found = signatures["serving_bytes"](
        image_bytes=tf.constant([tf.io.encode_png(photo).numpy() for photo in photos]),
        mask_bytes=tf.constant(
            [tf.io.encode_png(m.astype("uint8") * 255).numpy() for m in masks]
        ),
    )["completed_bytes"].numpy()
    decoded = np.stack([tf.io.decode_png(each).numpy() for each in found]).astype(int)
    assert np.abs(decoded - expected).max() <= 1


# Arguments of 0.1.0 that have another name since.
RENAMED = {"enlarges": "upsample"}
OBJECTS = [
    pytest.param(config, id=f"{path.parent.name}-{name}")
    for path in sorted(FIXTURES.glob("*/objects.json"))
    for name, config in json.loads(path.read_text()).items()
]


@pytest.mark.parametrize("config", OBJECTS)
def test_registered_name_and_config_are_read(config):
    assert [ki.InpaintingGAN, ki.layers, ki.losses, ki.masks, ki.models]
    made = keras.saving.deserialize_keras_object(config)
    assert keras.saving.get_registered_name(type(made)) == config["registered_name"]
    # Through JSON, which has lists in the place of tuples.
    now = json.loads(json.dumps(keras.saving.serialize_keras_object(made)))
    assert not differences(config["config"], now["config"])


def differences(before, now, name="config"):
    """Where a config of now lacks, or changes, what an earlier one says.

    Modules may move and new arguments come in.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        now = {key: now.get(RENAMED.get(key, key), "missing") for key in before}
        pairs = [(key, now[key]) for key in before if key != "module"]
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = list(enumerate(now))
    else:
        return [] if before == now else [f"{name}: {before!r} became {now!r}"]
    return [
        difference
        for key, value in pairs
        for difference in differences(before[key], value, f"{name}.{key}")
    ]
