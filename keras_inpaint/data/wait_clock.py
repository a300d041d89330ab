"""How long steps wait for data."""

import threading
import time
from typing import Any

import numpy as np


class WaitClock:
    """Adds up the time in which a stream was asked for a batch that was not ready yet.

    While a device works on steps that were given to it before, a wait costs nothing: the
    time is the most that is lost.

    Attributes:
        seconds: float. So far.
        is_used: bool. Whether it watches anything.

    Example:
    >>> keras_inpaint.data.wait_clock.WaitClock().seconds
    0.0
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.is_used = False
        self._asked_at: dict[int, float] = {}
        self._lock = threading.Lock()

    def watch(self, dataset: Any) -> Any:
        """Returns a `tf.data.Dataset` of the same batches, which are timed."""
        import tensorflow as tf

        self.is_used = True
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
