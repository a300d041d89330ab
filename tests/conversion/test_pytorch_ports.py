"""Presets made of PyTorch's state dicts."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from conversion.sources import (
    assert_outputs,
    named_state,
    port_references,
    stripped,
    write_pytorch,
)
from reference.published import arrays, port_critic, port_state

import keras_inpaint as ki
from keras_inpaint.conversion.networks import critic_weights, generator_weights
from keras_inpaint.models import Generator
from keras_inpaint.ops.compositing import composite
from keras_inpaint.ops.local_patches import crop_patches
from keras_inpaint.presets import read_metadata, read_network
from keras_inpaint.training.building import build
from keras_inpaint.training.settings import Settings

pytest.importorskip("torch")

# As the port saves it.
GENERATOR_FILE = Path(__file__).parents[1] / "reference" / "gen_00000001.pt"


def quietly(line):
    """Hears what conversion tells, and forgets it."""


def assert_same_weights(weights, expected):
    assert list(weights) == list(expected)
    for name in expected:
        np.testing.assert_array_equal(weights[name], expected[name], err_msg=name)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """The preset of the port's generator, with the critics beside it."""
    folder = tmp_path_factory.mktemp("port")
    shutil.copy(GENERATOR_FILE, folder)
    state = port_state("localD", "globalD")
    critics = {side: stripped(state, f"{side}.") for side in ("localD", "globalD")}
    write_pytorch(folder / "dis_00000001.pt", critics)
    return ki.convert(folder / GENERATOR_FILE.name, folder / "preset", report=quietly)


@pytest.fixture(scope="module")
def networks(port):
    return ki.Inpainter.from_preset(port).generator, read_network(port, "critic")[0]


def test_outputs_are_those_of_the_port(networks):
    assert_outputs(networks[0], *port_references())


def test_scores_are_those_of_the_port(networks):
    images, masks, _, refined = port_references()
    critic = networks[1]
    filled = np.array(composite(images, refined, masks))
    boxes = arrays("pytorch_port")["boxes"]
    difference = 0.0
    for sign, pictures in ((1, filled), (-1, images)):
        patches = crop_patches(pictures, boxes, critic.patch_size)
        scores = critic({"images": pictures, "patches": patches})
        difference += sign * sum(float(np.mean(score)) for score in scores.values())
    np.testing.assert_allclose(difference, arrays("pytorch_port")["loss/wgan_d"], rtol=1e-4)


def test_preset_names_both_files_and_the_size_of_training(port):
    metadata = read_metadata(port)
    assert set(metadata["source_sha256"]) == {"gen_00000001.pt", "dis_00000001.pt"}
    assert metadata["image_size"] == 256
    assert metadata["channel_order_of_the_source"] == "rgb"
    assert ki.InpaintingGAN.from_preset(port).objective.penalty_in == "picture"


def test_training_goes_on_from_the_port(port, networks):
    settings = Settings("photos", "run", architecture="deepfill_v1", preset=str(port))
    told = []
    gan = build(settings, report=told.append)
    assert_same_weights(generator_weights(gan.generator), generator_weights(networks[0]))
    assert_same_weights(critic_weights(gan.critic), critic_weights(networks[1]))
    assert (gan.generator.padding, gan.critic.padding) == ("centred", "centred")
    assert told == []


def test_trainer_holds_its_critics_itself(networks, tmp_path):
    # Spread over devices when it was saved.
    state = port_state("netG", "localD", "globalD")
    state = {f"module.{name}": array for name, array in state.items()}
    source = write_pytorch(tmp_path / "all.pth", state)
    preset = ki.convert(source, tmp_path / "preset", report=quietly)
    for name, weights_of, expected in (
        ("model", generator_weights, networks[0]),
        ("critic", critic_weights, networks[1]),
    ):
        assert_same_weights(weights_of(read_network(preset, name)[0]), weights_of(expected))


def test_dense_kernel_is_reordered_from_channels_first(networks):
    weights = critic_weights(networks[1])
    theirs = port_state("localD")["localD.linear.weight"]
    # 16 channels of 8 x 8 positions: row 3, column 5, channel 7.
    ours = np.array(weights["local/dense/kernel"])
    assert ours[(3 * 8 + 5) * 16 + 7, 0] == theirs[0, (7 * 8 + 3) * 8 + 5]
    assert_same_weights(weights, critic_weights(port_critic()))


