"""The best, the median and the worst at a glance."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_inpaint.evaluation.baselines import Fill
from keras_inpaint.evaluation.samples import Sample
from keras_inpaint.pictures import sheet
from keras_inpaint.pictures.pixels import Bytes
from keras_inpaint.pictures.resizing import downsample

_LARGEST_SIDE = 256
_GREY = 128


def ranked_sheet(
    rows: Sequence[dict[str, Any]], methods: dict[str, Fill], load: Callable[[int], Sample]
) -> Bytes:
    """Draws the photos that the first method fills best, median and worst.

    They are filled once more: to keep what all photos became would take their memory.

    Args:
        rows: Sequence of dicts, the `pictures` of an `Evaluation`.
        methods: dict of functions of a photo and its holes that return the filled photo.
        load: Function of a row's number that gives its photo and holes.

    Returns:
        uint8 array of shape `(height, width, 3)`: a row each for the least, the median and
        the greatest `hole_l1`; photo, hole, and a column a method.
    """
    first = next(iter(methods))
    order = sorted(range(len(rows)), key=lambda row: rows[row]["methods"][first]["hole_l1"])
    # Of one or two photos, each is shown once.
    chosen = dict.fromkeys((order[0], order[(len(order) - 1) // 2], order[-1]))
    pictures = []
    for row in chosen:
        sample = load(row)
        blanked = np.where(sample.holes[..., None], _GREY, sample.photo).astype("uint8")
        filled = [fill(sample.photo, sample.holes) for fill in methods.values()]
        pictures.append([_small(picture) for picture in (sample.photo, blanked, *filled)])
    return sheet(pictures, titles=["photo", "hole", *methods])


def _small(photo: Bytes) -> Bytes:
    height, width = photo.shape[:2]
    scale = min(1.0, _LARGEST_SIDE / max(height, width))
    return downsample(photo, (max(1, round(scale * height)), max(1, round(scale * width))))
