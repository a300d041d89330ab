import argparse
import dataclasses
import json
import pathlib

import keras
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow only"
)

from keras_inpaint.cli.main import main  # noqa: E402
from keras_inpaint.cli.train import add_settings  # noqa: E402
from keras_inpaint.training import run  # noqa: E402
from keras_inpaint.training.settings import (  # noqa: E402
    Settings,
    settings_table,
    value_type,
)

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """What the run is asked for; it stops one step early where `stops` is set."""
    asked = {"stops": False}

    def train(settings, verbose):
        asked["settings"] = settings
        return settings.steps - asked["stops"]

    monkeypatch.setattr(run, "train", train)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    return asked


def test_every_setting_has_an_option_of_its_type():
    parser = argparse.ArgumentParser()
    add_settings(parser)
    texts = {int: "3", float: "0.5", str: "a/b", dict: "hole=2", list: "3,0.5"}
    values = {int: 3, float: 0.5, str: "a/b", dict: {"hole": 2.0}, list: [3.0, 0.5]}
    for field in dataclasses.fields(Settings):
        if field.name == "freeze":
            continue
        kind, choices = value_type(field.name), field.metadata["choices"]
        option = field.name.replace("_", "-")
        words = [f"--{option}", choices[-1] if choices else texts.get(kind)]
        given = parser.parse_args(words if kind is not bool else words[:1])
        assert vars(given) == {
            "config": None,
            field.name: choices[-1] if choices else values.get(kind, True),
        }
        if kind is bool:
            assert vars(parser.parse_args([f"--no-{option}"]))[field.name] is False
    assert parser.parse_args(["--freeze", "a", "b/*"]).freeze == ["a", "b/*"]
    assert parser.parse_args(["--memory-limit", "2G"]).memory_limit == 2**31
    assert parser.parse_args(["--max-pixels", "300M"]).max_pixels == 300 * 10**6


def test_help_has_every_meaning_and_default(capsys):
    main(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for field in dataclasses.fields(Settings):
        # Long words are broken at hyphens.
        assert field.metadata["help"].split("-")[-1] in told
        if isinstance(field.default, int | float | str):
            default = "no" if field.default is False else field.default
            assert f"(default: {default})" in told


def test_table_of_the_docs_is_that_of_the_settings():
    page = (ROOT / "docs" / "training.md").read_text("utf-8")
    table = page.partition("settings_table() returns -->\n")[2].partition("<!-- end")[0]
    assert table == settings_table(), f"Write into docs/training.md:\n{settings_table()}"


def test_options_come_before_the_file_and_the_file_before_the_defaults(asked, tmp_path, capsys):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"data": "photos", "steps": 5, "batch_size": 4}))
    output = str(tmp_path / "run")
    assert main(["train", "--config", str(config), "--output", output, "--steps", "7"]) == 0
    assert asked["settings"] == Settings("photos", output, steps=7, batch_size=4)
    assert capsys.readouterr().out == f"{tmp_path / 'run' / 'preset'}\n"


def test_stopped_run_says_how_to_go_on(asked, capsys):
    asked["stops"] = True
    assert main(["train", "--data", "photos", "--output", "run", "--steps", "7"]) == 130
    told = capsys.readouterr().err
    assert "Stopped after step 6" in told
    assert "keras-inpaint train --config run/settings.json" in told


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["--data", "photos"], "--output"),
        (["--output", "run"], "--data"),
        (["--data", "p", "--output", "run", "--steps", "many"], "invalid int value: 'many'"),
        (
            ["--data", "p", "--output", "run", "--width", "0"],
            "--width must be an int of at least 1. Received: --width=0",
        ),
        (["--config", "none.json"], "must name a file"),
        (["--config", "broken.json"], "must be a JSON file"),
        (["--config", "unknown.json"], "did you mean batch_size? Received: batchsize"),
        (["--config", "list.json"], "Received: no object"),
        (["--data", "nowhere", "--output", "run"], "Received: --data='nowhere'"),
        (["--data", ".", "--validation", "v", "--output", "run"], "Received: --validation='v'"),
        (["--data", "p", "--output", "run", "--grow", "3"], "grow=3"),
        (["--data", "p", "--output", "run", "--masks", "m", "--grow", "-1"], "grow=-1"),
        (["--data", "p", "--output", "run", "--invert-mask"], "Received: --invert-mask\n"),
        (
            ["--data", "p", "--output", "run", "--masks", "m", "--turn-mask"],
            "Received: --turn-mask\n",
        ),
        (["--data", "p", "--output", "run", "--max-pixels", "all"], "such as 300M"),
        (["--data", "p", "--output", "run", "--memory-limit", "0"], "such as 500M or 2G"),
    ],
)
def test_wrong_use_of_train_is_told_in_one_line(tmp_path, monkeypatch, capsys, words, advice):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "unknown.json").write_text('{"batchsize": 3}')
    (tmp_path / "list.json").write_text("[]")
    before = set(tmp_path.iterdir())
    assert main(["train", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert advice in error
    assert set(tmp_path.iterdir()) == before


def test_photo_that_is_none_is_told_in_one_line(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.zeros((40, 40), "uint8")).save(tmp_path / "photos" / "a.png")
    words = ["--data", str(tmp_path / "photos"), "--output", str(tmp_path / "run")]
    assert main(["train", *words]) == 2
    assert "--data must hold at least one batch" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
