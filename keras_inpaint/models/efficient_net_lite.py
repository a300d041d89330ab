"""A small image classifier's features, for perceptual losses and distances."""

import numpy as np
from keras import ops


class EfficientNetLite:
    """EfficientNet-Lite as a list of features, on any backend.

    A function of images for `keras_inpaint.metrics.PerceptualDistance`. Its weights are fixed
    arrays, in which batch normalisation is part of the convolutions; the architecture is read
    off their shapes, so that Lite0 to Lite4 are all this class.

    Args:
        weights: dict of arrays, or path of the `.npz` that holds them: `"stem.kernel"`,
            `"head.kernel"` and, for each block by its number, `"0.expand.kernel"`,
            `"0.depthwise.kernel"`, `"0.project.kernel"` with a bias beside each, and
            `"strides"`, an int per block.
        dtype: `"float32"` or `"bfloat16"`: what is computed in. Features are float32 in both.

    Call arguments:
        images: Tensor of shape `(batch, height, width, 3)`, in `[-1, 1]`, RGB.

    Returns:
        List of float32 tensors of shape `(batch, height, width, features)`: the output of the
        last block at each of five scales, an edge of a half to a thirty-second of the
        picture's, and of the head at the smallest scale.

    Example:
    >>> from keras_inpaint.models import EfficientNetLite
    >>> kernels = {"stem": (3, 3, 3, 4), "0.depthwise": (3, 3, 4, 1), "0.project": (1, 1, 4, 2),
    ...            "head": (1, 1, 2, 8)}
    >>> weights = {f"{name}.kernel": np.ones(shape) for name, shape in kernels.items()}
    >>> weights |= {f"{name}.bias": np.zeros(shape[-2] if "depth" in name else shape[-1])
    ...             for name, shape in kernels.items()}
    >>> network = EfficientNetLite({**weights, "strides": np.array([1])})
    >>> [tuple(each.shape) for each in network(keras.ops.zeros((1, 8, 8, 3)))]
    [(1, 4, 4, 2), (1, 4, 4, 8)]

    Reference:
    - [Tan and Le, 2019](https://arxiv.org/abs/1905.11946), without squeeze and excitation
    """

    def __init__(self, weights, dtype="float32"):
        if not isinstance(weights, dict):
            with np.load(weights) as arrays:
                weights = dict(arrays)
        self.dtype = dtype
        self.strides = [int(stride) for stride in weights["strides"]]
        self._weights = {
            name: np.asarray(array, "float32")
            for name, array in weights.items()
            if name != "strides"
        }

    def __call__(self, images):
        # The Lite networks were trained on bytes less 127, divided by 128.
        levels = (ops.cast(images, "float32") * 127.5 + 0.5) / 128.0
        features = self._convolve(ops.cast(levels, self.dtype), "stem", strides=2)
        layers = []
        for block, stride in enumerate(self.strides):
            if stride > 1:
                layers.append(features)
            features = self._block(features, block, stride)
        layers += [features, self._convolve(features, "head")]
        return [ops.cast(layer, "float32") for layer in layers]

    def _block(self, inputs, block, stride):
        features = inputs
        if f"{block}.expand.kernel" in self._weights:
            features = self._convolve(features, f"{block}.expand")
        features = self._convolve(features, f"{block}.depthwise", stride, is_depthwise=True)
        features = self._convolve(features, f"{block}.project", activation=None)
        is_residual = stride == 1 and features.shape[-1] == inputs.shape[-1]
        return features + inputs if is_residual else features

    def _convolve(self, features, name, strides=1, is_depthwise=False, activation=ops.relu6):
        kernel, bias = (
            ops.cast(self._weights[f"{name}.{part}"], self.dtype) for part in ("kernel", "bias")
        )
        convolve = ops.depthwise_conv if is_depthwise else ops.conv
        features = convolve(
            features, kernel, strides=strides, padding="same", data_format="channels_last"
        )
        features = features + bias
        return features if activation is None else activation(features)
