"""Photos on disk become batches of images, whatever the files are like."""

import keras
import numpy as np
import pytest
from PIL import Image

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow only"
)

from keras_inpaint.data import SkipLog, photos  # noqa: E402


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


def test_batches_are_float_images_in_range(folder):
    dataset = photos(folder, image_size=32, batch_size=4)
    spec = dataset.element_spec
    assert (tuple(spec.shape), spec.dtype) == ((4, 32, 32, 3), tf.float32)
    (images,) = list(dataset)
    assert images.shape == (4, 32, 32, 3)
    assert -1 <= images.numpy().min() < -0.1 < 0.1 < images.numpy().max() <= 1


def test_damaged_files_are_skipped_counted_and_named_once(folder, caplog):
    content = (folder / "2.jpg").read_bytes()
    (folder / "2.jpg").write_bytes(content[: len(content) // 2])
    (folder / "notes.png").write_text("no picture")
    log = SkipLog()
    dataset = photos(folder, image_size=32, batch_size=7, log=log)
    for _ in range(2):
        assert [len(images) for images in dataset] == [7]
    assert log.count == 2
    for name in ("2.jpg", "notes.png"):
        assert sum(name in record.getMessage() for record in caplog.records) == 1
