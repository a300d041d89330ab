"""Photos are written into shards, and read from them as from a folder."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from keras_inpaint.cli.main import main
from keras_inpaint.data import PictureDataset, Shards, SkipLog, find_pairs, photos, write_shards
from keras_inpaint.data.sharding import masked_crc32c
from keras_inpaint.files import FilePart, read_source
from keras_inpaint.pictures import read_mask, read_picture

VALIDATION = {"crop": "centre", "shuffle": False, "flip": False}


@pytest.fixture
def folder(tmp_path):
    """Six photos of noise, each of its own size, in two folders."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for index in range(6):
        pixels = np.random.default_rng(index).integers(0, 256, (60 + 9 * index, 90, 3))
        name = f"more/{index}.jpg" if index % 2 else f"{index}.png"
        Image.fromarray(pixels.astype("uint8")).save(folder / name)
    return folder


def files_of(folder):
    return sorted(
        str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()
    )


def records_of(path):
    """The records of a TFRecord file, by its published layout."""
    content, records = Path(path).read_bytes(), []
    while content:
        length = int.from_bytes(content[:8], "little")
        assert content[8:12] == masked_crc32c(content[:8])
        records.append(content[12 : 12 + length])
        assert content[12 + length : 16 + length] == masked_crc32c(records[-1])
        content = content[16 + length :]
    return records


def test_photos_are_kept_byte_for_byte_with_their_names(folder, tmp_path):
    shards = write_shards(folder, tmp_path / "shards", shard_size=40_000)
    assert shards.num_shards > 1
    assert [FilePart.of(path).name for path in shards.photos] == files_of(folder)
    for path in shards.photos:
        expected = (folder / FilePart.of(path).name).read_bytes()
        assert read_source(path, 2**20) == expected
    assert Shards.read(tmp_path / "shards") == shards


def test_shards_are_tfrecord_files(folder, tmp_path):
    # CRC-32C of this text is known: RFC 3720, B.4, has others of 32 bytes.
    crc = 0x8A9136AA
    expected = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert masked_crc32c(bytes(32)) == expected.to_bytes(4, "little")
    write_shards(folder, tmp_path / "shards")
    records = records_of(tmp_path / "shards" / "shard-00000.tfrecord")
    assert records == [(folder / name).read_bytes() for name in files_of(folder)]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        path = str(tmp_path / "shards" / "shard-00000.tfrecord")
        assert [each.numpy() for each in tf.data.TFRecordDataset(path)] == records


def test_a_stream_of_shards_is_that_of_the_folder(folder, tmp_path):
    write_shards(folder, tmp_path / "shards", shard_size=40_000)
    options = {"image_size": 32, "batch_size": 3, "seed": 3}
    streams = [PictureDataset(each, **options) for each in (folder, tmp_path / "shards")]
    for index in range(2):
        np.testing.assert_array_equal(*(stream[index] for stream in streams))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow only")
