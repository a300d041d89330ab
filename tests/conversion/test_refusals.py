"""Sources that cannot be converted are refused with a reason, and nothing is written."""

import os
import pickle
import sys

import numpy as np
import pytest
from conversion.sources import (
    named_state,
    pytorch_kernel,
    stripped,
    write_checkpoint,
    write_pytorch,
)
from reference.published import official_arrays, port_state

import keras_inpaint as ki
from keras_inpaint.conversion.networks import generator_weights
from keras_inpaint.models import Generator
from keras_inpaint.presets import read_network

tf = pytest.importorskip("tensorflow")
torch = pytest.importorskip("torch")

DATA = "snap-0.data-00000-of-00001"


@pytest.fixture
def refused(tmp_path):
    """Converts a source and returns why it was refused."""

    def refused(source, **options):
        target = tmp_path / "presets"
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            ki.convert(source, target / "preset", **options)
        assert not target.exists()
        message = str(caught.value)
        assert "Received: " in message
        return message

    return refused


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The bytes of a whole checkpoint's files."""
    folder = write_checkpoint(tmp_path_factory.mktemp("v2"), official_arrays("official_v2"))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def state():
    """State dict of the port's generator."""
    return stripped(port_state("netG"), "netG.")


def written(folder, files):
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def flipped(content):
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        (DATA, lambda content: content[:5000]),
        (DATA, flipped),
        ("snap-0.index", lambda content: content[:1000]),
        ("snap-0.index", lambda content: b""),
    ],
    ids=["truncated", "flipped", "index", "empty"],
)
def test_damaged_checkpoint(refused, checkpoint, tmp_path, file, damage):
    source = written(tmp_path, {**checkpoint, file: damage(checkpoint[file])})
    assert "damaged" in refused(source)


def test_checkpoint_without_its_data(refused, checkpoint, tmp_path):
    files = {name: content for name, content in checkpoint.items() if name != DATA}
    message = refused(written(tmp_path, files) / "snap-0")
    assert "one of its files is missing" in message
    assert DATA in message


def test_whatever_is_wrong_with_the_variables_is_named(refused, tmp_path):
    variables = official_arrays("official_v2")
    scope = "inpaint_net"
    variables[f"{scope}/convolution5/kernel"] = variables.pop(f"{scope}/conv5/kernel")
    variables[f"{scope}/xconv3/bias"] = np.zeros(7, "float32")
    message = refused(write_checkpoint(tmp_path / "source", variables))
    told = dict(part.split(": ", 1) for part in message.split("; ")[1:])
    assert told == {
        "missing": f"{scope}/conv5/kernel",
        "unexpected": f"{scope}/convolution5/kernel",
        "of another shape": f"{scope}/xconv3/bias is (7,) and must be (16,) "
        "(rows, columns, in, out)",
    }


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    "name", ["inpaint_net/conv11/bias", "discriminator/sn_patch_gan/conv3/bias"]
)
def test_weights_that_are_no_numbers(refused, tmp_path, name, value):
    variables = official_arrays("official_v2")
    variables[name] = np.where(np.arange(variables[name].size) == 1, value, 0).astype("f4")
    message = refused(write_checkpoint(tmp_path / "source", variables))
    assert message.endswith(f"not finite: {name}")


def test_checkpoint_of_another_program(refused, tmp_path):
    source = write_checkpoint(tmp_path / "source", {"dense/kernel": np.zeros((2, 2), "f4")})
    assert "with ['dense/kernel']" in refused(source)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:1000],
        lambda content: content[:-100],
        lambda content: b"",
        lambda content: b"It is a text." * 30,
        flipped,
    ],
    ids=["truncated", "end", "empty", "text", "flipped"],
)
def test_damaged_pytorch_file(refused, state, tmp_path, damage):
    path = write_pytorch(tmp_path / "gen_1.pt", state)
    path.write_bytes(damage(path.read_bytes()))
    assert "damaged" in refused(path)


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_code_in_a_pickle_is_not_run(refused, state, tmp_path, form):
    path, mark = tmp_path / "gen_1.pth", tmp_path / "mark"
    content = {"state": Hostile(mark), "conv1.weight": torch.zeros(2)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content["state"]))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    assert "can run code, and so it was refused" in refused(path)
    assert not mark.exists()


def test_critics_beside_the_generator_are_checked_too(refused, state, tmp_path):
    path = write_pytorch(tmp_path / "gen_1.pt", state)
    torch.save({"localD": Hostile(tmp_path / "mark")}, tmp_path / "dis_1.pt")
    assert "dis_1.pt" in refused(path)
    write_pytorch(tmp_path / "dis_1.pt", port_state("localD"))
    assert "The file holds critics alone" in refused(tmp_path / "dis_1.pt")


