"""Several processes train one run: they find each other, lose each other, and go on."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from keras_inpaint.training.cluster import Cluster, Tasks, read_tasks, tasks_of
from keras_inpaint.training.run import StopRequest
from keras_inpaint.training.settings import Settings

BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")


def tf_config(index, addresses=("one:1", "two:2"), kind="worker"):
    task = {"type": kind, "index": index}
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": task})


def test_processes_are_read_from_either_kind_of_environment():
    expected = Tasks(("one:1", "two:2"), 1)
    assert read_tasks({"TF_CONFIG": tf_config(1)}) == expected
    of_keras = {
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": "one:1,two:2",
        "KERAS_DISTRIBUTION_PROCESS_ID": "1",
    }
    assert read_tasks(of_keras) == expected
    assert read_tasks({}) is None
    cluster = {"worker": ["two:2"], "chief": ["one:1"], "ps": ["three:3"]}
    with_chief = {"cluster": cluster, "task": {"type": "worker", "index": 0}}
    assert read_tasks({"TF_CONFIG": json.dumps(with_chief)}) == expected


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"TF_CONFIG": "{"}, "must be JSON.*TF_CONFIG='{'"),
        ({"TF_CONFIG": tf_config(2)}, "another index in each process"),
        ({"TF_CONFIG": tf_config(0, ["one"])}, '"one:2222".*TF_CONFIG='),
        ({"KERAS_DISTRIBUTION_JOB_ADDRESSES": "one:1"}, "index of this one.*'one:1' and ''"),
    ],
)
def test_what_describes_no_processes_is_refused(environment, words):
    with pytest.raises(ValueError, match=words):
        read_tasks(environment)


def test_settings_and_environment_must_fit(monkeypatch):
    def settings(distribution, batch_size=4):
        return Settings("photos", "run", distribution=distribution, batch_size=batch_size)

    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert tasks_of(settings(None)) is None
    with pytest.raises(ValueError, match=r"TF_CONFIG.*'multiworker' without"):
        tasks_of(settings("multiworker"))
    monkeypatch.setenv("TF_CONFIG", tf_config(1))
    assert tasks_of(settings("multiworker")) == Tasks(("one:1", "two:2"), 1)
    assert tasks_of(settings("none")) is None
    # Set by accident, where one process was meant to train.
    for distribution in (None, "mirrored"):
        with pytest.raises(ValueError, match=r"TF_CONFIG.*unset it.*one:1, two:2"):
            tasks_of(settings(distribution))
    with pytest.raises(ValueError, match="batch_size=3 for 2"):
        tasks_of(settings("multiworker", 3))


class Others(Cluster):
    """Of two processes, this one, where the other was asked to end or not."""

    def __init__(self, was_asked):
        super().__init__()
        self.tasks = Tasks(("one:1", "two:2"), 0)
        self.was_asked = was_asked

    def any(self, is_so):
        return is_so or self.was_asked


@pytest.mark.parametrize("was_asked", [False, True])
def test_processes_end_after_the_same_step_whichever_was_asked(was_asked):
    class Trained:
        stop_training = False

    stop = StopRequest(Others(was_asked))
    stop.set_model(Trained)
    with stop:
        if not was_asked:
            stop._ask(2, None)
        # Not before the others know.
        assert not stop.asked
        stop.on_train_batch_begin(7)
        assert not Trained.stop_training
        stop.on_train_batch_begin(20)
        assert stop.asked
        assert Trained.stop_training


# ---- Real processes ----------------------------------------------------------------------

EXCHANGES = """
import sys

import numpy as np
from keras_inpaint.training.cluster import Cluster, read_tasks
from keras_inpaint.training.settings import Settings

cluster = Cluster(read_tasks())
with cluster.finding_lost():
    cluster.check_equal(Settings("photos", sys.argv[0], steps=5), "7 photos")
    is_first = cluster.is_chief
    arrays = [np.float32([1.1, -2]) * is_first, np.int64([7]) * is_first, np.bool_([is_first])]
    print([(each.tolist(), each.dtype.name) for each in cluster.add(arrays)], flush=True)
    while True:
        cluster.any(False)
"""

# Small networks, of which nothing takes long.
TRAINS = f"""
import sys

import keras

sys.path.insert(0, {BENCHMARKS!r})
from kills import NoTensorFlow, make_small

from keras_inpaint import InpaintingGAN

InpaintingGAN.deepfill_v2 = make_small
if keras.backend.backend() == "jax":
    sys.meta_path.insert(0, NoTensorFlow())
else:
    import tensorflow

    tensorflow.config.run_functions_eagerly(True)
from keras_inpaint.cli.main import main

sys.exit(main(sys.argv[1:]))
"""


# A second processor stands for the GPU.
PREFETCHES = """
import types

import tensorflow as tf
from keras_inpaint.training.cluster import Cluster

(processor,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    processor, [tf.config.LogicalDeviceConfiguration()] * 2
)
first, second = tf.config.list_logical_devices("CPU")
stream = tf.data.Dataset.from_tensors([1.0]).repeat()
devices = []
for gpus in ([], [first, second], [second]):
    tf.config.list_logical_devices = lambda kind, gpus=gpus: gpus
    devices.append(next(iter(Cluster().distribute(stream, 1))).device)
