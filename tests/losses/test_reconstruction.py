"""Differences from the true picture."""

import numpy as np
import pytest
from keras import ops

from keras_inpaint.losses import discounted_l1, known_l1


@pytest.fixture
def pictures(rng):
    shape = (3, 6, 5, 2)
    masks = (rng.uniform(size=(3, 6, 5, 1)) < 0.4).astype("float32")
    return (
        rng.normal(size=shape).astype("float32"),
        rng.normal(size=shape).astype("float32"),
        masks,
    )


def test_discounted_l1_is_a_mean_over_all_pixels_of_each_picture(pictures):
    predictions, images, discounts = pictures
    expected = [np.mean(np.abs(p - t) * d) for p, t, d in zip(*pictures, strict=True)]
    np.testing.assert_allclose(
        discounted_l1(predictions, images, discounts), expected, rtol=1e-6
    )


def test_known_l1_is_a_mean_over_the_known_pixels_of_each_picture(pictures):
    predictions, images, masks = pictures
    expected = [np.abs(p - t)[m[..., 0] == 0].mean() for p, t, m in zip(*pictures, strict=True)]
    np.testing.assert_allclose(known_l1(predictions, images, masks), expected, rtol=1e-5)


def test_known_l1_over_the_picture_counts_the_hole_as_right(pictures):
    predictions, images, masks = pictures
    expected = [
        np.where(m == 0, np.abs(p - t), 0).mean() for p, t, m in zip(*pictures, strict=True)
    ]
    found = known_l1(predictions, images, masks, mean_over="picture")
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_known_l1_is_zero_where_nothing_is_known():
    zeros, ones = ops.zeros((1, 4, 4, 3)), ops.ones((1, 4, 4, 3))
    assert float(known_l1(zeros, ones, ops.ones((1, 4, 4, 1)))[0]) == 0
