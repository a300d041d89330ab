"""Holes that are drawn are of the kind and size that was asked for."""

import numpy as np
import pytest

from keras_inpaint.evaluation import hole_sampler
from keras_inpaint.ops.random import picture_seeds


def areas(kind, bounds, num=8, size=(48, 64)):
    sampler = hole_sampler(kind, *size, bounds)
    masks, _ = sampler(picture_seeds(0, 0, np.arange(num)), *size)
    return np.asarray(masks).mean(axis=(1, 2, 3))


@pytest.mark.parametrize("kind", ["boxes", "strokes", "mixture"])
def test_holes_cover_the_share_that_was_asked_for(kind):
    shares = areas(kind, (0.1, 0.2))
    assert (shares >= 0.1).all()
    assert (shares <= 0.2).all()
    assert len(set(shares.tolist())) > 4


def test_boxes_are_in_proportion_as_published():
    sampler = hole_sampler("boxes", 256, 300)
    assert (sampler.height, sampler.width, sampler.jitter) == (128, 128, 16)


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("stars", 64, 64), "boxes, strokes, mixture.*'stars'"),
        (("boxes", 64, 64, (0.3, 0.2)), r"hole_area=\(0.3, 0.2\)"),
        (("boxes", 64, 64, (0.3, 1.0)), r"hole_area=\(0.3, 1.0\)"),
        (("boxes", 4, 64), "height=4"),
        # Of 8 x 8 pixels, 2 x 2 are less and 3 x 2 would be no box in proportion.
        (("boxes", 8, 8, (0.1, 0.11)), r"7 to 7 of the 64 pixels.*have 4 to 4"),
        (("strokes", 64, 64, (0.0001, 0.0002)), r"Strokes\(.*widths=\(3, 10\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, advice):
    with pytest.raises(ValueError, match=advice):
        hole_sampler(*arguments)
