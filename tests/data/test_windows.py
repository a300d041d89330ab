"""Random windows cover the photo and stay within it."""

import keras
import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow only"
)

from keras_inpaint.data.photo_stream import centred_window, random_window  # noqa: E402


def draw(window, height, width, num_draws=400):
    draw_one = tf.function(window)
    sizes = tf.constant(height), tf.constant(width)
    return np.array([draw_one(*sizes, tf.constant([7, seed])) for seed in range(num_draws)])


def test_random_windows_reach_every_edge_and_size_and_nothing_beyond():
    top, left, side = draw(random_window(6, None), 8, 10).T
    assert set(side) == {6, 7, 8}
    assert set(top[side == 6]) == {0, 1, 2}
    assert set(left[side == 6]) == {0, 1, 2, 3, 4}
    assert set(top[side == 8]) == {0}
    assert set(left[side == 8]) == {0, 1, 2}


def test_small_pictures_are_taken_whole_along_the_short_side():
    top, left, side = draw(random_window(64, None), 5, 7, 100).T
    assert set(side) == {5}
    assert set(top) == {0}
    assert set(left) == {0, 1, 2}


def test_min_scale_bounds_the_side():
    side = draw(random_window(64, 0.5), 10, 20)[:, 2]
    assert set(side) == {5, 6, 7, 8, 9, 10}
    assert set(draw(random_window(64, 1.0), 10, 20, 50)[:, 2]) == {10}


def test_centred_window_is_the_largest_square_in_the_middle():
    assert centred_window(10, 17, None).numpy().tolist() == [0, 3, 10]
    assert centred_window(9, 4, None).numpy().tolist() == [2, 0, 4]
