"""Structural similarity.

Not `tf.image.ssim`, which has no map of the windows: here those in the hole are averaged
alone, on every backend.
"""

import numpy as np
from keras import ops

_WINDOW = 11
_DEVIATION = 1.5
# On the scale of intensities from 0 to 1: (0.01 * 1)**2 and (0.03 * 1)**2.
_STABILIZERS = (1e-4, 9e-4)


def ssim(images, completed, masks=None):
    """Computes the structural similarity to the true pictures.

    The mean over all windows of 11 x 11 pixels that lie in the picture, weighted
    within by a Gaussian of deviation 1.5, and over the channels. In the hole:
    over the windows whose centre lies in the hole.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`, in
            `[-1, 1]`: the true pictures, at least 11 x 11 pixels.
        completed: Tensor like `images`.
        masks: Tensor of shape `(batch, height, width, 1)`, 1 in the hole: only
            windows around the hole's pixels count. If `None`, all do.

    Returns:
        Tensor of shape `(batch,)`: at most 1, which equal pictures have. 1 too
        if no window has its centre in the hole.

    Raises:
        ValueError: If a picture is known to be smaller than a window.

    Example:
    >>> images = np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 3))
    >>> round(float(keras_inpaint.metrics.ssim(images, images)[0]), 3)
    1.0

    Reference:
    - [Wang et al., 2004](https://doi.org/10.1109/TIP.2003.819861), section III B
    """
    _check_size(images)
    images = (ops.cast(images, "float32") + 1.0) / 2.0
    completed = (ops.cast(completed, "float32") + 1.0) / 2.0
    similarities = ops.mean(_similarity_map(images, completed), axis=-1)
    if masks is None:
        return ops.mean(similarities, axis=(1, 2))
    border = _WINDOW // 2
    holes = ops.cast(masks, "bool")[:, border:-border, border:-border, 0]
    count = ops.sum(ops.cast(holes, "float32"), axis=(1, 2))
    total = ops.sum(ops.where(holes, similarities, 0.0), axis=(1, 2))
    return ops.where(count > 0, total / ops.maximum(count, 1.0), 1.0)


def _similarity_map(images, completed):
    """The similarity of every window: (batch, height - 10, width - 10, channels)."""
    products = [images * images, completed * completed, images * completed]
    # All at once: the slices of one array take a fifth of the operations.
    means = _window_means(ops.concatenate([images, completed, *products], axis=-1))
    mean, completed_mean, square, completed_square, product = ops.split(means, 5, axis=-1)
    variance = square - mean * mean
    completed_variance = completed_square - completed_mean * completed_mean
    covariance = product - mean * completed_mean
    luminance = (2.0 * mean * completed_mean + _STABILIZERS[0]) / (
        mean * mean + completed_mean * completed_mean + _STABILIZERS[0]
    )
    structure = (2.0 * covariance + _STABILIZERS[1]) / (
        variance + completed_variance + _STABILIZERS[1]
    )
    return luminance * structure


def _window_means(images):
    # Sums of slices, not a convolution: accelerators round the factors of one, and
    # the variances are small differences of large numbers.
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * _DEVIATION**2))
    weights = (weights / weights.sum()).tolist()
    rows, columns = ops.shape(images)[1:3]
    spans = [slice(index, rows - _WINDOW + 1 + index) for index in range(_WINDOW)]
    means = sum(weights[index] * images[:, span] for index, span in enumerate(spans))
    spans = [slice(index, columns - _WINDOW + 1 + index) for index in range(_WINDOW)]
    return sum(weights[index] * means[:, :, span] for index, span in enumerate(spans))


def _check_size(images):
    size = tuple(images.shape)[1:3]
    if any(isinstance(length, int) and length < _WINDOW for length in size):
        raise ValueError(
            f"Pictures must be at least {_WINDOW} x {_WINDOW} pixels, the size of a window. "
            f"Compute `l1` or `psnr` instead. Received: height={size[0]}, width={size[1]}"
        )
