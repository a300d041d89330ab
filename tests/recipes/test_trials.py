"""Trials of training settings: each is judged twice, and none is run again."""

import csv
import json
import pathlib
import runpy
import sys

import keras
import numpy as np
import pytest
from PIL import Image

SCRIPT = pathlib.Path(__file__).parents[2] / "recipes" / "trials.py"
SMALLEST = {"width": 4, "critic_width": 4, "image_size": 32, "batch_size": 2, "steps": 2}


@pytest.fixture
def eagerly():
    """No compiling, which would take most of the time."""
    tf = pytest.importorskip("tensorflow")
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="Photos by TensorFlow")
def test_each_trial_has_a_row_for_its_weights_and_one_for_their_average(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for index in range(4):
        pixels = np.kron(rng.integers(0, 256, (5, 5, 3)), np.ones((8, 8, 1))).astype("uint8")
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{index}.png")
    (tmp_path / "held-out.txt").write_text("3.png\n")
    trials = {
        "base": SMALLEST,
        "perceptual": {**SMALLEST, "perceptual": 5, "network": "efficientnet-lite0"},
        "start": {**SMALLEST, "steps": 0},
    }
    (tmp_path / "trials.json").write_text(json.dumps(trials))
    photos = tmp_path / "photos"
    command = [
        *(SCRIPT, tmp_path / "trials.json", "--train", photos),
        *("--held-out", tmp_path / "held-out.txt", "--judge", photos, "--photos", "2"),
        *("--networks", "efficientnet-lite0", "--output", tmp_path / "trials"),
    ]

    def run(*more):
        monkeypatch.setattr(sys, "argv", [*map(str, command), *more])
        runpy.run_path(str(SCRIPT), run_name="__main__")
        with (tmp_path / "trials" / "trials.csv").open(newline="") as file:
            return [(row["trial"], row["of"], row["mean"]) for row in csv.DictReader(file)]

    first = run("--only", "base")
    assert [row[:2] for row in first] == [("base", "weights"), ("base", "average")]
    found = run()
    assert found[:2] == first
    assert [row[:2] for row in found[2:]] == [
        *(("perceptual", "weights"), ("perceptual", "average")),
        ("start", "weights"),
    ]
    assert all(np.isfinite(float(row[2])) for row in found)
