"""A different kind of hole from picture to picture."""

import itertools

import keras
from keras import ops

from keras_inpaint.arguments import check_int
from keras_inpaint.masks.nesting import (
    areas_of,
    bounds_in_pixels,
    check_areas,
    check_samplers,
    deserialize,
    serialize,
    within,
)
from keras_inpaint.masks.sizes import picture_size
from keras_inpaint.ops.random import as_seeds, derived_seeds, uniform


@keras.saving.register_keras_serializable(package="keras_inpaint")
class Mixture:
    """Draws each picture's hole with one of several samplers.

    The hole of a picture can be held within bounds of its area. A hole outside
    is drawn again, by the same sampler, so that the bounds do not change how
    often each sampler is used. If no draw fits, the one closest to the bounds
    is kept; bounds that the holes of a sampler cannot meet at all are refused.

    Args:
        samplers: List of samplers, such as `Boxes` and `Strokes`.
        weights: List of floats, one per sampler: how often each is used, in
            proportion. All alike if `None`.
        min_area: float. Least fraction of the picture that the hole covers.
        max_area: float. Greatest fraction of the picture that the hole covers.
        num_draws: int. How many times a hole is drawn at most. Draws beyond the
            first are made only while some hole of the batch lies outside.

    Call arguments:
        seeds: Integers of shape `(batch,)`, one per picture: from
            `keras_inpaint.ops.picture_seeds`, or any others.
        height: int or scalar integer tensor. Height of the pictures, in pixels.
        width: int or scalar integer tensor. Width of the pictures, in pixels.

    Returns:
        Pair `(masks, boxes)`: float32 tensor of shape
        `(batch, height, width, 1)`, 1 in the hole; int32 tensor of shape
        `(batch, 4)`, or `None` unless all samplers have boxes.

    Raises:
        ValueError: If an argument is out of bounds or, when called, if the holes of a
            sampler that is used cannot lie within `min_area` and `max_area`. A size that is
            known only when a compiled function runs cannot be checked: there, such holes
            lie outside.

    Example:
    >>> from keras_inpaint.masks import Boxes, Mixture, Strokes
    >>> from keras_inpaint.ops.random import picture_seeds
    >>> sampler = Mixture([Boxes(32, 32, jitter=4), Strokes()], [1, 3], max_area=0.6)
    >>> masks, boxes = sampler(picture_seeds(0, 0, keras.ops.arange(2)), 64, 96)
    >>> tuple(masks.shape), boxes
    ((2, 64, 96, 1), None)
    """

    def __init__(self, samplers, weights=None, min_area=0.0, max_area=1.0, num_draws=8):
        self.samplers = check_samplers(samplers)
        self.weights = None if weights is None else [float(weight) for weight in weights]
        weights = self.weights or []
        if self.weights is not None and (
            len(weights) != len(self.samplers) or min(weights) < 0 or not sum(weights) > 0
        ):
            raise ValueError(
                "`weights` must hold one number per sampler, none negative and not all 0. "
                f"Received: weights={weights} for {len(self.samplers)} samplers"
            )
        if not 0 <= min_area < max_area <= 1:
            raise ValueError(
                "`min_area` and `max_area` are fractions of the picture, from 0 to 1, the "
                "first less than the second. "
                f"Received: min_area={min_area}, max_area={max_area}"
            )
        num_draws = check_int("num_draws", num_draws, "counts draws", at_least=1)
        self.min_area = min_area
        self.max_area = max_area
        self.num_draws = num_draws

    def __call__(self, seeds, height, width):
        height, width = picture_size(height, width)
        self._check_areas(height, width)
        seeds = as_seeds(seeds)
        choices = self._choose(seeds)
        masks, boxes = self._draw(seeds, choices, 0, height, width)
        if self.num_draws == 1 or not self._is_bounded:
            return masks, boxes
        # A loop's variables are tensors, each of them: without boxes, the seeds stand in.
        kept = (masks, seeds if boxes is None else boxes)

        def some_lies_outside(draw, kept_masks, kept_boxes):
            return ops.any(self._excess(kept_masks) > 0)

        def draw_again(draw, kept_masks, kept_boxes):
            masks, boxes = self._draw(seeds, choices, draw, height, width)
            is_better = self._excess(masks) < self._excess(kept_masks)
            kept_masks = ops.where(is_better[:, None, None, None], masks, kept_masks)
            if boxes is not None:
                kept_boxes = ops.where(is_better[:, None], boxes, kept_boxes)
            return draw + 1, kept_masks, kept_boxes

        first = ops.convert_to_tensor(1, dtype="int32")
        _, masks, kept_boxes = ops.while_loop(
            some_lies_outside, draw_again, (first, *kept), maximum_iterations=self.num_draws - 1
        )
        return masks, None if boxes is None else kept_boxes

    def areas(self, height, width):
        """Bounds the areas that its holes can have.

        They are those of its samplers, within its own bounds where holes are drawn again.

        Args:
            height: int. Height of the pictures, in pixels.
            width: int. Width of the pictures, in pixels.

        Returns:
            List of pairs of ints: from and to how many pixels.

        Example:
        >>> from keras_inpaint.masks import Boxes, Mixture
        >>> parts = [Boxes(8, 8, jitter=0), Boxes(16, 16, jitter=0)]
        >>> Mixture(parts).areas(64, 64), Mixture(parts, max_area=0.05).areas(64, 64)
        ([(64, 64), (256, 256)], [(64, 64)])
        """
        parts = [areas_of(part, height, width) for part in self._used_samplers]
        areas = list(itertools.chain(*parts))
        if not self._is_bounded or self.num_draws == 1:
            return areas
        return within(areas, bounds_in_pixels(self.min_area, self.max_area, height, width))

    def get_config(self):
        return {
            "samplers": serialize(self.samplers),
            "weights": self.weights,
            "min_area": self.min_area,
            "max_area": self.max_area,
            "num_draws": self.num_draws,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "samplers": deserialize(config["samplers"])})

    @property
    def _is_bounded(self):
        return (self.min_area, self.max_area) != (0.0, 1.0)

    @property
    def _used_samplers(self):
        weights = self.weights or [1.0] * len(self.samplers)
        return [part for part, weight in zip(self.samplers, weights, strict=True) if weight]

    def _check_areas(self, height, width):
        if self._is_bounded and isinstance(height, int) and isinstance(width, int):
            check_areas(self._used_samplers, self.min_area, self.max_area, height, width)

    def _choose(self, seeds):
        """Draws which sampler each picture uses."""
        weights = self.weights or [1.0] * len(self.samplers)
        # Rounding must not lead beyond the last sampler that is used at all.
        last = max(index for index, weight in enumerate(weights) if weight > 0)
        drawn = uniform(seeds, 1)[:, 0]
        choices = ops.zeros_like(drawn, dtype="int32")
        for total in itertools.accumulate(weights[:last]):
            choices = choices + ops.cast(drawn >= total / sum(weights), "int32")
        return choices

    def _draw(self, seeds, choices, draw, height, width):
        seeds = derived_seeds(seeds, draw)
        drawn = [
            sampler(derived_seeds(seeds, index), height, width)
            for index, sampler in enumerate(self.samplers)
        ]
        masks, boxes = drawn[0]
        have_boxes = all(boxes is not None for _, boxes in drawn)
        for index, (other_masks, other_boxes) in enumerate(drawn[1:], start=1):
            is_chosen = choices == index
            masks = ops.where(is_chosen[:, None, None, None], other_masks, masks)
            if have_boxes:
                boxes = ops.where(is_chosen[:, None], other_boxes, boxes)
        return masks, boxes if have_boxes else None

    def _excess(self, masks):
        """By how many pixels each hole lies outside the bounds of its area."""
        areas = ops.sum(masks, axis=(1, 2, 3))
        _, height, width, _ = ops.shape(masks)
        pixels = ops.cast(height * width, "float32")
        # Whole pixels, or the last bit of a product would decide what is kept.
        least, most = ops.ceil(self.min_area * pixels), ops.floor(self.max_area * pixels)
        return ops.maximum(ops.maximum(least - areas, areas - most), 0.0)
