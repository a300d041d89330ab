"""What `keras_inpaint.inpainting` does to pixels, as part of a TensorFlow graph."""

from typing import Any

import tensorflow as tf

from keras_inpaint.inpainting.pixels import SMALLEST_SIZE

Tensor = Any


def to_images(photos: Tensor) -> Tensor:
    """Photos `[0, 255]` as images `[-1, 1]`."""
    return tf.cast(photos, tf.float32) / 127.5 - 1.0


def to_photos(images: Tensor) -> Tensor:
    """Images `[-1, 1]` as photos: rounded to the nearest byte, clipped."""
    levels = tf.round((images + 1.0) * 127.5)
    return tf.cast(tf.clip_by_value(levels, 0.0, 255.0), tf.uint8)


def pad(pictures: Tensor, multiple: int) -> Tensor:
    """Continues pictures below and to the right as mirrors would.

    Args:
        pictures: Tensor of shape `(num, height, width, channels)`.
        multiple: int. What the new height and width are divisible by.

    Returns:
        Tensor of the size that `keras_inpaint.inpainting.pixels.padded_size` tells.
    """
    # Not `tf.pad`: it mirrors once, and a small picture takes several mirrors.
    for axis in (1, 2):
        side = tf.shape(pictures)[axis]
        padded = -(-tf.maximum(side, SMALLEST_SIZE) // multiple) * multiple
        places = tf.range(padded) % (2 * side)
        places = tf.minimum(places, 2 * side - 1 - places)
        pictures = tf.gather(pictures, places, axis=axis)
    return pictures


def crop(pictures: Tensor, like: Tensor) -> Tensor:
    """Cuts off what `pad` has appended to pictures of the size of others."""
    _, height, width, _ = tf.unstack(tf.shape(like), num=4)
    return pictures[:, :height, :width]
