"""A generator that learned to restore mosaics sees them; others see a blank hole."""

import keras
import numpy as np
import pytest

from keras_inpaint import Inpainter
from keras_inpaint.masks import Mosaic
from keras_inpaint.models import Generator


class Echo(keras.Model):
    """Predicts what it sees."""

    channels, size_multiple = 3, 8

    def call(self, inputs):
        return {"refined": inputs["corrupted"]}


@pytest.mark.parametrize("method", ["whole", "crop"])
@pytest.mark.parametrize("corruption", [None, Mosaic(8)])
def test_the_hole_is_shown_where_something_stands_in_it(corruption, method, rng):
    photo = rng.integers(0, 256, (72, 88, 3), "uint8")
    mask = np.zeros((72, 88), bool)
    mask[24:40, 30:46] = True
    inpainter = Inpainter(Echo(), corruption=corruption, image_size=256)
    filled = inpainter.inpaint(photo, mask, method=method)
    expected = photo if corruption else np.where(mask[..., None], 128, photo)
    np.testing.assert_array_equal(filled, expected)


def test_a_preset_remembers_what_stood_in_the_hole(tmp_path):
    for corruption in (None, Mosaic(9)):
        generator = Generator.deepfill_v2(width=4)
        Inpainter(generator, corruption=corruption).save_to_preset(tmp_path / "preset")
        loaded = Inpainter.from_preset(tmp_path / "preset").corruption
        assert loaded is None if corruption is None else loaded.size == 9
