"""What a pixel of the hole counts."""

import numpy as np
import pytest
from keras import ops

from keras_inpaint.losses import box_discounts, distance_discounts


def test_a_pixel_counts_gamma_to_the_distance_to_the_nearest_known_one(rng):
    masks = (rng.uniform(size=(3, 9, 14, 1)) < 0.8).astype("float32")
    expected = np.ones_like(masks)
    for picture, mask in enumerate(masks[..., 0]):
        known = np.argwhere(mask == 0)
        for row, column in np.argwhere(mask == 1):
            distance = np.sqrt(((known - (row, column)) ** 2).sum(axis=1)).min()
            expected[picture, row, column] = 0.9**distance
    found = distance_discounts(ops.convert_to_tensor(masks), gamma=0.9)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_published_box_counts_from_its_nearer_edges():
    height, width, gamma = 6, 9, 0.7
    expected = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            expected[i, j] = max(gamma ** min(i, height - i), gamma ** min(j, width - j))
    found = box_discounts((height, width), gamma)
    np.testing.assert_allclose(found[0, :, :, 0], expected, rtol=1e-6)


def test_a_picture_of_which_nothing_is_known_is_refused():
    masks = ops.concatenate([ops.zeros((1, 4, 4, 1)), ops.ones((1, 4, 4, 1))], axis=0)
    with pytest.raises(ValueError, match=r"\[1\]"):
        distance_discounts(masks)
