"""A file is known by its content; what is hostile in it is refused, in one line and at once."""

import argparse
import gzip
import json
import os
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conversion.sources import stripped, write_pytorch
from reference.published import port_state

import keras_inpaint as ki
from keras_inpaint.conversion.reading import read_file, read_source

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def state():
    """State dict of the port's generator, as PyTorch has it."""
    arrays = stripped(port_state("netG"), "netG.")
    return {name: torch.tensor(array) for name, array in arrays.items()}


def write_safetensors(path, tensors, dtype="F32"):
    """The format as it is published: the length of a header, the header, the numbers."""
    header, content = {}, b""
    for name, array in tensors.items():
        data = array.tobytes()
        offsets = [len(content), len(content) + len(data)]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": offsets}
        content += data
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)
    return path


SUFFIXES = (".pt", ".pth", ".pth.tar", ".ckpt", ".bin", "", ".safetensors")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
def test_suffix_does_not_matter(state, tmp_path, suffix, is_zip):
    path = tmp_path / f"weights{suffix}"
    content = {"state_dict": state, "epoch": 3, "optimizer": {"state": {0: {}}}}
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    source = read_source(path)
    assert len(source.weights) == len(state)
    np.testing.assert_array_equal(
        source.weights["conv1/bias"], state["coarse_generator.conv1.conv.bias"]
    )


def test_safetensors(state, tmp_path):
    pytest.importorskip("safetensors")
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    path = write_safetensors(tmp_path / "weights.bin", arrays)
    found = read_source(path).arrays
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    halves = {name: (array.view("u4") >> 16).astype("u2") for name, array in arrays.items()}
    path = write_safetensors(tmp_path / "bfloat16.pt", halves, "BF16")
    found = read_source(path).arrays
    for name, array in arrays.items():
        np.testing.assert_allclose(found[name], array, rtol=2**-7)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"damaged.*safetensors says"):
        read_source(path)


def test_generators_deep_inside_are_selected(state, tmp_path):
    other = {name: 2 * tensor for name, tensor in state.items()}
    content = {"nets": {"G": {"model": state}, "G_ema": {"model": other}, "D": {"w": state}}}
    path = tmp_path / "snapshot"
    torch.save(content, path)
    bias = state["coarse_generator.conv1.conv.bias"]
    for select, factor in (("G", 1), ("G_ema", 2), ("nets.G_ema", 2), ("nets.G_ema.model", 2)):
        source = read_source(path, select)
        np.testing.assert_array_equal(source.weights["conv1/bias"], factor * bias)
    assert source.left_out == ["nets.D", "nets.G"]
    for select in ("G_e", "model", "nets", None):
        with pytest.raises(ValueError, match=r"which holds nets\.D\.w, nets\.G\.model, nets"):
            read_source(path, select)


class HistoryBuffer:
    """As MMEngine's logs: an object of a class that is not installed here."""

    def __init__(self, values):
        self.values = np.array(values)


def test_logs_and_settings_of_training_are_passed_over(state, tmp_path, monkeypatch):
    path = tmp_path / "iter_20.pth"
    with monkeypatch.context() as patch:
        for name in ("mmengine", "mmengine.logging", "mmengine.logging.history_buffer"):
            patch.setitem(sys.modules, name, types.ModuleType(name))
        sys.modules[name].HistoryBuffer = HistoryBuffer
        patch.setattr(HistoryBuffer, "__module__", name)
        torch.save(
            {
                "state_dict": state,
                "message_hub": {"loss": HistoryBuffer([1.0])},
                "meta": {"step": np.int64(7), "losses": np.zeros(3), "out": Path("run")},
                "args": argparse.Namespace(width=4),
            },
            path,
        )
    assert len(read_source(path).weights) == len(state)


def nested(depth, leaf):
    for _ in range(depth):
        leaf = {"more": leaf}
    return leaf


def circular():
    content = {}
    content["self"] = content
    return content


def many_times():
    """Ten times ten times ten, and so on, of one dict."""
    level = {"leaf": 1}
    for _ in range(7):
        level = dict.fromkeys("abcdefghij", level)
    return level


HOSTILE = {
    "view": lambda state: {"conv1.weight": torch.zeros(1).expand(10**12)},
    "views": lambda state: {str(n): torch.zeros(10).expand(10**4, 10) for n in range(100)},
    "deep": lambda state: nested(100, state),
    "circle": lambda state: circular(),
    "many": lambda state: many_times(),
}


@pytest.mark.parametrize("kind", list(HOSTILE))
def test_file_that_would_become_larger_than_it_is(state, tmp_path, kind):
    path = tmp_path / "weights.pt"
    torch.save(HOSTILE[kind](state), path)
    with pytest.raises(ValueError, match=r"damaged.*Received: source=.*PyTorch says: it has"):
        read_file(path)


def rewritten(path, change, compression=zipfile.ZIP_STORED):
    """Writes an archive of PyTorch anew, its pickle changed."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            is_pickle = name.endswith("data.pkl")
            archive.writestr(name, change(content) if is_pickle else content)
    return path


def test_tensor_that_reaches_beyond_its_file(tmp_path):
    path = write_pytorch(tmp_path / "weights.pt", {"conv1.weight": np.zeros(199, "f4")})
    many = b"J" + (2**30).to_bytes(4, "little")
    rewritten(path, lambda content: content.replace(b"K\xc7", many))
    with pytest.raises(ValueError, match="damaged"):
        read_file(path)


def test_archive_that_is_compressed(state, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(state, path)
    rewritten(path, lambda content: content, zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="the archive is compressed"):
        read_file(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "which is empty"),
        (b"\x89HDF\r\n\x1a\n" + bytes(500), "HDF5 file, such as Keras writes"),
        (gzip.compress(b"weights"), "unpack it first"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer in place of the file"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "which is another file"),
        ((2**62).to_bytes(8, "little") + b"{", "which is another file"),
        (b"\x80\x02", "damaged"),
        (b"PK\x03\x04", "damaged"),
    ],
    ids=["empty", "keras", "gzip", "page", "lfs", "jpeg", "header", "pickle", "zip"],
)
def test_file_of_another_kind_is_named(tmp_path, content, reason):
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(ValueError, match=f"{reason}"):
        ki.convert(tmp_path / "weights.pth", tmp_path / "preset")


def test_archive_of_another_program(tmp_path):
    np.savez(tmp_path / "weights.npz", kernel=np.zeros(3))
    with pytest.raises(ValueError, match=r"another program, with \['kernel\.npy'\]"):
        read_file(tmp_path / "weights.npz")


def test_fifo_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="a device or a FIFO"):
        ki.convert(tmp_path / "weights.pt", tmp_path / "preset")


def test_names_cannot_forge_lines(state, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save({**state, "coarse_generator.\n\x1b[2J.bias": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"unexpected: coarse_generator\.\\n\\x1b\[2J\.bias"):
        ki.convert(path, tmp_path / "preset")


def test_few_wide_layers_make_no_wide_network(tmp_path):
    kernels = {name: np.zeros((40_000, 5, 5, 5), "f4") for name in ("conv1", "xconv1")}
    kernels |= {"conv2_downsample": np.zeros((8, 40_000, 3, 3), "f4")}
    kernels |= {"allconv17": np.zeros((3, 8, 3, 3), "f4")}
    state = {f"{name}.weight": kernel for name, kernel in kernels.items()}
    path = write_pytorch(tmp_path / "weights.pt", state)
    with pytest.raises(ValueError, match=r"all weights of a network.*of width 40000.*Received"):
        ki.convert(path, tmp_path / "preset")
