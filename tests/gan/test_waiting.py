"""`fit` does not wait for the device between reports."""

import threading
from contextlib import contextmanager

import keras
import numpy as np
import pytest
from gan.tiny import make_gan, make_images, make_masks

from keras_inpaint.gan import PictureSheets
from keras_inpaint.training.run import StopRequest

IMAGES, MASKS = make_images(24), make_masks(24)
STEPS = 12
# All by which a program may ask a tensor for its numbers, and wait for them.
READERS = (
    *("__array__", "__bool__", "__complex__", "__float__", "__index__", "__int__"),
    *("__len__", "block_until_ready", "item", "numpy", "tolist", "_numpy", "_value"),
)


@contextmanager
def reads_of_numbers(monkeypatch):
    """Counts how often this thread asks a tensor of the device for its numbers.

    But those of bools: after each execution, TensorFlow's trainer asks whether there was a
    batch, which the host knows.
    """
    reads, here = [], threading.current_thread()
    cls = type(keras.ops.convert_to_tensor(np.zeros((), "float32")))
    owners = [(each, name) for each in cls.__mro__ for name in READERS if name in vars(each)]
    owners = [pair for pair in owners if pair[0] is not object and pair[1] != "__len__"]

    def counting(name, member):
        def note(tensor):
            if threading.current_thread() is here and tensor.dtype not in (bool, "bool"):
                reads.append(name)

        if isinstance(member, property):
            return property(lambda self: (note(self), member.fget(self))[1])

        def read(self, *args, **options):
            note(self)
            return member(self, *args, **options)

        return read

    def counting_in_numpy(function):
        def read(values, *args, **options):
            if isinstance(values, cls) and threading.current_thread() is here:
                reads.append(function.__name__)
            return function(values, *args, **options)

        return read

    with monkeypatch.context() as patch:
        for owner, name in owners:
            patch.setattr(owner, name, counting(name, vars(owner)[name]))
        for name in ("array", "asarray"):  # By the buffer, which is no method.
            patch.setattr(np, name, counting_in_numpy(getattr(np, name)))
        yield reads


class Reports(keras.callbacks.Callback):
    """Notes how many numbers were read by the first and by the last step of an epoch."""

    def __init__(self, reads):
        super().__init__()
        self.reads, self.seen = reads, []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(len(self.reads))

    def between_reports(self):
        return self.seen[-1] - self.seen[0]


class LooksAtEveryBatch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        assert isinstance(logs["loss"], float)


def count(monkeypatch, *callbacks, steps_per_execution=1, **options):
    gan = make_gan(ema_momentum=0.9)
    gan.compile(
        reconstruction_steps=2, critic_only_steps=2, steps_per_execution=steps_per_execution
    )
    with reads_of_numbers(monkeypatch) as reads:
        # The counter counts.
        assert float(keras.ops.convert_to_tensor(1.0)) == 1.0
        assert reads
        reports = Reports(reads)
        options = {"verbose": 0, "shuffle": False, "batch_size": 2, **options}
        gan.fit(IMAGES, MASKS, callbacks=[*callbacks, reports], **options)
    return reports.between_reports()


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_our_callbacks_read_no_number_between_reports(
    steps_per_execution, monkeypatch, tmp_path
):
    # No sheet is due before the end of the epoch.
    sheets = PictureSheets(IMAGES[:1], MASKS[:1], tmp_path, every=STEPS)
    monkeypatch.setattr(sheets, "draw", lambda step: None)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    callbacks = (StopRequest(), sheets, backup)
    number = count(monkeypatch, *callbacks, steps_per_execution=steps_per_execution)
    assert number == 0


def test_a_callback_that_looks_at_every_batch_reads_every_batch(monkeypatch):
    assert count(monkeypatch, LooksAtEveryBatch()) >= STEPS - 1


def test_progress_bar_ends_at_the_last_step(capsys, monkeypatch):
    gan = make_gan()
    gan.compile()

    def batches():
        for start in range(0, 24, 2):
            yield IMAGES[start : start + 2], MASKS[start : start + 2]

    # Of unknown length, which the bar learns from its last update.
    gan.fit(batches(), verbose=1)
    shown = capsys.readouterr().out
    assert f"{STEPS}/{STEPS}" in shown
    assert "loss:" in shown


def test_signal_stops_after_the_step_under_way():
    class Asks(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 4:
                stop._ask(2, None)

    gan, stop = make_gan(), StopRequest()
    gan.compile()
    gan.fit(IMAGES, MASKS, batch_size=2, verbose=0, callbacks=[Asks(), stop])
    assert gan.num_steps == 5
    # Its weights are there, on either backend.
    assert np.isfinite(gan.get_weights()[0]).all()


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="TensorFlow's steps are a loop")
def test_steps_of_an_execution_are_one_dispatch(monkeypatch):
    import jax

    jit, dispatches = jax.jit, []

    def counting(function, **options):
        compiled = jit(function, **options)

        def call(*arguments):
            dispatches.append(function.__name__)
            return compiled(*arguments)

        return call

    monkeypatch.setattr(jax, "jit", counting)
    gan = make_gan()
    gan.compile(steps_per_execution=5)
    gan.fit(IMAGES, MASKS, batch_size=2, verbose=0)
    # Those that are left at the end of an epoch are made one by one.
    assert dispatches == ["steps", "steps", "step", "step"]
    assert gan.num_steps == STEPS
