import keras
import numpy as np
import pytest
from keras import ops

from keras_inpaint.metrics import ssim


def naive_similarities(image, completed):
    """The similarity of every window of a channel, in float64 and by its definition."""
    offsets = np.arange(11) - 5
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weights /= weights.sum()
    similarities = np.zeros((image.shape[0] - 10, image.shape[1] - 10))
    for row, column in np.ndindex(similarities.shape):
        x, y = (
            (picture[row : row + 11, column : column + 11].astype("float64") + 1) / 2
            for picture in (image, completed)
        )
        mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
        variance_x = (weights * (x - mean_x) ** 2).sum()
        variance_y = (weights * (y - mean_y) ** 2).sum()
        covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
        similarities[row, column] = (
            (2 * mean_x * mean_y + 0.01**2) * (2 * covariance + 0.03**2)
        ) / ((mean_x**2 + mean_y**2 + 0.01**2) * (variance_x + variance_y + 0.03**2))
    return similarities


def measured(images, completed, masks=None):
    function = ssim
    if keras.backend.backend() == "jax":
        import jax

        # Run one by one, JAX compiles each of the many slices.
        function = jax.jit(ssim)
    return ops.convert_to_numpy(function(images, completed, masks))


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    images = np.cumsum(rng.normal(0, 0.1, (2, 15, 18, 3)), axis=2).clip(-1, 1)
    completed = (images + rng.normal(0, [[[[0.05]]], [[[0.3]]]], images.shape)).clip(-1, 1)
    masks = (rng.random((2, 15, 18, 1)) < 0.4).astype("float32")
    return images.astype("float32"), completed.astype("float32"), masks


def test_similarity_is_the_mean_over_windows_and_channels(pictures):
    images, completed, masks = pictures
    maps = np.array(
        [
            [naive_similarities(images[p, ..., c], completed[p, ..., c]) for c in range(3)]
            for p in range(2)
        ]
    ).mean(axis=1)
    values = measured(images, completed)
    np.testing.assert_allclose(values, maps.mean(axis=(1, 2)), atol=1e-5)
    expected = [
        similarities[mask[5:-5, 5:-5, 0] == 1].mean()
        for similarities, mask in zip(maps, masks, strict=True)
    ]
    values = measured(images, completed, masks)
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_similarity_equals_that_of_tensorflow(pictures):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow only")
    images, completed, _ = pictures
    expected = tf.image.ssim((images + 1) / 2, (completed + 1) / 2, max_val=1.0)
    np.testing.assert_allclose(ssim(images, completed), expected, atol=1e-5)
    sizes = [tf.TensorSpec((None, None, None, 3))] * 2
    compiled = tf.function(ssim, input_signature=sizes)
    np.testing.assert_allclose(compiled(images, completed), expected, atol=1e-5)


def test_equal_pictures_and_empty_holes_are_1(pictures):
    images, completed, masks = pictures
    np.testing.assert_allclose(measured(images, images), 1, rtol=1e-6)
    # A hole along the border is the centre of no window.
    masks[:, 5:-5, 5:-5] = 0
    np.testing.assert_array_equal(measured(images, completed, masks), 1)


def test_pictures_smaller_than_a_window_are_refused():
    images = np.zeros((1, 12, 10, 3))
    with pytest.raises(ValueError, match=r"at least 11 x 11.*height=12, width=10"):
        ssim(images, images)
