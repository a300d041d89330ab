"""A trained network among the generator's losses."""

import keras
import numpy as np
import pytest
from gan.tiny import TinyCritic, TinyGenerator
from keras import ops

import keras_inpaint as ki


def difference(images, completed, masks):
    """Stands for a network that tells any two pictures apart."""
    return ops.mean(ops.square(completed - images), axis=(1, 2, 3))


def make(network, **weights):
    objective = ki.losses.HingeObjective(perceptual=network)
    masks = ki.masks.Boxes(16, 16, jitter=2)
    gan = ki.InpaintingGAN(TinyGenerator(), TinyCritic(), objective, masks)
    gan.compile(keras.optimizers.SGD(0.5), loss_weights=weights, critic_steps=0)
    return gan


def test_training_makes_it_smaller_and_reports_it(rng):
    images = rng.uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    masks = np.zeros((2, 32, 32, 1), "float32")
    masks[:, 8:24, 8:24] = 1
    gan = make(difference, hole=0, known=0, adversarial=0, perceptual=3)
    logs = gan.fit(images, masks, batch_size=2, epochs=12, verbose=0).history
    np.testing.assert_allclose(logs["loss"], 3 * np.array(logs["perceptual_loss"]), rtol=1e-5)
    assert logs["perceptual_loss"][-1] < 0.95 * logs["perceptual_loss"][0]


def test_a_weight_without_a_network_is_refused():
    with pytest.raises(ValueError, match=r"`perceptual=`.*compile=False.*perceptual=2"):
        make(None, perceptual=2)


def test_a_saved_model_is_loaded_without_the_network(tmp_path, rng):
    gan = make(difference, adversarial=0, perceptual=3)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras", compile=False)
    assert loaded.objective.perceptual is None
    images = rng.uniform(-1, 1, (1, 32, 32, 3)).astype("float32")
    masks = np.zeros((1, 32, 32, 1), "float32")
    masks[:, 8:24, 8:24] = 1
    inputs = {"images": images, "masks": masks}
    np.testing.assert_array_equal(
        ops.convert_to_numpy(gan(inputs)["completed"]),
        ops.convert_to_numpy(loaded(inputs)["completed"]),
    )
