"""Keras's global settings, in keras.json or the environment, change nothing of a preset."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_inpaint.layers import GatedConv2D, PaddedConv2D, SpectralConv2D
from keras_inpaint.models import GlobalLocalCritic
from keras_inpaint.ops.mosaic import mosaic

FILLS = """
import json, sys
import keras
import numpy as np
import keras_inpaint as ki

rng = np.random.default_rng(0)
photo = np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))).astype("uint8")
mask = np.zeros((64, 64), "uint8")
mask[20:40, 24:44] = 255
filled = {}
for policy in ["", *sys.argv[1:]]:
    if policy:
        keras.config.set_dtype_policy(policy)
    inpainter = ki.Inpainter.from_preset(ki.presets.bundled_presets()[0])
    filled[policy] = inpainter.inpaint(photo, mask)[20:40, 24:44].tolist()
print(json.dumps(filled))
"""
TRAINS = """
import numpy as np
import keras
import keras_inpaint as ki

for make in (ki.InpaintingGAN.deepfill_v1, ki.InpaintingGAN.deepfill_v2):
    gan = make(width=4, image_size=32, critic_width=4)
    gan.compile(run_eagerly=keras.backend.backend() == "tensorflow")
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    history = gan.fit(images, batch_size=2, verbose=0).history
    assert np.isfinite([*history.values()]).all(), history
    assert gan.predict(images, verbose=0)["completed"].shape == (2, 32, 32, 3)
print("trained")
"""
WORKS_WITHOUT_TRAINING = """
import keras
import numpy as np
import keras_inpaint as ki
from keras import ops

images = ops.ones((1, 32, 32, 3))
masks = ops.zeros((1, 32, 32, 1))
assert tuple(ki.layers.GatedConv2D(4, 3)(images).shape) == (1, 32, 32, 4)
generator = ki.models.Generator.deepfill_v2(width=4)
outputs = generator({"corrupted": images, "masks": masks})
assert tuple(outputs["refined"].shape) == (1, 32, 32, 3)
assert np.isfinite(ops.convert_to_numpy(outputs["refined"])).all()
try:
    ki.InpaintingGAN.deepfill_v2(width=4, image_size=32, critic_width=4)
except ValueError as error:
    print(error)
"""


def run(program, folder, *arguments, backend=None, **settings):
    """The last line that a process prints, whose keras.json holds `settings`."""
    if settings:
        (folder / ".keras").mkdir()
        (folder / ".keras" / "keras.json").write_text(json.dumps(settings))
    environment = {
        **os.environ,
        "HOME": str(folder),
        "KERAS_HOME": str(folder / ".keras"),
        "KERAS_BACKEND": backend or keras.backend.backend(),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout.splitlines()[-1]


POLICIES = ("mixed_float16", "mixed_bfloat16", "float64")


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """What the bundled preset fills a hole with: as Keras is set up at first, and by policy."""
    return json.loads(run(FILLS, tmp_path_factory.mktemp("home"), *POLICIES))


@pytest.mark.parametrize(
    "settings",
    [{"image_data_format": "channels_first", "floatx": "float16"}, {"floatx": "float64"}],
    ids=str,
)
def test_a_preset_fills_the_same_whatever_keras_json_says(settings, filled, tmp_path):
    assert json.loads(run(FILLS, tmp_path, **settings)) == {"": filled[""]}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_preset_fills_the_same_under_a_policy_for_new_layers(policy, filled):
    assert filled[policy] == filled[""]


def test_channels_first_changes_no_layer(rng):
    def outputs():
        keras.utils.set_random_seed(0)
        critic = GlobalLocalCritic(4, image_size=32, patch_size=16)
        masks = np.zeros((2, 32, 32, 1), "float32")
        masks[:, 8:16, 8:16] = 1
        layers = [GatedConv2D(4, 3), PaddedConv2D(4, 5, strides=2), SpectralConv2D(4, 3)]
        return [
            *critic({"images": images, "patches": images[:, 4:20, 4:20]}).values(),
            mosaic(images, masks, 4),
            *(layer(images) for layer in layers),
        ]

    images = rng.uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    expected = outputs()
    keras.config.set_image_data_format("channels_first")
    try:
        found = outputs()
    finally:
        keras.config.set_image_data_format("channels_last")
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_channels_first_is_refused():
    with pytest.raises(ValueError, match=r"data_format.*'channels_first'"):
        PaddedConv2D(4, 3, data_format="channels_first")


@pytest.mark.slow
def test_both_models_train_with_channels_first_in_keras_json(tmp_path):
    assert run(TRAINS, tmp_path, image_data_format="channels_first") == "trained"


@pytest.mark.parametrize("backend", ["torch", "numpy"])
def test_on_other_backends_all_but_training_works(backend, tmp_path):
    if backend == "torch":
        pytest.importorskip("torch")
    told = run(WORKS_WITHOUT_TRAINING, tmp_path, backend=backend)
    assert told.startswith("InpaintingGAN trains on the TensorFlow and on the JAX backend")
    assert told.endswith(f"Received: {backend!r}")
