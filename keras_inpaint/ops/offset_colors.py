"""Displacements as colours."""

import math

import keras
import numpy as np
from keras import ops

from keras_inpaint.arguments import check_choice

# Hues from one of red, yellow, green, cyan, blue and magenta to the next: more
# where the eye tells them apart better.
_HUES = (15, 6, 4, 11, 13, 6)


def offset_colors(offsets, longest_of="picture"):
    """Shows displacements by the colour wheel of the Middlebury benchmark.

    The hue is the direction, the saturation the length: white stands still,
    the longest displacement is fully saturated. As in the published
    pictures of contextual attention, the wheel's horizontal axis stands for
    displacements in rows and its vertical one for those in columns.

    Args:
        offsets: Integer or float tensor of shape `(batch, height, width, 2)`:
            displacement in rows and in columns, in any unit.
        longest_of: `"picture"` (the published v2) or `"batch"` (v1). Which longest
            displacement is fully saturated.

    Returns:
        Tensor of shape `(batch, height, width, 3)`: RGB in `[-1, 1]`, rounded
        down to the 256 values of a byte, as the benchmark's code does.

    Raises:
        ValueError: If `longest_of` is neither.

    Example:
    >>> from keras_inpaint.ops.offset_colors import offset_colors
    >>> offsets = np.reshape([0, 0, 0, -5], (1, 1, 2, 2))
    >>> colors = (offset_colors(offsets) + 1) * 127.5
    >>> np.round(keras.ops.convert_to_numpy(colors))[0, 0].astype(int).tolist()
    [[255, 255, 255], [87, 0, 255]]

    Reference:
    - [Baker et al., 2011](https://vision.middlebury.edu/flow/floweval-ijcv2011.pdf),
      section 4.3
    """
    check_choice("longest_of", longest_of, ("picture", "batch"))
    offsets = ops.cast(offsets, keras.config.floatx())
    lengths = ops.sqrt(ops.sum(offsets * offsets, axis=-1, keepdims=True))
    axes = (1, 2, 3) if longest_of == "picture" else None
    longest = ops.max(lengths, axis=axes, keepdims=True)
    saturation = lengths / ops.maximum(longest, keras.config.epsilon())
    colors = 1.0 - saturation * (1.0 - _hues(offsets[..., 1], offsets[..., 0]))
    return ops.floor(255.0 * colors) / 127.5 - 1.0


def _hues(upright, level):
    """The saturated colours of directions, RGB in `[0, 1]`."""
    wheel = _wheel()
    # No negative zero, whose angle is the other end of the wheel.
    upright = ops.where(upright == 0, 0.0, upright)
    turns = ops.arctan2(-upright, -level) / math.pi
    positions = (turns + 1.0) / 2.0 * (len(wheel) - 1)
    below = ops.cast(ops.floor(positions), "int32")
    fractions = (positions - ops.floor(positions))[..., None]
    wheel = ops.convert_to_tensor(wheel, dtype=upright.dtype)
    colors = ops.take(wheel, below, axis=0)
    return (1.0 - fractions) * colors + fractions * ops.take(
        wheel, (below + 1) % len(wheel), axis=0
    )


def _wheel():
    """55 hues as rows of RGB: one channel rises to 255 or falls to 0, in turns."""
    wheel = []
    for index, num_hues in enumerate(_HUES):
        ramp = np.floor(255 * np.arange(num_hues) / num_hues)
        is_rising = index % 2 == 0
        hues = np.zeros((num_hues, 3))
        # Red leads the first two ramps, green the next two, blue the last two.
        hues[:, ((index + 1) // 2) % 3] = 255
        hues[:, (1, 0, 2, 1, 0, 2)[index]] = ramp if is_rising else 255 - ramp
        wheel.append(hues)
    return np.concatenate(wheel) / 255
