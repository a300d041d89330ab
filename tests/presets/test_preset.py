import hashlib
import json
import os
import resource
import threading
import time

import keras
import numpy as np
import pytest

from keras_inpaint import Inpainter
from keras_inpaint.files import atomic, atomic_write, sha256
from keras_inpaint.models import Generator, PatchCritic
from keras_inpaint.presets import (
    bundled_presets,
    find_preset,
    read_metadata,
    read_network,
    read_object,
    reading,
    write_preset,
)
from keras_inpaint.presets.reading import read_all


@pytest.fixture(scope="module")
def generator():
    return Generator.deepfill_v1(width=8, dialect="pytorch", attention={"scale": 7.0})


@pytest.fixture
def preset(generator, tmp_path):
    folder = tmp_path / "tiny"
    Inpainter(generator).save_to_preset(folder, {"licence": "CC0-1.0", "image_size": 64})
    return folder


def change_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def filled_once(inpainter, rng):
    photo = rng.integers(0, 256, (40, 56, 3)).astype("uint8")
    mask = np.zeros((40, 56), bool)
    mask[10:30, 10:30] = True
    return inpainter.inpaint(photo, mask)


def test_loaded_preset_fills_as_the_saved_one(generator, preset):
    loaded = Inpainter.from_preset(preset)
    assert loaded.name == "tiny"
    assert loaded.generator.get_config() == generator.get_config()
    expected = filled_once(Inpainter(generator), np.random.default_rng(1))
    np.testing.assert_array_equal(filled_once(loaded, np.random.default_rng(1)), expected)


def test_preset_keeps_the_size_of_the_images_of_training(generator, preset, tmp_path):
    loaded = Inpainter.from_preset(preset)
    assert loaded.image_size == 64
    loaded.save_to_preset(tmp_path / "again")
    assert Inpainter.from_preset(tmp_path / "again").image_size == 64
    loaded.save_to_preset(tmp_path / "again", {"image_size": "64 x 64"})
    assert Inpainter.from_preset(tmp_path / "again").image_size is None


def test_metadata_tells_what_was_said_and_the_checksum(preset):
    metadata = json.loads((preset / "metadata.json").read_text())
    weights = (preset / "model.weights.h5").read_bytes()
    assert metadata["licence"] == "CC0-1.0"
    assert metadata["format_version"] == 2
    assert metadata["sha256"] == {"model.weights.h5": hashlib.sha256(weights).hexdigest()}


def test_files_are_those_that_keras_and_keras_hub_know(generator, preset):
    # Of a preset on the hub too: `keras.saving.load_model("hf://owner/name")`.
    loaded = keras.saving.load_model(preset)
    for one, two in zip(loaded.get_weights(), generator.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    config = json.loads((preset / "config.json").read_text())
    assert config["registered_name"] == "keras_inpaint>Generator"
    metadata = json.loads((preset / "metadata.json").read_text())
    assert metadata["keras_version"] == keras.__version__
    assert metadata["parameter_count"] == generator.count_params()


def test_parts_of_a_training_do_not_hide_the_generator_from_keras(generator, tmp_path):
    networks = {"model": generator, "critic": PatchCritic(width=4)}
    write_preset(tmp_path / "both", networks, dtype="float16")
    loaded = keras.saving.load_model(tmp_path / "both")
    np.testing.assert_allclose(
        loaded.get_weights()[0], generator.get_weights()[0], rtol=2**-10, atol=1e-6
    )


def test_preset_of_the_first_format_is_read(generator, preset):
    path = preset / "config.json"
    path.write_text(json.dumps({"model": json.loads(path.read_text()), "corruption": None}))
    change_json(preset / "metadata.json", format_version=1)
    loaded = read_network(preset)[0]
    assert loaded.get_config() == generator.get_config()
    assert read_object(preset, "corruption", optional=True) is None


def test_model_card_tells_people_the_same(preset):
    card = (preset / "README.md").read_text()
    assert card.startswith("# tiny\n")
    assert "| licence | CC0-1.0 |" in card
    assert "| trained on | not stated |" in card


def test_model_card_of_the_author_is_kept(generator, tmp_path):
    Inpainter(generator).save_to_preset(tmp_path / "tiny", card="# Mine\n")
    assert (tmp_path / "tiny" / "README.md").read_text() == "# Mine\n"


def test_half_precision_rounds_the_weights_and_nothing_else(generator, preset, tmp_path):
    Inpainter(generator).save_to_preset(tmp_path / "half", dtype="float16")
    loaded = Inpainter.from_preset(tmp_path / "half").generator
    for weights, saved in zip(loaded.get_weights(), generator.get_weights(), strict=True):
        assert weights.dtype == np.float32
        np.testing.assert_array_equal(weights, saved.astype("float16"))
    sizes = [(f / "model.weights.h5").stat().st_size for f in (tmp_path / "half", preset)]
    assert sizes[0] < 0.75 * sizes[1]


def test_networks_of_a_mixed_precision_compute_in_float32_once_read(tmp_path):
    generator = Generator.deepfill_v1(width=4, dtype="mixed_bfloat16")
    Inpainter(generator).save_to_preset(tmp_path / "mixed")
    loaded = Inpainter.from_preset(tmp_path / "mixed").generator
    assert generator.dtype_policy.name == "mixed_bfloat16"
    parts = loaded, loaded.coarse_network, loaded.refine_network.head
    assert {part.compute_dtype for part in parts} == {"float32"}
    for weights, saved in zip(loaded.get_weights(), generator.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, saved)


def test_preset_holds_a_critic_and_other_objects(generator, tmp_path):
    critic = PatchCritic(8)
    schedule = keras.optimizers.schedules.CosineDecay(0.5, 100)
    networks = {"model": generator, "critic": critic}
    write_preset(tmp_path / "whole", networks, objects={"schedule": schedule})
    loaded, _ = read_network(tmp_path / "whole", "critic")
    for weights, saved in zip(loaded.get_weights(), critic.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, saved)
    assert read_object(tmp_path / "whole", "schedule").get_config() == schedule.get_config()


def test_preset_without_a_generator_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"by the name 'model'.*\['critic'\]"):
        write_preset(tmp_path / "none", {"critic": PatchCritic(8)})
    assert not list(tmp_path.iterdir())


