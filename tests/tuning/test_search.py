"""Searches whose trials are pretended: what is decided, kept and told."""

import csv
import dataclasses
import json
import math
import socket
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import grpc
import numpy as np
import pytest
from keras_tuner.errors import FailedTrialError
from keras_tuner.src import protos
from PIL import Image

from keras_inpaint.training import Settings, text_files
from keras_inpaint.tuning import durable_oracles, search
from keras_inpaint.tuning import search_folder as search_folder_module
from keras_inpaint.tuning.inpainting_tuner import InpaintingTuner


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
        "measure.png",
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
    assert lines[0] == "trial 1/5  val_hole_l1 0.5229  hole 1  known 1  adversarial 1  coarse 1"
    page = (folder / "trials.md").read_text().splitlines()
    assert page[2].endswith(f"The best is trial {np.argmin(scores)}.")
    firsts = [line.split(" | ")[0] for line in page if line.startswith("| ")][2:7]
    assert firsts == [f"| {number}" for number in np.argsort(scores)]
    assert "| adversarial | 0.1 | 10 | log | the floor" in "\n".join(page)
    with Image.open(folder / "measure.png") as picture:
        assert picture.size == (3 * 360 + 2 * 4, 2 * 260 + 4)


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
    assert lines[0].startswith("trial 1/4 failed: `critic_loss` became nan in epoch 1.  hole 1")
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
    assert [row["status"] for row in trials_of(settings)] == ["failed"] * 2 + ["completed"] * 2


def test_search_goes_on_with_more_trials(settings, pretended):
    search(settings, max_trials=2, report=str)
    lines = []
    search(settings, max_trials=3, report=lines.append)
    assert len(pretended) == 3
    assert lines[0].startswith("Going on after 2 trials of ")
    assert lines[1].startswith("trial 3/3 ")


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["random", "hyperband"])
def test_search_cut_off_anywhere_ends_as_an_unbroken_one(
    settings, pretended, tmp_path, monkeypatch, algorithm
):
    """Each write is cut off once, half-way: after it, the search goes on."""
    options = {"algorithm": algorithm, "max_trials": 2, "names": ["adversarial"], "report": str}
    unbroken = dataclasses.replace(settings, output=str(tmp_path / "unbroken"))
    write, num_writes = text_files.os.replace, []

    def cut_off(draft, path):
        num_writes.append(path)
        if len(num_writes) == cut_at:
            raise KeyboardInterrupt
        write(draft, path)

    monkeypatch.setattr(text_files.os, "replace", cut_off)
    cut_at = 0
    search(unbroken, **options)
    total = len(num_writes)
    assert total > 2 * 5
    expected = trials_of(unbroken)
    for cut_at in range(1, total + 1):
        num_writes.clear()
        del pretended[:]
        each = dataclasses.replace(settings, output=str(tmp_path / f"cut-{cut_at}"))
        with pytest.raises(KeyboardInterrupt):
            search(each, **options)
        files = Path(each.output).glob("trials/trial_*/trial.json")
        num_done = sum('"COMPLETED"' in file.read_text() for file in files)
        num_begun = len(pretended)
        num_writes = [None] * total  # No more cuts.
        search(each, **options)
        assert trials_of(each) == expected, cut_at
        # What is done is not run again, and only the trial under way is run twice.
        assert len(pretended) == num_begun + 2 - num_done, cut_at
        assert num_begun <= num_done + 1


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
    import keras_tuner.src.tuners.bayesian as module

    monkeypatch.setattr(module, "sklearn", None)
    with pytest.raises(ValueError, match=r"keras-inpaint\[bayesian\].*algorithm='bayesian'"):
        search(settings, algorithm="bayesian", report=str)


