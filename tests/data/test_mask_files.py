"""Masks on disk are cropped and mirrored like their photos, or drawn from a folder."""

import keras
import numpy as np
import pytest
from PIL import Image

from keras_inpaint.data import PictureDataset, SkipLog, photos


def read_by_pillow(*args, **options):
    """Reads the first batch; what masks mean is decided in one place for both readers."""
    return PictureDataset(*args, **options)[0]


READERS = {"pillow": read_by_pillow}
if keras.backend.backend() == "tensorflow":
    READERS["tensorflow"] = lambda *args, **options: [
        part.numpy() for part in next(iter(photos(*args, **options)))
    ]


@pytest.fixture(params=READERS)
def read(request):
    """Reads the first batch."""
    return READERS[request.param]


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype("uint8")).save(path)


@pytest.fixture
def folders(tmp_path):
    """Black photos with a white patch, each its own, and masks of the patches."""
    for index in range(12):
        patch = np.zeros((60, 80 + index), bool)
        patch[4 * index : 4 * index + 16, 30:] = True
        photo = np.repeat(255 * patch[..., None], 3, axis=-1)
        save(tmp_path / "photos" / f"{index:02}.{('png', 'bmp')[index % 2]}", photo)
        save(tmp_path / "masks" / f"{index:02}.png", 255 * patch)
    return tmp_path / "photos", tmp_path / "masks"


@pytest.mark.parametrize("size", [32, 96])
def test_a_mask_is_cropped_and_mirrored_like_its_photo(folders, read, size):
    images, masks = read(folders[0], size, 12, masks=folders[1])
    assert masks.shape == (12, size, size, 1)
    assert masks.dtype == np.float32
    assert set(np.unique(masks)) == {0.0, 1.0}
    # Resizing mixes black and white along the patch's edges alone.
    assert np.mean(masks != (images[..., :1] > 0)) < 4 / size
    # Where crops and mirrors were those of another photo, much would differ.
    assert np.mean(masks != np.roll(images[..., :1] > 0, 1, axis=0)) > 8 / size


def test_a_pixel_that_the_hole_touches_is_hole(tmp_path, read):
    save(tmp_path / "photos" / "a.png", np.zeros((64, 64, 3)))
    mask = np.zeros((64, 64))
    mask[:, 33] = 255
    save(tmp_path / "masks" / "a.bmp", mask)
    options = {"crop": "centre", "flip": False, "masks": tmp_path / "masks"}
    _, masks = read(tmp_path / "photos", 16, 1, **options)
    expected = np.zeros((16, 16))
    expected[:, 8] = 1
    np.testing.assert_array_equal(masks[0, ..., 0], expected)


def test_any_mask_goes_with_any_photo_where_they_are_drawn(tmp_path, read):
    for index in range(40):
        save(tmp_path / "photos" / f"{index}.png", np.zeros((40, 50, 3)))
    # Wider than high: the middle is taken; its upper left corner tells left from right.
    for level in range(4):
        mask = np.zeros((16, 24))
        mask[: 4 + level, 4:12] = 255
        save(tmp_path / "masks" / f"mask {level}.png", mask)
    options = {"masks": tmp_path / "masks", "mask_choice": "random"}
    _, masks = read(tmp_path / "photos", 16, 40, **options)
    rows = masks[..., 0].sum(axis=1).max(axis=1).astype(int)
    assert {4, 5, 6, 7} == set(rows)
    assert np.bincount(rows).max() < 24
    is_mirrored = masks[:, 0, 0, 0] == 0
    assert 8 < is_mirrored.sum() < 32
    for mask, row, mirrored in zip(masks[..., 0], rows, is_mirrored, strict=True):
        expected = np.zeros((16, 16))
        expected[:row, :8] = 1
        np.testing.assert_array_equal(mask, expected[:, ::-1] if mirrored else expected)


