"""The model that a server answers with, and the newer version that takes its place."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from keras_inpaint.inpainting import Inpainter
from keras_inpaint.inpainting.memory import estimate_memory
from keras_inpaint.inpainting.sketches import check_guided, is_guided
from keras_inpaint.pictures.opening import default_memory_limit
from keras_inpaint.serving.batching import BatchedGenerator, Observe
from keras_inpaint.serving.limits import Limits, Refusal
from keras_inpaint.serving.sources import Source

_LOG = logging.getLogger(__name__)
# Of networks of which it is not known; the publications' size.
_PUBLISHED_SIZE = 256


class Model:
    """One version of a model, whose network many requests share.

    Args:
        inpainter: `keras_inpaint.Inpainter`.
        name: str. What the model is called in requests.
        version: int.
        limits: `Limits`.
        observe: As `BatchedGenerator` takes.
        num_calls: As `BatchedGenerator` takes.
    """

    def __init__(
        self,
        inpainter: Any,
        name: str,
        version: int,
        limits: Limits,
        observe: Observe,
        num_calls: int = 1,
    ) -> None:
        self.name, self.version = name, version
        half = (limits.memory or default_memory_limit()) // 2
        self.memory_limit = half
        self._max_batch_size = limits.max_batch_size
        self._generator = inpainter.generator
        self._batched = BatchedGenerator(
            inpainter.generator, self.capacity, limits.batch_wait, observe, num_calls
        )
        self.inpainter = Inpainter(
            self._batched, inpainter.name, inpainter.image_size, inpainter.corruption
        )
        self._num_users, self._is_retired = 0, False
        self._lock = threading.Lock()

    @property
    def is_guided(self) -> bool:
        """Whether the network follows a sketch."""
        return is_guided(self._generator)

    def check_guided(self, name: str) -> None:
        """Refuses a sketch where the network follows none.

        Args:
            name: str. What the sketch was sent as.

        Raises:
            Refusal: 400.
        """
        try:
            check_guided(self.inpainter, name)
        except ValueError as error:
            raise Refusal(400, str(error)) from error

    @property
    def num_waiting(self) -> int:
        """Pictures that wait for the network."""
        return self._batched.batcher.num_waiting

    def capacity(self, size: tuple[int, ...]) -> int:
        """Returns how many pictures of a size the network is shown at once."""
        height, width = size[:2]
        num = self._max_batch_size
        while num > 1 and (
            estimate_memory(self._generator, (height, width), num) > self.memory_limit
        ):
            num -= 1
        return num

    def warm_up(self) -> None:
        """Fills pictures of two sizes: from then on, none is slower for being the first."""
        side = self.inpainter.image_size or _PUBLISHED_SIZE
        for num, height, width in ((1, side, side), (2, side + 8, side + 16)):
            masks = np.zeros((num, height, width), bool)
            masks[:, height // 4 : height // 2, width // 4 : width // 2] = True
            photos = np.full((num, height, width, 3), 127, np.uint8)
            self.inpainter.inpaint_batch(photos, masks, self.memory_limit)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keeps the network running for a request, though the model be retired meanwhile."""
        with self._lock:
            self._num_users += 1
        try:
            yield
        finally:
            with self._lock:
                self._num_users -= 1
                self._close_if_unused()

    def retire(self) -> None:
        """Ends the network's thread once nobody uses it."""
        with self._lock:
            self._is_retired = True
            self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._is_retired and not self._num_users:
            self._batched.batcher.close()


class ModelKeeper:
    """Holds the newest version of a model that could be loaded.

    Args:
        source: `Source`.
        limits: `Limits`.
        observe: As `BatchedGenerator` takes.
        warm_up: bool. Whether versions fill a picture before they are used.
        num_calls: As `BatchedGenerator` takes.

    Raises:
        OSError: If the first version cannot be loaded.
        ValueError: As `OSError`.
    """

    def __init__(
        self,
        source: Source,
        limits: Limits,
        observe: Observe = lambda num, num_pixels, seconds: None,
        warm_up: bool = True,
        num_calls: int = 1,
    ) -> None:
        self._source, self._limits, self._observe = source, limits, observe
        self._warms_up, self._num_calls = warm_up, num_calls
        self._failed: int | None = None
        self.current = self._load(source.latest())

    @property
    def name(self) -> str:
        """What the model is called in requests."""
        return self._source.name

    def refresh(self) -> bool:
        """Loads the newest version where it is another; returns whether it did.

        Requests under way are finished by the version that they began with. A version that
        cannot be loaded is reported and left alone.
        """
        version = self._source.latest()
        if version in (self.current.version, self._failed) or version < 1:
            return False
        try:
            model = self._load(version)
        except Exception as error:
            self._failed = version
            _LOG.warning(
                "Version %d of %s cannot be loaded, version %d stays: %s",
                *(version, self.name, self.current.version, " ".join(str(error).split())),
            )
            return False
        before, self.current = self.current, model
        before.retire()
        _LOG.info("Version %d of %s is served from now on.", version, self.name)
        return True

    def close(self) -> None:
        """Ends the thread of the network."""
        self.current.retire()

    def _load(self, version: int) -> Model:
        inpainter = self._source.load(version)
        model = Model(
            inpainter, self.name, version, self._limits, self._observe, self._num_calls
        )
        if self._warms_up:
            model.warm_up()
        return model
