"""Errors of pixels, one value per image, on the scale from black 0 to white 1."""

import math

from keras import ops


def l1(images, completed, masks=None):
    """Computes the mean absolute difference from the true pictures.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`, in
            `[-1, 1]`: the true pictures.
        completed: Tensor like `images`.
        masks: Tensor of shape `(batch, height, width, 1)`, 1 in the hole: only
            the hole counts. If `None`, the whole picture does.

    Returns:
        Tensor of shape `(batch,)`: intensities in `[0, 1]`. 0 for an empty hole.

    Example:
    >>> black, white = -np.ones((1, 8, 8, 3)), np.ones((1, 8, 8, 3))
    >>> float(keras_inpaint.metrics.l1(black, white)[0])
    1.0
    """
    return _mean(ops.abs(_difference(images, completed)), masks)


def l2(images, completed, masks=None):
    """Computes the mean squared difference from the true pictures.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`, in
            `[-1, 1]`: the true pictures.
        completed: Tensor like `images`.
        masks: Tensor of shape `(batch, height, width, 1)`, 1 in the hole: only
            the hole counts. If `None`, the whole picture does.

    Returns:
        Tensor of shape `(batch,)`: squares of intensities, in `[0, 1]`. 0 for
        an empty hole.

    Example:
    >>> black, grey = -np.ones((1, 8, 8, 3)), np.zeros((1, 8, 8, 3))
    >>> float(keras_inpaint.metrics.l2(black, grey)[0])
    0.25
    """
    return _mean(ops.square(_difference(images, completed)), masks)


def psnr(images, completed, masks=None):
    """Computes the peak signal-to-noise ratio, in decibels.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`, in
            `[-1, 1]`: the true pictures.
        completed: Tensor like `images`.
        masks: Tensor of shape `(batch, height, width, 1)`, 1 in the hole: only
            the hole counts. If `None`, the whole picture does.

    Returns:
        Tensor of shape `(batch,)`: higher is closer. Infinite where there is no
        difference, an empty hole included.

    Example:
    >>> black, grey = -np.ones((1, 8, 8, 3)), np.zeros((1, 8, 8, 3))
    >>> round(float(keras_inpaint.metrics.psnr(black, grey)[0]), 2)
    6.02
    """
    errors = l2(images, completed, masks)
    return ops.log(errors) * (-10.0 / math.log(10.0))


def _difference(images, completed):
    images = ops.cast(images, "float32")
    return (ops.cast(completed, "float32") - images) / 2.0


def _mean(errors, masks):
    if masks is None:
        return ops.mean(errors, axis=(1, 2, 3))
    holes = ops.cast(masks, "bool")
    # Selection, not a product: what lies outside the hole may be anything, even NaN.
    total = ops.sum(ops.where(holes, errors, 0.0), axis=(1, 2, 3))
    count = ops.sum(ops.cast(holes, "float32"), axis=(1, 2, 3)) * ops.shape(errors)[-1]
    return total / ops.maximum(count, 1.0)
