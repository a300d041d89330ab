"""Pictures of many requests, shown to the network together where they are of one size."""

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inpaint.serving.limits import Call, current_call, draining

Inputs = dict[str, NDArray[Any]]
Run = Callable[[Inputs], NDArray[Any]]
Observe = Callable[[int, int, float], None]


class _Entry:
    """One picture that waits for the network."""

    def __init__(self, inputs: Inputs, call: Call) -> None:
        self.inputs = inputs
        self.call = call
        # Height, width and channels of the first input.
        self.shape = next(iter(inputs.values())).shape[1:]
        self.key = tuple((name, array.shape[1:]) for name, array in sorted(inputs.items()))
        self.arrived = time.monotonic()
        self.is_done = threading.Event()
        self.output: NDArray[Any] | None = None
        self.error: BaseException | None = None


class Batcher:
    """Runs a function for many threads, on batches of one size.

    A picture waits for others of its size until a batch is full or its window of time is
    over. Pictures are taken in the order in which they came, but for those that go along
    with the first of their size. Where a batch fails, its pictures are run one by one: those
    of others do not share the error of one.

    Args:
        run: Function of a dict of arrays, each of shape `(num, ...)`, that returns one.
        capacity: Function of the shape `(height, width, channels)` of the first input that
            returns how many pictures fit into one batch, at least 1.
        wait: float. Seconds that a picture waits for others.
        observe: Function, called with the pictures of each batch, their pixels and the
            seconds that it took.
        num_calls: int. Calls of the function at once.
    """

    def __init__(
        self,
        run: Run,
        capacity: Callable[[tuple[int, ...]], int],
        wait: float,
        observe: Observe = lambda num, num_pixels, seconds: None,
        num_calls: int = 1,
    ) -> None:
        self._run, self._capacity, self._wait, self._observe = run, capacity, wait, observe
        self._entries: list[_Entry] = []
        self._changed = threading.Condition()
        self._is_closed = False
        for _ in range(num_calls):
            threading.Thread(target=self._work, name="network", daemon=True).start()

    @property
    def num_waiting(self) -> int:
        """Pictures that are not in a batch yet."""
        return len(self._entries)

    def __call__(self, inputs: Inputs) -> NDArray[Any]:
        """Runs pictures of one size, and waits for what the function returns for them.

        Args:
            inputs: dict of arrays of shape `(num, ...)`.

        Raises:
            Refusal: 504 where the time of this thread's `Call` is over.
        """
        call = current_call()
        call.check()
        num = len(next(iter(inputs.values())))
        entries = [
            _Entry({name: array[index : index + 1] for name, array in inputs.items()}, call)
            for index in range(num)
        ]
        with self._changed:
            if self._is_closed:
                raise draining()
            self._entries += entries
            self._changed.notify_all()
        try:
            return np.concatenate([self._await(entry) for entry in entries])
        finally:
            with self._changed:
                self._entries = [entry for entry in self._entries if entry not in entries]

    def close(self) -> None:
        """Ends the thread once all that waits is done."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _await(self, entry: _Entry) -> NDArray[Any]:
        # In steps: a call may be given up before its time is over.
        while not entry.is_done.wait(0.05):
            entry.call.check()
        if entry.error is not None:
            raise entry.error
        assert entry.output is not None
        return entry.output

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._entries and not self._is_closed:
                    self._changed.wait()
                if not self._entries:
                    return
                batch = self._take()
            if batch:
                self._run_batch(batch)

    def _take(self) -> list[_Entry]:
        """Takes the next batch; waits for more pictures of the first one's size."""
        while True:
            self._entries = [entry for entry in self._entries if not entry.call.is_over]
            if not self._entries:
                return []
            first = self._entries[0]
            capacity = self._capacity(first.shape)
            batch = [entry for entry in self._entries if entry.key == first.key][:capacity]
            left = first.arrived + self._wait - time.monotonic()
            if len(batch) == capacity or left <= 0 or self._is_closed:
                self._entries = [entry for entry in self._entries if entry not in batch]
                return batch
            self._changed.wait(left)

    def _run_batch(self, batch: list[_Entry]) -> None:
        names = batch[0].inputs
        begun = time.monotonic()
        try:
            outputs = self._run(
                {
                    name: np.concatenate([entry.inputs[name] for entry in batch])
                    for name in names
                }
            )
            for index, entry in enumerate(batch):
                entry.output = outputs[index : index + 1]
        except BaseException as error:
            if len(batch) > 1:
                for entry in batch:
                    self._run_batch([entry])
                return
            batch[0].error = error
        num_pixels = len(batch) * math.prod(batch[0].shape[:2])
        self._observe(len(batch), num_pixels, time.monotonic() - begun)
        for entry in batch:
            entry.is_done.set()


class BatchedGenerator:
    """A generator that many threads call, each of them with pictures of its own.

    It stands where an `Inpainter` expects its generator: whatever the inpainter makes of a
    photo -- the whole of it, or window after window -- is batched with what others fill.

    Args:
        generator: `keras_inpaint.models.Generator`, or what an `Inpainter` takes for one.
        capacity: As `Batcher` takes.
        wait: float, as `Batcher` takes.
        observe: As `Batcher` takes.
        num_calls: As `Batcher` takes.
    """

    def __init__(
        self,
        generator: Any,
        capacity: Callable[[tuple[int, ...]], int],
        wait: float,
        observe: Observe = lambda num, num_pixels, seconds: None,
        num_calls: int = 1,
    ) -> None:
        self._generator = generator

        def run(inputs: Inputs) -> NDArray[Any]:
            return np.asarray(generator.predict_on_batch(inputs)["refined"])

        self.batcher = Batcher(run, capacity, wait, observe, num_calls)

    def __getattr__(self, name: str) -> Any:
        # Channels, size, width, attention: all that the inpainter asks of a generator.
        return getattr(self._generator, name)

    def predict_on_batch(self, inputs: Inputs) -> dict[str, NDArray[Any]]:
        """Returns the filling of pictures of one size, `"refined"` alone."""
        return {"refined": self.batcher(inputs)}
