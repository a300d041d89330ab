"""Showing a hole in coarse tiles, as faces are made unrecognisable."""

from keras import ops

from keras_inpaint.arguments import check_int
from keras_inpaint.ops.compositing import composite
from keras_inpaint.ops.resampling import upsample_nearest

TILE_SIZE = "is the height and width of a tile in pixels"


def mosaic(images, masks, size):
    """Replaces the hole by tiles of one colour each, the mean of what they cover.

    The tiles start at the upper left corner of the hole's bounding box, as where somebody
    pixelated a part of a photo: wherever a picture is cut, the tiles stay the same.

    Args:
        images: Float tensor of shape `(batch, height, width, channels)`.
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0. A
            picture's holes, if there are several, share one grid of tiles.
        size: int, at least 1. Height and width of the tiles, in pixels. A tile that
            the hole covers in part is shown in part; its colour is that of all of it.

    Returns:
        Tensor like `images`. Known pixels are returned bit for bit.

    Raises:
        ValueError: If `size` is no int of at least 1.

    Example:
    >>> images = keras.ops.reshape(keras.ops.arange(4.0), (1, 1, 4, 1))
    >>> masks = keras.ops.reshape(keras.ops.array([0.0, 1.0, 1.0, 1.0]), (1, 1, 4, 1))
    >>> tiles = keras_inpaint.ops.mosaic(images, masks, 2)
    >>> keras.ops.convert_to_numpy(tiles).ravel().tolist()
    [0.0, 1.5, 1.5, 3.0]
    """
    size = check_int("size", size, TILE_SIZE, at_least=1)
    holes = ops.cast(masks[..., 0], "bool")
    # How far the first tile sticks out above, and to the left of, the picture.
    above = -_first(ops.any(holes, axis=2)) % size
    left = -_first(ops.any(holes, axis=1)) % size
    # Tiles at the border have fewer pixels: a channel of ones counts them.
    counted = ops.concatenate([images, ops.ones_like(images[..., :1])], axis=-1)
    _, height, width, _ = ops.shape(images)
    padding = ((0, 0), (size - 1, 2 * size - 2), (size - 1, 2 * size - 2), (0, 0))
    counted = _window(
        ops.pad(counted, padding),
        (size - 1 - above, height + 2 * size - 2),
        (size - 1 - left, width + 2 * size - 2),
    )
    means = ops.average_pool(
        counted, size, strides=size, padding="valid", data_format="channels_last"
    )
    # A tile in the padding alone has no colour, and is not shown.
    colours = means[..., :-1] / ops.maximum(means[..., -1:], 0.5 / size**2)
    tiles = upsample_nearest(colours, size)
    return composite(images, _window(tiles, (above, height), (left, width)), masks)


def _first(occupied):
    return ops.cast(ops.argmax(ops.cast(occupied, "int32"), axis=1), "int32")


def _window(pictures, rows, columns):
    """Cuts a window of one size out of every picture, each at a position of its own."""
    for axis, (starts, length) in ((1, rows), (2, columns)):
        indices = starts[:, None] + ops.arange(length, dtype="int32")
        indices = ops.expand_dims(indices, (2, 3) if axis == 1 else (1, 3))
        pictures = ops.take_along_axis(pictures, indices, axis=axis)
    return pictures
