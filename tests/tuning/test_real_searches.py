"""Searches of real trials on real photos, in processes of their own: killed, and shared."""

import csv
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest

BENCHMARKS = str(pathlib.Path(__file__).parents[2] / "benchmarks")

# The command line with networks of a few layers and without compiling. Each trial leaves a
# line in the log; the process is killed when the trial of the given number has been trained,
# but not recorded. Workers begin when all of them can, so that each has its share, and trials
# hang from the one of the given number on.
PROGRAM = """
import os, pathlib, signal, sys, time

log, killed_at, num_workers, hangs_at, *words = sys.argv[1:]
import tensorflow
tensorflow.config.run_functions_eagerly(True)
from keras_inpaint.cli.main import main
from keras_inpaint.gan import InpaintingGAN
from keras_inpaint.tuning import InpaintingHyperModel
from kills import make_small

InpaintingGAN.deepfill_v2 = make_small
fit, log, num_fitted = InpaintingHyperModel.fit, pathlib.Path(log), 0
name = os.environ.get("KERASTUNER_TUNER_ID", "alone")

def watched(self, hp, model, *args, **kwargs):
    global num_fitted
    num_fitted += 1
    with log.open("a") as file:
        file.write(name + "\\n")
    while len(set(log.read_text().split())) < int(num_workers):
        time.sleep(0.1)
    while len(log.read_text().split()) >= int(hangs_at) > 0:
        time.sleep(0.1)
    history = fit(self, hp, model, *args, **kwargs)
    if num_fitted == int(killed_at):
        os.kill(os.getpid(), signal.SIGKILL)
    return history

InpaintingHyperModel.fit = watched
sys.exit(main(words))
"""


def tune(settings, log, max_trials, killed_at=0, num_workers=1, hangs_at=0, environment=None):
    words = ["tune", "--data", settings.data, "--output", settings.output, "--width", 8]
    words += ["--critic-width", 4, "--image-size", 32, "--batch-size", 2, "--steps", 1]
    words += ["--save-every", 1, "--max-trials", max_trials]
    return start([log, killed_at, num_workers, hangs_at, *words], environment)


def start(words, environment=None, program=PROGRAM):
    # Into a file, of which can be read what a process has said that did not end.
    told, path = tempfile.mkstemp()
    usual = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
    usual["PYTHONPATH"] = os.pathsep.join([BENCHMARKS, *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)],
        stdout=told,
        stderr=subprocess.STDOUT,
        env={**os.environ, **usual, **(environment or {})},
    )
    os.close(told)
    return process, pathlib.Path(path)


def ended(*started):
    """What each process has said, and its exit code; `None` where it had to be killed.

    If one fails, the others may wait for it for ever.
    """
    processes, limit = [process for process, _ in started], time.monotonic() + 500
    codes = [None]
    while None in codes and not any(codes) and time.monotonic() < limit:
        time.sleep(0.1)
        codes = [process.poll() for process in processes]
    for process in processes:
        process.kill()
        process.wait()
    told = [path.read_text() for _, path in started]
    for _, path in started:
        path.unlink()
    return list(zip(told, codes, strict=True))


def trials_of(settings):
    with open(os.path.join(settings.output, "trials.csv"), newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_killed_search_goes_on_and_its_best_settings_train(settings, tmp_path):
    log = tmp_path / "log.txt"
    ((told, code),) = ended(tune(settings, log, max_trials=2, killed_at=2))
    assert code == -signal.SIGKILL, told
    # What was found before is told already.
    (before,) = [row for row in trials_of(settings) if row["status"] == "completed"]
    ((told, code),) = ended(tune(settings, log, max_trials=2))
    assert code == 0, told
    assert "Going on after 1 trials of" in told
    # Two before the kill, and the second once more.
    assert len(log.read_text().split()) == 3
    rows = trials_of(settings)
    assert [(row["trial"], row["status"]) for row in rows] == [
        ("0", "completed"),
        ("1", "completed"),
    ]
    assert rows[0] == before
    assert 0 < float(rows[1]["val_hole_l1"]) < 1

    best = os.path.join(settings.output, "best.json")
    words = ["train", "--config", best, "--output", tmp_path / "run", "--steps", 1]
    ((told, code),) = ended(start([log, 0, 1, 0, *words, "--sheets-every", 0]))
    assert code == 0, told
    used = json.loads((tmp_path / "run" / "settings.json").read_text())
    with open(best) as file:
        assert used["loss_weights"] == json.load(file)["loss_weights"]


@pytest.mark.slow
def test_search_of_a_chief_and_workers_goes_on_after_all_were_killed(settings, tmp_path):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    log = tmp_path / "log.txt"
    log.touch()

    def start_all(**options):
        shared = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(port)}
        return {
            name: tune(
                settings,
                log,
                max_trials=5,
                environment={"KERASTUNER_TUNER_ID": name, **shared},
                **options,
            )
            for name in ("chief", "worker-1", "worker-2")
        }

    # Each worker has run one trial, and is at its second.
    begun = start_all(num_workers=2, hangs_at=3)
    limit = time.monotonic() + 400
    while sorted(log.read_text().split()) != ["worker-1"] * 2 + ["worker-2"] * 2:
        assert time.monotonic() < limit, [path.read_text() for _, path in begun.values()]
        time.sleep(0.1)
    for process, path in begun.values():
        process.kill()
        process.wait()
        path.unlink()
    assert not pathlib.Path(settings.output, "trials.csv").exists()

    again = start_all()
    told = dict(zip(again, ended(*again.values()), strict=True))
    assert [code for _, code in told.values()] == [0, 0, 0], told
    # Two were done, two were run again, and one was left.
    assert len(log.read_text().split()) == 4 + 3
    rows = trials_of(settings)
    assert [row["trial"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert [row["status"] for row in rows] == ["completed"] * 5
    assert all(0 < float(row["val_hole_l1"]) < 1 for row in rows)
    assert len({row["hole"] for row in rows}) == 5
    assert "Going on after 2 trials of" in told["chief"][0]
    assert told["chief"][0].splitlines()[-1] == os.path.join(settings.output, "best.json")
    assert "The chief writes the report." in told["worker-1"][0]


# A search under one strategy of two devices, which share each batch.
SHARED = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from keras_inpaint.gan import InpaintingGAN
from keras_inpaint.training import Settings
from keras_inpaint.tuning import search
from kills import make_small

InpaintingGAN.deepfill_v2 = make_small
build, seen = InpaintingGAN.compile, []

def watched(self, *args, **kwargs):
    seen.append(tf.distribute.get_strategy().num_replicas_in_sync)
    return build(self, *args, **kwargs)

InpaintingGAN.compile = watched
settings = Settings(
    sys.argv[1], sys.argv[2], width=4, critic_width=4, image_size=32, batch_size=2, steps=1,
    save_every=1,
)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
search(settings, max_trials=1, strategy=strategy)
print("devices", seen)
"""


@pytest.mark.slow
def test_devices_of_a_strategy_share_a_trial(settings):
    ((told, code),) = ended(start([settings.data, settings.output], program=SHARED))
    assert code == 0, told
    # The first two are built to see that they can be, the second by Keras Tuner.
    assert told.splitlines()[-1] == "devices [1, 1, 2]", told
    (row,) = trials_of(settings)
    assert row["status"] == "completed", row["failure"]
