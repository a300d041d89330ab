import math
from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from keras_inpaint.ops.offset_colors import offset_colors


def published_wheel():
    """The ramps as the benchmark publishes them, one after the other."""
    wheel = [(255, 255 * i // 15, 0) for i in range(15)]
    wheel += [(255 - 255 * i // 6, 255, 0) for i in range(6)]
    wheel += [(0, 255, 255 * i // 4) for i in range(4)]
    wheel += [(0, 255 - 255 * i // 11, 255) for i in range(11)]
    wheel += [(255 * i // 13, 0, 255) for i in range(13)]
    wheel += [(255, 0, 255 - 255 * i // 6) for i in range(6)]
    return wheel


def published_color(row, column, longest):
    wheel = published_wheel()
    # The published pictures of contextual attention put rows on the wheel's level axis.
    place = (math.atan2(-column, -row) / math.pi + 1) / 2 * 54
    below = int(place)
    share = place - below
    length = math.hypot(row, column) / longest
    color = []
    for channel in range(3):
        hue = (1 - share) * wheel[below][channel] + share * wheel[(below + 1) % 55][channel]
        color.append(255 * (1 - length * (1 - hue / 255)))
    return color


def drawn(offsets, function=offset_colors):
    return (ops.convert_to_numpy(function(offsets)) + 1) * 127.5


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_colors_are_those_of_the_published_formula(dtype):
    offsets = np.random.default_rng(0).integers(-9, 10, (2, 12, 13, 2)).astype(dtype)
    longest = np.hypot(*np.moveaxis(offsets, -1, 0)).max()
    exact = np.array(
        [published_color(*map(float, pair), longest) for pair in offsets.reshape(-1, 2)]
    )
    # Where the exact number is whole, float32 may round down to the one below.
    is_clear = np.abs(exact - np.round(exact)) > 1e-3
    colors = drawn(offsets, partial(offset_colors, longest_of="batch")).reshape(-1, 3)
    np.testing.assert_allclose(colors[is_clear], np.floor(exact)[is_clear], atol=1e-3)
    np.testing.assert_allclose(colors[~is_clear], np.round(exact)[~is_clear], atol=1.001)
    assert is_clear.mean() > 0.5


def test_compiled_colors_are_the_same_to_a_byte():
    offsets = np.random.default_rng(1).integers(-9, 10, (2, 5, 6, 2)).astype("int32")
    if keras.backend.backend() == "jax":
        import jax

        functions = [jax.jit(offset_colors)]
    else:
        import tensorflow as tf

        functions = [tf.function(offset_colors), tf.function(offset_colors, jit_compile=True)]
    for function in functions:
        difference = np.abs(drawn(offsets, function) - drawn(offsets))
        assert difference.max() < 1.001
        assert np.mean(difference > 0.5) < 0.02


def test_standing_still_is_white_even_if_nothing_moves():
    np.testing.assert_array_equal(drawn(np.zeros((1, 2, 3, 2), "int32")), 255)


def test_a_negative_zero_is_a_zero():
    zero, negative_zero = (drawn(np.array([[[[row, 1.0]]]], "float32")) for row in (0.0, -0.0))
    np.testing.assert_array_equal(zero, negative_zero)


def test_the_longest_displacement_is_that_of_each_picture_or_of_the_batch():
    offsets = np.array([[3.0, 4.0], [6.0, 8.0]], "float32").reshape(2, 1, 1, 2)
    near, far = drawn(offsets)[:, 0, 0]
    np.testing.assert_array_equal(near, far)
    far_of_both = drawn(offsets, partial(offset_colors, longest_of="batch"))[:, 0, 0]
    np.testing.assert_array_equal(far_of_both[1], far)
    np.testing.assert_allclose(255 - far_of_both[0], (255 - far) / 2, atol=1)
    assert far.min() == 0


def test_another_scope_is_refused():
    with pytest.raises(ValueError, match=r"Received: longest_of='all'"):
        offset_colors(np.zeros((1, 1, 1, 2), "float32"), longest_of="all")
