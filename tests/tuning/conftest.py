"""Photos, settings of tiny trials, and trials that are only pretended."""

import gc
import math
import pathlib

import keras
import pytest
from PIL import Image

import keras_inpaint
from keras_inpaint.training import Settings
from keras_inpaint.tuning import InpaintingHyperModel

PHOTO = pathlib.Path(keras_inpaint.__file__).parent / "pictures" / "examples" / "photo.jpg"
collect_ignore_glob = [] if keras.backend.backend() == "tensorflow" else ["test_*.py"]


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Five squares of the bundled photo: four to learn from, one to measure on."""
    folder = tmp_path_factory.mktemp("photos")
    with Image.open(PHOTO) as photo:
        for number in range(5):
            square = photo.crop((20 * number, 0, 20 * number + 120, 120))
            square.resize((40, 40)).save(folder / f"{number}.png")
    return str(folder)


@pytest.fixture
def settings(photos, tmp_path):
    return Settings(
        photos,
        str(tmp_path / "search"),
        width=8,
        critic_width=4,
        image_size=32,
        batch_size=2,
        steps=2,
        save_every=1,
    )


@pytest.fixture
def pretended(monkeypatch):
    """Trials without a network: the nearer `adversarial` is to 0.3, the better.

    `pretended` lists the numbers of each; a function in `pretended.before` is called first.
    """
    trials = Trials()

    def fit(self, hp, model, *args, **kwargs):
        numbers = {each.name: each.draw(hp) for each in self.ranges}
        trials.append(numbers)
        trials.before(numbers)
        trials.epochs.append((kwargs.get("initial_epoch", 0), kwargs.get("epochs")))
        distance = abs(math.log10(numbers["adversarial"] / 0.3))
        return {"val_hole_l1": distance, "val_psnr": 20 - distance, "hole_loss": 1.0}

    def build(self, hp):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(loss="mse")
        return model

    # Which would take most of the time.
    monkeypatch.setattr(gc, "collect", lambda: 0)
    monkeypatch.setattr(InpaintingHyperModel, "fit", fit)
    monkeypatch.setattr(InpaintingHyperModel, "build", build)
    return trials


class Trials(list):
    def __init__(self):
        super().__init__()
        self.epochs = []

    def before(self, numbers):
        """Called before a trial is measured."""