@pytest.mark.parametrize(
    ("changes", "options", "advice"),
    [
        ({}, {"max_trials": 0}, "max_trials=0"),
        ({}, {"max_failures": True}, "max_failures=True"),
        ({"steps": 3, "save_every": 2}, {}, "steps=3, save_every=2"),
        ({}, {"objective": "generator_loss"}, "objective='generator_loss'"),
        ({}, {"algorithm": "grid"}, r"random, hyperband, bayesian.*'grid'"),
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


def test_folder_of_another_search_is_refused(settings, pretended):
    search(settings, max_trials=1, report=str)
    for changes, options, advice in [
        ({"width": 9}, {}, r"`settings\.width`.*settings\.width=8.*settings\.width=9"),
        ({}, {"objective": "val_psnr"}, "objective='val_psnr'"),
        ({}, {"bounds": {"hole": (1, 2)}}, r"`ranges\.hole\.high`.*10\.0.*=2"),
        ({}, {"names": ["adversarial"]}, r"`ranges\.coarse`"),
    ]:
        with pytest.raises(ValueError, match=advice):
            search(dataclasses.replace(settings, **changes), report=str, **options)
    assert len(pretended) == 1


def test_folder_of_a_search_under_way_is_refused(settings, pretended):
    def start_another(numbers):
        with pytest.raises(ValueError, match=r"Another training.*Received: output=.*search'"):
            search(settings, max_trials=1, report=str)

    pretended.before = start_another
    search(settings, max_trials=1, report=str)
    pretended.before = lambda numbers: None
    search(settings, max_trials=2, report=str)
    assert len(pretended) == 2


def test_folder_with_other_things_is_refused(settings, pretended, tmp_path, monkeypatch):
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "letter.txt").write_text("Dear")
    with pytest.raises(ValueError, match="must be a new folder"):
        search(settings, report=str)
    (tmp_path / "file").write_text("")
    below = dataclasses.replace(settings, output=str(tmp_path / "file" / "search"))
    with pytest.raises(OSError, match=r"can be written to.*file/search"):
        search(below, report=str)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "search.json").write_text("{")
    with pytest.raises(ValueError, match=r"search\.json is damaged"):
        search(dataclasses.replace(settings, output=str(tmp_path / "damaged")), report=str)
    assert search_folder_module.SearchFolder(tmp_path / "new", {}).path.is_dir()


def test_search_begins_where_one_was_cut_off_before_its_first_file(tmp_path):
    (tmp_path / "search.json.unfinished").write_text("{")
    search_folder_module.SearchFolder(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["search.json"]


def test_worker_leaves_the_folder_to_its_chief(tmp_path):
    make = search_folder_module.SearchFolder
    worker = make(tmp_path / "search", {"algorithm": "random"}, is_helper=True)
    other = make(tmp_path / "search", {"algorithm": "hyperband"}, is_helper=True)
    assert not any(worker.path.iterdir())
    # Keras Tuner's, and what a chief leaves that is killed as it begins.
    (worker.path / "trials").mkdir()
    (worker.path / "search.json.unfinished").write_text("{")
    make(tmp_path / "search", {"algorithm": "random"})
    worker.check()
    with pytest.raises(ValueError, match=r"go on with algorithm='random'.*='hyperband'"):
        other.check()


def test_worker_looks_at_the_folder_when_asked_to(tmp_path):
    # Before its chief answers, it may find the lock where a moment ago no search.json was.
    (tmp_path / ".lock").touch()
    worker = search_folder_module.SearchFolder(tmp_path, {}, is_helper=True)
    # Once it has answered, there is one.
    with pytest.raises(ValueError, match="must be the folder of the chief"):
        worker.check()


def be_chief(monkeypatch, port):
    told = {"TUNER_ID": "chief", "ORACLE_IP": "127.0.0.1", "ORACLE_PORT": str(port)}
    for name, value in told.items():
        monkeypatch.setenv(f"KERASTUNER_{name}", value)


def test_chief_that_cannot_write_ends(settings, pretended, monkeypatch):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    be_chief(monkeypatch, port)
    answers = []

    def ask():
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = protos.get_service_grpc().OracleStub(channel)
            request = protos.get_service().CreateTrialRequest(tuner_id="worker-1")
            stub.GetSpace(protos.get_service().GetSpaceRequest(), wait_for_ready=True)
            monkeypatch.setattr(durable_oracles, "write_text", fail)
            try:
                stub.CreateTrial(request)
            except grpc.RpcError as error:
                answers.append(error.details())

    def fail(path, text):
        raise OSError(f"No space left on device: {path}")

    worker = threading.Thread(target=ask, daemon=True)
    worker.start()
    with pytest.raises(OSError, match=r"No space left on device: .*trial\.json"):
        search(settings, report=str)
    worker.join(60)
    assert "No space left on device" in answers[0]


def test_half_told_worker_is_refused(settings, pretended, monkeypatch):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    with pytest.raises(ValueError, match="no KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_PORT"):
        search(settings, report=str)


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
        made.append(args[4])
        return InpaintingTuner(*args[:4])

    monkeypatch.setattr(module, "InpaintingTuner", make)
    search(settings, max_trials=1, report=str)
    search(settings, max_trials=1, strategy="three devices", report=str)
    assert made == ["two devices", "three devices"]


def test_photos_are_held_out_to_measure_on(settings, photos):
    from keras_inpaint.tuning.trial_photos import _split

    learned, measured = _split(settings)
    assert [Path(path).name for path in measured] == ["0.png"]
    assert [Path(path).name for path in learned] == ["1.png", "2.png", "3.png", "4.png"]
    alone = dataclasses.replace(settings, data=f"{photos}/0.png")
    with pytest.raises(ValueError, match=r"name others in `validation`.*1 photo"):
        _split(alone)
