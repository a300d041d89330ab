"""Weights of the hole's pixels: the less, the farther from what is known."""

import numpy as np
from keras import ops

from keras_inpaint.ops.distance import distance_to_known


def distance_discounts(masks, gamma=0.99):
    """Discounts by the exact distance to the nearest known pixel.

    Deep in the hole many fillings are plausible, and a difference from the true picture
    says little.

    Args:
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0.
        gamma: float, in `(0, 1]`. The factor a pixel of distance.

    Returns:
        float32 tensor like `masks`: `gamma ** distance`, 1 where the picture is known.

    Example:
    >>> masks = keras.ops.reshape(keras.ops.array([0.0, 1.0, 1.0, 1.0]), (1, 1, 4, 1))
    >>> discounts = keras_inpaint.losses.distance_discounts(masks, gamma=0.5)
    >>> keras.ops.convert_to_numpy(discounts).ravel().tolist()
    [1.0, 0.5, 0.25, 0.125]

    Reference:
    - [Yu et al., 2018](https://arxiv.org/abs/1801.07892), section 3.2, "Spatially
      discounted reconstruction loss"
    """
    return ops.power(ops.cast(gamma, "float32"), ops.cast(distance_to_known(masks), "float32"))


def box_discounts(size, gamma=0.9):
    """Discounts inside a box, as the published code computes them.

    They fall with the distance to the nearer of the box's edges in rows or in columns,
    whichever is smaller, wherever in the box the hole lies.

    Args:
        size: pair of ints. Height and width of the box, in pixels.
        gamma: float, in `(0, 1]`. The factor a pixel of distance.

    Returns:
        float32 tensor of shape `(1, *size, 1)`.

    Example:
    >>> discounts = keras_inpaint.losses.box_discounts((3, 3), gamma=0.5)
    >>> keras.ops.convert_to_numpy(discounts)[0, :, :, 0].tolist()
    [[1.0, 1.0, 1.0], [1.0, 0.5, 0.5], [1.0, 0.5, 0.5]]
    """
    rows, columns = (np.minimum(np.arange(n), n - np.arange(n)) for n in size)
    distances = np.minimum(rows[:, None], columns)[None, :, :, None]
    return ops.convert_to_tensor(gamma**distances, dtype="float32")
