"""Every loss and every gradient norm of the published code, from the functions that train."""

import importlib

import keras
import numpy as np
import pytest
from keras import ops
from reference.published import (
    arrays,
    official_batch,
    official_generator,
    official_v1_critic,
    official_v2_critic,
    official_v2_vector,
    official_variables,
    port_batch,
    port_critic,
    port_generator,
    port_variables,
)

from keras_inpaint.conversion.networks import critic_weights, generator_weights
from keras_inpaint.losses import HingeObjective, LossWeights, WassersteinObjective
from keras_inpaint.ops.compositing import composite

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="gradients are taken with TensorFlow's tape"
)


class Comparison:
    """One published step: the totals, their terms and their gradients."""

    def __init__(self, generator, critic, objective, weights, batch, boxes, interpolation):
        steps = importlib.import_module("keras_inpaint.gan.backends.tensorflow")
        images, masks = (ops.convert_to_tensor(part) for part in batch)
        corrupted = ops.where(masks > 0, ops.zeros_like(images), images)
        self.generator, self.critic = generator, critic
        with tf.GradientTape() as tape:
            outputs = generator({"corrupted": corrupted, "masks": masks})
            self.generator_terms = objective.generator_terms(
                critic, images, outputs, masks, weights, boxes=boxes
            )
            total = ops.mean(self.generator_terms["generator_loss"])
        self.generator_gradients = tape.gradient(total, generator.trainable_variables)
        self.restart(critic)
        completed = composite(images, outputs["refined"], masks)
        with tf.GradientTape() as tape:
            self.critic_terms = objective.critic_terms(
                critic,
                images,
                completed,
                masks,
                weights,
                boxes=boxes,
                interpolation=interpolation,
                input_gradients=steps.input_gradients,
            )
            total = ops.mean(self.critic_terms["critic_loss"])
        self.critic_gradients = tape.gradient(total, critic.trainable_variables)

    @staticmethod
    def restart(critic):
        """The reference took both losses at the initial spectral vectors."""
        for layer in getattr(critic, "convolutions", ()):
            layer.u.assign(arrays("official_v2")[f"var/{official_v2_vector(layer)}"])

    def norms(self, network):
        gradients = (
            self.generator_gradients if network is self.generator else self.critic_gradients
        )
        return {
            id(variable): float(ops.norm(ops.reshape(gradient, (-1,))))
            for variable, gradient in zip(network.trainable_variables, gradients, strict=True)
        }


def mean(values):
    return float(ops.mean(values))


def assert_norms(norms, expected, rtol, atol=0.0):
    assert len(expected) == len(norms)
    for variable, (name, norm) in expected.items():
        np.testing.assert_allclose(norms[variable], norm, rtol=rtol, atol=atol, err_msg=name)


@pytest.fixture(scope="module")
def official_v1():
    reference = arrays("official_v1")
    boxes = np.tile(reference["bbox"], (2, 1))
    return Comparison(
        official_generator("official_v1"),
        official_v1_critic(),
        WassersteinObjective(variant="tensorflow"),
        LossWeights(),
        official_batch("official_v1"),
        ops.convert_to_tensor(boxes, dtype="int32"),
        np.concatenate([reference["gp_alpha/local"], reference["gp_alpha/global"]], axis=1),
    )


def test_official_v1_losses(official_v1):
    reference = arrays("official_v1")
    generator, critic = official_v1.generator_terms, official_v1.critic_terms
    found = {
        "l1_loss": mean(generator["hole_loss"]),
        "ae_loss": mean(generator["known_loss"]),
        "g_loss": mean(generator["generator_loss"]),
        "d_loss": mean(critic["critic_loss"]),
        "gp_loss": 10 * mean(critic["gradient_penalty"]),
    }
    for name, value in found.items():
        np.testing.assert_allclose(value, reference[f"loss/{name}"], rtol=1e-4, err_msg=name)


def official_norms(name, kind, weights):
    """The published norm of each trainable variable's gradient, and what it is called."""
    keys = {
        id(variable): f"{kind}/{theirs}"
        for variable, theirs in official_variables(weights)
        if variable.trainable
    }
    return {variable: (key, arrays(name)[key]) for variable, key in keys.items()}


def test_official_v1_generator_gradients(official_v1):
    generator = official_v1.generator
    expected = official_norms("official_v1", "grad_g_norm", generator_weights(generator))
    assert_norms(official_v1.norms(generator), expected, rtol=1e-3)


