"""Known pixels stay, hole pixels go."""

import numpy as np
import pytest
from keras import ops

from keras_inpaint.ops.compositing import composite, corrupt


@pytest.fixture
def batch(rng):
    images, predictions = rng.normal(size=(2, 3, 5, 6, 3)).astype("float32")
    masks = rng.integers(0, 2, (3, 5, 6, 1)).astype("float32")
    return images, predictions, masks


def test_known_pixels_come_back_bit_for_bit(batch):
    images, predictions, masks = batch
    known = np.broadcast_to(masks == 0, images.shape)
    completed = ops.convert_to_numpy(composite(images, predictions, masks))
    assert completed[known].tobytes() == images[known].tobytes()
    corrupted = ops.convert_to_numpy(corrupt(images, masks))
    assert corrupted[known].tobytes() == images[known].tobytes()


def test_the_hole_is_the_prediction_or_nothing(batch):
    images, predictions, masks = batch
    hole = np.broadcast_to(masks == 1, images.shape)
    completed = ops.convert_to_numpy(composite(images, predictions, masks))
    np.testing.assert_array_equal(completed[hole], predictions[hole])
    assert not ops.convert_to_numpy(corrupt(images, masks))[hole].any()


def test_nan_of_the_discarded_side_does_not_get_through(batch):
    images, predictions, masks = batch
    hole = np.broadcast_to(masks == 1, images.shape)
    images[hole], predictions[~hole] = np.nan, np.nan
    assert np.isfinite(ops.convert_to_numpy(composite(images, predictions, masks))).all()
    assert np.isfinite(ops.convert_to_numpy(corrupt(images, masks))).all()
