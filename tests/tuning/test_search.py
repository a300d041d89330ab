"""Searches whose trials are pretended: what is decided, kept and told."""

import csv
import dataclasses
import errno
import importlib
import json
import math
import os
import socket
import sys
from contextlib import nullcontext
from pathlib import Path

import keras_tuner
import numpy as np
import pytest
from keras_tuner.errors import FailedTrialError
from PIL import Image

from keras_inpaint.training import Settings
from keras_inpaint.tuning import report as report_module
from keras_inpaint.tuning import search, tuner
from keras_inpaint.tuning.hypermodel import _split


def trials_of(settings):
    with Path(settings.output, "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_search_leaves_its_trials_and_the_best_settings(settings, pretended):
    lines = []
    best = search(settings, max_trials=5, report=lines.append)
    folder = Path(settings.output)
    assert {path.name for path in folder.iterdir()} == {
        ".lock",
        "search.json",
        "trials",
        "trials.csv",
        "trials.md",
        "trials.png",
        "best.json",
    }
    rows = trials_of(settings)
    assert [row["trial"] for row in rows] == ["0", "1", "2", "3", "4"]
    # What is searched around is tried first.
    assert [float(rows[0][name]) for name in ("hole", "adversarial")] == [1, 1]
    scores = [abs(math.log10(numbers["adversarial"] / 0.3)) for numbers in pretended]
    np.testing.assert_allclose([float(row["val_hole_l1"]) for row in rows], scores)
    np.testing.assert_allclose([float(row["val_psnr"]) for row in rows], 20 - np.array(scores))
    chosen = json.loads(best.read_text())
    assert chosen["loss_weights"] == pretended[int(np.argmin(scores))]
    assert (
        lines[0]
        == "trial 0 (1/5)  val_hole_l1 0.5229  hole 1  known 1  adversarial 1  coarse 1"
    )
    page = (folder / "trials.md").read_text().splitlines()
    assert page[2].endswith(f"The best is trial {np.argmin(scores)}.")
    firsts = [line.split(" | ")[0] for line in page if line.startswith("| ")][2:7]
    assert firsts == [f"| {number}" for number in np.argsort(scores)]
    assert "| adversarial | 0.1 | 10 | log | the floor" in "\n".join(page)
    with Image.open(folder / "trials.png") as plot:
        assert min(plot.size) > 400


def test_best_settings_are_those_of_a_run_to_come(settings, pretended):
    settings = dataclasses.replace(settings, learning_rate=2e-4, loss_weights={"coarse": 0})
    names = ["adversarial", "learning_rate"]
    best = json.loads(search(settings, max_trials=2, names=names, report=str).read_text())
    assert not {"output", "steps", "save_every", "sheets_every"} & set(best)
    run = Settings.from_dict({**best, "output": "run"})
    assert (run.width, run.image_size, run.data) == (8, 32, settings.data)
    assert run.steps == Settings.steps
    trial = min(pretended, key=lambda numbers: abs(math.log10(numbers["adversarial"] / 0.3)))
    assert run.loss_weights == {"coarse": 0, "adversarial": trial["adversarial"]}
    assert run.learning_rate == trial["learning_rate"]


def test_greatest_psnr_is_the_best(settings, pretended):
    best = search(settings, objective="val_psnr", max_trials=4, report=str)
    psnrs = [float(row["val_psnr"]) for row in trials_of(settings)]
    chosen = json.loads(best.read_text())["loss_weights"]
    assert chosen == pretended[int(np.argmax(psnrs))]


def test_same_seed_searches_in_the_same_places(settings, pretended, tmp_path):
    search(settings, max_trials=3, report=str)
    search(dataclasses.replace(settings, output=str(tmp_path / "b")), max_trials=3, report=str)
    other = dataclasses.replace(settings, output=str(tmp_path / "c"), seed=1)
    search(other, max_trials=3, report=str)
    assert pretended[:3] == pretended[3:6]
    assert pretended[7] != pretended[1]


def test_failed_trial_is_recorded_and_passed_over(settings, pretended):
    def fail(numbers):
        if len(pretended) == 1:
            raise FailedTrialError("`critic_loss` became nan in epoch 1.")
        if len(pretended) == 3:
            raise MemoryError("too large")

    pretended.before = fail
    lines = []
    best = search(settings, max_trials=4, report=lines.append)
    rows = trials_of(settings)
    assert [row["status"] for row in rows] == ["failed", "completed", "failed", "completed"]
    assert rows[0]["failure"] == "`critic_loss` became nan in epoch 1."
    assert rows[2]["failure"] == "MemoryError: too large"
    assert rows[0]["val_hole_l1"] == ""
    assert lines[0].startswith(
        "trial 0 (1/4) failed: `critic_loss` became nan in epoch 1.  hole 1"
    )
    assert json.loads(best.read_text())["loss_weights"] in (pretended[1], pretended[3])


def test_search_ends_when_everything_fails_and_tries_anew_when_started_again(
    settings, pretended
):
    def fail(numbers):
        raise FailedTrialError("`critic_loss` became nan in epoch 1.")

    pretended.before = fail
    with pytest.raises(ValueError, match=r"after 2 trials, of which 2 failed.*max_failures=2"):
        search(settings, max_trials=9, max_failures=2, report=str)
    assert len(pretended) == 2
    assert len(trials_of(settings)) == 2
    pretended.before = lambda numbers: None
    search(settings, max_trials=4, max_failures=2, report=str)
    # The last one had not been recorded.
    assert [row["status"] for row in trials_of(settings)] == ["failed"] + ["completed"] * 3


def test_search_goes_on_with_more_trials(settings, pretended):
    search(settings, max_trials=2, report=str)
    lines = []
    search(settings, max_trials=3, report=lines.append)
    assert len(pretended) == 3
    assert lines[0].startswith("Going on after 2 trials of ")
    assert lines[1].startswith("trial 2 (3/3) ")


def test_trial_that_was_running_is_run_again(settings, pretended):
    def stop(numbers):
        if len(pretended) == 2:
            raise KeyboardInterrupt

    pretended.before = stop
    with pytest.raises(KeyboardInterrupt):
        search(settings, max_trials=3, report=str)
    search(settings, max_trials=3, report=str)
    assert pretended[1] == pretended[2]
    assert [row["status"] for row in trials_of(settings)] == ["completed"] * 3


def test_hyperband_goes_on_with_the_best(settings, pretended):
    settings = dataclasses.replace(settings, steps=4)
    search(settings, algorithm="hyperband", max_trials=7, report=str)
    # Five trials of a third of the epochs, rounded up; two of them go on to the end.
    assert pretended.epochs == [(0, 2)] * 5 + [(2, 4)] * 2
    nearest = sorted(
        pretended[:5], key=lambda numbers: abs(math.log10(numbers["adversarial"] / 0.3))
    )
    assert pretended[5:] == nearest[:2]
    assert [row["epochs"] for row in trials_of(settings)] == ["2"] * 5 + ["4"] * 2


@pytest.mark.slow
def test_bayesian_search_looks_where_it_is_best(settings, pretended):
    pytest.importorskip("sklearn")
    search(settings, algorithm="bayesian", names=["adversarial"], max_trials=8, report=str)
    distances = [abs(math.log10(numbers["adversarial"] / 0.3)) for numbers in pretended]
    # Three at random, then by what they told: on 2 decades, chance comes half as near.
    assert min(distances) < 0.05


def test_bayesian_search_says_what_it_needs(settings, pretended, monkeypatch):
    def fail(*args, **options):
        raise ImportError("Please install scikit-learn")

    oracle = keras_tuner.oracles.BayesianOptimizationOracle
    monkeypatch.setattr(oracle, "__init__", fail)
    with pytest.raises(ValueError, match=r"keras-inpaint\[bayesian\].*algorithm='bayesian'"):
        search(settings, algorithm="bayesian", report=str)


@pytest.mark.parametrize(
    ("changes", "options", "advice"),
    [
        ({}, {"max_trials": 0}, "max_trials=0"),
        ({}, {"max_failures": True}, "max_failures=True"),
        ({"steps": 3, "save_every": 2}, {}, "steps=3, save_every=2"),
        ({}, {"objective": "generator_loss"}, "objective='generator_loss'"),
        ({}, {"algorithm": "grid"}, r"'random', 'hyperband', 'bayesian'.*'grid'"),
        ({}, {"objective": "val_perceptual"}, "network=None"),
        ({}, {"network": abs}, "belong together"),
        ({"data": "nowhere"}, {}, "nowhere"),
    ],
)
def test_wrong_search_is_refused_before_anything_is_written(
    settings, pretended, changes, options, advice
):
    error = FileNotFoundError if "data" in changes else ValueError
    with pytest.raises(error, match=advice):
        search(dataclasses.replace(settings, **changes), report=str, **options)
    assert not Path(settings.output).exists()


def test_keras_tuner_exports_the_status_of_a_trial_under_the_name_that_one_file_imports():
    # It is not documented. If it has gone away, see what else tells how a trial ended; its
    # values are in the files of a search.
    status = importlib.import_module("keras_tuner.engine.trial").TrialStatus
    known = (status.RUNNING, status.COMPLETED, status.FAILED)
    assert known == ("RUNNING", "COMPLETED", "FAILED")
    sources = Path(report_module.__file__).parent.glob("*.py")
    assert [path.name for path in sources if "keras_tuner.engine" in path.read_text()] == [
        "report.py"
    ]


def test_folder_of_another_search_is_refused(settings, pretended):
    search(settings, max_trials=1, report=str)
    for changes, options, advice in [
        ({"width": 12}, {}, r"`settings\.width`.*settings\.width=8.*settings\.width=12"),
        ({}, {"objective": "val_psnr"}, "objective='val_psnr'"),
        ({}, {"bounds": {"hole": (1, 2)}}, r"`ranges\.hole\.high`.*10\.0.*=2"),
        ({}, {"names": ["adversarial"]}, r"`ranges\.coarse`"),
    ]:
        with pytest.raises(ValueError, match=advice):
            search(dataclasses.replace(settings, **changes), report=str, **options)
    assert len(pretended) == 1


def test_folder_of_a_search_under_way_is_refused(settings, pretended):
    def start_another(numbers):
        with pytest.raises(ValueError, match=r"Another search.*Received: folder=.*search'"):
            search(settings, max_trials=1, report=str)

    pretended.before = start_another
    search(settings, max_trials=1, report=str)
    pretended.before = lambda numbers: None
    search(settings, max_trials=2, report=str)
    assert len(pretended) == 2


def test_folder_with_other_things_is_refused(settings, pretended, tmp_path):
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "letter.txt").write_text("Dear")
    with pytest.raises(ValueError, match="must be a new folder"):
        search(settings, report=str)
    (tmp_path / "file").write_text("")
    for output in ("file", "file/search"):
        with pytest.raises(OSError, match=rf"`output`.*Received: output='.*{output}'"):
            search(dataclasses.replace(settings, output=str(tmp_path / output)), report=str)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "search.json").write_text("{")
    with pytest.raises(ValueError, match=r"search\.json is damaged"):
        search(dataclasses.replace(settings, output=str(tmp_path / "damaged")), report=str)
    assert not pretended