print(len(Cluster().distribute(stream.take(3), 1)))
print(*[device[-5:] for device in devices])
"""


def start(program, environment, *words):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            "KERAS_BACKEND": keras.backend.backend(),
            "CUDA_VISIBLE_DEVICES": "",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            # What JAX has compiled for one process serves the next.
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            **environment,
        },
    )


def environments():
    """Those of two processes."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(2)]
    addresses = [f"localhost:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return [{"TF_CONFIG": tf_config(index, addresses)} for index in range(2)]


def end(processes):
    for each in processes:
        each.kill()
        each.communicate()


def read_until(process, word):
    lines = []
    for line in process.stdout:
        lines.append(line)
        if word in line:
            return lines
    raise AssertionError(f"no {word!r} in {lines}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lost", "fault"),
    # What is stopped holds its connections and answers nothing, as behind a cable that is cut.
    [(0, signal.SIGKILL), (1, signal.SIGKILL), (0, signal.SIGSTOP), (1, signal.SIGSTOP)],
)
def test_process_that_is_lost_ends_the_other_with_a_line(lost, fault):
    processes = [start(EXCHANGES, environment) for environment in environments()]
    try:
        sums = read_until(processes[1 - lost], "float32")[-1]
        assert sums == (
            f"[({np.float32([1.1, -2]).tolist()}, 'float32'), ([7], 'int64'), "
            "([True], 'bool')]\n"
        )
        processes[lost].send_signal(fault)
        told = processes[1 - lost].communicate(timeout=60)[0]
    finally:
        end(processes)
    assert processes[1 - lost].returncode not in (0, None)
    assert "Another process of this training has ended, or cannot be reached" in told
    assert "Start the same command on all machines again" in told
    if not IS_ON_TENSORFLOW and fault == signal.SIGSTOP:
        # Before JAX aborts the process.
        assert processes[1 - lost].returncode == 2
        assert told.count("\n") == 1


IS_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
# JAX may abort the process before it says anything.
ENDED = (2,) if IS_ON_TENSORFLOW else (2, -signal.SIGABRT)


def train(folder, output, steps, environment, *words):
    options = {
        "data": folder / "photos",
        "validation": folder / "others",
        "output": folder / output,
        "width": 4,
        "critic-width": 4,
        "image-size": 32,
        "batch-size": 4,
        "learning-rate": 3e-3,
        "save-every": 1,
        "sheets-every": 0,
        "steps": steps,
    }
    words += tuple(f"--{name}={value}" for name, value in options.items())
    environment = {**environment, "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled")}
    return start(TRAINS, environment, "train", *words)


def train_both(folder, steps):
    return [
        train(folder, f"two-{index}", steps, environment, "--distribution=multiworker")
        for index, environment in enumerate(environments())
    ]


def read_log(folder):
    with (folder / "log.csv").open(newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def weights_of(folder, step):
    """Every array of a checkpoint: both networks, and the state of both optimizers."""
    path = folder / "checkpoint" / f"step-{step:09d}" / "training.weights.h5"
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]} if hasattr(item, "dtype") else {})
        )
    return found


@pytest.mark.slow
def test_worker_that_is_killed_ends_the_chief_and_the_run_goes_on(tmp_path):
    # On JAX, several processes leave out a last, smaller batch in validation.
    for name, count in (("photos", 7), ("others", 7 if IS_ON_TENSORFLOW else 4)):
        (tmp_path / name).mkdir()
        for number in range(count):
            pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3), "uint8")
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    chief, worker = train_both(tmp_path, 1000)
    processes = [chief, worker]
    try:
        read_until(chief, "step 2/")
        worker.kill()
        told = chief.communicate(timeout=60)[0]
        assert chief.returncode in ENDED, told
        assert "Another process of this training has ended, or cannot be reached" in told
        assert "Start the same command on all machines again" in told
        made = int(read_log(tmp_path / "two-0")[-1]["step"])
        processes += [train(tmp_path, "one", made + 1, {}), *train_both(tmp_path, made + 1)]
        # The chief's, as it goes on.
        told = [each.communicate(timeout=600)[0] for each in processes[2:]]
        assert [each.returncode for each in processes[2:]] == [0, 0, 0], told
        assert f"Going on from step {made}" in told[1]
    finally:
        end(processes)
    one, two = tmp_path / "one", tmp_path / "two-0"
    log = read_log(two)
    assert [row["step"] for row in log] == list(range(1, made + 2))
    for ours, theirs in zip(log, read_log(one), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)
    found, expected = (weights_of(folder, made + 1) for folder in (two, one))
    assert found.keys() == expected.keys()
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-3, atol=1e-5, err_msg=name)
    # The chief alone writes.
    assert not (tmp_path / "two-1").exists()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="Keras does it on JAX")
def test_batches_are_copied_to_the_gpu_before_their_step():
    output, _ = start(PREFETCHES, {}).communicate(timeout=120)
    # How many there are of a stream that ends. Without a GPU, on two, whose
    # strategy does it, and on one.
    assert output.splitlines()[-2:] == ["3", "CPU:0 CPU:0 CPU:1"]
