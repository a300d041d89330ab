"""Names that have moved are found where they were, for one release, with a warning."""

import importlib
import pathlib
import re

import pytest

MIGRATION = pathlib.Path(__file__).parents[2] / "docs" / "migration.md"
MOVED = {
    "keras_inpaint.inpainting.FORMAT_VERSION": "keras_inpaint.presets.FORMAT_VERSION",
    "keras_inpaint.inpainting.bundled_presets": "keras_inpaint.presets.bundled_presets",
    "keras_inpaint.inpainting.find_preset": "keras_inpaint.presets.find_preset",
    "keras_inpaint.inpainting.read_metadata": "keras_inpaint.presets.read_metadata",
    "keras_inpaint.inpainting.read_network": "keras_inpaint.presets.read_network",
    "keras_inpaint.inpainting.read_object": "keras_inpaint.presets.read_object",
    "keras_inpaint.inpainting.write_preset": "keras_inpaint.presets.write_preset",
    "keras_inpaint.ops.enlarge_nearest": "keras_inpaint.ops.resampling.upsample_nearest",
    "keras_inpaint.training.InpaintingGAN": "keras_inpaint.gan.InpaintingGAN",
    "keras_inpaint.training.PairedOptimizer": "keras_inpaint.gan.PairedOptimizer",
    "keras_inpaint.training.PictureSheets": "keras_inpaint.gan.PictureSheets",
    # Named by `.keras` files that were written before the move.
    "keras_inpaint.training.inpainting_gan.InpaintingGAN": "keras_inpaint.gan.InpaintingGAN",
}


def found(name):
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_moved_name_is_the_new_one_and_warns(old, new):
    with pytest.warns(DeprecationWarning, match=f"{re.escape(old)} has moved to {new};"):
        assert found(old) is found(new)


def test_a_name_that_never_was_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'InpaintingGun'"):
        found("keras_inpaint.training.InpaintingGun")


@pytest.mark.parametrize("old", MOVED)
def test_the_docs_list_what_has_moved(old):
    text = MIGRATION.read_text(encoding="utf-8")
    module, _, attribute = old.rpartition(".")
    if module.count(".") == 1:
        assert module in text
        assert f"{attribute}`" in text
