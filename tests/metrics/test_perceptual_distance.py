import keras
import numpy as np
import pytest

from keras_inpaint.metrics import PerceptualDistance


def test_distance_is_that_of_directions(rng):
    images, completed = rng.normal(size=(2, 3, 4, 5, 6)).astype("float32")
    # Of a pair of unit vectors, the squared distance is 2 - 2 cos.
    products = (images * completed).sum(-1)
    lengths = np.linalg.norm(images, axis=-1) * np.linalg.norm(completed, axis=-1)
    expected = (2 - 2 * products / lengths).mean(axis=(1, 2))
    distance = PerceptualDistance(lambda pictures: pictures)
    np.testing.assert_allclose(distance(images, completed), expected, rtol=1e-5)
    np.testing.assert_allclose(distance(3 * images, completed), expected, rtol=1e-5)


def test_layers_count_alike_whatever_their_size(rng):
    images, completed = rng.uniform(-1, 1, (2, 2, 8, 8, 3)).astype("float32")
    layers = [lambda pictures: pictures[:, ::4, ::4], lambda pictures: pictures.mean((1, 2))]
    parts = [
        PerceptualDistance(lambda p, f=f: f(np.asarray(p)))(images, completed) for f in layers
    ]
    both = PerceptualDistance(lambda p: [f(np.asarray(p)) for f in layers])
    np.testing.assert_allclose(both(images, completed), (parts[0] + parts[1]) / 2, rtol=1e-6)


def test_equal_pictures_have_no_distance_even_without_features(rng):
    images = rng.uniform(-1, 1, (2, 8, 8, 3)).astype("float32")
    distance = PerceptualDistance(lambda pictures: keras.ops.maximum(pictures, 0.0))
    np.testing.assert_array_equal(distance(images, images), [0, 0])
    np.testing.assert_array_equal(
        distance(-np.ones_like(images), -np.ones_like(images)), [0, 0]
    )


def test_what_is_no_network_is_refused():
    with pytest.raises(ValueError, match=r"function of images.*network='vgg'"):
        PerceptualDistance("vgg")
