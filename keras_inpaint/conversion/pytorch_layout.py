"""What all PyTorch state dicts have in common."""

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from keras_inpaint.conversion.layout import Arrays, Layout

_WEIGHTS = {"kernel": "weight", "bias": "bias"}


class PyTorchLayout(Layout):
    """Channels before rows and columns, red before blue.

    Attributes:
        marker: Pattern of a part of a weight's name, between dots, that no other kind of
            source has.
    """

    channel_order = "rgb"
    marker: re.Pattern[str]

    @classmethod
    def recognises(cls, names: Iterable[str]) -> bool:
        return bool(cls.prefixes(names))

    @classmethod
    def prefixes(cls, names: Iterable[str]) -> list[str]:
        """Lists what stands before the marker: one for each generator that is found."""
        found = set()
        for name in names:
            parts = name.split(".")
            for place, part in enumerate(parts):
                if cls.marker.fullmatch(part):
                    found.add("".join(f"{part}." for part in parts[:place]))
                    break
        return sorted(found)

    def prefix(self, names: Iterable[str]) -> str:
        """Returns what stands before the names of the generator's weights.

        Raises:
            ValueError: If there are several generators.
        """
        found = self.prefixes(names)
        if len(found) > 1:
            raise ValueError(
                "The source must hold one generator. Save the state dict of the one that you "
                f"mean by itself. Received: generators under {found}"
            )
        return found[0]

    def is_no_weight(self, name: str, array: NDArray[np.float32]) -> bool:
        # The attention's fusion is a convolution with a unit matrix; some keep that, too.
        return array.ndim == 4 and np.array_equal(array, np.eye(array.shape[-1])[None, None])

    def to_ours(self, name: str, arrays: Arrays) -> NDArray[np.float32]:
        array = arrays[name]
        if array.ndim == 4:
            return array.transpose(2, 3, 1, 0)
        last_bias = name.replace("dense/kernel", "conv4/bias")
        if array.ndim == 2 and last_bias != name and last_bias in arrays:
            return _dense_kernel(array, channels=arrays[last_bias].size)
        return array


def spelled_weight(weight: str) -> str:
    """PyTorch's word for `kernel` or `bias`."""
    return _WEIGHTS[weight]


def _dense_kernel(array: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """A dense kernel over features that were flattened channel by channel."""
    positions = array.shape[1] // max(1, channels)
    if array.shape[1] != channels * positions:
        return array
    by_position = array.reshape(-1, channels, positions).transpose(2, 1, 0)
    return by_position.reshape(array.shape[1], -1)