def test_decoders_of_tensorflow_read_shards(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.new("RGB", (64, 64), (200, 200, 200)).save(tmp_path / "b.jpg")
    write_shards(tmp_path, tmp_path / "shards", shard_size=1000)
    (images,) = photos(tmp_path / "shards", 32, 2, **VALIDATION)
    noise, grey = (np.asarray(images) + 1) * 127.5
    expected = pixels.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(noise, expected, atol=1e-3)
    np.testing.assert_allclose(grey, 200, atol=1.5)


def test_masks_are_written_as_what_they_mean(folder, tmp_path):
    for name in ("0.png", "more/1.jpg"):
        with Image.open(folder / name) as image:
            mask = Image.new("L", image.size, 255)
        # Black is the hole here, a column at the left of the photo.
        mask.paste(0, (0, 0, 30, mask.height))
        path = tmp_path / "masks" / f"{Path(name).with_suffix('')}_hole.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        mask.save(path)
    meaning = {"invert": True, "pattern": "{name}_hole"}
    source = [folder / "0.png", folder / "more" / "1.jpg"]
    out = tmp_path / "shards"
    shards = write_shards(source, out, tmp_path / "masks", meaning, max_size=30)
    pairs = find_pairs(out, out).pairs
    assert [pair.photo for pair in pairs] == shards.photos
    assert [pair.mask for pair in pairs] == shards.masks
    for pair in pairs:
        picture = read_picture(pair.photo)
        assert min(picture.pixels.shape[:2]) == 30
        expected = np.zeros(picture.pixels.shape[:2], bool)
        expected[:, : round(expected.shape[1] / 3)] = True
        np.testing.assert_array_equal(read_mask(pair.mask), expected)
    dataset = PictureDataset(out, 30, 2, masks=out, **VALIDATION)
    images, masks = dataset[0]
    assert images.shape == (2, 30, 30, 3)
    assert 0 < masks.mean() < 0.5


def test_shrunk_photos_are_means_over_areas_and_smaller_ones_are_kept(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (80, 120, 3), np.uint8)
    for name in ("a.png", "b.jpg"):
        Image.fromarray(pixels).save(tmp_path / name)
    Image.fromarray(pixels[:40]).save(tmp_path / "c.png")
    shards = write_shards(tmp_path, tmp_path / "shards", max_size=40)
    shrunk = [read_picture(path).pixels for path in shards.photos]
    expected = pixels.reshape(40, 2, 60, 2, 3).mean(axis=(1, 3))
    assert np.abs(shrunk[0] - expected).max() <= 1
    assert read_source(shards.photos[1], 2**20).startswith(b"\xff\xd8")
    assert read_source(shards.photos[2], 2**20) == (tmp_path / "c.png").read_bytes()


def test_files_that_are_no_photos_are_left_out_and_named(folder, tmp_path):
    (folder / "2.png").write_text("no picture")
    shards = write_shards(folder, tmp_path / "shards")
    assert len(shards.photos) == 5
    assert list(shards.skipped) == [str(folder / "2.png")]
    assert Shards.read(tmp_path / "shards").skipped == shards.skipped
    for path in folder.rglob("*.*"):
        path.write_text("no picture")
    with pytest.raises(ValueError, match="None of the photos can be read"):
        write_shards(folder, tmp_path / "others")


def test_photos_cut_off_behind_their_headers_are_found_by_decoding(folder, tmp_path, capsys):
    for name in ("2.png", "more/3.jpg", "more/5.jpg"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])
    assert len(write_shards(folder, tmp_path / "headers").photos) == 6
    words = ["shard", "--data", str(folder), "--output", str(tmp_path / "shards")]
    assert main([*words, "--decode"]) == 1
    told = capsys.readouterr().err
    assert told.count("Left out ") == 3
    counts = [int(line.split()[0]) for line in told.splitlines() if " left out: " in line]
    # Those that end after other numbers of bytes are of one kind.
    assert sorted(counts) in ([3], [1, 2])
    assert "3 photos in 1 shards." in told
    # Shards of photos that were not decoded are others.
    with pytest.raises(ValueError, match="differs in decode"):
        write_shards(folder, tmp_path / "headers", decode=True)


def test_a_shard_whose_bytes_changed_is_named(folder, tmp_path):
    shards = write_shards(folder, tmp_path / "shards")
    path = tmp_path / "shards" / "shard-00000.tfrecord"
    content = bytearray(path.read_bytes())
    content[FilePart.of(shards.photos[2]).offset + 50] ^= 1
    path.write_bytes(content)
    log = SkipLog()
    dataset = PictureDataset(tmp_path / "shards", 32, 6, log=log, shuffle=False)
    assert dataset[0].shape[0] == 6
    ((name, reason),) = log.reasons.items()
    assert name == shards.photos[2]
    assert f"{path} is damaged" in reason
    assert "4.png" in reason
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"shard-00000\.tfrecord is damaged: it has [\d,]+ b"):
        Shards.read(tmp_path / "shards")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"shard is missing.*shard-00000\.tfrecord"):
        photos(tmp_path / "shards")


