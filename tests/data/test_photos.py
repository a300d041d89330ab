"""Photos on disk become batches of images, whatever the files are like."""

import keras
import numpy as np
import pytest
from PIL import Image

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow only"
)

from keras_inpaint.data import PictureDataset, SkipLog, photos  # noqa: E402
from keras_inpaint.data.photo_files import seed_at_step  # noqa: E402
from keras_inpaint.pictures import read_picture  # noqa: E402

VALIDATION = {"crop": "centre", "shuffle": False, "flip": False}


@pytest.fixture
def folder(tmp_path):
    """Six JPEG photos of noise, each of its own shape."""
    rng = np.random.default_rng(0)
    for index in range(6):
        pixels = rng.integers(0, 256, (60 + 9 * index, 90, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.jpg")
    return tmp_path


def gather(dataset):
    return np.concatenate([images.numpy() for images in dataset])


def as_bytes(images):
    return (images + 1) * 127.5


def gradient(height, width):
    """A photo whose red says the column and whose green says the row."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.arange(width)
    pixels[..., 1] = np.arange(height)[:, None]
    return pixels


def side_of(difference):
    """Side of a gradient's square, from its last of 30 cells less its first."""
    # Their centres are 29 / 30 of the side apart; sides are whole pixels.
    return np.rint(difference * 30 / 29)


def test_batches_are_float_images_in_range(folder):
    dataset = photos(folder, image_size=32, batch_size=4)
    spec = dataset.element_spec
    assert (tuple(spec.shape), spec.dtype) == ((4, 32, 32, 3), tf.float32)
    (images,) = list(dataset)
    assert images.shape == (4, 32, 32, 3)
    assert -1 <= images.numpy().min() < -0.1 < 0.1 < images.numpy().max() <= 1


def test_white_and_black_are_the_ends_of_the_range(tmp_path):
    for level in (0, 255):
        Image.new("RGB", (71, 67), (level,) * 3).save(tmp_path / f"{level:03}.png")
    images = gather(photos(tmp_path, 32, 2, **VALIDATION))
    np.testing.assert_array_equal(images[0], -1)
    np.testing.assert_allclose(images[1], 1, atol=1e-6)
    assert images.max() <= 1


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_centre_crop_is_the_mean_over_areas_of_the_middle_square(suffix, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 100, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}")
    (image,) = gather(photos(tmp_path, 32, 1, **VALIDATION))
    expected = pixels[:, 18:82].reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(as_bytes(image), expected, atol=1e-3)


def save_turned(image, path):
    exif = Image.Exif()
    exif[274] = 6
    image.save(path, exif=exif)


KINDS = {
    "plain.jpg": lambda image, path: image.save(path),
    "progressive.jpg": lambda image, path: image.save(path, progressive=True),
    "grey.jpg": lambda image, path: image.convert("L").save(path),
    "cmyk.jpg": lambda image, path: image.convert("CMYK").save(path),
    "turned.jpg": save_turned,
    "turned.png": save_turned,
    "alpha.png": lambda image, path: image.convert("RGBA").save(path),
    "palette.png": lambda image, path: image.convert("P").save(path),
    "deep.png": lambda image, path: image.convert("L").convert("I;16").save(path),
    "a.webp": lambda image, path: image.save(path),
    "a.tiff": lambda image, path: image.save(path),
    "png_within.jpg": lambda image, path: image.save(path, format="PNG"),
}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """The folder of a file of each kind, and the image that `photos` makes of it."""
    folder = tmp_path_factory.mktemp("kinds")
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    for name, save in KINDS.items():
        save(Image.fromarray(pixels), folder / name)
    images = gather(photos([folder / name for name in KINDS], 48, len(KINDS), **VALIDATION))
    return folder, dict(zip(KINDS, images, strict=True))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_gives_the_pixels_of_read_picture(name, kinds):
    folder, images = kinds
    expected = read_picture(folder / name).pixels
    top, left = (expected.shape[0] - 48) // 2, (expected.shape[1] - 48) // 2
    difference = as_bytes(images[name]) - expected[top : top + 48, left : left + 48]
    # A JPEG's chroma is interpolated across the edge of the decoded window.
    assert np.abs(difference[:, 1:-1]).max() < 1e-3


def test_large_jpeg_is_shrunk_to_the_same_means(tmp_path):
    rows, columns = np.mgrid[:512, :640]
    pixels = np.stack([rows // 4, columns // 4, (rows + columns) // 6], axis=-1)
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "a.jpg", quality=98)
    (image,) = gather(photos(tmp_path, 64, 1, **VALIDATION))
    square = read_picture(tmp_path / "a.jpg").pixels[:, 64:576].astype(float)
    expected = square.reshape(64, 8, 64, 8, 3).mean(axis=(1, 3))
    assert np.abs(as_bytes(image) - expected).max() < 2


def test_random_crops_are_squares_of_the_photo_half_of_them_mirrored(tmp_path):
    for index in range(64):
        Image.fromarray(gradient(90, 120)).save(tmp_path / f"{index}.png")
    images = as_bytes(gather(photos(tmp_path, image_size=30, batch_size=64)))
    left, right = images[:, :, 0, 0].mean(axis=1), images[:, :, -1, 0].mean(axis=1)
    top, bottom = images[:, 0, :, 1].mean(axis=1), images[:, -1, :, 1].mean(axis=1)
    sides = side_of(bottom - top)
    np.testing.assert_array_equal(side_of(np.abs(right - left)), sides)
    assert 30 <= sides.min() < 40
    assert 80 < sides.max() <= 90
    starts = np.rint(np.minimum(left, right) - sides / 60 + 0.5)
    assert starts.min() >= 0
    assert (starts + sides).max() <= 120
    assert 16 <= np.sum(right < left) <= 48


def test_min_scale_is_the_smallest_share_of_the_short_side(tmp_path):
    for index in range(32):
        Image.fromarray(gradient(90, 120)).save(tmp_path / f"{index}.png")
    images = as_bytes(gather(photos(tmp_path, 30, 32, min_scale=0.9)))
    sides = side_of((images[:, -1, :, 1] - images[:, 0, :, 1]).mean(axis=1))
    assert sides.min() == 81


def test_small_photos_are_enlarged_smoothly(tmp_path):
    Image.fromarray(gradient(20, 20)).save(tmp_path / "a.png")
    (image,) = as_bytes(gather(photos(tmp_path, 40, 1, flip=False)))
    # Interpolated: half a level a pixel. Repeated pixels would step by 0 and 1.
    np.testing.assert_allclose(np.diff(image[:, 1:-1, 0], axis=1), 0.5, atol=1e-3)


def test_same_seed_gives_the_same_batches_and_other_ones_each_epoch(folder):
    def epochs(seed):
        dataset = photos(folder, image_size=32, batch_size=3, seed=seed)
        return [gather(dataset), gather(dataset)]

    first, again, other = epochs(5), epochs(5), epochs(6)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], other[0])


def test_no_global_seed_changes_the_batches(folder):
    drawn = []
    for seed in (1, 2):
        tf.random.set_seed(seed)
        drawn.append(gather(photos(folder, image_size=32, batch_size=3, seed=5)))
    np.testing.assert_array_equal(*drawn)


def test_seeds_of_any_size_and_sign_give_batches_of_their_own(folder):
    seeds = [0, 7, 7 + 2**31 - 1, 7 + 2**32, -7, 2**63, -(2**63) + 1, np.int64(-(2**62))]
    drawn = [gather(photos(folder, image_size=32, batch_size=6, seed=seed)) for seed in seeds]
    assert len({batch.tobytes() for batch in drawn}) == len(seeds)


def test_a_run_never_sees_what_that_of_the_next_seed_saw_a_step_before():
    seeds = [seed_at_step(seed, step) for seed in range(-20, 20) for step in range(0, 400, 10)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**64 for seed in seeds)
    # Pinned: a run that goes on after an update draws what it would have drawn.
    assert seed_at_step(3, 1000) == 10257876346952398251


def test_shuffled_epoch_holds_every_photo_once(tmp_path):
    for level in range(20):
        Image.new("RGB", (40, 40), (level,) * 3).save(tmp_path / f"{level:02}.png")
    dataset = photos(tmp_path, image_size=16, batch_size=5)
    orders = [np.rint(as_bytes(gather(dataset)))[:, 0, 0, 0].tolist() for _ in range(2)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(20))
    assert orders[0] != orders[1]


def test_workers_read_parts_of_one_order_and_a_start_is_exact(tmp_path):
    for level in range(10):
        Image.new("RGB", (40, 40), (level,) * 3).save(tmp_path / f"{level:02}.png")

    def drawn(num, size=2, **options):
        dataset = photos(tmp_path, 16, size, repeat=True, seed=3, **options).take(num)
        return [np.rint(as_bytes(images))[:, 0, 0, 0].tolist() for images in dataset]

    # Batches of four do not divide the ten: passes end in the middle of one.
    whole = drawn(5, size=4)
    parts = [drawn(5, part=(index, 2)) for index in (0, 1)]
    assert [one + other for one, other in zip(*parts, strict=True)] == whole
    assert drawn(2, start=3, part=(1, 2)) == parts[1][3:]


def test_workers_share_a_last_smaller_batch_too(tmp_path):
    for level in range(9):
        Image.new("RGB", (40, 40), (level,) * 3).save(tmp_path / f"{level:02}.png")
    options = {"shuffle": False, "flip": False, "drop_remainder": False}
    for make in (photos, PictureDataset):
        parts = [make(tmp_path, 16, 2, part=(index, 3), **options) for index in range(3)]
        if make is PictureDataset:
            parts = [[part[0], part[1]] for part in parts]
        sizes = [[len(images) for images in part] for part in parts]
        assert sizes == [[2, 2], [2, 1], [2, 0]]


def test_more_damaged_photos_than_stated_end_the_stream(folder):
    (folder / "2.jpg").write_text("no picture")
    dataset = photos(folder, image_size=32, batch_size=6, max_skipped=0.1)
    with pytest.raises(tf.errors.OpError, match=r"raise `max_skipped`.*1 of 6 photos"):
        gather(dataset)


def test_validation_is_the_same_in_every_pass_and_in_order(folder):
    dataset = photos(folder, 32, 4, drop_remainder=False, **VALIDATION)
    first, second = list(dataset), list(dataset)
    assert [len(images) for images in first] == [4, 2]
    np.testing.assert_array_equal(first[1], second[1])
    alone = gather(photos(folder / "4.jpg", 32, 1, **VALIDATION))
    np.testing.assert_array_equal(first[1][0], alone[0])


def test_number_of_batches_is_known(folder):
    def cardinality(**options):
        return int(photos(folder, 32, 4, **options).cardinality())

    assert cardinality() == 1
    assert cardinality(drop_remainder=False) == 2
    assert cardinality(repeat=True) == tf.data.INFINITE_CARDINALITY
    assert sum(1 for _ in photos(folder, 32, 4, repeat=True).take(5)) == 5


def without_tables(path):
    """The file's bytes: whole by its frame, but with Huffman tables no decoder takes."""
    content = bytearray(path.read_bytes())
    tables = content.index(b"\xff\xc4") + 5
    content[tables : tables + 16] = b"\xff" * 16
    return content


def test_damaged_files_are_skipped_counted_and_named_once(folder, caplog):
    content = (folder / "2.jpg").read_bytes()
    (folder / "2.jpg").write_bytes(content[: len(content) // 2])
    (folder / "notes.png").write_text("no picture")
    (folder / "3.jpg").write_bytes(without_tables(folder / "3.jpg"))
    log = SkipLog()
    dataset = photos(folder, image_size=32, batch_size=7, log=log)
    for _ in range(2):
        assert [len(images) for images in dataset] == [7]
    assert log.count == len(log.reasons) == 3
    for name in ("2.jpg", "3.jpg", "notes.png"):
        assert sum(name in record.getMessage() for record in caplog.records) == 1


def test_photo_that_is_damaged_between_two_passes_is_skipped(folder):
    log = SkipLog()
    dataset = photos(folder, image_size=32, batch_size=6, log=log)
    assert [len(images) for images in dataset] == [6]
    assert log.count == 0
    (folder / "3.jpg").write_bytes(without_tables(folder / "3.jpg"))
    assert [len(images) for images in dataset] == [6]
    assert list(log.reasons) == [str(folder / "3.jpg")]


def test_photos_that_vanish_all_end_the_stream_with_their_reason(folder):
    dataset = photos(folder, image_size=32, batch_size=3)
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(tf.errors.OpError, match="None of the photos can be decoded"):
        gather(dataset)


def test_what_other_streams_left_out_does_not_count(folder, tmp_path_factory):
    others = tmp_path_factory.mktemp("others")
    Image.fromarray(gradient(40, 40)).save(others / "sound.png")
    log = SkipLog()
    for index in range(6):
        (others / f"{index}.png").write_text("no picture")
    list(photos(others, image_size=32, batch_size=1, log=log))
    assert log.count == 6
    (folder / "2.jpg").write_text("no picture")
    dataset = photos(folder, image_size=32, batch_size=6, log=log)
    assert [len(images) for images in dataset] == [6]


def test_odd_file_names_are_read(folder):
    (folder / "0.jpg").rename(folder / "päper 本 #1.jpg")
    assert len(gather(photos(folder, 32, 6))) == 6


def test_sources_without_a_batch_of_photos_are_refused_at_once(folder, tmp_path_factory):
    with pytest.raises(ValueError, match=r"Lower `batch_size`.*6 photos, batch_size=7"):
        photos(folder, batch_size=7)
    with pytest.raises(FileNotFoundError, match=r"nothing of this name.*gone"):
        photos(folder / "gone")
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(ValueError, match=r"holds no photos.*Received"):
        photos(empty)
    (empty / "a.jpg").write_text("no picture")
    with pytest.raises(ValueError, match=r"none can.*must name a picture.*1 files"):
        photos(empty, batch_size=1)


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"image_size": 0}, "at least 1.*image_size=0"),
        ({"batch_size": -1}, "at least 1.*batch_size=-1"),
        ({"crop": "middle"}, "random.*centre.*crop='middle'"),
        ({"min_scale": 1.5}, "at most 1.*min_scale=1.5"),
    ],
)
def test_arguments_out_of_bounds_are_refused(options, advice, folder):
    with pytest.raises(ValueError, match=advice):
        photos(folder, **options)
