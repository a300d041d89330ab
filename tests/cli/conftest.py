"""An untrained preset, made once: what it paints does not matter here."""

import pytest

from keras_inpaint import Inpainter
from keras_inpaint.models import Generator


@pytest.fixture(scope="session")
def preset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "untrained"
    Inpainter(Generator.deepfill_v2(width=8)).save_to_preset(folder)
    return str(folder)