def test_official_v1_critic_gradients(official_v1):
    weights = critic_weights(official_v1.critic)
    expected = official_norms("official_v1", "grad_d_norm", weights)
    norms = official_v1.norms(official_v1.critic)
    # Real and filled pictures cancel in the last biases: those are compared absolutely.
    last = {key for key, (name, _) in expected.items() if name.endswith("fc/bias")}
    assert len(last) == 2
    for key in last:
        assert abs(norms.pop(key) - expected.pop(key)[1]) < 1e-6
    assert_norms(norms, expected, rtol=1e-4)


@pytest.fixture(scope="module")
def official_v2():
    return Comparison(
        official_generator("official_v2"),
        official_v2_critic(),
        HingeObjective(),
        HingeObjective.default_weights,
        official_batch("official_v2"),
        boxes=None,
        interpolation=None,
    )


def test_official_v2_losses(official_v2):
    reference = arrays("official_v2")
    generator, critic = official_v2.generator_terms, official_v2.critic_terms
    reconstruction = mean(generator["hole_loss"]) + mean(generator["known_loss"])
    np.testing.assert_allclose(reconstruction, reference["loss/ae_loss"], rtol=1e-4)
    total = mean(generator["generator_loss"])
    np.testing.assert_allclose(total, reference["loss/g_loss"], rtol=1e-4)
    np.testing.assert_allclose(mean(critic["critic_loss"]), reference["loss/d_loss"], rtol=1e-4)


def test_official_v2_generator_gradients(official_v2):
    generator = official_v2.generator
    expected = official_norms("official_v2", "grad_g_norm", generator_weights(generator))
    assert_norms(official_v2.norms(generator), expected, rtol=1e-3)


def test_official_v2_critic_gradients(official_v2):
    weights = critic_weights(official_v2.critic)
    expected = official_norms("official_v2", "grad_d_norm", weights)
    assert_norms(official_v2.norms(official_v2.critic), expected, rtol=1e-4)


def test_official_v2_spectral_vectors_after_a_step(official_v2):
    for layer in official_v2.critic.convolutions:
        expected = arrays("official_v2")[f"u_after/{official_v2_vector(layer)}"]
        np.testing.assert_allclose(layer.u, expected, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def port():
    reference = arrays("pytorch_port")
    fractions = [reference[f"gp_alpha/{side}"].reshape(2, 1) for side in ("local", "global")]
    return Comparison(
        port_generator(),
        port_critic(),
        WassersteinObjective(variant="pytorch"),
        LossWeights(),
        port_batch(),
        ops.convert_to_tensor(reference["boxes"], dtype="int32"),
        # The port's fractions are those of the true picture.
        1 - np.concatenate(fractions, axis=1),
    )


def test_port_losses(port):
    reference = arrays("pytorch_port")
    found = {
        "l1": mean(port.generator_terms["hole_loss"]),
        "ae": mean(port.generator_terms["known_loss"]),
        "wgan_g": mean(port.generator_terms["adversarial_loss"]),
        "g": mean(port.generator_terms["generator_loss"]),
        "wgan_d": mean(port.critic_terms["wasserstein_loss"]),
        "wgan_gp": mean(port.critic_terms["gradient_penalty"]),
        "d": mean(port.critic_terms["critic_loss"]),
    }
    for name, value in found.items():
        np.testing.assert_allclose(value, reference[f"loss/{name}"], rtol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    ("part", "weights_of", "kind", "rtol"),
    [
        ("generator", generator_weights, "grad_g_norm", 1e-3),
        ("critic", critic_weights, "grad_d_norm", 1e-4),
    ],
)
def test_port_gradients(port, part, weights_of, kind, rtol):
    network = getattr(port, part)
    pairs = port_variables(weights_of(network))
    keys = {id(variable): f"{kind}/{name}" for variable, name in pairs}
    expected = {key: (name, arrays("pytorch_port")[name]) for key, name in keys.items()}
    norms = port.norms(network)
    # Real and filled pictures cancel in the last biases: those are compared absolutely.
    for key in [key for key, (name, _) in expected.items() if name.endswith("linear.bias")]:
        assert abs(norms.pop(key) - expected.pop(key)[1]) < 1e-6
    assert_norms(norms, expected, rtol=rtol)
