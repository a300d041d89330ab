"""Photos are read by Pillow as TensorFlow reads them, and fit takes them."""

import builtins
import os

import keras
import numpy as np
import pytest
from PIL import Image

from keras_inpaint.data import PictureDataset, SkipLog

VALIDATION = {"crop": "centre", "shuffle": False, "flip": False}


@pytest.fixture
def folder(tmp_path):
    """Six PNG photos of noise, each of its own shape."""
    for index in range(6):
        pixels = np.random.default_rng(index).integers(0, 256, (60 + 9 * index, 90, 3))
        Image.fromarray(pixels.astype("uint8")).save(tmp_path / f"{index}.png")
    return tmp_path


@pytest.fixture
def levels(tmp_path):
    """Twenty grey photos, each of its own level."""
    for level in range(20):
        Image.new("RGB", (40, 40), (level,) * 3).save(tmp_path / f"{level:02}.png")
    return tmp_path


def as_bytes(images):
    return (images + 1) * 127.5


def levels_of(dataset, num):
    batches = [as_bytes(dataset[index])[:, 0, 0, 0] for index in range(num)]
    return np.rint(np.concatenate(batches)).astype(int).tolist()


def test_centre_crop_is_the_mean_over_areas_of_the_middle_square(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 100, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    images = PictureDataset(tmp_path, 32, 1, **VALIDATION)[0]
    assert images.dtype == np.float32
    expected = pixels[:, 18:82].reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(as_bytes(images[0]), expected, atol=1e-3)


def test_white_and_black_are_the_ends_of_the_range(tmp_path):
    for level in (0, 255):
        Image.new("RGB", (71, 67), (level,) * 3).save(tmp_path / f"{level:03}.png")
    images = PictureDataset(tmp_path, 32, 2, **VALIDATION)[0]
    np.testing.assert_array_equal(images[0], -1)
    np.testing.assert_array_equal(images[1], 1)


def test_random_crops_are_squares_of_the_photo_half_of_them_mirrored(tmp_path):
    # The photo's red says the column, its green the row.
    rows, columns = np.mgrid[:90, :120]
    pixels = np.stack([columns, rows, 0 * rows], axis=-1).astype(np.uint8)
    for index in range(64):
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    images = as_bytes(PictureDataset(tmp_path, image_size=30, batch_size=64)[0])
    left, right = images[:, :, 0, 0].mean(axis=1), images[:, :, -1, 0].mean(axis=1)
    top, bottom = images[:, 0, :, 1].mean(axis=1), images[:, -1, :, 1].mean(axis=1)
    # The centres of the first and the last of 30 cells are 29 / 30 of the side apart.
    sides = (bottom - top) * 30 / 29
    assert np.abs(np.abs(right - left) * 30 / 29 - sides).max() < 1.5
    assert 29 < sides.min() < 40
    assert 80 < sides.max() < 91
    assert 16 <= np.sum(right < left) <= 48


def test_small_photos_are_enlarged_smoothly(tmp_path):
    rows, columns = np.mgrid[:20, :20]
    pixels = np.stack([8 * columns, rows, rows], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (image,) = as_bytes(PictureDataset(tmp_path, 40, 1, flip=False)[0])
    # Interpolated: four levels a pixel. Repeated pixels would step by 0 and 8.
    np.testing.assert_allclose(np.diff(image[:, 1:-1, 0], axis=1), 4, atol=1e-3)


def test_min_scale_is_the_smallest_share_of_the_short_side(tmp_path):
    rows, columns = np.mgrid[:90, :120]
    pixels = np.stack([columns, rows, 0 * rows], axis=-1).astype(np.uint8)
    for index in range(32):
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    images = as_bytes(PictureDataset(tmp_path, 30, 32, min_scale=0.9)[0])
    sides = (images[:, -1, :, 1] - images[:, 0, :, 1]).mean(axis=1) * 30 / 29
    assert 80 < sides.min() < 82


def test_epochs_hold_every_photo_once_each_in_an_order_of_its_own(levels):
    dataset = PictureDataset(levels, image_size=16, batch_size=5)
    first = levels_of(dataset, 4)
    dataset.on_epoch_end()
    second = levels_of(dataset, 4)
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    endless = PictureDataset(levels, image_size=16, batch_size=5, repeat=True)
    assert levels_of(endless, 8) == first + second
    assert levels_of(PictureDataset(levels, 16, 5, seed=1), 4) != first


def test_batches_follow_from_seed_and_number_alone(folder):
    one, other = (PictureDataset(folder, 32, 3, seed=5, repeat=True) for _ in range(2))
    late = one[7]
    for index in (3, 7):
        batch = other[index]
    np.testing.assert_array_equal(batch, late)
    assert not np.array_equal(other[3], late)


def test_number_of_batches_is_known(folder):
    assert PictureDataset(folder, 32, 4).num_batches == 1
    uneven = PictureDataset(folder, 32, 4, drop_remainder=False)
    assert uneven.num_batches == 2
    assert [len(uneven[index]) for index in range(2)] == [4, 2]
    assert PictureDataset(folder, 32, 4, repeat=True).num_batches is None


def test_damaged_files_are_replaced_and_named_once(folder, caplog):
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:999])
    log = SkipLog()
    dataset = PictureDataset(folder, image_size=32, batch_size=6, log=log)
    for _ in range(2):
        assert dataset[0].shape == (6, 32, 32, 3)
    assert log.count == 1
    assert sum("2.png" in record.getMessage() for record in caplog.records) == 1


