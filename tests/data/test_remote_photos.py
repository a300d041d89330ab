"""Photos of object stores are read as those on disk."""

import sys

import numpy as np
import pytest
from PIL import Image

fsspec = pytest.importorskip("fsspec")

from keras_inpaint.cli.main import main  # noqa: E402
from keras_inpaint.data import (  # noqa: E402
    PictureDataset,
    SkipLog,
    find_pairs,
    find_photos,
    write_shards,
)

VALIDATION = {"crop": "centre", "shuffle": False, "flip": False}


@pytest.fixture
def folder(tmp_path):
    """Three photos and their masks, one of them in a folder below."""
    for index, name in enumerate(("a", "b", "more/c")):
        pixels = np.random.default_rng(index).integers(0, 256, (40, 50, 3), np.uint8)
        for kind, array in (("photos", pixels), ("masks", pixels[..., 0] // 128 * 255)):
            path = tmp_path / kind / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(path)
    return tmp_path


@pytest.fixture
def store(folder):
    """The folder in an object store, with files that are no photos."""
    system = fsspec.filesystem("memory")
    system.put(str(folder), "/store", recursive=True)
    for name in ("photos/notes.txt", "photos/.hidden/d.png", "photos/@eaDir/e.png"):
        system.pipe_file(f"/store/{name}", b"none")
    yield "memory://store"
    system.rm("/store", recursive=True)


def names(paths):
    return [path.rpartition("/photos/")[2] for path in paths]


def test_folders_patterns_files_and_lists_are_sources(store):
    assert names(find_photos(f"{store}/photos")) == ["a.png", "b.png", "more/c.png"]
    assert names(find_photos(f"{store}/photos/*.png")) == ["a.png", "b.png"]
    assert find_photos(f"{store}/photos/a.png") == [f"{store}/photos/a.png"]
    listed = "b.png\n\n  more/c.png \nfile:///elsewhere/x.jpg\n"
    fsspec.filesystem("memory").pipe_file("/store/photos/list.txt", listed.encode())
    assert find_photos(f"{store}/photos/list.txt") == [
        f"{store}/photos/b.png",
        f"{store}/photos/more/c.png",
        "file:///elsewhere/x.jpg",
    ]


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_photos_and_their_masks_are_those_of_the_disk(kind, folder, store):
    root = store if kind == "memory" else f"file://{folder}"
    local = PictureDataset(folder / "photos", 20, 3, masks=folder / "masks", **VALIDATION)
    remote = PictureDataset(f"{root}/photos", 20, 3, masks=f"{root}/masks", **VALIDATION)
    for ours, theirs in zip(remote[0], local[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_shards_are_read_by_parts_and_their_damage_is_named(folder, tmp_path):
    write_shards(folder / "photos", tmp_path / "shards", masks=folder / "masks", shard_size=1)
    system = fsspec.filesystem("memory")
    system.put(str(tmp_path / "shards"), "/shards", recursive=True)
    source = "memory://shards"
    assert len(find_pairs(source, source).pairs) == 3
    options = {"image_size": 20, "batch_size": 3, "seed": 1}
    expected = PictureDataset(folder / "photos", **options)[0]
    np.testing.assert_array_equal(PictureDataset(source, **options)[0], expected)
    content = bytearray(system.cat_file("/shards/shard-00001.tfrecord"))
    content[100] ^= 1
    system.pipe_file("/shards/shard-00001.tfrecord", bytes(content))
    log = SkipLog()
    PictureDataset(source, log=log, **options)[0]
    assert [
        "memory://shards/shard-00001.tfrecord is damaged" in each
        for each in log.reasons.values()
    ] == [True]
    system.pipe_file("/shards/shard-00001.tfrecord", bytes(content[:-1]))
    with pytest.raises(ValueError, match=r"shard-00001\.tfrecord is damaged: it has"):
        find_photos(source)
    system.rm("/shards", recursive=True)


def test_what_cannot_be_read_has_one_line_with_the_way_out(
    store, tmp_path, monkeypatch, capsys
):
    with pytest.raises(FileNotFoundError, match=r"`data` must be a folder.*memory://gone"):
        find_pairs("memory://gone", "memory://gone", names=("data", "masks"))
    with pytest.raises(ValueError, match=r"knows no paths of nowhere://.*s3://"):
        find_photos("nowhere://photos")
    with pytest.raises(ValueError, match=r"holds no photos.*left out: 1 not a picture"):
        find_photos(f"{store}/photos/*.txt")
    with pytest.raises(ValueError, match=r"`output` must be a local folder.*memory://out"):
        write_shards(f"{store}/photos", "memory://out")
    words = ["shard", "--data", f"{store}/photos", "--output", "memory://out"]
    assert main(words) == 2
    assert "--output must be a local folder. Copy it to the object" in capsys.readouterr().err
    words = ["train", "--data", "nowhere://photos", "--output", str(tmp_path / "run")]
    assert main(words) == 2
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'fsspec\[s3\]'.*'s3://b/a'"):
        find_photos("s3://b/a")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'keras-inpaint\[remote\]'"):
        find_photos(f"{store}/photos")
    assert not (tmp_path / "run").exists()
