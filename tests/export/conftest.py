"""A small untrained network, exported once: what it paints does not matter here."""

import keras
import numpy as np
import pytest

from keras_inpaint import Inpainter, export_saved_model
from keras_inpaint.models import Generator

# Of attention, in bytes: most pictures of these tests fit into it, the largest does not.
MEMORY = 2**27


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/export/" in item.path.as_posix():
            item.add_marker(
                pytest.mark.skipif(
                    keras.backend.backend() != "tensorflow", reason="TensorFlow only"
                )
            )


@pytest.fixture(scope="session")
def inpainter():
    keras.utils.set_random_seed(0)
    generator = Generator.deepfill_v2(width=4, attention={"memory": MEMORY})
    return Inpainter(generator, image_size=64)


@pytest.fixture(scope="session")
def version(inpainter, tmp_path_factory):
    """The folder of an exported version."""
    return export_saved_model(inpainter, tmp_path_factory.mktemp("models") / "untrained")


@pytest.fixture(scope="session")
def signatures(version):
    tf = pytest.importorskip("tensorflow")
    loaded = tf.saved_model.load(version)
    # The functions do not keep the variables alive.
    yield loaded.signatures
    del loaded


@pytest.fixture(scope="session")
def make_pictures():
    """`make_pictures(num, height, width)`: photos of slopes and noise, and masks, in bytes."""

    def make(num, height, width):
        rng = np.random.default_rng((num, height, width))
        slopes = np.add.outer(np.arange(height), np.arange(width))[..., None] % 200
        photos = (slopes + rng.integers(0, 56, (num, height, width, 3))).astype("uint8")
        masks = np.zeros((num, height, width, 1), "uint8")
        for index, mask in enumerate(masks):
            mask[height // 4 : height // 2 + index, width // 3 : width // 2] = 255
            mask[-7:, : 9 + index] = 128
            mask[:3, -9:] = 127
        return photos, masks

    return make


class Echo(keras.Model):
    """Predicts what it sees, by weights that it has from its first picture on."""

    channels, size_multiple = 3, 8

    def __init__(self):
        super().__init__()
        self.same = keras.layers.Dense(3, use_bias=False, kernel_initializer="identity")

    def call(self, inputs):
        return {"refined": self.same(inputs["corrupted"])}


@pytest.fixture
def echo():
    return Echo()
