"""A critic that is none of ours does not stop its generator: it is left out, and reported."""

import numpy as np
import pytest
from conversion.sources import stripped, write_checkpoint, write_pytorch
from reference.published import official_arrays, port_state

import keras_inpaint as ki
from keras_inpaint.presets import read_metadata, read_network

pytest.importorskip("tensorflow")

PATCH, PAIR = "discriminator/sn_patch_gan", "discriminator/discriminator_global"


def sized(arrays, positions):
    """The critics of v1 for pictures of another size."""
    kernel = np.ones((positions * 64, 1), "float32")
    return {**arrays, "discriminator/dout_global_fc/kernel": kernel}


def without(arrays, name):
    return {other: arrays[other] for other in arrays if other != name}


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        (
            "official_v2",
            lambda arrays: {**arrays, f"{PATCH}/conv7/bias": np.zeros(8, "f4")},
            f"unexpected: {PATCH}/conv7/bias",
        ),
        (
            "official_v2",
            lambda arrays: without(arrays, f"{PATCH}/conv3/kernel_sn/u"),
            f"missing: {PATCH}/conv3/kernel_sn/u",
        ),
        (
            "official_v2",
            lambda arrays: without(arrays, f"{PATCH}/conv6/kernel"),
            "there is no patch/conv6",
        ),
        (
            "official_v1",
            lambda arrays: without(arrays, f"{PAIR}/conv4/bias"),
            "there is no global/conv4",
        ),
        (
            "official_v1",
            # Would take the memory of a network of this width.
            lambda arrays: {**arrays, f"{PAIR}/conv3/bias": np.zeros(10**6, "f4")},
            "global/conv3 is (5, 5, 32, 64) and must be (5, 5, 32, 1000000)",
        ),
        (
            "official_v1",
            lambda arrays: sized(arrays, 12),
            "the pictures of the global critic are not square: it sees 12 positions",
        ),
    ],
    ids=["deeper", "no-vector", "shallower", "no-bias", "wide", "not-square"],
)
def test_critic_of_another_kind_is_left_out(tmp_path, name, change, reason):
    source = write_checkpoint(tmp_path / "source", change(official_arrays(name)))
    told = []
    preset = ki.convert(source, tmp_path / "preset", report=told.append)
    assert sorted(path.name for path in preset.glob("*.h5")) == ["model.weights.h5"]
    (line,) = [line for line in told if line.startswith("Only the generator is converted")]
    assert reason in line


def test_one_critic_of_two_is_none(tmp_path):
    pytest.importorskip("torch")
    path = write_pytorch(tmp_path / "gen_1.pt", stripped(port_state("netG"), "netG."))
    write_pytorch(tmp_path / "dis_1.pt", port_state("localD"))
    told = []
    ki.convert(path, tmp_path / "preset", report=told.append)
    assert any("no critic: there is no global/conv1" in line for line in told)


def test_size_of_the_pictures_settles_what_they_are(tmp_path):
    arrays = sized(official_arrays("official_v1"), 12)
    source = write_checkpoint(tmp_path / "source", arrays)
    told = []
    options = {"report": told.append, "image_size": (48, 64)}
    preset = ki.convert(source, tmp_path / "preset", **options)
    critic = read_network(preset, "critic")[0]
    assert (critic.image_size, critic.patch_size) == ((48, 64), (32, 32))
    assert len(told) == 1
    assert "image_size" not in read_metadata(preset)
    told.clear()
    ki.convert(source, preset, replace=True, report=told.append, image_size=64)
    assert any("of the global critic are not 64x64" in line for line in told)


@pytest.mark.parametrize("size", [0, 40, (64,), (64, 3.0), "64", True])
def test_size_must_be_multiples_of_16(tmp_path, size):
    with pytest.raises(ValueError, match="multiples of 16"):
        ki.convert("any", tmp_path / "preset", image_size=size)
