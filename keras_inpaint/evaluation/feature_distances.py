"""Distances of filled photos from true ones in the features of a network."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inpaint.evaluation.batching import in_batches
from keras_inpaint.metrics import PerceptualDistance, frechet_distance
from keras_inpaint.pictures.pixels import Bytes, to_images

Layers = list[NDArray[np.float32]]
# From images in `[-1, 1]`, `(batch, height, width, 3)`, to features, one array per layer.
Features = Callable[[NDArray[np.float32]], Sequence[Any]]

_NUM_FEWEST = 2


class FeatureDistances:
    """Collects the features of true and filled photos.

    Args:
        features: function of float32 images of shape `(batch, height, width, 3)` in
            `[-1, 1]`, a NumPy array, to a list of feature arrays, one per layer, whose
            first axis is the batch and whose last are the features.
    """

    def __init__(self, features: Features) -> None:
        if not callable(features):
            raise ValueError(
                "`features` must be a function of images to a list of arrays, or a network's "
                f"name. Received: features={features!r}"
            )
        self._features = features
        self._rows: dict[str, list[NDArray[np.float64]]] = {}
        # The features are those of the network already.
        self._distance = PerceptualDistance(lambda layer: layer)

    def see(self, photos: Sequence[Bytes]) -> list[Layers]:
        """The features of photos of one size: for each photo, one array per layer."""
        seen: list[Layers] = []
        for batch in in_batches(photos):
            layers = self._features(to_images(batch))
            if not isinstance(layers, list | tuple):
                layers = [layers]
            arrays = [np.asarray(layer, "float32") for layer in layers]
            seen += [[each[index, None] for each in arrays] for index in range(len(batch))]
        return seen

    def perceptual(self, true: Layers, filled: Layers) -> float:
        """The mean over the layers of `PerceptualDistance`."""
        return float(
            np.mean(
                [
                    float(keras.ops.convert_to_numpy(self._distance(one, other))[0])
                    for one, other in zip(true, filled, strict=True)
                ]
            )
        )

    def keep(self, name: str, layers: Layers) -> None:
        """Keeps the last layer's features, their mean over all positions, as a row."""
        last = layers[-1][0].astype("float64")
        self._rows.setdefault(name, []).append(last.reshape(-1, last.shape[-1]).mean(axis=0))

    def frechet(self, true_name: str, name: str) -> float | None:
        """The Frechet distance of all that was kept; `None` of fewer than two photos."""
        true, filled = self._rows[true_name], self._rows[name]
        if len(true) < _NUM_FEWEST:
            return None
        return float(frechet_distance(np.stack(true), np.stack(filled)))
