"""`Inpainter.from_saved_model`: the windows, feathering and limits of a preset, without one."""

import json
import shutil

import numpy as np
import pytest

from keras_inpaint import Inpainter
from keras_inpaint.inpainting.exported import DESCRIPTION_FILE, write_description
from keras_inpaint.inpainting.memory import estimate_memory
from keras_inpaint.masks import Mosaic


@pytest.fixture(scope="module")
def exported(version):
    return Inpainter.from_saved_model(version)


@pytest.mark.parametrize("size", [(64, 64), (70, 93)])
def test_batches_are_filled_as_by_the_preset(inpainter, exported, make_pictures, size):
    photos, masks = make_pictures(2, *size)
    holes = masks > 127
    wanted = inpainter.inpaint_batch(photos, holes).astype(int)
    filled = exported.inpaint_batch(photos, holes)
    assert np.abs(filled - wanted).max() <= 1
    np.testing.assert_array_equal(filled[~holes[..., 0]], photos[~holes[..., 0]])


def test_photos_are_filled_window_by_window_with_a_feather(inpainter, exported, make_pictures):
    (photo,), (mask,) = make_pictures(1, 200, 330)
    arguments = {"method": "crop", "feather": 5}
    wanted = inpainter.inpaint(photo, mask > 127, **arguments).astype(int)
    assert np.abs(exported.inpaint(photo, mask > 127, **arguments) - wanted).max() <= 1


def test_it_knows_its_name_its_size_and_what_memory_it_takes(inpainter, exported, version):
    assert exported.name == version.parent.name
    assert exported.image_size == inpainter.image_size == 64
    for size in ((64, 64), (1000, 800)):
        mine, theirs = (estimate_memory(each.generator, size) for each in (exported, inpainter))
        assert mine == theirs


def test_an_export_of_an_earlier_version_is_read_without_its_description(
    version, tmp_path, make_pictures
):
    old = tmp_path / "old" / "1"
    shutil.copytree(version, old)
    (old / DESCRIPTION_FILE).unlink()
    known = Inpainter.from_saved_model(old)
    assert (known.image_size, known.corruption) == (None, None)
    photos, masks = make_pictures(1, 64, 64)
    assert known.inpaint_batch(photos, masks > 127).shape == photos.shape


def test_a_preset_that_sees_its_holes_says_so(inpainter, tmp_path):
    seeing = Inpainter(inpainter.generator, "mosaics", 64, Mosaic(4))
    write_description(seeing, tmp_path)
    assert json.loads((tmp_path / DESCRIPTION_FILE).read_text())["is_blanked"] is False


def test_a_damaged_description_is_named(version, tmp_path):
    damaged = tmp_path / "damaged" / "1"
    shutil.copytree(version, damaged)
    (damaged / DESCRIPTION_FILE).write_text("{")
    with pytest.raises(ValueError, match=r"The export is damaged.*damaged"):
        Inpainter.from_saved_model(damaged)


@pytest.mark.parametrize("name", ["", "missing"])
def test_what_is_no_version_is_refused(version, name):
    with pytest.raises(ValueError, match=r"must be one version of an exported model"):
        Inpainter.from_saved_model(version.parent / name)