def test_whatever_is_wrong_with_a_state_dict_is_named(refused, state, tmp_path):
    state = dict(state)
    state["coarse_generator.conv9.conv.bias"] = state.pop("coarse_generator.conv3.conv.bias")
    state["fine_generator.pmconv9.conv.weight"] = np.zeros((16, 8, 3, 3), "float32")
    message = refused(write_pytorch(tmp_path / "gen_1.pt", state))
    assert "missing: coarse_generator.conv3.conv.bias;" in message
    assert "unexpected: coarse_generator.conv9.conv.bias;" in message
    assert "pmconv9.conv.weight is (3, 3, 8, 16) and must be (3, 3, 16, 16)" in message


def test_first_layers_that_are_missing_are_named(refused, tmp_path):
    source = write_pytorch(tmp_path / "gen.pt", {"xconv3.conv.bias": np.zeros(4, "float32")})
    assert "they are missing: conv1.conv.weight, xconv1.conv.weight" in refused(source)


def test_one_of_several_generators_is_not_chosen_blindly(refused, state, tmp_path):
    source = write_pytorch(tmp_path / "all.pt", {"G": state, "G_average": state})
    message = refused(source)
    assert "`select`, --select NAME" in message
    assert message.endswith("which holds G, G_average")
    message = refused(source, select="G_ema")
    assert "select='G_ema'" in message
    assert message.endswith("which holds G, G_average")


def test_order_and_shapes_do_not_show_what_a_layer_is(refused, tmp_path):
    weights = generator_weights(Generator.deepfill_v1(width=4))
    state = {}
    for index, (name, variable) in enumerate(weights.items()):
        stage = "stage1" if name.startswith("conv") else "stage2"
        kind = "weight" if name.endswith("kernel") else "bias"
        state[f"{stage}.blocks.{index // 2}.{kind}"] = pytorch_kernel(variable)
    message = refused(write_pytorch(tmp_path / "v1.pth", {"G": state}))
    assert "their order and shapes do not show which is which" in message
    assert "G.stage1.blocks.0.weight" in message


def test_layer_under_two_names(refused, tmp_path):
    state = named_state(Generator.deepfill_v2(width=4), lambda layer: f"{layer}.conv")
    state["conv2.conv.bias"] = np.zeros(8, "float32")
    message = refused(write_pytorch(tmp_path / "v2.pt", state))
    assert "unexpected: conv2.conv.bias" in message


@pytest.mark.parametrize(
    ("content", "advice"),
    [([1, 2], "holds a list"), ({"vgg.weight": np.zeros(2, "f4")}, "with ['vgg.weight']")],
)
def test_no_state_dict_of_a_known_program(refused, tmp_path, content, advice):
    assert advice in refused(write_pytorch(tmp_path / "other.pt", content))


def test_no_source_at_all(refused, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"")
    assert "does not exist" in refused(tmp_path / "none.pt")
    assert "which is empty" in refused(tmp_path / "photo.jpg")
    assert "holds ['photo.jpg']" in refused(tmp_path)


def test_unknown_channel_order(refused):
    assert "channel_order='grb'" in refused("gen_1.pt", channel_order="grb")


@pytest.mark.parametrize("library", ["torch", "tensorflow"])
def test_missing_library_is_told(refused, state, checkpoint, tmp_path, monkeypatch, library):
    source = {
        "torch": write_pytorch(tmp_path / "gen_1.pt", state),
        "tensorflow": written(tmp_path, checkpoint),
    }[library]
    monkeypatch.setitem(sys.modules, library, None)
    assert "it is not installed. Run `pip" in refused(source)


def test_other_files_and_presets_are_not_replaced_unasked(state, tmp_path):
    source = write_pytorch(tmp_path / "gen_1.pt", state)
    preset = tmp_path / "preset"
    preset.mkdir()
    (preset / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"nothing else.*notes\.txt"):
        ki.convert(source, preset, replace=True)
    (preset / "notes.txt").unlink()
    ki.convert(source, preset, report=lambda line: None)
    with pytest.raises(ValueError, match=r"--replace.*preset_dir='.*preset'"):
        ki.convert(source, preset)
    before = sorted(path.name for path in preset.iterdir())
    other = {**state, "fine_generator.conv1.conv.bias": np.full(4, 3, "float32")}
    ki.convert(write_pytorch(source, other), preset, replace=True, report=lambda line: None)
    assert sorted(path.name for path in preset.iterdir()) == before
    chain = read_network(preset)[0].refine_network.dilated_branch
    np.testing.assert_array_equal(chain.steps[0].bias, [3, 3, 3, 3])
