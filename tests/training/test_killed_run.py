"""A run that is killed goes on from its newest whole checkpoint, on either backend."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="one run covers both backends"
)

BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")

# Runs the command line; is killed in the middle of writing the given checkpoint.
PROGRAM = """
import os, shutil, signal, sys

class NoTensorFlow:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")

killed_at, *words = sys.argv[1:]
if os.environ["KERAS_BACKEND"] == "jax":
    sys.meta_path.insert(0, NoTensorFlow())
else:
    import tensorflow
    tensorflow.config.run_functions_eagerly(True)

import keras
from keras_inpaint.cli.main import main
from keras_inpaint.gan import InpaintingGAN

# Of a few layers: with the published ones, test_run.py goes on.
from kills import make_small
InpaintingGAN.deepfill_v2 = make_small

save_weights, written = keras.Model.save_weights, []

def save_and_be_killed(self, path, *args, **options):
    save_weights(self, path, *args, **options)
    # Presets save their networks too.
    if not isinstance(self, InpaintingGAN):
        return
    written.append(path)
    if len(written) == int(killed_at):
        shutil.copy(path, os.path.join(os.environ["WHOLE"], "whole.h5"))
        os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)

keras.Model.save_weights = save_and_be_killed
sys.exit(main(words))
"""


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3))
        Image.fromarray(pixels.astype("uint8")).save(folder / f"{number}.png")
    return folder


def run(backend, photos, output, killed_at=0):
    words = ["train", "--data", photos, "--output", output, "--width", 8, "--critic-width", 4]
    words += ["--image-size", 32, "--batch-size", 2, "--steps", 3, "--save-every", 1]
    words += ["--sheets-every", 2, "--validation", photos]
    # The steps train one network, the other one, and both.
    words += ["--reconstruction-steps", 1, "--critic-only-steps", 1]
    words += ["--ema-momentum", 0.5, "--final-learning-rate", 1e-5]
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": os.pathsep.join([BENCHMARKS, *sys.path]),
        "WHOLE": str(photos.parent),
        # What JAX has compiled for one run serves the next.
        "JAX_COMPILATION_CACHE_DIR": str(photos.parent / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(killed_at), *map(str, words)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def log_of(folder):
    with (folder / "log.csv").open(newline="") as file:
        return [
            {name: float(value) for name, value in row.items()} for row in csv.DictReader(file)
        ]


def arrays_of(path):
    """Every array of a file of weights: networks, both optimizers, step."""
    arrays = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: arrays.update({name: item[()]} if hasattr(item, "dtype") else {})
        )
    return arrays


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_killed_run_goes_on_from_its_newest_whole_checkpoint(backend, photos, tmp_path):
    pytest.importorskip(backend)
    folder = tmp_path / "run"
    killed = run(backend, photos, folder, killed_at=3)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-3000:]
    checkpoints = folder / "checkpoint"
    draft, *whole = sorted(path.name for path in checkpoints.iterdir())
    assert draft.endswith(".unfinished")
    assert whole == ["step-000000001", "step-000000002"]
    expected = arrays_of(tmp_path / "whole.h5")
    # The third step was measured before the checkpoint was written.
    before = log_of(folder)
    assert [row["step"] for row in before] == [1, 2, 3]
    assert {"generator_loss", "val_psnr"} <= set(before[0])

    os.truncate(checkpoints / "step-000000002" / "training.weights.h5", 5000)
    resumed = run(backend, photos, folder)
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert resumed.stdout == f"{folder / 'preset'}\n"
    told = resumed.stderr.splitlines()
    assert any("step-000000002 is damaged and passed over" in line for line in told)
    assert any(line.startswith("Going on from step 1 ") for line in told)
    for row, row_before in zip(log_of(folder), before, strict=True):
        assert row == pytest.approx(row_before, rel=1e-4, abs=1e-6)
    found = arrays_of(checkpoints / "step-000000003" / "training.weights.h5")
    assert set(found) == set(expected)
    for name, array in found.items():
        # Adam's first steps are 1e-4 long: without its state they would differ by as much.
        np.testing.assert_allclose(array, expected[name], atol=2e-6, err_msg=name)
    assert sorted(path.name for path in checkpoints.iterdir()) == [
        "step-000000002",
        "step-000000003",
    ]
    assert [path.name for path in (folder / "sheets").iterdir()] == ["step-000000002.png"]
    assert (folder / "preset" / "critic.weights.h5").exists()
