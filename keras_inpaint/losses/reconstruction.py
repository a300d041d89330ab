"""Reconstruction losses: how far a prediction is from the true image."""

from keras import ops


def discounted_l1(predictions, images, discounts):
    """Mean absolute difference, each pixel with its discount.

    Args:
        predictions: Tensor of shape `(batch, height, width, channels)`, in `[-1, 1]`.
        images: Tensor like `predictions`: the true pictures.
        discounts: Tensor that broadcasts against them, in `[0, 1]`.

    Returns:
        Tensor of shape `(batch,)`: the mean over all pixels and channels.

    Example:
    >>> zeros, ones = keras.ops.zeros((2, 4, 4, 3)), keras.ops.ones((2, 4, 4, 3))
    >>> keras.ops.convert_to_numpy(
    ...     keras_inpaint.losses.discounted_l1(zeros, ones, discounts=0.5)
    ... ).tolist()
    [0.5, 0.5]

    Reference:
    - [Yu et al., 2018](https://arxiv.org/abs/1801.07892), section 3.2
    """
    # Not `*`, which takes no discounts of another precision.
    differences = ops.multiply(ops.abs(predictions - images), discounts)
    return ops.mean(differences, axis=(1, 2, 3))


def known_l1(predictions, images, masks, mean_over="known"):
    """Mean absolute difference on the known part.

    Args:
        predictions: Tensor of shape `(batch, height, width, channels)`, in `[-1, 1]`.
        images: Tensor like `predictions`: the true pictures.
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0.
        mean_over: `"known"` or `"picture"`. Whether the sum over the known part is
            divided by the number of its values, or of all.

    Returns:
        Tensor of shape `(batch,)`; 0 for a picture of which nothing is known.

    Example:
    >>> zeros, ones = keras.ops.zeros((1, 2, 2, 3)), keras.ops.ones((1, 2, 2, 3))
    >>> masks = keras.ops.reshape(keras.ops.array([1.0, 1.0, 1.0, 0.0]), (1, 2, 2, 1))
    >>> float(keras_inpaint.losses.known_l1(zeros, ones, masks)[0])
    1.0
    >>> float(keras_inpaint.losses.known_l1(zeros, ones, masks, mean_over="picture")[0])
    0.25
    """
    known = 1.0 - masks
    means = discounted_l1(predictions, images, known)
    if mean_over == "picture":
        return means
    # At least one pixel: a picture without any has a numerator of 0 as well.
    _, height, width, _ = ops.shape(masks)
    pixels = ops.cast(height * width, means.dtype)
    return means * pixels / ops.maximum(ops.sum(known, axis=(1, 2, 3)), 1.0)
