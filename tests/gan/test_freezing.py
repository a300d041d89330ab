"""Frozen weights stay as they are, to the bit, also in what is loaded of a file."""

import keras
import numpy as np
import pytest
from gan.tiny import QUICKLY, make_gan, make_images

from keras_inpaint import InpaintingGAN
from keras_inpaint.gan.freezing import freeze
from keras_inpaint.layers import SpectralConv2D
from keras_inpaint.models import Generator, GlobalLocalCritic


@pytest.fixture(scope="module")
def networks():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("names are the same, and JAX takes longer to make the networks")
    return {
        "generator": Generator.deepfill_v2(width=4, name="generator"),
        "critic": GlobalLocalCritic(width=4, image_size=32, patch_size=16),
    }


@pytest.fixture
def frozen(networks):
    """A function of names to the frozen weights' paths."""

    def frozen(*names):
        for network in networks.values():
            # On TensorFlow, Keras does nothing where a layer has the value already.
            network.trainable = False
            network.trainable = True
        freeze(networks, names)
        return [v.path for each in networks.values() for v in each.variables if not v.trainable]

    return frozen


def test_names_are_those_of_networks_layers_and_patterns(networks, frozen):
    generator, critic = networks.values()
    for name, expected in (
        ("coarse", generator.coarse_network.variables),
        ("coarse_network", generator.coarse_network.variables),
        ("generator/refine", generator.refine_network.variables),
        ("critic", critic.variables),
        ("generator", generator.variables),
        ("critic/local", [v for v in critic.variables if v.path.startswith("local/")]),
    ):
        assert frozen(name) == [v.path for v in expected]
    ends = ["conv/kernel", "conv/bias"]
    assert frozen("coarse/conv3") == [f"generator/coarse_network/body/conv3/{x}" for x in ends]
    # Of one name, in both networks.
    assert len(frozen("conv1")) == 2 + 2 * 2
    assert frozen("generator/*_atrous", "local/conv3") == [
        path
        for path in (v.path for each in networks.values() for v in each.variables)
        if "_atrous/" in path or path.startswith("local/conv3/")
    ]


def test_names_of_nothing_are_refused_with_those_there_are(networks, frozen):
    with pytest.raises(ValueError, match=r"did you mean coarse_network\? Received: corse_net"):
        frozen("critic", "corse_net")
    with pytest.raises(ValueError, match=r"generator, critic, .*refine_network.* Received: x"):
        frozen("x")
    with pytest.raises(ValueError, match=r"in their order, such as 'critic/.*: conv1/coarse"):
        frozen("conv1/coarse")


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_frozen_layer_stays_to_the_bit_and_the_file_knows_of_it(tmp_path):
    gan = make_gan()
    gan.generator.first.trainable = False
    gan.critic.trainable = False
    gan.compile("adam", **QUICKLY)
    first, second = (layer.get_weights() for layer in gan.generator.layers)
    gan.fit(make_images(4), batch_size=2, epochs=2, verbose=0)
    for weight, before in zip(gan.generator.first.get_weights(), first, strict=True):
        np.testing.assert_array_equal(weight, before)
    assert (gan.generator.second.get_weights()[0] != second[0]).any()
    # The step and the rate, and two moments of the kernel and of the bias.
    sizes = [len(each.variables) for each in gan.optimizer.optimizers]
    assert sizes == [2 + 2 * 2, 2]

    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert [layer.trainable for layer in loaded.generator.layers] == [False, True]
    assert not loaded.critic.trainable
    for each in (gan, loaded):
        each.fit(make_images(2), batch_size=2, shuffle=False, verbose=0)
    for weight, other in zip(gan.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


def test_what_was_frozen_in_a_file_is_trained_once_it_is_made_trainable():
    gan = make_gan()
    assert gan.get_config()["frozen"] == {"generator": [], "critic": []}
    assert freeze({"generator": gan.generator}, ["conv2d*"]) == {"generator": 4}
    again = InpaintingGAN.from_config(gan.get_config())
    assert not again.generator.trainable_variables
    again.generator.layers[1].trainable = True
    assert len(again.generator.trainable_variables) == 2


def test_frozen_spectral_convolution_keeps_its_vector():
    layer = SpectralConv2D(2, 3)
    inputs = np.ones((1, 8, 8, 3), "float32")
    layer(inputs, training=True)
    layer.trainable = False
    before = keras.ops.convert_to_numpy(layer.u)
    layer(inputs, training=True)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer.u), before)
    layer.trainable = True
    layer(inputs, training=True)
    assert (keras.ops.convert_to_numpy(layer.u) != before).any()
