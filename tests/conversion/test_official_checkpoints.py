"""Presets made of the authors' checkpoints give the authors' numbers, red first."""

import json

import numpy as np
import pytest
from conversion.sources import assert_outputs, official_references, write_checkpoint
from reference.published import arrays, official_arrays, official_v2_critic

import keras_inpaint as ki
from keras_inpaint.conversion.networks import critic_weights, generator_weights
from keras_inpaint.models import Generator, GlobalLocalCritic, PatchCritic
from keras_inpaint.ops.compositing import composite
from keras_inpaint.ops.local_patches import crop_patches
from keras_inpaint.presets import read_metadata, read_network

pytest.importorskip("tensorflow")

NAMES = ("official_v1", "official_v2")


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    """A preset of each checkpoint, which also holds what training keeps."""
    folder = tmp_path_factory.mktemp("official")
    for name in NAMES:
        kept = {
            "global_step": np.int64(7),
            "beta1_power": np.float32(0.5),
            "inpaint_net/conv1/kernel/Adam": np.zeros((5, 5, 5, 8), "float32"),
        }
        source = write_checkpoint(folder / "source" / name, {**official_arrays(name), **kept})
        ki.convert(source, folder / name, report=lambda line: None)
    return folder


@pytest.fixture(scope="module")
def networks(presets):
    """The generator and the critic of each preset."""
    return {
        name: (
            ki.Inpainter.from_preset(presets / name).generator,
            read_network(presets / name, "critic")[0],
        )
        for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_the_published_ones(networks, name):
    assert_outputs(networks[name][0], *official_references(name))


@pytest.mark.parametrize("name", NAMES)
def test_network_is_the_named_architecture(networks, name):
    expected = {
        "official_v1": (Generator.deepfill_v1(8), GlobalLocalCritic(16, 64, 32)),
        "official_v2": (Generator.deepfill_v2(8), PatchCritic(16)),
    }[name]
    for network, same in zip(networks[name], expected, strict=True):
        assert {**network.get_config(), "name": ""} == {**same.get_config(), "name": ""}


def test_scores_of_the_v1_critics_are_the_published_ones(networks):
    images, masks, _, refined = official_references("official_v1")
    boxes = np.tile(arrays("official_v1")["bbox"], (2, 1))
    _, critic = networks["official_v1"]
    means = {}
    for kind, pictures in (("true", images), ("filled", composite(images, refined, masks))):
        pictures = np.array(pictures, "float32")
        patches = crop_patches(pictures, boxes, critic.patch_size)
        scores = critic({"images": pictures, "patches": patches})
        means[kind] = sum(float(np.mean(score)) for score in scores.values())
    # Without the penalty, the published loss is the difference of the scores.
    reference = arrays("official_v1")
    expected = float(reference["loss/d_loss"] - reference["loss/gp_loss"])
    assert means["filled"] - means["true"] == pytest.approx(expected, rel=1e-4)


def test_scores_of_the_v2_critic_are_the_published_ones(networks):
    images, masks, _, refined = official_references("official_v2")
    _, critic = networks["official_v2"]
    # True and filled pictures are one batch, as the vectors move with each call.
    pictures = np.concatenate([images, composite(images, refined, masks)]).astype("float32")
    scores = np.array(critic({"images": pictures, "masks": np.tile(masks, (2, 1, 1, 1))}))
    hinge = np.mean(np.maximum(0, 1 - scores[:2])) + np.mean(np.maximum(0, 1 + scores[2:]))
    np.testing.assert_allclose(0.5 * hinge, arrays("official_v2")["loss/d_loss"], rtol=1e-4)
    # The scores are so small that the loss hardly tells them from 0.
    blue_first = {"images": pictures[..., ::-1], "masks": np.tile(masks, (2, 1, 1, 1))}
    expected = np.array(official_v2_critic()(blue_first))
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_bit_for_bit_those_of_the_checkpoint(networks, name):
    theirs = official_arrays(name)
    weights = generator_weights(networks[name][0])
    for layer, same in (
        ("conv5", "inpaint_net/conv5"),
        ("pmconv6", "inpaint_net/pmconv6"),
        ("allconv15_upsample", "inpaint_net/allconv15_upsample/allconv15_upsample_conv"),
    ):
        for weight in ("kernel", "bias"):
            np.testing.assert_array_equal(
                weights[f"{layer}/{weight}"], theirs[f"{same}/{weight}"]
            )
    first, last = theirs["inpaint_net/conv1/kernel"], theirs["inpaint_net/allconv17/kernel"]
    np.testing.assert_array_equal(weights["conv1/kernel"], first[:, :, [2, 1, 0, 3, 4]])
    np.testing.assert_array_equal(weights["allconv17/kernel"], last[..., [2, 1, 0]])
    critic = critic_weights(networks[name][1])
    scope = "sn_patch_gan" if name == "official_v2" else "discriminator_global"
    kernel = theirs[f"discriminator/{scope}/conv1/kernel"]
    part = "patch" if name == "official_v2" else "global"
    shown = [2, 1, 0, 3][: kernel.shape[2]]
    np.testing.assert_array_equal(critic[f"{part}/conv1/kernel"], kernel[:, :, shown])


@pytest.mark.parametrize("name", NAMES)
def test_preset_is_the_same_once_saved_and_loaded_again(presets, name, tmp_path):
    inpainter = ki.Inpainter.from_preset(presets / name)
    inpainter.save_to_preset(tmp_path / "again")
    again = ki.Inpainter.from_preset(tmp_path / "again").generator
    for ours, theirs in zip(
        again.get_weights(), inpainter.generator.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_metadata_tells_where_the_weights_come_from(presets):
    metadata = read_metadata(presets / "official_v1")
    assert metadata["licence"] == "the weights keep the licence of their source"
    assert metadata["converted_from"].startswith("snap-0: a TensorFlow 1 checkpoint")
    assert set(metadata["source_sha256"]) == {"snap-0.index", "snap-0.data-00000-of-00001"}
    assert metadata["image_size"] == 64
    assert "licence of their source" in (presets / "official_v1" / "README.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_preset_can_be_trained_further(presets, name):
    gan = ki.InpaintingGAN.from_preset(presets / name)
    assert gan.objective.default_weights.adversarial > 0
    if name == "official_v1":
        assert gan.objective.discount == "box"
        assert (gan.masks.height, gan.masks.jitter) == (32, 4)


def test_given_channel_order_is_believed(presets, tmp_path):
    source = presets / "source" / "official_v2" / "snap-0"
    ki.convert(source, tmp_path / "rgb", channel_order="rgb", report=lambda line: None)
    weights = generator_weights(read_network(tmp_path / "rgb")[0])
    kernel = official_arrays("official_v2")["inpaint_net/conv1/kernel"]
    np.testing.assert_array_equal(weights["conv1/kernel"], kernel)


def test_generator_alone_is_converted(tmp_path):
    variables = official_arrays("official_v2")
    alone = {name: variables[name] for name in variables if name.startswith("inpaint_net/")}
    source = write_checkpoint(tmp_path / "source", alone)
    told = []
    ki.convert(source / "snap-0.index", tmp_path / "preset", report=told.append)
    assert any("no critic: it has none" in line for line in told)
    assert "parts" not in json.loads((tmp_path / "preset" / "config.json").read_text())


@pytest.mark.parametrize("is_critic_guided", [True, False])
def test_guided_networks_are_converted(rng, tmp_path, is_critic_guided):
    variables = official_arrays("official_v2")
    # [corrupted | sketch * mask | ones | mask], and [picture | mask | sketch] of the critic.
    first, shown = "inpaint_net/conv1/kernel", "discriminator/sn_patch_gan/conv1/kernel"
    plain = dict(variables)
    variables[first] = np.insert(plain[first], 3, rng.normal(0, 0.1, (5, 5, 8)), axis=2)
    if is_critic_guided:
        variables[shown] = np.insert(plain[shown], 4, 0.1, axis=2)
    source = write_checkpoint(tmp_path / "source", variables)
    ki.convert(source, tmp_path / "preset", report=lambda line: None)
    gan = ki.InpaintingGAN.from_preset(tmp_path / "preset")
    assert (gan.generator.guided, gan.critic.guided) == (True, is_critic_guided)
    assert isinstance(gan.sketch, ki.masks.EdgeSketch)
    kernel = generator_weights(gan.generator)["conv1/kernel"]
    np.testing.assert_array_equal(kernel, variables[first][:, :, [2, 1, 0, 3, 4, 5]])
    # Of a sketch without lines, the filling is that of the network without it.
    assert_outputs(gan.generator, *official_references("official_v2"))


def test_latest_of_several_checkpoints_is_taken(tmp_path):
    variables = official_arrays("official_v2")
    other = {**variables, "inpaint_net/conv5/bias": np.full(32, 7, "float32")}
    source = write_checkpoint(tmp_path / "source", other, "snap-5")
    write_checkpoint(source, variables, "snap-9")
    # As written on another machine.
    (source / "checkpoint").write_text('model_checkpoint_path: "C:/logs/snap-5"\n')
    ki.convert(source, tmp_path / "preset", report=lambda line: None)
    weights = generator_weights(read_network(tmp_path / "preset")[0])
    np.testing.assert_array_equal(weights["conv5/bias"], np.full(32, 7))
    (source / "checkpoint").unlink()
    with pytest.raises(ValueError, match=r"Name one with its prefix.*snap-5, snap-9"):
        ki.convert(source, tmp_path / "other", report=lambda line: None)