class Killed(Exception):
    pass


def test_what_was_killed_goes_on_where_it_was(folder, tmp_path):
    whole = write_shards(folder, tmp_path / "whole", shard_size=20_000)
    out = tmp_path / "shards"

    def kill(done, total, name):
        if done == 4:
            raise Killed

    with pytest.raises(Killed):
        write_shards(folder, out, shard_size=20_000, progress=kill)
    with pytest.raises(ValueError, match=r"are unfinished.*again with the same words"):
        photos(out)
    assert not (out / "shards.json").exists()
    first = (out / "shard-00000.tfrecord").stat()
    seen = []
    shards = write_shards(
        folder, out, shard_size=20_000, progress=lambda done, *_: seen.append(done)
    )
    assert seen[0] > 1
    assert seen[-1] == 6
    assert (out / "shard-00000.tfrecord").stat().st_mtime_ns == first.st_mtime_ns
    for ours, theirs in zip(shards.photos, whole.photos, strict=True):
        assert read_source(ours, 2**20) == read_source(theirs, 2**20)
    assert files_of(out) == files_of(tmp_path / "whole")
    # A third time, nothing is left to be done.
    assert write_shards(folder, out, shard_size=20_000, progress=kill) == shards


def test_killed_process_leaves_no_half_shard(folder, tmp_path):
    program = (
        "import os, signal, sys\n"
        "from keras_inpaint.data import write_shards\n"
        "def kill(done, total, name):\n"
        "    if done == 5: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_shards(sys.argv[1], sys.argv[2], shard_size=20_000, progress=kill)\n"
    )
    out = tmp_path / "shards"
    words = [sys.executable, "-c", program, str(folder), str(out)]
    answer = subprocess.run(words, env={**os.environ}, check=False, capture_output=True)
    assert answer.returncode == -signal.SIGKILL, answer.stderr
    for entry in out.glob("shard-*.json"):
        shard = json.loads(entry.read_text())
        assert (out / shard["file"]).stat().st_size == shard["size"]
    assert len(write_shards(folder, out, shard_size=20_000).photos) == 6
    assert not list(out.glob(".*.unfinished"))


def test_shards_of_others_are_not_mixed(folder, tmp_path):
    out = tmp_path / "shards"
    write_shards(folder, out)
    with pytest.raises(ValueError, match=r"other photos or options.*differs in max_size"):
        write_shards(folder, out, max_size=40)
    (folder / "0.png").unlink()
    with pytest.raises(ValueError, match=r"other photos or options.*differs in photos"):
        write_shards(folder, out)
    with pytest.raises(ValueError, match=r"`output` must be a new folder.*photos"):
        write_shards([folder / "2.png"], folder)
    assert not (folder / ".lock").exists()


def test_writing_without_its_library_says_what_to_install(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "google_crc32c", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'keras-inpaint\[shards\]'"):
        write_shards(folder, tmp_path / "shards")
    assert not (tmp_path / "shards").exists()


def test_command_writes_shards_and_names_what_it_left_out(folder, tmp_path, capsys):
    (folder / "2.png").write_text("no picture")
    words = ["shard", "--data", str(folder), "--output", str(tmp_path / "shards")]
    assert main([*words, "--shard-size", "40k", "--max-size", "50"]) == 1
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / 'shards'}\n"
    assert f"Left out {folder / '2.png'}: `path` must name a picture" in captured.err
    assert "5 photos in " in captured.err
    assert main([*words, "--max-size", "40"]) == 2
    assert capsys.readouterr().err.startswith("keras-inpaint: --output holds shards of other")
    assert (
        main(["shard", "--data", str(tmp_path / "shards"), "--output", "x", "--grow", "3"]) == 2
    )
    assert "Give masks, or leave them out" in capsys.readouterr().err
