"""Nearest-neighbour resampling, in the two forms that published weights were trained with.

`keras.ops.image.resize(interpolation="nearest")` samples half-pixel centres, which is
neither of them: a network converted from a publication would look at other pixels.
"""

from keras import ops


def nearest_corners(images, size):
    """Nearest neighbours on a grid whose corners coincide with the picture's.

    Row `i` of `m` comes from row `floor(i * (n - 1) / (m - 1) + 1/2)` of `n`: halves go
    up. TensorFlow 1 calls this `align_corners=True`.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        size: pair of ints or scalar int tensors, at least 1. Height and width to produce.

    Returns:
        Tensor of shape `(batch, *size, channels)`.

    Example:
    >>> ramp = keras.ops.reshape(keras.ops.arange(6), (1, 6, 1, 1))
    >>> half = keras_inpaint.ops.nearest_corners(ramp, (3, 1))
    >>> keras.ops.convert_to_numpy(half).ravel().tolist()
    [0, 3, 5]
    """
    _, height, width, _ = ops.shape(images)
    images = ops.take(images, _corner_indices(height, size[0]), axis=1)
    return ops.take(images, _corner_indices(width, size[1]), axis=2)


def nearest_strided(images, size):
    """Nearest neighbours by picking every n-th row and column, beginning with the first.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        size: pair of ints or scalar int tensors that divide height and width.

    Returns:
        Tensor of shape `(batch, *size, channels)`.

    Example:
    >>> ramp = keras.ops.reshape(keras.ops.arange(6), (1, 6, 1, 1))
    >>> half = keras_inpaint.ops.nearest_strided(ramp, (3, 1))
    >>> keras.ops.convert_to_numpy(half).ravel().tolist()
    [0, 2, 4]
    """
    _, height, width, _ = ops.shape(images)
    rows = ops.arange(size[0], dtype="int32") * (height // size[0])
    columns = ops.arange(size[1], dtype="int32") * (width // size[1])
    return ops.take(ops.take(images, rows, axis=1), columns, axis=2)


def enlarge_nearest(images, factor=2):
    """Repeats every pixel `factor` times in both directions.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        factor: int, at least 1.

    Returns:
        Tensor of shape `(batch, factor * height, factor * width, channels)`.

    Example:
    >>> tuple(keras_inpaint.ops.enlarge_nearest(keras.ops.ones((1, 3, 4, 2))).shape)
    (1, 6, 8, 2)
    """
    return ops.repeat(ops.repeat(images, factor, axis=1), factor, axis=2)


def _corner_indices(size_from, size_to):
    # In integers, so that a half is exactly a half: in float32 some of them
    # would be rounded down.
    positions = ops.arange(size_to, dtype="int32")
    gaps = ops.maximum(ops.cast(size_to, "int32") - 1, 1)
    return (2 * positions * (size_from - 1) + gaps) // (2 * gaps)
