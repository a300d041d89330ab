"""Two processes learn as one: programs of their own train, see two_processes.py."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="strategies are TensorFlow's"
    ),
]

PROGRAM = Path(__file__).with_name("two_processes.py")


def free_ports(num):
    sockets = [socket.socket() for _ in range(num)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(folder, **environment):
    environment = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **environment},
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What one process found alone, and two together."""
    folder = tmp_path_factory.mktemp("processes")
    (folder / "photos").mkdir()
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 24, 3), "uint8")
        Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")
    cluster = {"worker": [f"localhost:{port}" for port in free_ports(2)]}
    tasks = [{"type": "worker", "index": index} for index in range(2)]
    processes = [start(folder)] + [
        start(folder, TF_CONFIG=json.dumps({"cluster": cluster, "task": task}))
        for task in tasks
    ]
    results = []
    try:
        for process in processes:
            out, error = process.communicate(timeout=240)
            assert process.returncode == 0, error[-3000:]
            results.append(json.loads(out.splitlines()[-1]))
    finally:
        for process in processes:
            process.kill()
    return results


def test_two_processes_update_measure_and_fill_as_one_does(found):
    alone, *both = found
    for each in both:
        for name in ("history", "measured"):
            assert each[name] == pytest.approx(alone[name], rel=1e-5, abs=1e-6), name
        for one, other in zip(alone["weights"], each["weights"], strict=True):
            np.testing.assert_allclose(other, one, atol=1e-6)
        np.testing.assert_allclose(each["filled"], alone["filled"], atol=1e-5)
        # Of photos, each process reads its own part of the batch that one alone would read.
        assert each["of_photos"] == pytest.approx(alone["of_photos"], rel=1e-5, abs=1e-6)
    assert both[0]["weights"] == both[1]["weights"]
    assert {"val_psnr", "critic_loss"} <= set(alone["history"])


def test_the_chief_writes_and_the_other_writes_nothing(found):
    alone, chief, other = (each["written"] for each in found)
    assert {"1.weights.h5", "gan.keras", "preset/config.json"} <= set(chief)
    assert chief == alone
    assert other == []
