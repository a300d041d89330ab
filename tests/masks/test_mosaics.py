import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_inpaint.masks import Mosaic


def test_a_hole_shows_tiles_of_the_size_asked_for():
    images = np.arange(64.0, dtype="float32").reshape(1, 8, 8, 1)
    masks = np.zeros((1, 8, 8, 1), "float32")
    masks[:, 2:6, 2:6] = 1
    shown = ops.convert_to_numpy(Mosaic(2)(images, masks))[0, 2:6, 2:6, 0]
    # The mean of n, n + 1, n + 8 and n + 9.
    expected = np.repeat(np.repeat([[22.5, 24.5], [38.5, 40.5]], 2, axis=0), 2, axis=1)
    np.testing.assert_array_equal(shown, expected)


def test_a_mosaic_returns_from_its_configuration():
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(Mosaic(9))))
    assert keras.saving.deserialize_keras_object(config).size == 9


@pytest.mark.parametrize("size", [0, 1.5])
def test_tiles_without_pixels_are_refused(size):
    with pytest.raises(ValueError, match=f"at least 1. Received: size={size}"):
        Mosaic(size)
