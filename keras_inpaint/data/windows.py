"""Which square of a photo is looked at."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Tensor = Any
# From height and width of a picture and a seed to top, left and side of a square.
Window = Callable[[Tensor, Tensor, Tensor], Tensor]


def random_window(image_size: int, min_scale: float | None) -> Window:
    """Makes the function that draws a random square of a picture.

    Its side is uniform between a smallest one and the picture's short side,
    its place uniform over the picture.

    Args:
        image_size: int. Side the square is resized to.
        min_scale: float or None. Smallest side, as a share of the short
            side; None for `image_size` pixels, so that nothing is enlarged
            that need not be.

    Returns:
        Function of height, width (int32 scalars) and seed (two int64) that
        returns int32 `(top, left, side)`.
    """

    def draw(height: Tensor, width: Tensor, seed: Tensor) -> Tensor:
        short = tf.minimum(height, width)
        if min_scale is None:
            smallest = tf.minimum(short, image_size)
        else:
            share = tf.cast(tf.math.ceil(min_scale * tf.cast(short, tf.float32)), tf.int32)
            smallest = tf.clip_by_value(share, 1, short)
        chance = tf.random.stateless_uniform((3,), seed)
        side = smallest + _scaled(chance[0], short - smallest)
        top = _scaled(chance[1], height - side)
        left = _scaled(chance[2], width - side)
        return tf.stack([top, left, side])

    return draw


def centred_window(height: Tensor, width: Tensor, seed: Tensor) -> Tensor:
    """Returns `(top, left, side)` of the largest square in the middle."""
    del seed  # Nothing is drawn; random and centred windows are called alike.
    side = tf.minimum(height, width)
    return tf.stack([(height - side) // 2, (width - side) // 2, side])


def _scaled(chance: Tensor, largest: Tensor) -> Tensor:
    """Turns a number in `[0, 1)` into an integer from 0 to `largest`."""
    value = tf.cast(chance * tf.cast(largest + 1, tf.float32), tf.int32)
    # In float32 the product can round up to `largest + 1`.
    return tf.minimum(value, largest)
