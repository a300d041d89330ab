"""Free-form holes."""

import math

import keras
import numpy as np
from keras import ops

from keras_inpaint.arguments import is_int
from keras_inpaint.masks.brush import GRID, MAX_LENGTH, integer_root, paint
from keras_inpaint.masks.sizes import picture_size
from keras_inpaint.ops.random import integers, normal

# Sines and cosines are looked up as integers: computed on a device, their last bit varies.
_NUM_ANGLES = 1025
_UNIT = 4096


@keras.saving.register_keras_serializable(package="keras_inpaint")
class Strokes:
    """Draws a free-form hole, as if somebody rubbed out a thing with a brush.

    A stroke starts anywhere in the picture and moves on in segments that turn
    up and down in turns, mirrored at random. A segment that would leave the
    picture ends at the border. The same seeds give the same pixels on every
    backend and device.

    Args:
        num_strokes: Pair of ints. Least and most strokes per picture.
        num_segments: Pair of ints. Least and most segments per stroke.
        angle: float. Angle, in radians, between a segment and the horizontal.
        angle_spread: float. Each angle lies within `angle_spread` of `angle`.
        length: float. Mean length of a segment, as a fraction of the picture's
            diagonal. The lengths are normally distributed with half of it as
            standard deviation, within 0 and twice the mean, and never above
            500 pixels.
        widths: Pair of ints. Least and greatest width of a stroke, in pixels.

    Call arguments:
        seeds: Integers of shape `(batch,)`, one per picture: from
            `keras_inpaint.ops.picture_seeds`, or any others.
        height: int or scalar integer tensor. Height of the pictures, in pixels.
        width: int or scalar integer tensor. Width of the pictures, in pixels.

    Returns:
        Pair `(masks, None)`: float32 tensor of shape
        `(batch, height, width, 1)`, 1 in the hole. There is no box.

    Raises:
        ValueError: If an argument is out of bounds.

    Example:
    >>> from keras_inpaint.ops.random import picture_seeds
    >>> sampler = keras_inpaint.masks.Strokes(widths=(4, 10))
    >>> masks, boxes = sampler(picture_seeds(0, 0, keras.ops.arange(2)), 64, 96)
    >>> tuple(masks.shape), boxes
    ((2, 64, 96, 1), None)

    Reference:
    - [Yu et al., 2019](https://arxiv.org/abs/1806.03589), section 3.4
    """

    def __init__(
        self,
        num_strokes=(1, 3),
        num_segments=(4, 11),
        angle=2 * math.pi / 5,
        angle_spread=2 * math.pi / 15,
        length=1 / 8,
        widths=(12, 40),
    ):
        self.num_strokes = _bounds("num_strokes", num_strokes)
        self.num_segments = _bounds("num_segments", num_segments)
        self.widths = _bounds("widths", widths)
        if not angle_spread >= 0:
            raise ValueError(
                "`angle_spread` is a distance in radians and must not be negative. "
                f"Received: angle_spread={angle_spread}"
            )
        if not 0 < length <= 1:
            raise ValueError(
                "`length` is a fraction of the picture's diagonal and must be above 0 and at "
                f"most 1. Received: length={length}"
            )
        self.angle = angle
        self.angle_spread = angle_spread
        self.length = length

    @classmethod
    def published(cls, image_size):
        """The published strokes, 12 to 40 pixels wide in 256, in proportion.

        Args:
            image_size: int. Side of the images, the shorter one, in pixels.

        Example:
        >>> keras_inpaint.masks.Strokes.published(128).widths
        (6, 20)
        """
        return cls(widths=tuple(max(1, width * image_size // 256) for width in (12, 40)))

    def __call__(self, seeds, height, width):
        height, width = picture_size(height, width)
        steps = self._draw_steps(seeds, height, width)
        corner = GRID * (ops.stack([height, width]) - 1)
        vertices = [GRID * self._draw_starts(seeds, height, width)]
        for index in range(self.num_segments[1]):
            vertices.append(ops.clip(vertices[-1] + steps[:, :, index], 0, corner))
        masks = paint(
            _flat(ops.stack(vertices[:-1], axis=2)),
            _flat(ops.stack(vertices[1:], axis=2)),
            self._draw_radii(seeds),
            height,
            width,
        )
        return masks, None

    def areas(self, height, width):
        """Bounds the areas that its holes can have.

        No hole is smaller than a brush of the least width in a corner, nor larger than all
        strokes, each as long and wide as can be, side by side. Most lie far from both.

        Args:
            height: int. Height of the pictures, in pixels.
            width: int. Width of the pictures, in pixels.

        Returns:
            List of one pair of ints: from and to how many pixels.

        Example:
        >>> keras_inpaint.masks.Strokes().areas(64, 64)
        [(35, 4096)]
        """
        reach = self.widths[0] // 2 + 1
        rows, columns = np.ogrid[: min(height, reach), : min(width, reach)]
        smallest = int((4 * (rows**2 + columns**2) <= self.widths[0] ** 2).sum())
        # Pixels of a shape are fewer than its area with half of a pixel's diagonal around.
        radius = self.widths[1] / 2 + math.sqrt(0.5)
        length = min(2 * self.length * math.hypot(height, width), MAX_LENGTH / GRID)
        # Both ends of a segment are rounded, and so are sines and cosines.
        strip = 2 * radius * (1.001 * length + 1)
        stroke = math.pi * radius**2 + self.num_segments[1] * strip
        return [(smallest, min(height * width, math.ceil(self.num_strokes[1] * stroke)))]

    def get_config(self):
        return {
            "num_strokes": self.num_strokes,
            "num_segments": self.num_segments,
            "angle": self.angle,
            "angle_spread": self.angle_spread,
            "length": self.length,
            "widths": self.widths,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def _draw_starts(self, seeds, height, width):
        strokes = self.num_strokes[1]
        rows = integers(seeds, strokes, height, stream=0)
        columns = integers(seeds, strokes, width, stream=1)
        return ops.stack([rows, columns], axis=-1)  # (batch, strokes, 2)

    def _draw_steps(self, seeds, height, width):
        strokes, segments = self.num_strokes[1], self.num_segments[1]
        shape = (-1, strokes, segments)
        diagonal = integer_root(ops.convert_to_tensor(height * height + width * width))
        mean = ops.floor(ops.cast(diagonal, "float32") * (GRID * self.length))
        deviations = ops.floor(normal(seeds, strokes * segments, stream=2) * (0.5 * mean))
        lengths = ops.clip(mean + deviations, 0.0, ops.minimum(2.0 * mean, MAX_LENGTH))
        lengths = ops.reshape(ops.cast(lengths, "int32"), shape)

        turns = ops.reshape(integers(seeds, strokes * segments, _NUM_ANGLES, stream=3), shape)
        mirrored = 1 - 2 * integers(seeds, 2 * strokes, 2, stream=4)
        mirrored = ops.reshape(mirrored, (-1, strokes, 1, 2))
        alternating = ops.convert_to_tensor([(-1) ** index for index in range(segments)])
        down = lengths * alternating * ops.take(self._table(math.sin), turns)
        right = lengths * ops.take(self._table(math.cos), turns)
        steps = ops.stack([down, right], axis=-1) * mirrored
        return (steps + _UNIT // 2) // _UNIT  # (batch, strokes, segments, 2)

    def _table(self, function):
        angles = [
            self.angle + self.angle_spread * (2 * index / (_NUM_ANGLES - 1) - 1)
            for index in range(_NUM_ANGLES)
        ]
        table = [round(_UNIT * function(angle)) for angle in angles]
        return ops.convert_to_tensor(table, dtype="int32")

    def _draw_radii(self, seeds):
        strokes, segments = self.num_strokes[1], self.num_segments[1]
        widths = _draw_between(seeds, strokes, self.widths, stream=5)
        num_segments = _draw_between(seeds, strokes, self.num_segments, stream=6)
        num_strokes = _draw_between(seeds, 1, self.num_strokes, stream=7)
        num_segments = ops.where(
            ops.arange(strokes, dtype="int32") < num_strokes, num_segments, 0
        )
        is_drawn = ops.arange(segments, dtype="int32") < num_segments[:, :, None]
        radii = GRID // 2 * widths[:, :, None]
        return ops.reshape(ops.where(is_drawn, radii, -1), (-1, strokes * segments))


def _draw_between(seeds, num, bounds, stream):
    return bounds[0] + integers(seeds, num, bounds[1] - bounds[0] + 1, stream)


def _flat(vertices):
    shape = ops.shape(vertices)
    return ops.reshape(vertices, (-1, shape[1] * shape[2], 2))


def _bounds(name, pair):
    least, most = pair
    if not (is_int(least, at_least=1) and is_int(most, at_least=least)):
        raise ValueError(
            f"`{name}` is a pair of ints, the least and the greatest value, the least at "
            "least 1. "
            f"Received: {name}={pair}"
        )
    return int(least), int(most)
