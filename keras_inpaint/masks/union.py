"""Holes drawn on top of one another."""

import keras
from keras import ops

from keras_inpaint.masks.nesting import areas_of, check_samplers, deserialize, serialize
from keras_inpaint.masks.sizes import picture_size
from keras_inpaint.ops.random import derived_seeds


@keras.saving.register_keras_serializable(package="keras_inpaint")
class Union:
    """Draws the holes of several samplers into the same picture.

    The free-form training of gated convolutions uses the hole of a box together
    with strokes. Each sampler draws from seeds of its own: two alike draw
    different holes.

    Args:
        samplers: List of samplers, such as `Boxes` and `Strokes`.

    Call arguments:
        seeds: Integers of shape `(batch,)`, one per picture: from
            `keras_inpaint.ops.picture_seeds`, or any others.
        height: int or scalar integer tensor. Height of the pictures, in pixels.
        width: int or scalar integer tensor. Width of the pictures, in pixels.

    Returns:
        Pair `(masks, boxes)`: float32 tensor of shape
        `(batch, height, width, 1)`, 1 in the hole; the boxes of the first
        sampler that has any, an int32 tensor of shape `(batch, 4)`, or `None`
        if none has.

    Raises:
        ValueError: If there are no samplers, or one cannot be called.

    Example:
    >>> from keras_inpaint.masks import Boxes, Strokes, Union
    >>> from keras_inpaint.ops.random import picture_seeds
    >>> sampler = Union([Boxes(32, 32, jitter=4), Strokes()])
    >>> masks, boxes = sampler(picture_seeds(0, 0, keras.ops.arange(2)), 64, 96)
    >>> tuple(masks.shape), tuple(boxes.shape)
    ((2, 64, 96, 1), (2, 4))

    Reference:
    - [Yu et al., 2019](https://arxiv.org/abs/1806.03589), section 3.4
    """

    def __init__(self, samplers):
        self.samplers = check_samplers(samplers)

    def __call__(self, seeds, height, width):
        height, width = picture_size(height, width)
        union, first_boxes = None, None
        for index, sampler in enumerate(self.samplers):
            masks, boxes = sampler(derived_seeds(seeds, index), height, width)
            union = masks if union is None else ops.maximum(union, masks)
            first_boxes = boxes if first_boxes is None else first_boxes
        return union, first_boxes

    def areas(self, height, width):
        """Bounds the areas that its holes can have.

        No hole is smaller than the largest of its parts, nor larger than their sum.

        Args:
            height: int. Height of the pictures, in pixels.
            width: int. Width of the pictures, in pixels.

        Returns:
            List of pairs of ints, one at most: from and to how many pixels.

        Example:
        >>> from keras_inpaint.masks import Boxes, Union
        >>> Union([Boxes(8, 8, jitter=0), Boxes(16, 16, jitter=0)]).areas(64, 64)
        [(256, 320)]
        """
        areas = [areas_of(part, height, width) for part in self.samplers]
        if not all(areas):
            return []
        largest = sum(max(most for _, most in each) for each in areas)
        smallest = max(min(least for least, _ in each) for each in areas)
        return [(smallest, min(height * width, largest))]

    def get_config(self):
        return {"samplers": serialize(self.samplers)}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "samplers": deserialize(config["samplers"])})
