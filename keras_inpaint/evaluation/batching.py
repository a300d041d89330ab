"""Batches of photos of one size, small enough for any memory."""

from collections.abc import Iterator, Sequence

import numpy as np

from keras_inpaint.pictures.pixels import Bytes

# Of a batch. Small photos are a matter of calls, large ones of memory.
_MOST_PIXELS = 2**20


def in_batches(photos: Sequence[Bytes]) -> Iterator[Bytes]:
    """Stacks photos of one size into batches of at most a megapixel, or of one photo.

    Args:
        photos: Sequence of uint8 arrays of shape `(height, width, channels)`.

    Returns:
        Iterator of uint8 arrays of shape `(batch, height, width, channels)`.
    """
    height, width = photos[0].shape[:2]
    num = max(1, _MOST_PIXELS // (height * width))
    for start in range(0, len(photos), num):
        yield np.stack(photos[start : start + num])
