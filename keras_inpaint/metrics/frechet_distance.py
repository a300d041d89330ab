"""Distance between sets of pictures, seen through a network's features."""

import numpy as np


def frechet_distance(real_features, fake_features):
    """Computes how far apart two sets of features lie, as normal distributions.

    With the features of an Inception network this is the "FID". The network is
    the caller's: run it over both sets of pictures and pass what it returns.
    Values compare only between equal networks and equal numbers of pictures.

    Args:
        real_features: Array of shape `(num, dims)`: one row per true picture, at
            least two. There may be fewer rows than dimensions.
        fake_features: Array of shape `(num, dims)`: one row per completed picture.
            The number of rows may differ from that of `real_features`.

    Returns:
        float: 0 for equal mean and covariance, never negative.

    Raises:
        ValueError: If the arrays are not of such shapes, or not finite.

    Example:
    >>> features = np.random.default_rng(0).normal(size=(100, 8))
    >>> round(keras_inpaint.metrics.frechet_distance(features, features + 0.5), 6)
    2.0

    Reference:
    - [Heusel et al., 2017](https://arxiv.org/abs/1706.08500), section 3
    """
    real_features = np.asarray(real_features, dtype="float64")
    fake_features = np.asarray(fake_features, dtype="float64")
    _check_features(real_features, fake_features)
    between = real_features.mean(axis=0) - fake_features.mean(axis=0)
    real_factor, fake_factor = _factor(real_features), _factor(fake_features)
    # The covariances are A'A and B'B. The eigenvalues of their product, whose roots
    # the distance asks for, are the squares of the singular values of AB': none is
    # negative or complex by rounding, and no matrix is inverted.
    overlap = np.linalg.svd(real_factor @ fake_factor.T, compute_uv=False).sum()
    spread = np.sum(real_factor**2) + np.sum(fake_factor**2) - 2.0 * overlap
    return float(max(between @ between + spread, 0.0))


def _factor(features):
    """A matrix of few rows whose product with itself is the covariance."""
    num, dims = features.shape
    centred = (features - features.mean(axis=0)) / np.sqrt(num - 1)
    return np.linalg.qr(centred, mode="r") if num > dims else centred


def _check_features(real_features, fake_features):
    shapes = (real_features.shape, fake_features.shape)
    if any(len(shape) != 2 or shape[0] < 2 for shape in shapes) or (
        shapes[0][1] != shapes[1][1]
    ):
        raise ValueError(
            "Features must be two arrays of shape `(num, dims)`, of equal dims and at least "
            "two rows each. "
            f"Received: real_features.shape={shapes[0]}, fake_features.shape={shapes[1]}"
        )
    for name, features in (("real", real_features), ("fake", fake_features)):
        rows = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(rows):
            raise ValueError(
                "Features must be finite numbers. Leave out the pictures whose features are "
                f"not. Received: {name}_features with other values in row {rows[0]}"
            )
