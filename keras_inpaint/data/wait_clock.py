"""How long steps wait for data."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras


class WaitClock:
    """Adds up the time in which a stream was asked for a batch that was not ready yet.

    While a device works on steps that were given to it before, a wait costs nothing: the
    time is the most that is lost.

    Attributes:
        seconds: float. So far.
        is_used: bool. Whether it watches anything.

    Example:
    >>> from keras_inpaint.data.wait_clock import WaitClock
    >>> WaitClock().seconds
    0.0
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.is_used = False
        self._asked_at: dict[int, float] = {}
        self._lock = threading.Lock()

    def watch(self, dataset: Any) -> Any:
        """Returns the same batches, which are timed.

        Args:
            dataset: `tf.data.Dataset`, or a `keras.utils.PyDataset` without end.

        Returns:
            `tf.data.Dataset`, or a generator, whose batches threads read ahead.
        """
        self.is_used = True
        # Not before it is used: the command line reads its arguments without Keras.
        import keras

        if isinstance(dataset, keras.utils.PyDataset):
            # Keras's own threads do not say when they are waited for.
            return self._read_ahead(dataset)
        return self._watch_dataset(dataset)

    def _read_ahead(self, dataset: "keras.utils.PyDataset") -> Iterator[Any]:
        pool = ThreadPoolExecutor(dataset.workers)
        try:
            numbers = itertools.count()
            first = itertools.islice(numbers, max(1, dataset.max_queue_size))
            reading = deque(pool.submit(dataset.__getitem__, number) for number in first)
            while True:
                asked_at = time.monotonic()
                batch = reading.popleft().result()
                self.seconds += time.monotonic() - asked_at
                reading.append(pool.submit(dataset.__getitem__, next(numbers)))
                # Of a generator, Keras takes bare arrays for something else.
                yield batch if isinstance(batch, tuple) else (batch,)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _watch_dataset(self, dataset: Any) -> Any:
        import tensorflow as tf

        # Of a zip, the first part is asked first: it notes when.
        asked = tf.data.Dataset.counter().map(
            lambda number: tf.numpy_function(self._ask, [number], tf.int64)
        )

        def answer(number: Any, batch: Any) -> Any:
            with tf.control_dependencies([tf.numpy_function(self._answer, [number], tf.int64)]):
                return tf.nest.map_structure(tf.identity, batch)

        options = tf.data.Options()
        # It would ask before the step does.
        options.experimental_optimization.inject_prefetch = False
        length = dataset.cardinality()
        watched = tf.data.Dataset.zip(asked, dataset).map(answer).with_options(options)
        return watched.apply(tf.data.experimental.assert_cardinality(length))

    def _ask(self, number: np.int64) -> np.int64:
        with self._lock:
            self._asked_at[int(number)] = time.monotonic()
        return number

    def _answer(self, number: np.int64) -> np.int64:
        with self._lock:
            self.seconds += time.monotonic() - self._asked_at.pop(int(number))
        return number
