"""A run's report says what was asked for, how it went, and what was left out."""

import importlib.util

import pytest
from PIL import Image

from keras_inpaint.training.run_report import write_report
from keras_inpaint.training.settings import Settings


@pytest.fixture
def run(tmp_path):
    (tmp_path / "sheets").mkdir()
    for step in (10, 20, 30):
        Image.new("RGB", (8, 8)).save(tmp_path / "sheets" / f"step-{step:09d}.png")
    (tmp_path / "log.csv").write_text(
        "step,hole_loss,val_hole_l1\n10,0.5,0.25\n20,0.125,0.5\n30,0.25,\n"
    )
    return tmp_path


def report(run, **options):
    settings = Settings("photos|mine", str(run), width=8, steps=40)
    return write_report(run, settings, 30, {}, **options).read_text()


def test_report_has_settings_metrics_and_sheets(run):
    text = report(run, speed="2 steps/s")
    assert "30 of 40 steps. The last ones: 2 steps/s." in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [
        r"| `data` | photos\|mine |",
        f"| `output` | {run} |",
        "| `width` | 8 |",
        "| `steps` | 40 |",
        "| `hole_loss` | 0.25 | 0.125 (step 20) | 0.5 (step 10) |",
        "| `val_hole_l1` |  | 0.25 (step 10) | 0.5 (step 20) |",
    ]
    assert "](sheets/step-000000010.png)" in text
    assert "](sheets/step-000000020.png)" not in text
    assert "](sheets/step-000000030.png)" in text
    assert text.rstrip().endswith("None.")


def test_curves_are_a_picture_or_the_report_says_what_they_need(run, monkeypatch):
    if importlib.util.find_spec("matplotlib"):
        assert "](curves.png)" in report(run)
        with Image.open(run / "curves.png") as image:
            assert image.format == "PNG"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install matplotlib" in report(run)


def test_files_that_were_left_out_are_counted_and_listed(run):
    skipped = {f"photos/{number}.jpg": "cut\noff" for number in range(60)}
    text = write_report(run, Settings("photos", str(run)), 30, skipped).read_text()
    assert "60, which could not be read" in text
    assert r"| `photos/0.jpg` | cut\noff |" in text
    assert text.count("photos/") == 50
    assert "and 10 more" in text


def test_run_without_a_step_has_a_report_too(tmp_path):
    text = write_report(tmp_path, Settings("photos", str(tmp_path)), 0, {}).read_text()
    assert "None yet." in text
