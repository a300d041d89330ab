"""Measuring one thing more in validation."""

import keras
import numpy as np
import pytest

from keras_inpaint.gan import InpaintingGAN
from keras_inpaint.metrics import PerceptualDistance


@pytest.fixture(scope="module")
def gan():
    gan = InpaintingGAN.deepfill_v2(width=4, image_size=32, critic_width=4)
    gan.compile(run_eagerly=keras.backend.backend() == "tensorflow")
    return gan


def test_added_measure_is_told_beside_the_others(gan, rng):
    images = rng.uniform(-1, 1, (3, 32, 32, 3)).astype("float32")
    masks = np.zeros((3, 32, 32, 1), "float32")
    masks[:, 8:20, 8:20] = 1
    names = set(gan.evaluate(images, masks, verbose=0, return_dict=True))
    num_variables = len(gan.trainable_variables)
    gan.add_measure("perceptual", PerceptualDistance(lambda pictures: pictures))
    measured = gan.evaluate(images, masks, batch_size=2, verbose=0, return_dict=True)
    assert set(measured) == names | {"perceptual"}
    assert len(gan.trainable_variables) == num_variables
    completed = np.asarray(
        gan.predict_on_batch({"images": images, "masks": masks})["completed"]
    )
    lengths = np.linalg.norm(images, axis=-1) * np.linalg.norm(completed, axis=-1)
    expected = np.mean(2 - 2 * (images * completed).sum(-1) / lengths)
    assert measured["perceptual"] == pytest.approx(expected, rel=1e-4)


def test_measure_needs_a_name_of_its_own(gan):
    with pytest.raises(ValueError, match=r"beside hole_l1, l1, psnr, ssim.*name='psnr'"):
        gan.add_measure("psnr", abs)
