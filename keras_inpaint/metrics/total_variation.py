"""Roughness of a picture."""

from keras import ops


def total_variation(images, masks=None):
    """Computes how much neighbouring pixels differ.

    The mean absolute difference between vertical neighbours plus that between
    horizontal neighbours, so that pictures of any size compare. In the hole:
    over the neighbours of whom at least one lies in the hole, so that a visible
    seam counts.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`, in
            `[-1, 1]`.
        masks: Tensor of shape `(batch, height, width, 1)`, 1 in the hole: only
            the hole and its seam count. If `None`, the whole picture does.

    Returns:
        Tensor of shape `(batch,)`: intensities on the scale from black 0 to
        white 1. 0 for an empty hole.

    Example:
    >>> ramp = np.tile(np.linspace(-1, 1, 5).reshape(1, 1, 5, 1), (1, 5, 1, 3))
    >>> float(keras_inpaint.metrics.total_variation(ramp)[0])
    0.25
    """
    images = ops.cast(images, "float32") / 2.0
    if masks is None:
        masks = ops.ones_like(images[..., :1])
    holes = ops.cast(masks, "bool")
    vertical = _mean_difference(images[:, 1:], images[:, :-1], holes[:, 1:], holes[:, :-1])
    horizontal = _mean_difference(
        images[:, :, 1:], images[:, :, :-1], holes[:, :, 1:], holes[:, :, :-1]
    )
    return vertical + horizontal


def _mean_difference(images, neighbours, holes, neighbour_holes):
    counted = ops.logical_or(holes, neighbour_holes)
    differences = ops.where(counted, ops.abs(images - neighbours), 0.0)
    count = ops.sum(ops.cast(counted, "float32"), axis=(1, 2, 3)) * ops.shape(images)[-1]
    return ops.sum(differences, axis=(1, 2, 3)) / ops.maximum(count, 1.0)
