"""Checkpoints are whole or passed over, and the last and the best of them are kept."""

import random
import shutil
import subprocess

import h5py
import numpy as np
import pytest

from keras_inpaint.training.checkpoints import Checkpoints, check, saved_settings

FILES = ["SHA256SUMS", "checkpoint.json", "training.weights.h5"]
NUM_FLIPS = 16  # Of each file.


class Model:
    """As much of an `InpaintingGAN` as a checkpoint looks at."""

    class optimizer:
        variables = ()

    variables = ()
    num_steps = 0

    def save_weights(self, path):
        with h5py.File(path, "w") as file:
            file["weights"] = np.arange(8.0) + self.num_steps
            file["step"] = self.num_steps

    def load_weights(self, path):
        with h5py.File(path) as file:
            self.weights, self.num_steps = file["weights"][()], int(file["step"][()])


def save(checkpoints, step, **metrics):
    model = Model()
    model.num_steps = step
    checkpoints.save(model, step, metrics, {"settings": {"width": 8}})


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def restore(checkpoints):
    """The step that is gone on from, and what was reported."""
    model, lines = Model(), []
    assert checkpoints.restore(model, lines.append)
    np.testing.assert_array_equal(model.weights, np.arange(8.0) + model.num_steps)
    return model.num_steps, lines


@pytest.fixture
def checkpoints(tmp_path):
    """Of the steps 1 and 2."""
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        save(checkpoints, step)
    return checkpoints


def flip(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_bit_is_found_and_the_one_before_is_used(checkpoints, tmp_path, name):
    path = tmp_path / "step-000000002" / name
    bits = random.Random(0).sample(range(8 * path.stat().st_size), NUM_FLIPS)
    for bit in bits:
        flip(path, bit)
        step, lines = restore(checkpoints)
        assert step == 1, bit
        (line,) = lines
        assert "step-000000002 is damaged and passed over: " in line
        # Where it is the checksum that has changed, it may be the other file that is named.
        assert any(each in line for each in FILES if name == "SHA256SUMS" or each == name)
        flip(path, bit)
    assert restore(checkpoints) == (2, [])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "cut", "empty"])
def test_file_that_is_not_whole_is_found(checkpoints, tmp_path, name, damage):
    path = tmp_path / "step-000000002" / name
    if damage == "missing":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    step, (line,) = restore(checkpoints)
    assert step == 1
    assert name in line


def test_checkpoint_under_another_name_is_passed_over(checkpoints, tmp_path):
    shutil.copytree(tmp_path / "step-000000001", tmp_path / "step-000000003")
    step, (line,) = restore(checkpoints)
    assert step == 2
    assert "it is of step 1, and its weights of step 1: it lies under another name" in line


def test_checksums_are_read_by_the_usual_tool(checkpoints, tmp_path):
    folder = tmp_path / "step-000000002"
    assert names(folder) == FILES
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == "checkpoint.json: OK\ntraining.weights.h5: OK\n"
    check(folder)


def test_files_that_are_not_listed_are_found(checkpoints, tmp_path):
    (tmp_path / "step-000000002" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"notes\.txt is not the file that SHA256SUMS"):
        check(tmp_path / "step-000000002")


def test_checkpoints_of_version_0_1_0_are_read_and_replaced(tmp_path):
    for step in (1, 2):
        model = Model()
        model.num_steps = step
        model.save_weights(tmp_path / f"step-{step:09d}.weights.h5")
    checkpoints = Checkpoints(tmp_path)
    assert restore(checkpoints) == (2, [])
    assert checkpoints.describe() == {}
    save(checkpoints, 3)
    assert names(tmp_path) == ["step-000000002.weights.h5", "step-000000003"]
    assert restore(checkpoints) == (3, [])


def test_last_ones_are_kept_and_none_of_a_later_step(checkpoints, tmp_path):
    # Later ones are damaged, as others would have been restored.
    for step in (8, 9):
        (tmp_path / f"step-{step:09d}").mkdir()
    save(checkpoints, 3)
    assert names(tmp_path) == ["step-000000002", "step-000000003"]
    three = Checkpoints(tmp_path, num_kept=3)
    save(three, 4)
    assert names(tmp_path) == ["step-000000002", "step-000000003", "step-000000004"]


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("val_hole_l1", [0.3, 0.1, 0.2, 0.1, 0.4, 0.5], 2),
        ("val_psnr", [30.0, 10.0, np.inf, 31.0, 20.0, np.nan], 4),
    ],
)
def test_best_one_by_a_metric_is_kept_too(tmp_path, metric, values, best):
    checkpoints = Checkpoints(tmp_path, num_kept=1, best_by=metric)
    was_best = []
    for step, value in enumerate(values, start=1):
        if checkpoints.would_be_best(step, {metric: value}):
            was_best.append(step)
        save(checkpoints, step, **{metric: value})
    assert names(tmp_path) == [f"step-{best:09d}", "step-000000006"]
    assert was_best[-1] == best
    assert checkpoints.describe()["step"] == 6


def test_step_that_is_made_again_may_be_the_best_again(tmp_path):
    checkpoints = Checkpoints(tmp_path, best_by="val_l1")
    save(checkpoints, 1, val_l1=0.2)
    save(checkpoints, 2, val_l1=0.1)
    assert checkpoints.would_be_best(2, {"val_l1": 0.1})


def test_settings_are_those_of_the_newest_description_that_is_whole(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoint")
    assert saved_settings(tmp_path) is None
    save(checkpoints, 1)
    save(checkpoints, 2)
    flip(tmp_path / "checkpoint" / "step-000000002" / "checkpoint.json", 100)
    assert saved_settings(tmp_path) == {"width": 8}
    assert checkpoints.describe()["step"] == 1
