"""Sketches that are drawn from the images themselves."""

import keras
import numpy as np
from keras import ops

from keras_inpaint.arguments import check_int

_SOBEL = np.outer([1, 2, 1], [-1, 0, 1]) / 8
# The neighbours across an edge whose gradient points right, down right, down, down left.
_ACROSS = ((0, 1), (1, 1), (1, 0), (1, -1))


@keras.saving.register_keras_serializable(package="keras_inpaint")
class EdgeSketch:
    """Draws the lines that a user would sketch: the edges of the images.

    A guided generator is trained with it, see `keras_inpaint.InpaintingGAN`. It finds
    edges as Canny does: the images are smoothed, and where their gradient is steeper than
    across it and steep enough, there is a line. The publication takes the edges of HED, a
    network, above 0.6.

    Args:
        threshold: float, above 0. Gradient from which on there is a line, of the mean of all
            channels, smoothed, in parts of the range from black to white, per pixel.
        smoothing: float, above 0. Standard deviation of the Gaussian, in pixels: the larger,
            the fewer details are drawn.
        thickness: odd int, at least 1. Of the lines, in pixels.

    Call arguments:
        images: Float tensor of shape `(batch, height, width, channels)`, in `[-1, 1]`.

    Returns:
        Tensor of shape `(batch, height, width, 1)` and of the type of `images`: 1 on a line,
        else 0.

    Raises:
        ValueError: If an argument is out of bounds.

    Example:
    >>> images = -np.ones((1, 32, 32, 3), "float32")
    >>> images[:, :, 16:] = 1
    >>> lines = keras_inpaint.masks.EdgeSketch(thickness=1)(images)
    >>> keras.ops.convert_to_numpy(lines)[0, 8, 12:20, 0].astype(int).tolist()
    [0, 0, 0, 1, 0, 0, 0, 0]

    Reference:
    - [Canny, 1986](https://doi.org/10.1109/TPAMI.1986.4767851)
    - [Yu et al., 2019](https://arxiv.org/abs/1806.03589), section 3.5
    """

    def __init__(self, threshold=0.03, smoothing=2.5, thickness=3):
        self.threshold = _positive("threshold", threshold, "a brightness per pixel")
        self.smoothing = _positive("smoothing", smoothing, "a number of pixels")
        self.thickness = check_int("thickness", thickness, "counts pixels", at_least=1)
        if self.thickness % 2 == 0:
            raise ValueError(
                "`thickness` must be odd: lines are as thick on both sides of the edge. "
                f"Received: thickness={thickness}"
            )

    def __call__(self, images):
        grey = ops.mean(ops.cast(ops.stop_gradient(images), "float32"), -1, keepdims=True)
        # From 0 to 1.
        across, along = _gradient(self._smooth((grey + 1) / 2))
        steepness = ops.sqrt(ops.square(across) + ops.square(along))
        is_line = (steepness > self.threshold) & _is_ridge(steepness, across, along)
        lines = ops.cast(is_line, "float32")
        if self.thickness > 1:
            lines = ops.max_pool(
                lines, self.thickness, 1, padding="same", data_format="channels_last"
            )
        return ops.cast(lines, images.dtype)

    def _smooth(self, grey):
        reach = max(1, round(3 * self.smoothing))
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / self.smoothing) ** 2)
        weights = (weights / weights.sum()).astype("float32")
        for axis in (1, 2):
            shape = [1, 1, 1, 1]
            shape[axis - 1] = len(weights)
            grey = _filtered(grey, weights.reshape(shape))
        return grey

    def get_config(self):
        return {
            "threshold": self.threshold,
            "smoothing": self.smoothing,
            "thickness": self.thickness,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _positive(name, value, meaning):
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and 0 < value < float("inf")):
        raise ValueError(
            f"`{name}` is {meaning} and must be above 0. Received: {name}={value!r}"
        )
    return float(value)


def _gradient(grey):
    """Per pixel, to the right and down."""
    kernel = _SOBEL.astype("float32")[:, :, None, None]
    return _filtered(grey, kernel), _filtered(grey, kernel.transpose(1, 0, 2, 3))


def _is_ridge(steepness, across, along):
    """Whether a pixel is the steepest of the three in its gradient's direction."""
    # In eighths of a turn; what points the other way is the same edge.
    angle = ops.arctan2(along, across)
    direction = ops.mod(ops.cast(ops.round(angle / (np.pi / 4)), "int32"), 4)
    height, width = ops.shape(steepness)[1:3]
    padded = ops.pad(steepness, ((0, 0), (1, 1), (1, 1), (0, 0)))

    def moved(down, right):
        return padded[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width]

    is_ridge = ops.zeros_like(direction, dtype="bool")
    for index, (down, right) in enumerate(_ACROSS):
        # Of two that are alike, one.
        is_steepest = (steepness >= moved(down, right)) & (steepness > moved(-down, -right))
        is_ridge = is_ridge | (ops.equal(direction, index) & is_steepest)
    return is_ridge


def _filtered(images, kernel):
    """Filters images, which are continued by their mirror images."""
    rows, columns = (size // 2 for size in kernel.shape[:2])
    images = ops.pad(images, ((0, 0), (rows, rows), (columns, columns), (0, 0)), "symmetric")
    return ops.conv(images, kernel, padding="valid", data_format="channels_last")
