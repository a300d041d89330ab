"""The training in an accelerator's memory, on a processor: from photos to a preset."""

import json
import os
import pathlib
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

import keras_inpaint as ki

RECIPES = pathlib.Path(__file__).parents[2] / "recipes"
RECIPE = {
    "width": 4,
    "critic_width": 4,
    "loss_weights": {"hole": 10, "known": 1, "adversarial": 0.5},
    "precision": "float32",
    "warmup_steps": 2,
    "stages": [
        {"image_size": 32, "batch_size": 2, "steps_per_dispatch": 2},
        {"image_size": 64, "batch_size": 2, "steps_per_dispatch": 1},
    ],
}


def run(name, *arguments):
    command = [sys.executable, str(RECIPES / f"{name}.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("device")
    rng = np.random.default_rng(0)
    for index, size in enumerate([(400, 700), (90, 64), (500, 330)]):
        pixels = rng.integers(0, 256, (*size, 3), "uint8")
        (folder / "photos").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / "photos" / f"{index}.png")
    (folder / "held-out.txt").write_text("2.png\n")
    run(
        "prepare",
        *("photos", folder / "photos", "--output", folder / "prepared"),
        *("--exclude", folder / "held-out.txt"),
    )
    return folder / "prepared"


def test_photos_are_packed_small_and_without_those_excluded(prepared):
    with zipfile.ZipFile(prepared / "photos-00.zip") as archive:
        sizes = {name: Image.open(archive.open(name)).size for name in archive.namelist()}
    assert sizes == {"photos/0.jpg": (320, 320), "photos/1.jpg": (64, 90)}


# A training of the smallest networks that is interrupted in its third dispatch, and the same
# command once more.
INTERRUPTED = """
import os, signal, sys

sys.path[:0] = [{recipes!r}, {tests!r}]
import numpy as np
import train_on_device as recipe
from gan.tiny import make_gan

def make_model(settings, prepared, image_size):
    gan = make_gan(ema_momentum=settings.ema_momentum)
    gan.compile()
    gans.append(gan)
    return gan

def rate(self, progress, step):
    if step == 4:
        os.kill(os.getpid(), signal.SIGINT)
    return 1e-3

gans, recipe.make_model, recipe.Recipe.rate = [], make_model, rate
photos = np.full((3, 32, 32, 3), 90, "uint8"), np.full((3, 2), 32, "int32")
recipe.load_photos = lambda prepared, repeat: photos
recipe.main()
saved = gans[0].get_weights()
recipe.Run.train = lambda self, seconds: None
recipe.main()
for loaded, expected in zip(gans[1].get_weights(), saved, strict=True):
    np.testing.assert_array_equal(loaded, expected)
"""


def test_interrupted_training_saves_and_goes_on(tmp_path):
    stage = {"image_size": 16, "batch_size": 2, "steps_per_dispatch": 2}
    recipe = {"loss_weights": {}, "stages": [stage, {**stage, "trains": "critic"}]}
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    program = INTERRUPTED.format(recipes=str(RECIPES), tests=str(RECIPES.parent / "tests"))
    words = (tmp_path / "recipe.json", "--prepared", tmp_path, "--output", tmp_path / "run")
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # The second stage, which was not come to, is compiled and left.
    assert "6 steps" in done.stdout
    assert "going on from step 6" in done.stdout


@pytest.mark.slow
def test_training_ends_in_a_preset(prepared, tmp_path):
    (tmp_path / "recipe.json").write_text(json.dumps(RECIPE))
    command = (tmp_path / "recipe.json", "--prepared", prepared, "--output", tmp_path / "run")
    first = run("train_on_device", *command, "--minutes", "0.01")
    assert "stage 1:" in first
    inpainter = ki.Inpainter.from_preset(tmp_path / "run" / "preset")
    photo = np.full((64, 64, 3), 90, "uint8")
    mask = np.zeros((64, 64), bool)
    mask[20:40, 20:40] = True
    filled = inpainter.inpaint(photo, mask)
    np.testing.assert_array_equal(filled[~mask], photo[~mask])
    # However little time there is: a dispatch of two steps, and one of one.
    assert "3 steps" in first
