"""Distance of two images in the features of a network."""

from keras import ops

# Keeps features that are all 0 from being divided by 0; the root's gradient is infinite there.
_LEAST_SQUARE = 1e-20


class PerceptualDistance:
    """Computes how different two pictures look to a network.

    The features at each position are scaled to length 1; the metric is the squared distance
    of their directions, averaged over all positions, and over layers where the network
    returns several. Unlike errors of pixels, it does not reward a blurred filling for being
    close to every plausible one. As `perceptual=` of an objective it is a loss.

    Args:
        network: function of images, a tensor of shape `(batch, height, width, channels)` in
            `[-1, 1]`, to their features: a tensor whose first axis is the batch and whose
            last are the features, or a list of such. A `keras.Model` will do.
        layer_weights: List of floats of at least 0, one per layer of `network`: how much each
            counts, in proportion. All alike if `None`.

    Call arguments:
        images: Tensor of shape `(batch, height, width, channels)`, in `[-1, 1]`: the
            true pictures.
        completed: Tensor like `images`.
        masks: Not used: the network sees whole pictures.

    Returns:
        float32 tensor of shape `(batch,)`, in `[0, 4]`: 0 for equal pictures, 2 for features
        that have nothing in common.

    Raises:
        ValueError: If `network` is no function, or the weights are not such numbers.

    Example:
    >>> distance = keras_inpaint.metrics.PerceptualDistance(lambda images: images)
    >>> red, green = np.eye(3)[:2].reshape(2, 1, 1, 1, 3)
    >>> float(distance(red, green)[0])
    2.0

    Reference:
    - [Zhang et al., 2018](https://arxiv.org/abs/1801.03924), equation 1, with weights of 1
    """

    def __init__(self, network, layer_weights=None):
        if not callable(network):
            raise ValueError(
                "`network` must be a function of images to features, such as a keras.Model "
                f"without its last layers. Received: network={network!r}"
            )
        weights = [1.0] if layer_weights is None else list(layer_weights)
        if not all(0 <= weight < float("inf") for weight in weights) or not sum(weights) > 0:
            raise ValueError(
                "`layer_weights` must be numbers of at least 0, one of them above it. "
                f"Received: layer_weights={layer_weights}"
            )
        self.network = network
        self.layer_weights = layer_weights

    def __call__(self, images, completed, masks=None):
        layers = zip(self._features(images), self._features(completed), strict=True)
        distances = [_distance(*features) for features in layers]
        weights = self.layer_weights or [1.0] * len(distances)
        if len(weights) != len(distances):
            raise ValueError(
                f"`layer_weights` must be one per layer of the network, which has "
                f"{len(distances)}. Received: layer_weights={weights}"
            )
        weighted = zip(weights, distances, strict=True)
        return sum(weight * distance for weight, distance in weighted) / sum(weights)

    def _features(self, images):
        features = self.network(ops.convert_to_tensor(images, dtype="float32"))
        return features if isinstance(features, (list, tuple)) else [features]


def _distance(features, others):
    squares = ops.square(_directions(features) - _directions(others))
    distances = ops.sum(squares, axis=-1)  # (batch, ...positions)
    return ops.mean(ops.reshape(distances, (ops.shape(distances)[0], -1)), axis=1)


def _directions(features):
    features = ops.cast(features, "float32")
    squares = ops.sum(ops.square(features), axis=-1, keepdims=True)
    return features / ops.sqrt(ops.maximum(squares, _LEAST_SQUARE))
