"""Two devices learn as one: a program of its own trains on both, see two_devices.py."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

tf = pytest.importorskip("tensorflow")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="strategies are TensorFlow's"
    ),
]

PROGRAM = Path(__file__).with_name("two_devices.py")
BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")
KINDS = ["CPU", pytest.param("GPU", marks=pytest.mark.gpu)]


def run(part, kind, folder):
    if kind == "GPU" and len(tf.config.list_physical_devices("GPU")) < 2:
        pytest.skip("needs two GPUs")
    result = subprocess.run(
        [sys.executable, str(PROGRAM), part, kind, str(folder)],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPATH": os.pathsep.join([BENCHMARKS, *sys.path]),
        },
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return {**json.loads(result.stdout.splitlines()[-1]), "told": result.stdout + result.stderr}


@pytest.fixture(scope="module", params=KINDS)
def first(request, tmp_path_factory):
    """What the part `first` found."""
    return run("first", request.param, tmp_path_factory.mktemp("first"))


def assert_same_updates(found, tolerance):
    assert found["num_devices"] == 2
    assert found["devices_differ"] == 0
    one, two = found["logs"]
    assert two == pytest.approx(one, rel=tolerance, abs=tolerance)
    one, two = found["measures"]
    assert one.keys() == two.keys()
    for size, expected in one.items():
        assert two[size] == pytest.approx(expected, rel=tolerance, abs=tolerance), size


def test_two_devices_update_as_one_does(first):
    assert_same_updates(first["sgd"], tolerance=1e-5)
    assert first["sgd"]["weights"] < 1e-5
    # Far more than the tolerance, or the same weights would say nothing.
    assert first["sgd"]["learned"] > 5e-4


def test_devices_predict_what_the_model_says_in_the_order_of_the_pictures(first):
    assert first["predicted"] < 1e-6


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("share", "ValueError: .*divide by 4: 2 devices.*critic_steps=2. Take 8.*batch of 6"),
        ("dataset_share", "ValueError: .*Take 4.*Received: a batch of 2"),
        ("last", "ValueError: .*smaller last batch. Received: a batch of 2"),
        ("unknown_size", r"ValueError: .*drop_remainder=True.*\(None, 32, 32, 3\)"),
        ("jit_compile", "ValueError: .*'auto'. Received: jit_compile=True for 2 devices"),
        ("steps_per_execution", "ValueError: .*Received: steps_per_execution=4 for 2"),
        ("outside", "ValueError: .*strategy.scope.*/ema_updates', made outside"),
        ("networks_outside", "ValueError: .*strategy.scope.*/kernel', made outside"),
        ("optimizers_outside", "ValueError: .*strategy.scope.*/iteration', made outside"),
        ("other_strategy", "ValueError: .*one strategy a process.*another object"),
        ("train_on_batch", "ValueError: .*`fit.images, batch_size=len.*Received: 2 devices"),
        ("test_on_batch", "ValueError: .*`evaluate.images, batch_size=len.*: 2 devices"),
        ("in_a_step", r"InvalidArgumentError: (.|\n)*drop_remainder(.|\n)*device: '\n2, 1"),
    ],
)
def test_what_devices_cannot_do_is_told_before_they_begin(first, what, words):
    assert re.match(words, first["refusals"][what]), first["refusals"][what]


@pytest.mark.parametrize("kind", KINDS)
def test_two_devices_take_data_of_every_kind(kind, tmp_path):
    pytest.importorskip("torch")
    found = run("kinds_of_data", kind, tmp_path)
    rows = ["arrays", "y", "dict", "split", "dataset", "py_dataset", "generator", "loader"]
    assert [name for name in found if name != "told"] == rows
    for name in rows:
        one, two = found[name]["logs"]
        assert "val_loss" in one, name
        assert two == pytest.approx(one, rel=1e-5), name
        assert found[name]["weights"] < 1e-6, name
        assert found[name]["learned"] > 1e-4, name


@pytest.mark.parametrize("kind", KINDS)
def test_two_devices_are_guided_as_one_is(kind, tmp_path):
    pytest.importorskip("torch")
    found = run("guided", kind, tmp_path)
    for name in ("dataset", "loader", "blank"):
        assert found[name]["weights"] < 1e-5, name
        assert found[name]["learned"] > 1e-4, name
    # The same sketches, and none at all.
    assert found["loader"]["beside_first"] < 1e-5
    assert found["blank"]["beside_first"] > 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_two_devices_update_as_one_does_where_steps_are_compiled(kind, tmp_path):
    found = run("compiled", kind, tmp_path)["sgd"]
    assert_same_updates(found, tolerance=1e-5)
    assert found["weights"] < 1e-5
    assert found["learned"] > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_two_devices_measure_as_one_does_with_adam(kind, tmp_path):
    found = run("with_adam", kind, tmp_path)
    for version in ("v1", "v2"):
        assert_same_updates(found[version], tolerance=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_that_overflows_on_one_device_is_left_out_on_both(kind, tmp_path):
    found = run("half_precision", kind, tmp_path)
    assert_same_updates(found["sgd"], tolerance=2e-3)
    assert found["is_finite"]
    assert found["moved"] > 0
    # Of two steps, the second was left out, and the scale halved.
    assert found["scale"] == 4


@pytest.mark.parametrize("kind", KINDS)
def test_two_devices_clip_and_guard_steps_as_one_does(kind, tmp_path):
    found = run("guarded", kind, tmp_path)
    for name in ("ours", "stop", "skip"):
        assert found[name]["weights"] < 1e-6, name
        assert min(found[name]["moved"]) > 1e-3, name
    assert found["frozen"]["weights"] < 1e-6
    # The second layer of the generator alone, on one device as on two.
    assert [[change > 0 for change in way] for way in found["frozen"]["moved"]] == [
        [False, False, True, True, False, False]
    ] * 2
    # Each device clips its own part of the sum there.
    assert found["of_keras"]["weights"] > 1e-3
    assert (found["stop"]["steps"], found["skip"]["steps"]) == ([1, 1], [3, 3])


@pytest.mark.parametrize("kind", KINDS)
def test_callbacks_and_files_work_on_two_devices(kind, tmp_path):
    found = run("with_callbacks", kind, tmp_path)
    assert found["epochs"] == [[0], [1]]
    history, expected = found["history"]
    assert {"val_psnr", "val_hole_l1", "generator_loss"} <= set(expected)
    for name, values in expected.items():
        assert history[name] == pytest.approx(values, rel=1e-4, abs=1e-5), name
    assert found["weights"] < 1e-5
    assert found["files"] == ["sheets/step-000000002.png", "sheets/step-000000004.png"]
    assert found["checkpoint"] == ["epoch-1.weights.h5", "epoch-2.weights.h5"]
    assert (found["loaded"], found["state"]) == (0, 0)
    assert found["goes_on"] == "nothing was raised"
    assert found["spread"] == [1, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_command_line_trains_on_two_devices_and_goes_on(kind, tmp_path):
    found = run("command_line", kind, tmp_path)
    assert (found["one"][0], found["stopped"], found["two"][0]) == (0, 0, 0)
    assert "2 devices share each batch." in found["told"]
    assert "Going on from step 2" in found["told"]
    one, two = found["one"][1], found["two"][1]
    assert [row["step"] for row in two] == [2, 4]
    # The same of seven photos in each batch of four, though the run was stopped half-way.
    assert one[1]["val_psnr"] != pytest.approx(one[0]["val_psnr"], rel=1e-3)
    for before, after in zip(one, two, strict=True):
        assert after == pytest.approx(before, rel=1e-4, abs=1e-5)
    assert found["sheets"] == ["step-000000002.png", "step-000000004.png"]
    assert {"config.json", "model.weights.h5", "critic.weights.h5"} <= set(found["preset"])
    assert (found["odd"], found["is_written"]) == (2, False)
    told = (
        r"keras-inpaint: .*2 devices.*Take 4.*batch of 3. On one device: --distribution='none'"
    )
    assert re.search(told, found["told"])
