import functools

import keras
import numpy as np
import pytest

from keras_inpaint.metrics import PerceptualDistance
from keras_inpaint.models import EfficientNetLite


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


def test_layers_count_in_proportion_to_their_weights(rng):
    images, completed = rng.uniform(-1, 1, (2, 2, 8, 8, 3)).astype("float32")
    layers = [lambda pictures: pictures, lambda pictures: pictures[:, ::2, ::2]]
    parts = [PerceptualDistance(layer)(images, completed) for layer in layers]
    both = PerceptualDistance(lambda p: [layer(p) for layer in layers], [3, 1])
    np.testing.assert_allclose(
        both(images, completed), (3 * parts[0] + parts[1]) / 4, rtol=1e-6
    )


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1], [float("nan")]])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(ValueError, match=r"at least 0, one of them above.*layer_weights"):
        PerceptualDistance(lambda images: images, weights)


def test_a_weight_too_many_is_refused(rng):
    images = rng.uniform(-1, 1, (1, 8, 8, 3)).astype("float32")
    with pytest.raises(ValueError, match=r"one per layer.*has 1.*\[1, 2\]"):
        PerceptualDistance(lambda images: images, [1, 2])(images, images)


def compiled(function):
    """Of a function of one tensor: JAX compiles each operation alone else."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


def gradient(function, values):
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(lambda values: function(values).sum())(values))
    import tensorflow as tf

    values = tf.convert_to_tensor(values)
    with tf.GradientTape() as tape:
        tape.watch(values)
        result = function(values)
    return tape.gradient(result, values).numpy()


def test_features_that_are_all_zero_have_a_gradient(rng):
    images = rng.uniform(0.1, 1, (1, 2, 2, 3)).astype("float32")
    completed = -images
    completed[0, 0] *= -0.5
    distance = PerceptualDistance(lambda pictures: keras.ops.relu(pictures))
    slopes = gradient(lambda completed: distance(images, completed), completed)
    assert np.isfinite(slopes).all()


def test_gradient_through_a_network_is_the_slope(rng):
    """Along three random directions, by central differences."""
    network = EfficientNetLite(small_network(rng))
    images, completed = rng.uniform(-1, 1, (2, 2, 16, 16, 3)).astype("float32")
    distance = compiled(functools.partial(PerceptualDistance(network, [2.0, 1.0, 0.5]), images))
    slopes = gradient(distance, completed)
    for _ in range(3):
        direction = rng.normal(size=completed.shape).astype("float32")
        ends = [
            float(keras.ops.sum(distance(completed + step * direction)))
            for step in (-1e-2, 1e-2)
        ]
        np.testing.assert_allclose(
            (slopes * direction).sum(), (ends[1] - ends[0]) / 2e-2, rtol=1e-3, atol=1e-5
        )


def small_network(rng):
    """Two blocks of an EfficientNet-Lite, the second of which strides.

    Its features stay between 0 and 6, where no activation has a kink.
    """
    shapes = {
        "stem": (3, 3, 3, 8),
        "0.depthwise": (3, 3, 8, 1),
        "0.project": (1, 1, 8, 6),
        "1.expand": (1, 1, 6, 12),
        "1.depthwise": (5, 5, 12, 1),
        "1.project": (1, 1, 12, 6),
        "head": (1, 1, 6, 16),
    }
    weights = {"strides": np.array([1, 2])}
    for name, shape in shapes.items():
        fan_in = shape[0] * shape[1] * (1 if "depthwise" in name else shape[2])
        outputs = shape[2] if "depthwise" in name else shape[3]
        weights[f"{name}.kernel"] = rng.normal(size=shape) * 0.2 / np.sqrt(fan_in)
        weights[f"{name}.bias"] = 3 + rng.normal(size=outputs)
    return weights
