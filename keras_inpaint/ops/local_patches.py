"""The local patch: the square around a hole that the local critic looks at."""

from keras import ops


def boxes_around_holes(masks, size):
    """Centres a box of the given size on each hole, moved inside the picture.

    Args:
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0.
        size: pair of ints. Height and width of the boxes, in pixels.

    Returns:
        int32 tensor of shape `(batch, 4)`, each row top, left, height and width. A hole
        larger than the box sticks out of it, see `boxes_hold_holes`.

    Example:
    >>> masks = keras.ops.pad(keras.ops.ones((1, 2, 2, 1)), ((0, 0), (3, 1), (0, 4), (0, 0)))
    >>> boxes = keras_inpaint.ops.boxes_around_holes(masks, (4, 4))
    >>> keras.ops.convert_to_numpy(boxes).tolist()
    [[2, 0, 4, 4]]
    """
    holes = ops.cast(masks[..., 0], "bool")
    top = _centred(ops.any(holes, axis=2), size[0])
    left = _centred(ops.any(holes, axis=1), size[1])
    sizes = ops.ones_like(top)
    return ops.stack([top, left, sizes * size[0], sizes * size[1]], axis=1)


def hole_sizes(masks):
    """Heights and widths of the holes' bounding boxes.

    Args:
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0.

    Returns:
        int32 tensor of shape `(batch, 2)`, in pixels; 0 where there is no hole.

    Example:
    >>> masks = keras.ops.pad(keras.ops.ones((1, 2, 3, 1)), ((0, 0), (3, 1), (0, 4), (0, 0)))
    >>> keras.ops.convert_to_numpy(keras_inpaint.ops.hole_sizes(masks)).tolist()
    [[2, 3]]
    """
    holes = ops.cast(masks[..., 0], "bool")
    spans = [_span(ops.any(holes, axis=axis)) for axis in (2, 1)]
    return ops.stack([end - first for first, end in spans], axis=1)


def boxes_hold_holes(boxes, masks, size):
    """Checks that boxes have the given size, lie in the picture and hold the whole hole.

    Args:
        boxes: int tensor of shape `(batch, 4)`: top, left, height and width, in pixels.
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0.
        size: pair of ints. Height and width that the boxes should have.

    Returns:
        bool tensor of shape `(batch,)`.

    Example:
    >>> masks = keras.ops.pad(keras.ops.ones((1, 2, 2, 1)), ((0, 0), (3, 1), (0, 4), (0, 0)))
    >>> boxes = keras.ops.array([[2, 0, 4, 4]])
    >>> bool(keras_inpaint.ops.boxes_hold_holes(boxes, masks, (4, 4))[0])
    True
    """
    _, height, width, _ = ops.shape(masks)
    boxes = ops.cast(boxes, "int32")
    top, left, tall, wide = (edge[:, 0] for edge in ops.split(boxes, 4, axis=1))
    fits = (tall == size[0]) & (wide == size[1]) & (top >= 0) & (left >= 0)
    fits = fits & (top + tall <= height) & (left + wide <= width)
    rows, columns = ops.arange(height, dtype="int32"), ops.arange(width, dtype="int32")
    in_rows = (rows >= top[:, None]) & (rows < (top + tall)[:, None])
    in_columns = (columns >= left[:, None]) & (columns < (left + wide)[:, None])
    outside = ops.logical_not(in_rows[:, :, None] & in_columns[:, None, :])
    holes = ops.cast(masks[..., 0], "bool")
    return fits & ops.logical_not(ops.any(holes & outside, axis=(1, 2)))


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
    indices = (pictures * height + rows[:, :, None]) * width + columns[:, None, :]
    return ops.take(ops.reshape(images, (-1, channels)), indices, axis=0)


def _span(occupied):
    """The first occupied position of each picture, and the one after the last."""
    size = ops.shape(occupied)[1]
    is_empty = ops.logical_not(ops.any(occupied, axis=1))
    occupied = ops.cast(occupied, "int32")
    first = ops.cast(ops.argmax(occupied, axis=1), "int32")
    end = size - ops.cast(ops.argmax(ops.flip(occupied, axis=1), axis=1), "int32")
    return first, ops.where(is_empty, first, end)


def _centred(occupied, length):
    """Where an interval of a length starts, around what is occupied and inside."""
    first, end = _span(occupied)
    return ops.clip((first + end - length) // 2, 0, ops.shape(occupied)[1] - length)