def test_photos_that_vanish_all_end_the_stream_with_their_reason(folder):
    dataset = PictureDataset(folder, image_size=32, batch_size=3)
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"None of the photos.*Received: 6 photos"):
        dataset[0]


@pytest.mark.parametrize("workers", [1, 3])
def test_fit_takes_it(folder, workers, tmp_path_factory):
    seen = []
    masks = tmp_path_factory.mktemp("masks")
    for path in folder.iterdir():
        with Image.open(path) as image:
            Image.new("1", image.size).save(masks / path.name)

    class Watching(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)

    model = keras.Sequential([keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1)])
    model.compile("sgd", loss=lambda truth, found: keras.ops.mean(found), run_eagerly=True)
    # As targets, anything of the right number.
    dataset = PictureDataset(folder, 32, 2, masks=masks, repeat=True, workers=workers)
    model.fit(dataset, steps_per_epoch=5, shuffle=False, verbose=0, callbacks=[Watching()])
    assert seen == [0, 1, 2, 3, 4]


def test_grey_images_have_one_channel(levels):
    grey, colour = (PictureDataset(levels, 16, 2, channels=number)[0] for number in (1, 3))
    assert grey.shape == (2, 16, 16, 1)
    np.testing.assert_allclose(grey, colour[..., :1], atol=1e-5)


def test_arguments_out_of_bounds_are_refused(folder):
    with pytest.raises(ValueError, match=r"at least 1.*image_size=0"):
        PictureDataset(folder, image_size=0)
    with pytest.raises(ValueError, match=r"Lower `batch_size`.*6 photos, batch_size=7"):
        PictureDataset(folder, batch_size=7)


def test_workers_read_parts_of_one_order_and_a_start_is_exact(levels):
    whole = PictureDataset(levels, 16, 20, repeat=True, seed=4)
    parts = [
        PictureDataset(levels, 16, 10, repeat=True, seed=4, part=(index, 2)) for index in (0, 1)
    ]
    for index, part in enumerate(parts):
        for batch in range(3):
            own = slice(10 * index, 10 * (index + 1))
            np.testing.assert_array_equal(part[batch], whole[batch][own])
        later = PictureDataset(levels, 16, 10, repeat=True, seed=4, part=(index, 2), start=2)
        np.testing.assert_array_equal(later[0], part[2])
    three = [PictureDataset(levels, 16, 2, part=(index, 3)) for index in range(3)]
    assert [dataset.num_batches for dataset in three] == [3, 3, 3]
    assert len({level for dataset in three for level in levels_of(dataset, 3)}) == 18


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"part": (2, 2)}, r"index of a worker.*part=\(2, 2\)"),
        ({"part": 1}, "index of a worker.*part=1"),
        ({"start": -1}, "at least 0.*start=-1"),
        ({"start": 2}, "repeat=True.*start=2"),
        ({"max_skipped": 2}, "at most 1.*max_skipped=2"),
        ({"part": (0, 7)}, "6 photos for 7 workers"),
    ],
)
def test_places_that_no_stream_has_are_refused(folder, options, advice):
    with pytest.raises(ValueError, match=advice):
        PictureDataset(folder, 32, 1, **options)


def test_more_damaged_photos_than_stated_end_the_stream(levels):
    for level in (3, 7):
        (levels / f"{level:02}.png").write_text("no picture")
    assert len(PictureDataset(levels, 16, 20, max_skipped=0.1)[0]) == 20
    (levels / "12.png").write_text("no picture")
    advice = r"fraction of 0\.1 .*raise `max_skipped`.*must name a picture.*3 of 20 photos"
    with pytest.raises(ValueError, match=advice):
        PictureDataset(levels, 16, 20, max_skipped=0.1)[0]


def test_a_stream_begins_without_opening_more_than_one_file(levels, monkeypatch):
    seen = {"open": [], "stat": []}

    def watch(module, name, kind):
        function = getattr(module, name)

        def watched(path, *args, **options):
            seen[kind].append(str(path))
            return function(path, *args, **options)

        monkeypatch.setattr(module, name, watched)

    watch(builtins, "open", "open")
    watch(os, "open", "open")
    watch(os, "stat", "stat")
    dataset = PictureDataset(levels, 16, 5)
    # The first photo is read, to see that any can be.
    opened = {path for path in seen["open"] if path.startswith(str(levels))}
    assert opened == {str(levels / "00.png")}
    # One look at each file, a few at the folder and the first photo.
    assert len(seen["stat"]) <= 20 + 8
    assert len(dataset.files.paths) == 20
