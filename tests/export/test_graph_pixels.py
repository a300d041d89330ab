import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from keras_inpaint.export import graph  # noqa: E402
from keras_inpaint.inpainting import pixels  # noqa: E402
from keras_inpaint.pictures import to_images, to_photos  # noqa: E402


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (20, 64), (64, 72), (65, 130)])
def test_pictures_are_continued_as_the_inpainter_does(rng, size):
    pictures = rng.integers(0, 256, (2, *size, 3)).astype("uint8")
    padded = graph.pad(tf.constant(pictures), 8)
    np.testing.assert_array_equal(padded, pixels.pad(pictures, 8))
    cropped = graph.crop(padded, like=tf.constant(pictures))
    np.testing.assert_array_equal(cropped, pictures)


def test_bytes_become_the_numbers_of_the_inpainter():
    photos = np.arange(256, dtype="uint8")
    images = graph.to_images(tf.constant(photos))
    np.testing.assert_array_equal(images, to_images(photos))
    np.testing.assert_array_equal(graph.to_photos(images), photos)
    beyond = np.array([-2, -1, -0.002, 0, 0.0033, 0.5, 1, 7], "float32")
    np.testing.assert_array_equal(graph.to_photos(tf.constant(beyond)), to_photos(beyond))
