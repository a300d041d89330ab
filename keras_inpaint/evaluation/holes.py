"""Holes of a stated kind and size, for photos of any size."""

import math
from typing import Any

from keras_inpaint.masks import Boxes, Mixture, Strokes
from keras_inpaint.masks.nesting import check_areas

Area = tuple[float, float]
HOLE_KINDS = ("boxes", "strokes", "mixture")

# A hole outside of the bounds is drawn again at most so often.
_NUM_DRAWS = 64
_SMALLEST_SIDE = 8


def hole_sampler(kind: str, height: int, width: int, hole_area: Area | None = None) -> Any:
    """Makes the sampler of a kind of holes.

    Without `hole_area`, holes are as the publications draw them for 256 pixels,
    in proportion to the photo's short side: boxes of half of it, each side moved in by up
    to an eighth of that, and brush strokes.

    Args:
        kind: `"boxes"`, `"strokes"`, or `"mixture"`: each photo has either, as often.
        height: int. Height of the photo, at least 8 pixels.
        width: int. Width of the photo, at least 8 pixels.
        hole_area: Pair of floats or `None`. The least and the greatest fraction of the photo
            that the hole covers. Boxes then have the photo's proportions. Strokes that
            cover another fraction are drawn again, up to 64 times; the closest are kept.

    Returns:
        A sampler of `keras_inpaint.masks`.

    Raises:
        ValueError: If there is no such kind, the bounds are no such fractions, the photo
            is too small, or no hole in it can lie within the bounds.

    Example:
    >>> keras_inpaint.evaluation.hole_sampler("boxes", 256, 320).height
    128
    """
    check_holes(kind, hole_area)
    side = min(height, width)
    if side < _SMALLEST_SIDE:
        raise ValueError(
            f"Photos must be at least {_SMALLEST_SIDE} x {_SMALLEST_SIDE} pixels for holes to "
            f"be drawn. Received: height={height}, width={width}"
        )
    boxes, strokes = _boxes(height, width, hole_area), Strokes.published(side)
    least, most = hole_area or (0.0, 1.0)
    bounds = {"min_area": least, "max_area": most, "num_draws": _NUM_DRAWS}
    if hole_area is not None:
        used = {"boxes": [boxes], "strokes": [strokes], "mixture": [boxes, strokes]}[kind]
        check_areas(used, least, most, height, width)
    if kind == "boxes":
        return boxes
    if kind == "strokes":
        return Mixture([strokes], **bounds)
    return Mixture([boxes, strokes], **bounds)


def check_holes(kind: str, hole_area: Area | None) -> None:
    """Raises a ValueError for an unknown kind, or bounds that are no fractions."""
    if kind not in HOLE_KINDS:
        raise ValueError(
            f"Holes that are drawn are of one of the kinds {', '.join(HOLE_KINDS)}. "
            f"Received: {kind!r}"
        )
    if hole_area is not None and not 0 <= hole_area[0] < hole_area[1] < 1:
        raise ValueError(
            "`hole_area` must be two fractions of the photo, from 0 to below 1, the first less "
            f"than the second. Received: hole_area={hole_area}"
        )


def _boxes(height: int, width: int, hole_area: Area | None) -> Boxes:
    if hole_area is None:
        boxes: Boxes = Boxes.published(min(height, width) // 2)
        return boxes
    least, most = (math.sqrt(fraction) for fraction in hole_area)
    sides = [max(1, math.floor(most * length)) for length in (height, width)]
    spare = [
        side - math.ceil(least * length)
        for side, length in zip(sides, (height, width), strict=True)
    ]
    jitter = min(max(0, min(spare)) // 2, (min(sides) - 1) // 2)
    return Boxes(sides[0], sides[1], jitter=jitter)
