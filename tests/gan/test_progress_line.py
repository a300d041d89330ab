"""The progress of a training is counted from the clock and the model's own steps."""

import threading
import types

import keras
import pytest
from gan.tiny import QUICKLY, make_gan, make_images

from keras_inpaint.data import wait_clock
from keras_inpaint.data.wait_clock import WaitClock
from keras_inpaint.gan import ProgressLine, progress_line


@pytest.fixture
def now(monkeypatch):
    """A clock that the test sets."""
    now = types.SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(progress_line.time, "monotonic", lambda: now.seconds)
    return now


def run(line, now, num_steps, seconds_a_step, waits=0.0):
    """An epoch of steps, of which the first one takes a minute longer."""
    model = types.SimpleNamespace(num_steps=1000)
    line.set_model(model)
    line.on_epoch_begin(0)
    for batch in range(num_steps):
        line.on_train_batch_begin(batch)
        now.seconds += seconds_a_step + 60 * (batch == 0)
        if line.clock is not None:
            line.clock.seconds += waits
    model.num_steps += num_steps
    line.on_epoch_end(0)


def test_speed_time_left_and_waits_leave_out_the_step_that_compiles(now):
    clock = WaitClock()
    clock.is_used = True
    line = ProgressLine(steps=2000, batch_size=16, clock=clock, is_drawn=False)
    assert line.summary() == ""
    run(line, now, num_steps=101, seconds_a_step=0.5, waits=0.02)
    expected = "2 steps/s, 32 pictures/s, 4% waiting for data, about 7 min 30 s left"
    assert line.summary() == expected


def test_line_is_drawn_over_itself_and_removed(now, capsys):
    line = ProgressLine(steps=1004, batch_size=1)
    run(line, now, num_steps=4, seconds_a_step=1)
    drawn = capsys.readouterr().out.split("\r")
    assert [each.rstrip() for each in drawn if each.strip()] == [
        "step 1002/1004  1 steps/s, 1 pictures/s, about 2 s left",
        "step 1003/1004  1 steps/s, 1 pictures/s, about 1 s left",
        "step 1004/1004  1 steps/s, 1 pictures/s",
    ]
    assert drawn[-1] == ""


def test_time_of_the_step_is_no_wait_of_what_threads_read_ahead(now, monkeypatch):
    asked = threading.Semaphore(0)

    def monotonic():
        # Before each batch and after it.
        asked.release()
        return now.seconds

    class Batches(keras.utils.PyDataset):
        num_batches = None

        def __getitem__(self, number):
            if number < 2:
                # Begun after the batch before, and done once it is asked for.
                for _ in range(number + 1):
                    asked.acquire()
                now.seconds += 5
            return number

    monkeypatch.setattr(wait_clock.time, "monotonic", monotonic)
    clock = WaitClock()
    for number, batch in enumerate(clock.watch(Batches(workers=1, max_queue_size=1))):
        assert batch == (number,)
        if number == 3:
            break
        now.seconds += 100
    assert clock.seconds == 2 * 5
    assert clock.is_used


def test_fit_takes_what_threads_read_ahead():
    class Batches(keras.utils.PyDataset):
        num_batches = None

        def __getitem__(self, number):
            return make_images(2, seed=number)

    gan, clock = make_gan(), WaitClock()
    gan.compile(**QUICKLY)
    line = ProgressLine(steps=4, batch_size=2, clock=clock, is_drawn=False)
    batches = clock.watch(Batches(workers=2))
    gan.fit(batches, steps_per_epoch=4, shuffle=False, verbose=0, callbacks=[line])
    assert gan.num_steps == 4
    assert line.summary().endswith("% waiting for data")


def test_time_of_the_step_is_no_wait(now, monkeypatch):
    tf = pytest.importorskip("tensorflow")
    monkeypatch.setattr(wait_clock.time, "monotonic", lambda: now.seconds)

    def read(number):
        now.seconds += 5
        return number

    clock = WaitClock()
    dataset = tf.data.Dataset.range(3).map(
        lambda number: tf.numpy_function(read, [number], tf.int64)
    )
    dataset = clock.watch(dataset)
    assert int(dataset.cardinality()) == 3
    for number, batch in enumerate(dataset):
        assert int(batch) == number
        now.seconds += 100
    assert clock.seconds == 3 * 5
