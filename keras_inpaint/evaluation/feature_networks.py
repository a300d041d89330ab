"""Trained networks for the perceptual and the Frechet distance, by name."""

import inspect
from typing import Any

import keras

from keras_inpaint.evaluation.efficientnet_lite import NAMES, read_weights
from keras_inpaint.evaluation.feature_distances import Features
from keras_inpaint.models import EfficientNetLite
from keras_inpaint.pictures.pixels import to_levels

# Sizes of layers are read off a network for pictures of this size.
_SIZE = 224
_PASSED_OVER = ("Pooling", "ZeroPadding")


def load_features(name: str) -> Features:
    """Loads a trained network for the perceptual and the Frechet distance.

    Args:
        name: `"efficientnet-lite0"`, `"efficientnet-lite1"` or `"efficientnet-lite2"`, whose
            weights come with the extra `evaluation`; or the path of an `.npz` of weights for
            `keras_inpaint.models.EfficientNetLite`; or the name of a network in
            `keras.applications`, such as `"VGG16"`, whose ImageNet weights Keras downloads. Of
            the latter, the layers are the last one at each size, poolings and paddings passed
            over.

    Returns:
        Function of float32 images of shape `(batch, height, width, 3)` in `[-1, 1]` to a list
        of features, an array or a tensor per layer.

    Raises:
        ValueError: If there is no such network, or what it needs is not installed.
        OSError: If the weights cannot be downloaded.

    Example:
    >>> keras_inpaint.evaluation.load_features("efficientnet-lite9")
    Traceback (most recent call last):
        ...
    ValueError: There is no such network. Name one of keras.applications, or ...
    """
    if name in NAMES:
        return EfficientNetLite(read_weights(name))
    if name.endswith(".npz"):
        return EfficientNetLite(name)
    return ApplicationFeatures(name)


class ApplicationFeatures:
    """The layers of a network of `keras.applications`.

    Args:
        name: str. Name of the network.
        weights: As the network takes it.

    Raises:
        ValueError: If there is no such network, or it takes pictures of one size only.
        OSError: If the weights cannot be downloaded.
    """

    def __init__(self, name: str, weights: str | None = "imagenet") -> None:
        make = getattr(keras.applications, name, None)
        if not name[:1].isupper() or not inspect.isfunction(make):
            raise ValueError(
                "There is no such network. Name one of keras.applications, or "
                f"{NAMES[0]!r}. Received: features={name!r}"
            )
        sized = make(include_top=False, weights=None, input_shape=(_SIZE, _SIZE, 3))
        indices = _last_of_each_size(sized)
        try:
            network = make(include_top=False, weights=weights, input_shape=(None, None, 3))
        # Keras has a bare Exception for what cannot be downloaded.
        except Exception as error:
            raise OSError(
                f"The weights of {name} cannot be loaded: {error}. Connect to the network "
                f"once, or choose {NAMES[0]!r}. Received: features={name!r}"
            ) from error
        if len(network.layers) != len(sized.layers):
            raise ValueError(
                "The network must be the same for pictures of any size. Choose another, such "
                f"as 'VGG16'. Received: features={name!r}"
            )
        # By index, not by name: Keras counts names on from network to network.
        outputs = {str(index): network.layers[index].output for index in indices}
        self._network = keras.Model(network.inputs, outputs)
        self._indices = list(outputs)
        self._preprocess = _preprocessing(name)
        self.layer_names = [sized.layers[index].name for index in indices]
        self.__name__ = name

    def __call__(self, images: Any) -> list[Any]:
        # They take bytes' scale, and change the array that they are given.
        levels = self._preprocess(to_levels(images))
        outputs = self._network(keras.ops.convert_to_tensor(levels), training=False)
        return [keras.ops.convert_to_numpy(outputs[index]) for index in self._indices]


def _last_of_each_size(network: Any) -> list[int]:
    """Indices of the last layer at each height, from the first convolution on."""
    last: dict[int, int] = {}
    has_begun = False
    for index, layer in enumerate(network.layers):
        has_begun = has_begun or isinstance(layer, keras.layers.Conv2D)
        is_kept = not any(word in type(layer).__name__ for word in _PASSED_OVER)
        shape = layer.output.shape
        if has_begun and is_kept and len(shape) == 4 and shape[1] > 1:
            last[shape[1]] = index
    return sorted(last.values())


def _preprocessing(name: str) -> Any:
    for module in vars(keras.applications).values():
        if inspect.ismodule(module) and hasattr(module, name):
            return module.preprocess_input
    # MobileNetV3 stands in no module: it takes bytes' scale as it is.
    return lambda levels: levels