def test_preset_without_a_critic_says_so(preset):
    with pytest.raises(ValueError, match=r"'critic'.*Received: \['model'\]"):
        read_network(preset, "critic")


def test_preset_is_replaced_by_the_next_one(preset):
    other = Generator.deepfill_v2(width=8)
    Inpainter(other).save_to_preset(preset)
    assert Inpainter.from_preset(preset).generator.gated
    assert [path.name for path in preset.parent.iterdir()] == ["tiny"]


@pytest.mark.parametrize("stranger", ["thesis.tex", "config.json"])
def test_folder_of_other_files_is_never_overwritten(generator, tmp_path, stranger):
    (tmp_path / stranger).write_text("mine")
    with pytest.raises(ValueError, match=rf"nothing else.*{stranger}"):
        Inpainter(generator).save_to_preset(tmp_path)
    assert (tmp_path / stranger).read_text() == "mine"


def test_preset_with_a_stranger_in_it_is_not_replaced(generator, preset):
    (preset / "critic.weights.h5").write_text("one of a preset's files")
    (preset / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"nothing else.*notes\.txt"):
        Inpainter(generator).save_to_preset(preset)


def test_failed_save_leaves_the_old_preset_and_nothing_else(generator, preset):
    with pytest.raises(TypeError):
        Inpainter(generator).save_to_preset(preset, {"licence": object()})
    Inpainter.from_preset(preset)
    assert [path.name for path in preset.parent.iterdir()] == ["tiny"]


def test_full_disk_leaves_the_old_preset_and_nothing_else(generator, preset):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # What is beyond this many bytes of a file is refused as by a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"no room for .* MB.*Make room.*tiny'$") as caught:
            Inpainter(generator).save_to_preset(preset)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    Inpainter.from_preset(preset)
    assert [path.name for path in preset.parent.iterdir()] == ["tiny"]


@pytest.mark.parametrize("kind", ["FIFO", "character device, at the end of a symbolic link"])
def test_device_or_fifo_is_no_preset(generator, tmp_path, monkeypatch, kind):
    path = tmp_path / "tiny"
    os.mkfifo(path) if kind == "FIFO" else path.symlink_to(os.devnull)
    # Should it not be refused, nothing replaces the device.
    monkeypatch.setattr(atomic, "_publish", lambda *arguments: None)
    with pytest.raises(ValueError, match=rf"must name a folder.*tiny', which is a {kind}$"):
        Inpainter(generator).save_to_preset(path)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


