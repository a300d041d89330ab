"""From networks of blue, green and red to networks of red, green and blue."""

from typing import Any

import numpy as np

# Layers that are shown pictures, by our names, and those that paint them.
_SHOWN = ("conv1", "xconv1", "pmconv1", "local/conv1", "global/conv1", "patch/conv1")
_PAINT = ("conv17", "allconv17")


def reverse_colours(weights: dict[str, Any], channels: int) -> None:
    """Changes networks so that they do to RGB pictures what they did to BGR ones.

    Args:
        weights: dict of variables by our names: those of a generator and its critic.
        channels: int. Channels of the pictures, which come first of all that is shown.
    """
    for layer in _SHOWN:
        if f"{layer}/kernel" in weights:
            kernel = weights[f"{layer}/kernel"]
            values = np.array(kernel)
            values[:, :, :channels] = values[:, :, :channels][:, :, ::-1]
            kernel.assign(values)
    for layer in _PAINT:
        for weight in (weights[f"{layer}/kernel"], weights[f"{layer}/bias"]):
            weight.assign(np.array(weight)[..., ::-1])
