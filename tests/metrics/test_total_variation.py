import numpy as np
from keras import ops

from keras_inpaint.metrics import total_variation


def naive_variation(image, mask):
    total = 0.0
    for down, right in [(1, 0), (0, 1)]:
        differences = []
        for row, column in np.ndindex(image.shape[0] - down, image.shape[1] - right):
            here, there = (row, column), (row + down, column + right)
            if mask[here] or mask[there]:
                differences.append(np.abs(image[here] - image[there]) / 2)
        total += np.mean(differences)
    return total


def test_neighbours_of_whom_one_lies_in_the_hole_count():
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (2, 6, 5, 3)).astype("float32")
    masks = (rng.random((2, 6, 5, 1)) < 0.2).astype("float32")
    for given in (masks, None):
        counted = np.ones_like(masks) if given is None else masks
        expected = [
            naive_variation(image, mask[..., 0])
            for image, mask in zip(images, counted, strict=True)
        ]
        values = ops.convert_to_numpy(total_variation(images, given))
        np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_stripes_from_black_to_white_vary_by_1():
    stripes = np.tile([[-1.0], [1.0]], (1, 1, 3, 1)) * np.ones((1, 1, 6, 3))
    assert float(total_variation(stripes)[0]) == 1
    assert float(total_variation(np.swapaxes(stripes, 1, 2))[0]) == 1


def test_an_empty_hole_does_not_vary():
    images = np.random.default_rng(0).uniform(-1, 1, (1, 4, 4, 3))
    assert float(total_variation(images, np.zeros((1, 4, 4, 1)))[0]) == 0
