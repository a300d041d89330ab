"""Refusing what a request got wrong, from within a graph."""

from typing import Any

import tensorflow as tf

Tensor = Any


def require(condition: Tensor, *parts: Any) -> Tensor:
    """Fails with an `InvalidArgumentError` where a condition does not hold.

    Args:
        condition: Scalar bool tensor.
        *parts: The message: strings and tensors, one after the other.

    Returns:
        Operation that what depends on the condition must wait for.
    """
    texts = [part if isinstance(part, str) else _text(part) for part in parts]
    return tf.debugging.Assert(condition, [tf.strings.join(texts)])


def check_pairs(images: Tensor, masks: Tensor, names: tuple[str, str]) -> Tensor:
    """Fails unless masks are one of each picture, and of the picture's size.

    Args:
        images: Tensor of shape `(num, height, width, channels)`.
        masks: Tensor of shape `(num, height, width, 1)`.
        names: What the two are called in the request.

    Returns:
        Operation, see `require`.
    """
    picture, mask = names
    size, mask_size = tf.shape(images)[:3], tf.shape(masks)[:3]
    return tf.group(
        require(
            tf.reduce_all(size > 0),
            f"`{picture}` must hold at least one picture of one pixel. Received: number, "
            "height and width ",
            size,
        ),
        require(
            size[0] == mask_size[0],
            f"`{mask}` must hold one mask for each of `{picture}`. Received: ",
            mask_size[0],
            " masks, ",
            size[0],
            " pictures",
        ),
        require(
            tf.reduce_all(size[1:] == mask_size[1:]),
            f"`{mask}` must have the height and width of `{picture}`, ",
            size[1:],
            ". Received: ",
            mask_size[1:],
        ),
    )


def _text(values: Tensor) -> Tensor:
    return tf.strings.format("{}", values)
