"""What is computed in bfloat16 under `mixed_bfloat16`, and what is not."""

import keras
import numpy as np
import pytest

from keras_inpaint.gan import InpaintingGAN

SIZE = 32
# What is rounded too much otherwise: the attention's norms and softmax, and those of the
# spectral normalisation and of the gradient penalty.
FLOAT32 = ("softmax", "sqrt", "square")


@pytest.fixture(params=["deepfill_v1", "deepfill_v2"])
def gan(request):
    keras.config.set_dtype_policy("mixed_bfloat16")
    make = getattr(InpaintingGAN, request.param)
    gan = make(width=4, image_size=SIZE, critic_width=4, ema_momentum=0.9)
    gan.compile()
    return gan


@pytest.fixture
def batch(rng):
    images = rng.uniform(-1, 1, (2, SIZE, SIZE, 3)).astype("float32")
    masks = np.zeros((2, SIZE, SIZE, 1), "float32")
    masks[:, 8:24, 8:24] = 1
    boxes = np.array([[8, 8, 16, 16]] * 2, "int32")
    return {"images": images, "masks": masks, "boxes": boxes}


def dtype_of(tensor):
    return keras.backend.standardize_dtype(tensor.dtype)


@pytest.fixture
def called(monkeypatch):
    """The layers that are called."""
    layers, call = {}, keras.layers.Layer.__call__

    def watched(self, *args, **options):
        layers[id(self)] = self
        return call(self, *args, **options)

    monkeypatch.setattr(keras.layers.Layer, "__call__", watched)
    return layers


def test_weights_statistics_and_optimizers_are_float32(gan):
    for variable in [*gan.variables, *gan.metrics_variables, *gan.optimizer.variables]:
        assert variable.dtype in ("float32", "int32", "int64"), variable.path


def test_layers_compute_in_bfloat16_but_for_norms_softmax_penalty_and_losses(
    gan, batch, called, monkeypatch
):
    seen = {name: [] for name in (*FLOAT32, "conv")}

    def watch(name):
        function = getattr(keras.ops, name)

        def watched(tensor, *args, **options):
            seen[name].append(dtype_of(tensor))
            return function(tensor, *args, **options)

        monkeypatch.setattr(keras.ops, name, watched)

    for name in seen:
        watch(name)
    images, masks, boxes = (keras.ops.convert_to_tensor(each) for each in batch.values())
    inputs = {"corrupted": images * (1 - masks), "masks": masks}
    outputs = gan.generator(inputs, training=True)
    assert {dtype_of(outputs[name]) for name in ("coarse", "refined")} == {"float32"}
    gradients = []

    def input_gradients(function, points):
        found = gan.backend.input_gradients(function, points)
        gradients.extend(found.values())
        return found

    common = {"weights": gan.loss_weights, "boxes": boxes}
    terms = gan.objective.critic_terms(
        gan.critic,
        images,
        outputs["refined"],
        masks,
        interpolation=keras.ops.full((2, 2), 0.5),
        input_gradients=input_gradients,
        **common,
    )
    terms |= gan.objective.generator_terms(gan.critic, images, outputs, masks, **common)
    assert {dtype_of(term) for term in terms.values()} == {"float32"}
    assert {dtype_of(each) for each in gradients} <= {"float32"}
    assert bool(gradients) == ("gradient_penalty" in terms)
    assert set(seen["conv"]) == {"bfloat16"}
    for name in FLOAT32:
        assert set(seen[name]) == {"float32"}, name
    assert len(called) > 20
    for layer in called.values():
        assert layer.compute_dtype == "bfloat16", layer.path