def test_search_begins_in_a_folder_that_only_a_worker_has_seen(settings, pretended):
    Path(settings.output, "trials").mkdir(parents=True)
    Path(settings.output, ".lock").touch()
    search(settings, max_trials=1, report=str)
    assert len(trials_of(settings)) == 1


def test_search_that_was_stopped_in_its_first_trial_goes_on_with_it(settings, pretended):
    def stop(numbers):
        raise KeyboardInterrupt

    pretended.before = stop
    with pytest.raises(KeyboardInterrupt):
        search(settings, max_trials=2, report=str)
    pretended.before = lambda numbers: None
    lines = []
    search(settings, max_trials=2, report=lines.append)
    assert lines[0].startswith("Going on after 0 trials of ")
    assert pretended[0] == pretended[1]
    assert [row["status"] for row in trials_of(settings)] == ["completed"] * 2


def test_damaged_state_is_told(settings, pretended):
    search(settings, max_trials=1, report=str)
    Path(settings.output, "trials", "oracle.json").write_text("{")
    with pytest.raises(OSError, match=r"is damaged.*Received: .*search/trials"):
        search(settings, max_trials=2, report=str)


def full(*args, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_ends_the_search_before_the_trial_is_run(settings, pretended, monkeypatch):
    monkeypatch.setattr(tuner, "reserve_room", full)
    with pytest.raises(OSError, match="No space left on device"):
        search(settings, report=str)
    assert not pretended
    monkeypatch.undo()


def test_folder_that_is_lost_ends_the_search_and_is_left_as_it_was(settings, pretended):
    folder = Path(settings.output)
    away = folder.with_name("away")

    def lose(numbers):
        if len(pretended) == 2:
            folder.rename(away)

    pretended.before = lose
    with pytest.raises(OSError, match=r"not there any more.*start the search again") as caught:
        search(settings, max_trials=3, report=str)
    assert "\n" not in str(caught.value)
    # Nothing is written in its place.
    assert not folder.exists()
    away.rename(folder)
    search(settings, max_trials=3, report=str)
    assert pretended[1] == pretended[2]
    assert [row["status"] for row in trials_of(settings)] == ["completed"] * 3


def test_read_only_disk_is_told_before_the_first_trial(settings, pretended, monkeypatch):
    def refuse(*args, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OSError, match="Read-only file system") as caught:
        search(settings, report=str)
    assert "\n" not in str(caught.value)
    assert not pretended


@pytest.mark.parametrize("method", ["create_trial", "end_trial"])
@pytest.mark.parametrize("of_tensorflow", [False, True])
def test_state_that_cannot_be_written_is_told(
    settings, pretended, monkeypatch, method, of_tensorflow
):
    def fail(*args, **options):
        import tensorflow as tf

        raise tf.errors.ResourceExhaustedError(None, None, "No space left\non device")

    monkeypatch.setattr(keras_tuner.Oracle, method, fail if of_tensorflow else full)
    with pytest.raises(OSError, match=r"cannot be written.*Make room.*No space left on device"):
        search(settings, report=str)


def test_failed_trials_leave_no_traceback(settings, pretended, capfd):
    def fail(numbers):
        if len(pretended) == 1:
            raise ZeroDivisionError("for example")

    pretended.before = fail
    search(settings, max_trials=2, report=str)
    told = capfd.readouterr()
    assert "Traceback" not in told.out + told.err
    assert "Warning" not in told.err
    assert trials_of(settings)[0]["failure"] == "ZeroDivisionError: for example"


def test_only_hyperband_keeps_weights(settings, pretended):
    search(settings, max_trials=1, report=str)
    assert not list(Path(settings.output).rglob("*.h5"))


def test_report_says_what_a_plot_needs(settings, pretended, monkeypatch):
    for module in (report_module, sys.modules["keras_inpaint.tuning.search"]):
        monkeypatch.setattr(module, "has_plots", lambda: False)
    lines = []
    search(settings, max_trials=1, report=lines.append)
    assert "pip install 'keras-inpaint[tuning]'" in lines[0]
    assert not Path(settings.output, "trials.png").exists()
    assert "trials.png" not in Path(settings.output, "trials.md").read_text()


def be_chief(monkeypatch, port):
    told = {"TUNER_ID": "chief", "ORACLE_IP": "127.0.0.1", "ORACLE_PORT": str(port)}
    for name, value in told.items():
        monkeypatch.setenv(f"KERASTUNER_{name}", value)


def test_half_told_worker_is_refused(settings, pretended, monkeypatch):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    with pytest.raises(ValueError, match="no KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_PORT"):
        search(settings, report=str)


def test_port_that_is_none_is_refused(settings, pretended, monkeypatch):
    be_chief(monkeypatch, "http")
    with pytest.raises(ValueError, match=r"KERASTUNER_ORACLE_PORT must be.*Received: 'http'"):
        search(settings, report=str)
    assert not Path(settings.output).exists()


def test_chief_whose_port_is_taken_is_told(settings, pretended, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        be_chief(monkeypatch, port)
        with pytest.raises(OSError, match=f"KERASTUNER_ORACLE_PORT, a free port.*:{port}"):
            search(settings, report=str)


def test_devices_of_the_settings_share_the_trials(settings, pretended, monkeypatch):
    module, made = sys.modules["keras_inpaint.tuning.search"], []
    monkeypatch.setattr(module, "devices_scope", lambda *args: nullcontext("two devices"))

    def make(*args):
        made.append(args[3])
        return tuner.InpaintingTuner(*args[:3], None, *args[4:])

    monkeypatch.setattr(module, "InpaintingTuner", make)
    search(settings, max_trials=1, report=str)
    search(settings, max_trials=1, strategy="three devices", report=str)
    assert made == ["two devices", "three devices"]


def test_several_processes_share_trials_and_no_batches(settings, monkeypatch):
    cluster = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    several = dataclasses.replace(settings, distribution="multiworker")
    with pytest.raises(ValueError, match="share the trials, see KERASTUNER_TUNER_ID"):
        search(several, report=str)
    with pytest.raises(ValueError, match=r"TF_CONFIG.*unset it"):
        search(settings, report=str)
    assert not Path(settings.output).exists()


def test_photos_are_held_out_to_measure_on(settings, photos):
    learned, measured = _split(settings)
    assert [Path(path).name for path in measured] == ["0.png"]
    assert [Path(path).name for path in learned] == ["1.png", "2.png", "3.png", "4.png"]
    alone = dataclasses.replace(settings, data=f"{photos}/0.png")
    with pytest.raises(ValueError, match=r"name others in `validation`.*1 photo"):
        _split(alone)