def test_generator_of_the_port_is_converted_without_critics(tmp_path):
    told = []
    preset = ki.convert(GENERATOR_FILE, tmp_path / "preset", report=told.append)
    assert any("no critic: it has none" in line for line in told)
    assert sorted(path.name for path in preset.glob("*.h5")) == ["model.weights.h5"]


@pytest.mark.parametrize(
    "spell",
    [
        lambda layer: f"{layer.split('_')[0]}.conv",
        lambda layer: f"{layer}.conv.conv" if layer.endswith("upsample") else f"{layer}.conv",
        lambda layer: f"module.{layer}",
    ],
    ids=["bare", "parts", "plain"],
)
def test_names_of_the_authors_mean_their_padding(spell, tmp_path):
    generator = Generator.deepfill_v2(width=4)
    source = write_pytorch(tmp_path / "v2.pth", named_state(generator, spell))
    converted, _ = read_network(ki.convert(source, tmp_path / "preset", report=quietly))
    assert {**converted.get_config(), "name": generator.name} == generator.get_config()
    assert_same_weights(generator_weights(converted), generator_weights(generator))


def test_width_channels_and_gating_are_seen_from_the_shapes(tmp_path):
    generator = Generator.deepfill_v1(width=6, channels=1, refine_sees_mask=False)
    state = named_state(generator, lambda layer: f"{layer}.conv")
    source = write_pytorch(tmp_path / "grey.pt", state)
    converted, _ = read_network(ki.convert(source, tmp_path / "preset", "bgr", report=quietly))
    assert {**converted.get_config(), "name": generator.name} == generator.get_config()
    assert_same_weights(generator_weights(converted), generator_weights(generator))


def stage_state(generator, dilated="conv", conv=".conv"):
    """A state dict of two stages with the authors' names of layers in them."""

    def spell(layer):
        if layer.startswith("conv"):
            return f"stage1.{layer}{conv}"
        return f"stage2.{layer.replace('xconv', dilated)}{conv}"

    return named_state(generator, spell)


@pytest.mark.parametrize(
    ("dilated", "conv"), [("conv", ".conv"), ("xconv", ""), ("conv", ".conv.conv")]
)
def test_layers_of_two_stages_are_known_by_their_names(dilated, conv, rng, tmp_path):
    generator = Generator.deepfill_v2(width=4, dialect="pytorch")
    state = stage_state(generator, dilated, conv)
    # In no order, and beside the weights what the attention is made of.
    state = {str(name): state[name] for name in rng.permutation(list(state))}
    state["stage2.fuse"] = np.eye(3)[None, None].astype("f4")
    content = {"G": state, "D": {"conv1.weight": np.zeros((8, 4, 5, 5), "f4")}, "step": 7}
    told = []
    source = write_pytorch(tmp_path / "v2.pth", content)
    converted, _ = read_network(ki.convert(source, tmp_path / "preset", report=told.append))
    assert {**converted.get_config(), "name": generator.name} == generator.get_config()
    assert_same_weights(generator_weights(converted), generator_weights(generator))
    assert "Left out: D." in told
    assert any("order of its channels" in line for line in told)


def test_blue_first_becomes_red_first(tmp_path):
    generator = Generator.deepfill_v2(width=4, dialect="pytorch")
    source = write_pytorch(tmp_path / "v2.pth", stage_state(generator))
    preset = ki.convert(source, tmp_path / "preset", "bgr", report=quietly)
    converted, _ = read_network(preset)
    rng = np.random.default_rng(2)
    images = rng.uniform(-1, 1, (1, 32, 32, 3)).astype("float32")
    masks = np.zeros((1, 32, 32, 1), "float32")
    masks[:, 8:20, 10:30] = 1
    outputs = generator({"corrupted": images * (1 - masks), "masks": masks})
    expected = [np.array(outputs[key])[..., ::-1] for key in ("coarse", "refined")]
    assert_outputs(converted, images[..., ::-1], masks, *expected)
