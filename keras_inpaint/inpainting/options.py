"""What may be asked of an inpainter."""

from typing import Any

import numpy as np

from keras_inpaint.inpainting.planning import METHODS


def is_whole(number: Any, at_least: int) -> bool:
    """Tells whether something is a whole number, and not too small."""
    # A bool is an int for Python, and a slip here.
    is_int = isinstance(number, int | np.integer) and not isinstance(number, bool)
    return is_int and number >= at_least


def check_options(method: str | None, feather: int, memory_limit: int | None) -> None:
    """Refuses options of `Inpainter.inpaint` that are out of bounds."""
    if method is not None and method not in METHODS:
        raise ValueError(
            f"`method` must be one of {METHODS}, or None for the best of them. "
            f"Received: method={method!r}"
        )
    if not is_whole(feather, at_least=0):
        raise ValueError(
            "`feather` counts pixels and must be an int of at least 0. "
            f"Received: feather={feather!r}"
        )
    if memory_limit is not None and not is_whole(memory_limit, at_least=1):
        raise ValueError(
            "`memory_limit` counts bytes and must be an int of at least 1, or None for half "
            f"of the machine's memory. Received: memory_limit={memory_limit!r}"
        )
