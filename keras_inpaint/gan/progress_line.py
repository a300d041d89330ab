"""The progress of a training in one line."""

import sys
import time
from typing import Any

import keras

from keras_inpaint.data.wait_clock import WaitClock

_SECONDS_BETWEEN_UPDATES = 0.5


class ProgressLine(keras.callbacks.Callback):
    """Shows steps, speed, the time left and the wait for data, and never waits for the device.

    Args:
        steps: int. Steps of the whole training, counted as `InpaintingGAN.num_steps`.
        batch_size: int. Pictures per step.
        clock: `keras_inpaint.data.wait_clock.WaitClock` that watches the data, or `None`.
        is_drawn: bool. Whether a line is drawn on a terminal; else `summary` has the numbers.

    Example:
    >>> gan = keras_inpaint.InpaintingGAN.deepfill_v2(width=8, image_size=64, critic_width=8)
    >>> gan.compile(run_eagerly=True)
    >>> images = np.random.default_rng(0).uniform(-1, 1, (3, 64, 64, 3)).astype("float32")
    >>> line = keras_inpaint.gan.ProgressLine(steps=10, batch_size=1, is_drawn=False)
    >>> history = gan.fit(images, batch_size=1, callbacks=[line], verbose=0)
    >>> line.summary()
    '... steps/s, ... pictures/s, about ... left'
    """

    def __init__(
        self,
        steps: int,
        batch_size: int,
        clock: WaitClock | None = None,
        is_drawn: bool = True,
    ) -> None:
        super().__init__()
        self.steps = steps
        self.batch_size = batch_size
        self.clock = clock
        self.is_drawn = is_drawn
        self._first_step = self._step = 0
        self._begun: tuple[float, int, float] | None = None
        self._updated_at = 0.0
        self._speed: float | None = None
        self._waits: float | None = None
        self._width = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._first_step = self._step = self.model.num_steps
        self._begun = None

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        now = time.monotonic()
        self._step = self._first_step + batch
        if self._begun is None:
            # The first step of all compiles the networks.
            if batch:
                self._begun = now, self._step, self._waited()
        elif now - self._updated_at >= _SECONDS_BETWEEN_UPDATES:
            self._update(now)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._step = self.model.num_steps
        if self._begun is not None:
            self._update(time.monotonic())
        if self.is_drawn and self._width:
            sys.stdout.write("\r" + " " * self._width + "\r")
            sys.stdout.flush()

    def summary(self) -> str:
        """Returns the numbers as text; empty before the second step."""
        if self._speed is None:
            return ""
        parts = [
            f"{self._speed:.3g} steps/s",
            f"{self._speed * self.batch_size:.3g} pictures/s",
        ]
        if self._waits is not None:
            parts.append(f"{self._waits:.0%} waiting for data")
        if self._step < self.steps:
            parts.append(f"about {_in_words((self.steps - self._step) / self._speed)} left")
        return ", ".join(parts)

    def _waited(self) -> float:
        return 0.0 if self.clock is None else self.clock.seconds

    def _update(self, now: float) -> None:
        assert self._begun is not None
        start, step, waited = self._begun
        elapsed = max(now - start, 1e-9)
        if self._step > step:
            self._speed = (self._step - step) / elapsed
            if self.clock is not None and self.clock.is_used:
                self._waits = min((self.clock.seconds - waited) / elapsed, 1.0)
        self._updated_at = now
        if self.is_drawn:
            line = f"step {self._step}/{self.steps}  {self.summary()}"
            sys.stdout.write("\r" + line.ljust(self._width))
            sys.stdout.flush()
            self._width = len(line)


def _in_words(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
