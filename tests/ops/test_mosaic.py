import numpy as np
import pytest
from keras import ops

from keras_inpaint.ops.mosaic import mosaic


def naive_mosaic(images, masks, size):
    """Tile by tile, from the corner of the hole outwards."""
    result = images.copy()
    height, width = images.shape[1:3]
    for image, shown, mask in zip(images, result, masks[..., 0] > 0, strict=True):
        rows, columns = np.nonzero(mask)
        for top in range(rows.min(), height, size):
            for left in range(columns.min(), width, size):
                tile = np.s_[top : top + size, left : left + size]
                colour = image[tile].mean(axis=(0, 1))
                shown[tile] = np.where(mask[tile][..., None], colour, shown[tile])
    return result


@pytest.fixture
def images(rng):
    return rng.uniform(-1, 1, size=(3, 21, 30, 3)).astype("float32")


@pytest.fixture
def masks(rng):
    masks = np.zeros((3, 21, 30, 1), "float32")
    masks[0, 3:14, 6:19] = 1
    masks[1, 9:, 17:] = rng.integers(0, 2, size=(12, 13, 1))
    masks[2] = 1
    return masks


@pytest.mark.parametrize("size", [1, 4, 7, 40])
def test_each_tile_of_the_hole_has_the_mean_of_what_it_covers(images, masks, size):
    shown = ops.convert_to_numpy(mosaic(images, masks, size))
    np.testing.assert_allclose(shown, naive_mosaic(images, masks, size), atol=1e-6)
    known = np.broadcast_to(masks == 0, images.shape)
    np.testing.assert_array_equal(shown[known], images[known])


def test_tiles_stay_the_same_wherever_the_picture_is_cut(images, masks):
    whole = ops.convert_to_numpy(mosaic(images[:1], masks[:1], 4))
    cut = ops.convert_to_numpy(mosaic(images[:1, 2:20, 5:28], masks[:1, 2:20, 5:28], 4))
    np.testing.assert_allclose(cut, whole[:, 2:20, 5:28], atol=1e-6)


def test_a_mosaic_is_left_as_it_is():
    ramp = np.tile(np.arange(16.0, dtype="float32"), (1, 16, 1))[..., None]
    masks = np.zeros((1, 16, 16, 1), "float32")
    masks[:, 4:12, 2:10] = 1
    once = ops.convert_to_numpy(mosaic(ramp, masks, 4))
    np.testing.assert_array_equal(ops.convert_to_numpy(mosaic(once, masks, 4)), once)


def test_a_picture_without_a_hole_is_left_as_it_is(images):
    shown = ops.convert_to_numpy(mosaic(images, np.zeros((3, 21, 30, 1)), 4))
    np.testing.assert_array_equal(shown, images)


def test_sizes_may_be_known_only_when_the_function_runs(images, masks):
    import keras

    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow only")
    specs = [tf.TensorSpec((None, None, None, channels)) for channels in (3, 1)]
    shown = tf.function(lambda *parts: mosaic(*parts, 4), input_signature=specs)(images, masks)
    np.testing.assert_allclose(shown, naive_mosaic(images, masks, 4), atol=1e-6)


@pytest.mark.parametrize("size", [0, 2.0, True])
def test_a_size_that_is_none_is_refused(images, masks, size):
    with pytest.raises(ValueError, match=f"at least 1. Received: size={size}"):
        mosaic(images, masks, size)
