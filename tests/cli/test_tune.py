import json
import sys

import keras
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow only"
)

import keras_inpaint.tuning  # noqa: E402, F401
from keras_inpaint.cli.main import main  # noqa: E402
from keras_inpaint.training.settings import Settings  # noqa: E402


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """What the search is asked for."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    asked = {}

    def search(settings, **options):
        asked.update(options, settings=settings)
        if asked.get("max_trials") == 99:
            raise KeyboardInterrupt
        return "out/best.json"

    # The name in the package is the function.
    monkeypatch.setattr(sys.modules["keras_inpaint.tuning.search"], "search", search)
    return asked


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3))
        Image.fromarray(pixels.astype("uint8")).save(folder / f"{number}.png")
    return str(folder)


def test_words_become_a_search(asked, capsys):
    words = ["tune", "--data", "photos", "--output", "out", "--width", "8"]
    assert main(words) == 0
    assert capsys.readouterr().out == "out/best.json\n"
    # A trial is shorter than a run.
    assert asked.pop("settings") == Settings(
        "photos", "out", width=8, steps=2000, save_every=500
    )
    assert asked.pop("verbose") == 0
    assert not asked
    words += ["--objective", "val_ssim", "--algorithm", "hyperband", "--max-trials", "7"]
    words += ["--search", "hole,coarse", "--bounds", "hole=1:4,coarse=0.5:2"]
    words += ["--max-failures", "5", "--steps", "30", "--save-every", "10"]
    assert main(words) == 0
    assert asked["settings"].steps == 30
    assert {name: asked[name] for name in asked if name not in ("settings", "verbose")} == {
        "objective": "val_ssim",
        "algorithm": "hyperband",
        "max_trials": 7,
        "max_failures": 5,
        "names": ["hole", "coarse"],
        "bounds": {"hole": (1.0, 4.0), "coarse": (0.5, 2.0)},
    }


def test_network_of_a_file_sees_the_pictures(asked, tmp_path):
    network = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 3)])
    network.save(tmp_path / "features.keras")
    words = ["tune", "--data", "photos", "--output", "out", "--objective", "val_perceptual"]
    assert main([*words, "--network", str(tmp_path / "features.keras")]) == 0
    assert asked["network"](np.zeros((1, 8, 8, 3))).shape == (1, 6, 6, 2)


def test_stopped_search_says_how_to_go_on(asked, capsys):
    words = ["tune", "--data", "photos", "--output", "out", "--max-trials", "99"]
    assert main(words) == 130
    assert "same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "steps", "save_every"),
    [
        (["--steps", "30"], 30, 10),
        (["--steps", "7"], 7, 7),
        (["--steps", "1"], 1, 1),
        # A run's own settings: fifty thousand steps, a checkpoint every thousand.
        (["--config", "run.json"], 50_000, 1000),
        (["--config", "run.json", "--steps", "300"], 300, 75),
        (["--config", "run.json", "--steps", "300", "--save-every", "100"], 300, 100),
    ],
)
def test_number_of_steps_is_enough(asked, tmp_path, monkeypatch, words, steps, save_every):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.json").write_text('{"steps": 50000, "save_every": 1000}')
    assert main(["tune", "--data", "photos", "--output", "out", *words]) == 0
    assert (asked["settings"].steps, asked["settings"].save_every) == (steps, save_every)


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["--objective", "generator_loss"], "objective='generator_loss'"),
        (["--max-trials", "0"], "--max-trials=0"),
        (["--algorithm", "grid"], "algorithm='grid'"),
        (["--data", "nowhere"], "Received: --data='nowhere'"),
        (["--output", "photos"], "must be a new folder"),
        (["--output", "photos/0.png/search"], "The folder of --output is a file"),
        (["--steps", "0"], "steps=0"),
        (["--bounds", "hole=3"], "name=low:high,name=low:high. Received: 'hole=3'"),
        (["--bounds", "hole=3:1"], "Received: hole=3:1"),
        (["--search", "gradient_penalty"], "Received: gradient_penalty"),
        (["--steps", "3", "--save-every", "2"], "--steps=3, --save-every=2"),
        (["--batch-size", "16"], "2 photos, --batch-size=16"),
        (["--network", "none.keras"], "--network='none.keras'"),
        (["--critic-steps", "0"], "--critic-steps=0"),
    ],
)
def test_wrong_use_of_tune_is_told_in_one_line(
    photos, tmp_path, monkeypatch, capsys, words, advice
):
    monkeypatch.chdir(tmp_path)
    common = ["tune", "--data", photos, "--output", "search", "--batch-size", "2"]
    common += ["--width", "4", "--critic-width", "4", "--image-size", "32"]
    before = sorted(tmp_path.rglob("*"))
    assert main([*common, *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert advice in error
    assert sorted(tmp_path.rglob("*")) == before


def test_output_of_another_search_is_told_in_one_line(photos, tmp_path, capsys):
    (tmp_path / "search").mkdir()
    earlier = json.dumps({"objective": "val_psnr", "settings": {}, "ranges": {}})
    (tmp_path / "search" / "search.json").write_text(earlier)
    words = ["--data", photos, "--output", str(tmp_path / "search"), "--batch-size", "2"]
    words += ["--width", "4", "--critic-width", "4", "--image-size", "32"]
    assert main(["tune", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "A search cannot change its" in error
