"""Both backends train alike, and each goes on from what the other saved."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

# Two steps with given weights, pictures, masks and everything else drawn from seeds.
PROGRAM = """
import json, sys
import keras, numpy as np
from keras_inpaint.losses import HingeObjective, WassersteinObjective
from keras_inpaint.masks import Boxes
from keras_inpaint.models import Generator, GlobalLocalCritic, PatchCritic
from keras_inpaint.gan import InpaintingGAN

folder, version = sys.argv[1:]
parts = {
    "v1": lambda: (Generator.deepfill_v1(width=4), GlobalLocalCritic(4, 32, 16),
                   WassersteinObjective()),
    "v2": lambda: (Generator.deepfill_v2(width=4), PatchCritic(4), HingeObjective()),
}[version]()
gan = InpaintingGAN(*parts, masks=Boxes(16, 16, jitter=2), seed=7)
sgd = keras.optimizers.SGD
gan.compile(sgd(0.01), sgd(0.01), loss_weights={"adversarial": 0.1}, critic_steps=2)
gan.load_weights(f"{folder}/start.weights.h5")
images = np.load(f"{folder}/images.npy")
logs = [gan.train_on_batch(images, return_dict=True) for _ in range(2)]
logs.append(gan.test_on_batch(images, return_dict=True))
gan.save_weights(f"{folder}/{keras.backend.backend()}.weights.h5")
print(json.dumps([{name: float(value) for name, value in log.items()} for log in logs]))
"""


def make_gan(version):
    from keras_inpaint.gan import InpaintingGAN
    from keras_inpaint.losses import HingeObjective, WassersteinObjective
    from keras_inpaint.masks import Boxes
    from keras_inpaint.models import Generator, GlobalLocalCritic, PatchCritic

    if version == "v1":
        parts = Generator.deepfill_v1(width=4), GlobalLocalCritic(4, 32, 16)
        objective = WassersteinObjective()
    else:
        parts = Generator.deepfill_v2(width=4), PatchCritic(4)
        objective = HingeObjective()
    gan = InpaintingGAN(*parts, objective, masks=Boxes(16, 16, jitter=2))
    gan.compile(keras.optimizers.SGD(0.01), keras.optimizers.SGD(0.01), critic_steps=2)
    return gan


def run(backend, folder, version):
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), version],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="one comparison covers both backends"
)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_losses_measures_and_weights_agree_between_backends(version, tmp_path, rng):
    pytest.importorskip("tensorflow")
    pytest.importorskip("jax")
    start = make_gan(version)
    start.save_weights(tmp_path / "start.weights.h5")
    images = rng.uniform(-1, 1, size=(4, 32, 32, 3)).astype("float32")
    np.save(tmp_path / "images.npy", images)
    on_tensorflow, on_jax = (run(name, tmp_path, version) for name in ("tensorflow", "jax"))
    for one, other in zip(on_tensorflow, on_jax, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-6)

    # The files of one backend are read by the other: here, both by this one.
    weights = []
    for name in ("tensorflow", "jax"):
        start.load_weights(tmp_path / f"{name}.weights.h5")
        assert int(start.steps) == 2
        weights.append([np.array(weight) for weight in start.get_weights()])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)
