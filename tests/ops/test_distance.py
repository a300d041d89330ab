from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_inpaint.ops.distance import distance_to_known

REFERENCE = Path(__file__).parents[1] / "reference" / "tensorflow_addons.npz"


def measured(masks):
    return ops.convert_to_numpy(distance_to_known(masks))


def measured_naively(masks):
    distances = np.zeros(masks.shape)
    for picture, mask in enumerate(masks[..., 0]):
        known = np.argwhere(mask == 0)
        for row, column in np.argwhere(mask == 1):
            gaps = known - (row, column)
            distances[picture, row, column] = np.sqrt((gaps**2).sum(axis=1).min())
    return distances


@pytest.mark.parametrize("index", range(3))
def test_distances_equal_those_of_tensorflow_addons(index):
    with np.load(REFERENCE) as reference:
        holes, expected = reference[f"hole_{index}"], reference[f"distance_{index}"]
    np.testing.assert_allclose(measured(holes), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [(9, 13), (1, 17), (17, 1), (31, 8), (1, 1)])
def test_distances_are_exact_for_any_mask(size):
    rng = np.random.default_rng(0)
    # From few holes to few known pixels: many columns have none.
    shares = np.array([0.2, 0.6, 0.97]).reshape(3, 1, 1, 1)
    masks = (rng.random((3, *size, 1)) < shares).astype("float32")
    masks[:, rng.integers(size[0]), rng.integers(size[1])] = 0
    distances = measured(masks)
    assert distances.dtype == np.float32
    np.testing.assert_allclose(distances, measured_naively(masks), rtol=1e-7)


def test_the_longest_distance_spans_the_picture():
    masks = np.ones((1, 30, 40, 1), "float32")
    masks[0, 0, 0] = 0
    assert measured(masks)[0, -1, -1, 0] == np.float32(np.hypot(29, 39))


def test_a_picture_without_known_pixels_is_named():
    masks = np.zeros((3, 4, 5, 1), "float32")
    masks[1] = 1
    with pytest.raises(ValueError, match=r"must have a known pixel.*at indices \[1\]"):
        distance_to_known(masks)


def test_compiled_distances_are_the_same_and_infinite_without_known_pixels():
    masks = (np.random.default_rng(0).random((3, 9, 11, 1)) < 0.8).astype("float32")
    masks[1] = 1
    expected = measured_naively(masks[::2])
    if keras.backend.backend() == "jax":
        import jax

        functions = [jax.jit(distance_to_known)]
    else:
        import tensorflow as tf

        any_size = tf.TensorSpec((None, None, None, 1))
        functions = [
            tf.function(distance_to_known, input_signature=[any_size]),
            tf.function(distance_to_known, jit_compile=True),
        ]
    for function in functions:
        distances = ops.convert_to_numpy(function(ops.convert_to_tensor(masks)))
        np.testing.assert_allclose(distances[::2], expected, rtol=1e-6)
        assert np.isinf(distances[1]).all()


def test_no_gradient_flows_to_the_masks():
    masks = np.zeros((1, 4, 5, 1), "float32")
    masks[0, 1:3, 1:4] = 1
    if keras.backend.backend() == "jax":
        import jax

        gradient = jax.grad(lambda masks: distance_to_known(masks).sum())(masks)
        assert not np.any(gradient)
    else:
        import tensorflow as tf

        masks = tf.constant(masks)
        with tf.GradientTape() as tape:
            tape.watch(masks)
            total = ops.sum(distance_to_known(masks))
        assert tape.gradient(total, masks) is None
