"""A preset is checked before anything is built: whatever stands in it, one line says what."""

import json
import os
import shutil

import h5py
import keras
import numpy as np
import pytest

from keras_inpaint import Inpainter
from keras_inpaint.files import sha256
from keras_inpaint.models import Generator


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "sound"
    Inpainter(Generator.deepfill_v2(width=8)).save_to_preset(folder)
    return folder


@pytest.fixture
def preset(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "preset")


def edit(preset, change):
    path = preset / "config.json"
    configs = json.loads(path.read_text())
    path.write_text(json.dumps(change(configs) or configs))


def with_arguments(**arguments):
    return lambda configs: configs["config"].update(arguments)


def nested(levels):
    content = []
    for _ in range(levels):
        content = [content]
    return content


NOT_BUILT = {
    "width 4000": with_arguments(width=4000),
    "width 10**30": with_arguments(width=10**30),
    "width 0": with_arguments(width=0),
    "width -8": with_arguments(width=-8),
    "width 8.0": with_arguments(width=8.0),
    "width true": with_arguments(width=True),
    "width text": with_arguments(width="8"),
    "width long text": with_arguments(width="8" * 10**6),
    "width list": with_arguments(width=[4000]),
    "filters in a layer in a layer": with_arguments(attention={"a": [{"filters": 10**6}]}),
    "500 levels": with_arguments(attention=nested(500)),
    "no object": lambda configs: [configs],
    "model a text": lambda configs: {"model": "Generator"},
    "model a list": lambda configs: {"model": [1]},
    "no class": lambda configs: configs.pop("class_name") and None,
    "class a list": lambda configs: configs.update(class_name=["Generator"]),
    "arguments a text": lambda configs: configs.update(config="width=8"),
    "parts a text": lambda configs: configs.update(parts="critic"),
    "part a list": lambda configs: configs.update(parts={"critic": [1]}),
    "part the generator": lambda configs: configs.update(parts={"model": "Generator"}),
}
NOT_MADE = {
    "attention a text": with_arguments(attention="none"),
    "attention a list": with_arguments(attention=[1]),
    "channels missing": with_arguments(channels=None),
    "unknown argument": with_arguments(depth=3),
    "kernel a text": with_arguments(padding=[["same"]]),
    "name a number": lambda configs: configs.update(registered_name=5),
}


@pytest.mark.parametrize("name", NOT_BUILT)
def test_config_is_refused_before_anything_is_built(preset, monkeypatch, name):
    edit(preset, NOT_BUILT[name])
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", None)
    with pytest.raises(ValueError, match=r"config\.json") as caught:
        Inpainter.from_preset(preset)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", NOT_MADE)
def test_config_that_makes_no_network_is_an_error_of_ours(preset, name):
    edit(preset, NOT_MADE[name])
    with pytest.raises(ValueError, match=r"config\.json|preset"):
        Inpainter.from_preset(preset)


@pytest.mark.parametrize("file", ["config.json", "metadata.json"])
@pytest.mark.parametrize(
    "content", ["[" * 10**5, "", "null", "[1]", '{"a": ' * 500 + "1" + "}" * 500]
)
def test_text_that_is_no_object_is_named(preset, file, content):
    (preset / file).write_text(content)
    with pytest.raises(ValueError, match=file.replace(".", r"\.")):
        Inpainter.from_preset(preset)


@pytest.mark.parametrize("checksums", [[], "abc", 5, None, {"model.weights.h5": ["a"]}])
def test_checksums_of_another_type_match_nothing(preset, checksums):
    metadata = json.loads((preset / "metadata.json").read_text())
    (preset / "metadata.json").write_text(json.dumps({**metadata, "sha256": checksums}))
    with pytest.raises(ValueError, match="is not the file that metadata"):
        Inpainter.from_preset(preset)


@pytest.mark.parametrize("file", ["config.json", "metadata.json", "model.weights.h5"])
def test_fifo_is_never_waited_for(preset, file):
    (preset / file).unlink()
    os.mkfifo(preset / file)
    with pytest.raises((OSError, ValueError), match=file.replace(".", r"\.")):
        Inpainter.from_preset(preset)


def resealed(preset):
    """Makes the checksum that of the weights as they are now."""
    path = preset / "metadata.json"
    checksums = {"model.weights.h5": sha256(preset / "model.weights.h5")}
    path.write_text(json.dumps({**json.loads(path.read_text()), "sha256": checksums}))
    return preset


def first_weights(file):
    found = []
    file.visititems(lambda name, item: found.append(name) if hasattr(item, "shape") else None)
    return found[0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(preset, value):
    with h5py.File(preset / "model.weights.h5", "r+") as file:
        file[first_weights(file)][..., 0] = value
    with pytest.raises(ValueError, match="holds NaN or infinite weights"):
        Inpainter.from_preset(resealed(preset))


def test_weights_that_fill_the_memory_are_refused(preset, monkeypatch):
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", None)
    with h5py.File(preset / "model.weights.h5", "r+") as file:
        name = first_weights(file)
        del file[name]
        # 4 TB of zeros, of which none is stored.
        file.create_dataset(name, (10**6, 10**6), "float32", chunks=(1000, 1000))
    with pytest.raises(ValueError, match="more than it holds"):
        Inpainter.from_preset(resealed(preset))


def test_weights_of_another_network_are_refused(preset, tmp_path):
    Inpainter(Generator.deepfill_v2(width=4)).save_to_preset(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.weights.h5", preset)
    with pytest.raises(ValueError, match="weights"):
        Inpainter.from_preset(resealed(preset))


def test_weights_that_are_no_hdf5_are_refused(preset):
    (preset / "model.weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(2000))
    with pytest.raises(ValueError, match="is damaged"):
        Inpainter.from_preset(resealed(preset))
