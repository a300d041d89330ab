"""Batches, memory and time, without HTTP."""

import threading
import time

import numpy as np
import pytest

from keras_inpaint.serving.batching import Batcher
from keras_inpaint.serving.limits import Admission, Call, Limits, MemoryBudget, Refusal


class Network:
    """Adds one, slowly at first, and fails at the number 13."""

    def __init__(self):
        self.batches = []
        self.has_begun, self.may_go = threading.Event(), threading.Event()

    def __call__(self, inputs):
        self.has_begun.set()
        self.may_go.wait(10)
        numbers = inputs["numbers"]
        self.batches.append(numbers[:, 0].tolist())
        if 13 in numbers:
            raise ValueError("13")
        return numbers + 1


@pytest.fixture
def network():
    return Network()


@pytest.fixture
def batcher(network):
    batcher = Batcher(network, lambda shape: 3, wait=0.0)
    yield batcher
    network.may_go.set()
    batcher.close()


def call(batcher, number, size=1, outcomes=None):
    try:
        outcome = batcher({"numbers": np.full((1, size), number)})[0, 0]
    except Exception as error:
        outcome = error
    outcomes[number] = outcome


def start_all(batcher, network, *numbers):
    """Calls with numbers, the first of which is under way while the others wait."""
    outcomes, threads = {}, []
    for index, (number, size) in enumerate(numbers):
        thread = threading.Thread(target=call, args=(batcher, number, size, outcomes))
        thread.start()
        threads.append(thread)
        network.has_begun.wait(10)
        end = time.monotonic() + 10
        while batcher.num_waiting != index:
            assert time.monotonic() < end
            time.sleep(0.002)
    network.may_go.set()
    for thread in threads:
        thread.join(10)
    return outcomes


def test_what_waits_is_run_together_by_size_in_the_order_in_which_it_came(batcher, network):
    numbers = [(0, 1), (1, 1), (2, 5), (3, 1), (4, 5), (5, 1), (6, 1)]
    outcomes = start_all(batcher, network, *numbers)
    assert outcomes == {number: number + 1 for number, _ in numbers}
    assert network.batches == [[0], [1, 3, 5], [2, 4], [6]]


def test_the_error_of_one_is_not_that_of_the_others(batcher, network):
    outcomes = start_all(batcher, network, (0, 1), (1, 1), (13, 1), (2, 1))
    assert (outcomes[0], outcomes[1], outcomes[2]) == (1, 2, 3)
    assert isinstance(outcomes[13], ValueError)
    assert network.batches == [[0], [1, 13, 2], [1], [13], [2]]


def test_several_pictures_of_one_call_come_back_in_their_order(batcher, network):
    network.may_go.set()
    numbers = np.arange(7)[:, None]
    np.testing.assert_array_equal(batcher({"numbers": numbers}), numbers + 1)
    assert max(map(len, network.batches)) <= 3


def test_within_the_window_of_time_a_picture_waits_for_another(network):
    network.may_go.set()
    batcher = Batcher(network, lambda shape: 2, wait=600.0)
    outcomes = {}
    threads = [threading.Thread(target=call, args=(batcher, n, 1, outcomes)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # A full batch does not wait for the end of the window.
    assert not any(thread.is_alive() for thread in threads)
    assert sorted(map(sorted, network.batches)) == [[1, 2]]
    batcher.close()


def test_a_call_that_is_given_up_leaves_the_queue(batcher, network):
    given_up, outcomes = Call(), {}
    threading.Thread(target=call, args=(batcher, 0, 1, outcomes)).start()
    network.has_begun.wait(10)

    def waiting():
        with given_up.active():
            call(batcher, 1, 1, outcomes)

    thread = threading.Thread(target=waiting)
    thread.start()
    while batcher.num_waiting != 1:
        time.sleep(0.002)
    given_up.give_up()
    thread.join(10)
    assert outcomes[1].status == 504
    network.may_go.set()
    batcher({"numbers": np.array([[2]])})
    assert network.batches == [[0], [2]]


def test_after_the_end_calls_are_refused(batcher, network):
    network.may_go.set()
    batcher.close()
    with pytest.raises(Refusal, match="shutting down") as refusal:
        batcher({"numbers": np.array([[1]])})
    assert refusal.value.status == 503


def test_memory_is_waited_for_but_not_beyond_what_there_is():
    budget = MemoryBudget(100)
    with (
        pytest.raises(Refusal, match=r"at most.*Received: one that needs about") as refusal,
        budget.reserve(101, Call()),
    ):
        pass
    assert refusal.value.status == 413
    with budget.reserve(60, Call()):
        soon = Call(time.monotonic() + 0.2)
        with pytest.raises(Refusal) as refusal, budget.reserve(60, soon):
            pass
        assert refusal.value.status == 504
        with budget.reserve(40, Call()):
            assert budget.used == 100
    assert budget.used == 0


def test_the_time_to_try_again_grows_with_what_is_under_way():
    admission = Admission(max_requests=8, at_once=2)
    for _ in range(8):
        admission.enter()
    with pytest.raises(Refusal) as refusal:
        admission.enter()
    assert (refusal.value.status, refusal.value.headers) == (429, {"Retry-After": "4"})
    admission.leave(1.0)
    admission.enter()


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_body", 0), ("timeout", float("nan")), ("batch_wait", -0.1), ("memory", 0)],
)
def test_a_limit_that_is_none_is_refused_by_its_name(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be at least.*{value}"):
        Limits(**{name: value})