def test_the_same_seed_draws_the_same_masks(folders, read):
    options = {"masks": folders[1], "mask_choice": "random", "seed": 3}
    first, again = (read(folders[0], 32, 12, **options)[1] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = read(folders[0], 32, 12, **{**options, "seed": 4})[1]
    assert (first != other).any()


@pytest.mark.parametrize("choice", ["paired", "random"])
def test_a_mask_that_is_none_is_named_and_the_photo_passed_over(folders, read, choice):
    (folders[1] / "03.png").write_text("no picture")
    log = SkipLog()
    options = {"masks": folders[1], "mask_choice": choice, "log": log}
    images, _ = read(folders[0], 32, 12, **options)
    assert len(images) == 12
    if choice == "paired":
        assert [path.endswith("03.png") for path in log.reasons] == [True]


def test_masks_that_are_none_do_not_count_as_photos(folders, read):
    (folders[0] / "02.png").write_text("no picture")
    for index in range(8, 12):
        (folders[0] / f"{index:02}.{('png', 'bmp')[index % 2]}").unlink()
        (folders[1] / f"{index:02}.png").write_text("no picture")
    for index in range(5):
        (folders[1] / f"{index:02}.png").write_text("no picture")
    options = {"masks": folders[1], "mask_choice": "random", "shuffle": False}
    images, _ = read(folders[0], 32, 8, **options)
    assert len(images) == 8


def test_a_mask_of_another_size_is_named_with_both_sizes(folders, read):
    save(folders[1] / "03.png", np.zeros((10, 20)))
    log = SkipLog()
    read(folders[0], 32, 12, masks=folders[1], log=log)
    (reason,) = log.reasons.values()
    assert "83 x 60 pixels" in reason
    assert "of 20 x 10" in reason


def test_masks_that_are_all_of_another_size_are_refused_at_once(folders):
    for path in folders[1].iterdir():
        save(path, np.zeros((10, 20)))
    with pytest.raises(ValueError, match=r"None of the masks.* x 60 .*Received: 12 masks"):
        photos(folders[0], 32, 4, masks=folders[1])


def test_a_photo_without_a_mask_is_named(folders):
    (folders[1] / "05.png").unlink()
    with pytest.raises(ValueError, match=r"1 photos without, the first one .*05\.bmp"):
        photos(folders[0], 32, 4, masks=folders[1])


def test_a_choice_of_masks_that_is_none_is_refused(folders):
    with pytest.raises(ValueError, match="Received: mask_choice='both'"):
        photos(folders[0], 32, 4, masks=folders[1], mask_choice="both")


def test_a_mask_of_one_value_is_named_once_and_its_photo_used(folders, caplog):
    save(folders[1] / "03.png", np.full((60, 83), 255))
    images, masks = read_by_pillow(folders[0], 32, 12, masks=folders[1], shuffle=False)
    assert len(images) == 12
    assert not masks[3].any()
    told = [record.getMessage() for record in caplog.records]
    assert sum("03.png has no hole: it holds one value, 255" in line for line in told) == 1


@pytest.mark.parametrize("values", [(0, 1), (0, 255), (3, 90), (140, 250)])
def test_two_values_of_a_mask_are_read_for_what_they_mean(folders, values):
    for path in folders[1].iterdir():
        with Image.open(path) as image:
            pixels = np.asarray(image)
        save(path, np.where(pixels > 0, values[1], values[0]))
    images, masks = read_by_pillow(folders[0], 64, 12, masks=folders[1])
    assert np.mean(masks != (images[..., :1] > 0)) < 4 / 64


def test_a_photograph_among_the_masks_is_named_and_passed_over(folders, rng):
    save(folders[1] / "03.png", rng.integers(0, 256, (60, 83, 3)))
    log = SkipLog()
    read_by_pillow(folders[0], 32, 11, masks=folders[1], log=log)
    assert ["photograph" in reason for reason in log.reasons.values()] == [True]


def test_options_of_masks_are_those_of_read_mask(folders):
    options = {"masks": folders[1], "crop": "centre", "flip": False, "shuffle": False}
    _, masks = read_by_pillow(folders[0], 60, 12, **options)
    _, others = read_by_pillow(folders[0], 60, 12, mask_options={"invert": True}, **options)
    np.testing.assert_array_equal(masks + others, 1)
    _, wider = read_by_pillow(folders[0], 60, 12, mask_options={"grow": 2}, **options)
    assert (wider >= masks).all()
    assert wider.sum() > masks.sum()
    with pytest.raises(ValueError, match="Received: mask_options with 'inverted'"):
        photos(folders[0], 60, 12, masks=folders[1], mask_options={"inverted": True})


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        ({"max_pixels": 60 * 86}, "max_pixels"),
        ({"memory_limit": 2**25 + 60 * 86 * 7}, "memory_limit"),
    ],
)
def test_no_photo_or_mask_over_the_limits_is_read(folders, read, limits, name):
    # 12 photos of 80 to 91 columns: the first seven are within.
    log = SkipLog()
    images, _ = read(folders[0], 32, 12, masks=folders[1], log=log, shuffle=False, **limits)
    assert len(images) == 12
    assert len(log.reasons) == 5
    assert all(f"`{name}`" in reason for reason in log.reasons.values())
    save(folders[1] / "large.png", np.zeros((300, 300)))
    with pytest.raises(ValueError, match=rf"None of the masks.*`{name}`"):
        photos(
            folders[0], 32, 4, masks=[folders[1] / "large.png"], mask_choice="random", **limits
        )


def test_limits_that_are_none_are_refused(folders):
    for limits in ({"max_pixels": 0}, {"memory_limit": "2G"}):
        (given,) = limits.items()
        with pytest.raises(ValueError, match=f"Received: {given[0]}={given[1]!r}"):
            photos(folders[0], 32, 4, **limits)


def test_options_of_masks_without_masks_are_refused(folders):
    with pytest.raises(ValueError, match=r"Give masks.*'grow': 2"):
        photos(folders[0], 32, 4, mask_options={"grow": 2})


def test_the_output_of_a_run_is_no_photo(folders, tmp_path):
    save(tmp_path / "photos/run/sheet.png", np.zeros((60, 80)))
    log = SkipLog()
    stream = PictureDataset(
        folders[0], 32, 12, log=log, leave_out=[tmp_path / "photos/run"], shuffle=False
    )
    assert stream.num_batches == 1
    assert log.left_out == {
        "of the output or the masks": [str(tmp_path / "photos/run/sheet.png")]
    }
