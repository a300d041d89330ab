"""An untrained preset, made once: what it paints does not matter here."""

import functools

import pytest

from keras_inpaint import Inpainter
from keras_inpaint.cli import presets
from keras_inpaint.models import Generator


@pytest.fixture(scope="session")
def preset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "untrained"
    Inpainter(Generator.deepfill_v2(width=8)).save_to_preset(folder)
    return str(folder)


@pytest.fixture(scope="session")
def load_once():
    return functools.cache(presets.load_inpainter)


@pytest.fixture
def quick_loading(load_once, monkeypatch):
    """A preset is loaded, and its network compiled, once for all tests that ask for this."""
    monkeypatch.setattr(presets, "load_inpainter", load_once)
