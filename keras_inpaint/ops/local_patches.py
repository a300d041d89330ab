"""The local patch: the square around a hole that the local critic looks at."""

from keras import ops


def boxes_around_holes(masks, size):
    """Centres a box of the given size on each hole, moved inside the picture.

    Args:
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0.
        size: pair of ints. Height and width of the boxes, in pixels.

    Returns:
        tuple: int32 tensor of shape `(batch, 4)`, each row top, left, height and width;
        bool tensor of shape `(batch,)`, whether the box holds the whole hole.

    Example:
    >>> masks = keras.ops.pad(keras.ops.ones((1, 2, 2, 1)), ((0, 0), (3, 1), (0, 4), (0, 0)))
    >>> boxes, fits = keras_inpaint.ops.boxes_around_holes(masks, (4, 4))
    >>> keras.ops.convert_to_numpy(boxes).tolist(), bool(fits[0])
    ([[2, 0, 4, 4]], True)
    """
    holes = ops.cast(masks[..., 0], "bool")
    top, height_fits = _interval(ops.any(holes, axis=2), size[0])
    left, width_fits = _interval(ops.any(holes, axis=1), size[1])
    sizes = ops.ones_like(top)
    boxes = ops.stack([top, left, sizes * size[0], sizes * size[1]], axis=1)
    return boxes, ops.logical_and(height_fits, width_fits)


def crop_patches(images, boxes, size):
    """Cuts one patch out of every picture.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        boxes: int Tensor of shape `(batch, 4)`: top, left, height and width in pixels,
            inside the picture.
        size: pair of ints. Height and width of all boxes: shapes must be known.

    Returns:
        Tensor of shape `(batch, *size, channels)`.

    Example:
    >>> images = keras.ops.reshape(keras.ops.arange(16), (1, 4, 4, 1))
    >>> boxes = keras.ops.array([[1, 2, 2, 2]])
    >>> patches = keras_inpaint.ops.crop_patches(images, boxes, (2, 2))
    >>> keras.ops.convert_to_numpy(patches)[0, :, :, 0].tolist()
    [[6, 7], [10, 11]]
    """
    batch, height, width, _ = ops.shape(images)
    channels = images.shape[-1]
    # Split, not `boxes[:, 0, None]`: TensorFlow's graph optimizer turns a slice of a
    # stack into its part and forgets the new axis.
    top, left = ops.split(ops.cast(boxes, "int32")[:, :2], 2, axis=1)  # (batch, 1) each
    rows = top + ops.arange(size[0], dtype="int32")
    columns = left + ops.arange(size[1], dtype="int32")
    pictures = ops.arange(batch, dtype="int32")[:, None, None]
    places = (pictures * height + rows[:, :, None]) * width + columns[:, None, :]
    return ops.take(ops.reshape(images, (-1, channels)), places, axis=0)


def _interval(occupied, length):
    """Where an interval around the occupied positions starts, and whether it holds them."""
    size = ops.shape(occupied)[1]
    occupied = ops.cast(occupied, "int32")
    first = ops.cast(ops.argmax(occupied, axis=1), "int32")
    end = size - ops.cast(ops.argmax(ops.flip(occupied, axis=1), axis=1), "int32")
    start = ops.clip((first + end - length) // 2, 0, size - length)
    return start, end - first <= length
