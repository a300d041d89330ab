"""What is written for TensorBoard is what its own reader finds, with TensorFlow or without."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

event_accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator"
)

from keras_inpaint.gan import TensorBoard  # noqa: E402
from keras_inpaint.pictures import Picture, write_picture  # noqa: E402

ROOT = pathlib.Path(__file__).parents[2]
WITHOUT_TENSORFLOW = """
import sys

sys.modules["tensorflow"] = None
import keras_inpaint as ki

board = ki.gan.TensorBoard(sys.argv[1])
board.write(7, {"hole_loss": 0.5})
board.close()
"""


def read(folder):
    found = event_accumulator.EventAccumulator(str(folder))
    found.Reload()
    return found


def scalars(found, name):
    # Of newer readers, numbers are tensors.
    if name in found.Tags()["scalars"]:
        return [(each.step, pytest.approx(each.value)) for each in found.Scalars(name)]
    return [
        (each.step, pytest.approx(each.tensor_proto.float_val[0]))
        for each in found.Tensors(name)
    ]


def test_metrics_and_new_sheets_are_read_back(tmp_path):
    sheets, folder = tmp_path / "sheets", tmp_path / "events"
    sheets.mkdir()

    def draw(step):
        pixels = np.full((6, 9, 3), step, "uint8")
        write_picture(sheets / f"step-{step:09d}.png", Picture(pixels))

    draw(10)
    board = TensorBoard(folder, sheets)
    board.write(20, {"hole_loss": 0.5, "generator_gradient_norm": 3})
    draw(30)
    board.write(40, {"hole_loss": 0.25, "val_psnr": 21.5})
    board.close()
    found = read(folder)
    assert scalars(found, "hole_loss") == [(20, 0.5), (40, 0.25)]
    assert scalars(found, "generator_gradient_norm") == [(20, 3)]
    assert scalars(found, "val_psnr") == [(40, 21.5)]
    # That of before was there already.
    (image,) = found.Images("sheet")
    assert (image.step, image.height, image.width) == (30, 6, 9)
    assert image.encoded_image_string == (sheets / "step-000000030.png").read_bytes()


def test_a_run_that_is_resumed_takes_the_place_of_steps_that_were_lost(tmp_path):
    for steps in ((10, 20, 30), (20, 25)):
        board = TensorBoard(tmp_path)
        for step in steps:
            board.write(step, {"loss": step})
        board.close()
    assert scalars(read(tmp_path), "loss") == [(10, 10), (20, 20), (25, 25)]


def test_it_writes_where_tensorflow_is_not_installed(tmp_path):
    pytest.importorskip("jax")
    words = [sys.executable, "-c", WITHOUT_TENSORFLOW, str(tmp_path)]
    answer = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert scalars(read(tmp_path), "hole_loss") == [(7, 0.5)]
