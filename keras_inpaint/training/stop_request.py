"""Stopping a training between two steps."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

import keras


class StopRequest(keras.callbacks.Callback):
    """Ends `fit` after the step under way when the user or the machine asks for it.

    An exception in the middle of a step would leave one network updated and the other
    not. As a context manager, it takes the place of Ctrl-C and of the signal by which
    machines are shut down; whoever asks a second time is not made to wait.

    Example:
    >>> from keras_inpaint.training.stop_request import StopRequest
    >>> with StopRequest() as request:
    ...     request.asked
    False
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        # Python lets the main thread alone set what signals do.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.asked:
            self.model.stop_training = True