@pytest.mark.parametrize("missing", [False, True])
def test_preset_replaced_while_it_is_read_is_read_again(preset, monkeypatch, missing):
    other, sums = Generator.deepfill_v2(width=8), []

    def replace_and_sum(path):
        sums.append(path)
        if len(sums) == 1:
            # Between the config of the one and the weights of the other.
            monkeypatch.setattr(reading, "sha256", sha256)
            if missing:
                monkeypatch.setattr(atomic, "_exchange_at_once", lambda one, other: False)
            Inpainter(other).save_to_preset(preset)
            monkeypatch.setattr(reading, "sha256", replace_and_sum)
        return sha256(path)

    monkeypatch.setattr(reading, "sha256", replace_and_sum)
    read = Inpainter.from_preset(preset).generator
    assert len(sums) > 1
    for weights, expected in zip(read.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, expected)


def test_unknown_dtype_is_refused(generator, tmp_path):
    with pytest.raises(ValueError, match="dtype='int8'"):
        Inpainter(generator).save_to_preset(tmp_path / "tiny", dtype="int8")


def test_damaged_weights_are_refused(preset):
    weights = preset / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"model\.weights\.h5.*Copy the whole preset again"):
        Inpainter.from_preset(preset)


def test_preset_of_a_newer_version_is_refused(preset):
    change_json(preset / "metadata.json", format_version=3)
    with pytest.raises(ValueError, match=r"pip install --upgrade.*format_version=3"):
        Inpainter.from_preset(preset)


@pytest.mark.parametrize("version", [None, "1", 0])
def test_preset_of_no_version_is_refused(preset, version):
    change_json(preset / "metadata.json", format_version=version)
    with pytest.raises(ValueError, match=f"format_version={version!r}"):
        Inpainter.from_preset(preset)


@pytest.mark.parametrize("file", ["config.json", "metadata.json", "model.weights.h5"])
def test_missing_file_is_named(preset, file):
    (preset / file).unlink()
    with pytest.raises(FileNotFoundError, match=f"needs the file {file}"):
        Inpainter.from_preset(preset)


@pytest.mark.parametrize("content", ["{", "[]", "\0"])
def test_damaged_json_is_named(preset, content):
    (preset / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config\.json.*Copy the whole preset again"):
        Inpainter.from_preset(preset)


def test_class_that_keras_does_not_know_is_named(preset):
    config = {"module": "mine", "class_name": "Mine", "registered_name": "mine>Mine"}
    change_json(preset / "config.json", **config, config={})
    with pytest.raises(ValueError, match=r"import its module first.*[Mm]ine"):
        Inpainter.from_preset(preset)


def test_unknown_name_is_answered_with_the_bundled_ones():
    names = ", ".join(bundled_presets()) or "none"
    with pytest.raises(FileNotFoundError, match=rf"{names}.*preset='flowrs'"):
        Inpainter.from_preset("flowrs")


def test_folder_named_like_a_bundled_preset_is_read_as_itself(preset, monkeypatch):
    name = bundled_presets()[0]
    preset.rename(preset.with_name(name))
    monkeypatch.chdir(preset.parent)
    assert Inpainter.from_preset(f"./{name}").image_size == 64


def test_the_name_of_a_bundled_preset_that_was_replaced_leads_to_the_new_one():
    with pytest.warns(DeprecationWarning, match="'flowers-128' is now 'photos-128'"):
        assert find_preset("flowers-128") == find_preset("photos-128")


@pytest.mark.parametrize("name", bundled_presets())
def test_bundled_preset_is_whole(name, rng):
    inpainter = Inpainter.from_preset(name)
    metadata = read_metadata(find_preset(name))
    assert inpainter.name == name
    assert {"architecture", "trained_on", "image_size", "licence"} <= set(metadata)
    assert (find_preset(name) / "README.md").read_text().startswith("# ")
    assert np.isfinite(filled_once(inpainter, rng)).all()


def test_readers_never_find_a_preset_missing_or_mixed(tmp_path):
    """Two files that are always of one save, replaced and read over and over."""
    preset, done = tmp_path / "preset", threading.Event()

    def write(number):
        with atomic_write(preset, is_folder=True) as draft:
            for name in ("one", "two"):
                (draft / name).write_text(str(number))

    def write_on():
        number = 0
        while not done.wait(0.002):
            number += 1
            write(number)

    def read(folder):
        one = (folder / "one").read_text()
        time.sleep(0.001)
        return one, (folder / "two").read_text()

    write(0)
    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        found = [read_all(preset, read) for _ in range(100)]
    finally:
        done.set()
        writer.join()
    assert [one for one, two in found if one != two] == []
    assert len({one for one, _ in found}) > 5
