"""How a published program names and stores weights."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.float32]]


class Layout(ABC):
    """What is known of a kind of source.

    Attributes:
        title: str. The kind of source, as people are told.
        dialect: `"tensorflow"` or `"pytorch"`, see
            `keras_inpaint.models.Generator.deepfill_v1`.
        channel_order: `"rgb"` or `"bgr"`: that of the program's pictures.
        tells_channel_order: bool. Whether all sources of this kind have that order. It
            is a guess otherwise.
    """

    title: str
    dialect: str
    channel_order: str
    tells_channel_order = True

    @classmethod
    @abstractmethod
    def recognises(cls, names: Iterable[str]) -> bool:
        """Whether a source of weights of these names is of this kind."""

    @abstractmethod
    def find(self, arrays: Arrays) -> Mapping[str, str]:
        """Returns our name of each weight that is known, by the source's name."""

    @abstractmethod
    def spell(self, name: str) -> str:
        """Returns the source's name of a weight of ours, for messages."""

    def is_no_weight(self, name: str, array: NDArray[np.float32]) -> bool:
        """Whether what has the source's name was never learned and is not needed here."""
        return False

    def to_ours(self, name: str, arrays: Arrays) -> NDArray[np.float32]:
        """Returns a weight in the order of axes of ours.

        Args:
            name: str, ours.
            arrays: dict of all weights found, by our name.
        """
        return arrays[name]
