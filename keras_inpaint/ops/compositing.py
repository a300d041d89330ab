"""Blanking a hole and filling it again."""

from keras import ops


def corrupt(images, masks):
    """Blanks the hole: what the networks get to see.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`, in `[-1, 1]`.
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, 0
            where `images` is known.

    Returns:
        Tensor like `images`, 0 (mid-grey) in the hole.

    Example:
    >>> images = keras.ops.ones((1, 2, 2, 1))
    >>> masks = keras.ops.reshape(keras.ops.array([1.0, 0.0, 0.0, 0.0]), (1, 2, 2, 1))
    >>> corrupted = keras_inpaint.ops.corrupt(images, masks)
    >>> keras.ops.convert_to_numpy(corrupted)[0, :, :, 0].tolist()
    [[0.0, 1.0], [1.0, 1.0]]
    """
    return ops.where(ops.cast(masks, "bool"), ops.zeros_like(images), images)


def composite(images, predictions, masks):
    """Fills the hole of `images` with `predictions`, and nothing else.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`, in `[-1, 1]`.
        predictions: Tensor like `images`: the network's view of every pixel.
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, 0
            where `images` is known.

    Returns:
        Tensor like `images`. Known pixels are returned bit for bit.

    Example:
    >>> images, predictions = keras.ops.zeros((1, 2, 2, 3)), keras.ops.ones((1, 2, 2, 3))
    >>> filled = keras_inpaint.ops.composite(images, predictions, keras.ops.ones((1, 2, 2, 1)))
    >>> float(keras.ops.mean(filled))
    1.0
    """
    # Selection, not `m * p + (1 - m) * i`: arithmetic would let a NaN from the
    # discarded side through.
    return ops.where(ops.cast(masks, "bool"), predictions, images)
