"""Bytes become images and images bytes by one formula, wherever in the package."""

import itertools
from fractions import Fraction

import keras
import numpy as np
import pytest
from PIL import Image

import keras_inpaint
from keras_inpaint.data import PictureDataset, photos
from keras_inpaint.pictures import to_images, to_photos
from keras_inpaint.pictures.pixels import to_levels

BYTES = np.arange(256, dtype="uint8")
# `byte / 127.5 - 1`, without any rounding.
EXACT = [Fraction(2 * byte, 255) - 1 for byte in range(256)]


def test_bytes_are_spread_evenly_from_minus_one_to_one():
    images = to_images(BYTES)
    assert images.dtype == np.float32
    differences = [
        abs(Fraction(float(one)) - two) for one, two in zip(images, EXACT, strict=True)
    ]
    # Two roundings of numbers below 2.
    assert max(differences) <= Fraction(2, 2**24)
    assert (images[0], images[255]) == (-1, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_bytes_come_back(dtype):
    back = to_photos(to_images(BYTES).astype(dtype))
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, BYTES)


def test_what_lies_between_two_bytes_goes_to_the_nearer_one():
    middle = [float((one + two) / 2) for one, two in itertools.pairwise(EXACT)]
    np.testing.assert_array_equal(to_photos(np.array(middle) - 1e-4), BYTES[:-1])
    np.testing.assert_array_equal(to_photos(np.array(middle) + 1e-4), BYTES[1:])


def test_what_overshoots_is_clipped():
    assert to_photos(np.array([-7.0, -1.01, 1.01, 7.0])).tolist() == [0, 0, 255, 255]
    # Means of bytes, which floats can lead beyond 255.
    assert to_images(np.array([-0.1, 255.1], "float32")).tolist() == [-1, 1]


def test_levels_are_bytes_that_are_not_rounded():
    np.testing.assert_allclose(to_levels(np.array([-1.0, 0.0, 1.0])), [0, 127.5, 255])


@pytest.mark.parametrize("dtype", ["int64", "bool", "uint16"])
def test_numbers_that_are_no_bytes_are_refused(dtype):
    with pytest.raises(ValueError, match=rf"0 to 255.*photos\.dtype={dtype}"):
        to_images(np.zeros(3, dtype))


def test_bytes_that_are_taken_for_images_are_refused():
    with pytest.raises(ValueError, match=r"-1 to 1.*images\.dtype=uint8"):
        to_photos(BYTES)


@pytest.fixture
def ramp(tmp_path):
    """A folder of one photo as PNG and BMP, 16 x 16 pixels that hold all bytes, and those."""
    pixels = np.repeat(BYTES.reshape(16, 16, 1), 3, axis=-1)
    Image.fromarray(pixels).save(tmp_path / "ramp.png")
    Image.fromarray(pixels).save(tmp_path / "ramp.bmp")
    return tmp_path, pixels


def test_photos_are_streamed_as_the_same_numbers(ramp):
    folder, pixels = ramp
    options = {"crop": "centre", "flip": False, "shuffle": False}
    batches = [PictureDataset(folder, 16, 2, **options)[0]]
    if keras.backend.backend() == "tensorflow":
        batches += [batch.numpy() for batch in photos(folder, 16, 2, **options)]
    for batch in batches:
        for image in batch:
            np.testing.assert_array_equal(image, to_images(pixels))


def test_what_is_measured_are_the_same_numbers(ramp):
    _, pixels = ramp
    holes = np.ones((16, 16), bool)
    filled = np.full_like(pixels, 255)
    measured = keras_inpaint.evaluation.measure(pixels, filled, holes)["hole_l1"]
    # Of [0, 1]: the mean distance of all bytes from the last one.
    assert measured == pytest.approx(np.mean(255.0 - BYTES) / 255, abs=1e-6)
