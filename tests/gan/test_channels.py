"""Images of other channels than red, green and blue."""

import keras
import numpy as np
import pytest
from gan.tiny import QUICKLY
from PIL import Image

from keras_inpaint import Inpainter, InpaintingGAN, evaluate
from keras_inpaint.data import PictureDataset, photos
from keras_inpaint.models import Generator
from keras_inpaint.training import Settings
from keras_inpaint.training.building import build

SIZE = 32


@pytest.mark.parametrize(("architecture", "channels"), [("deepfill_v1", 1), ("deepfill_v2", 5)])
def test_both_architectures_train_on_any_number(architecture, channels, rng, tmp_path):
    make = getattr(InpaintingGAN, architecture)
    gan = make(width=4, image_size=SIZE, critic_width=2, channels=channels)
    assert (gan.generator.channels, gan.critic.channels) == (channels, channels)
    gan.compile(**QUICKLY)
    images = rng.uniform(-1, 1, (2, SIZE, SIZE, channels)).astype("float32")
    gan.fit(images, batch_size=2, verbose=0)
    completed = gan.predict(images, verbose=0)["completed"]
    assert completed.shape == images.shape
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert (loaded.generator.channels, loaded.critic.channels) == (channels, channels)


@pytest.fixture
def folder(rng, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.jpg", "c.bmp"):
        pixels = rng.integers(0, 256, (40, 48, 3), "uint8")
        Image.fromarray(pixels).resize((SIZE, SIZE)).save(folder / name)
    return folder


@pytest.mark.parametrize("make", [photos, PictureDataset], ids=["tensorflow", "pillow"])
def test_grey_images_are_the_brightness_of_photos(make, folder):
    options = {"image_size": SIZE, "batch_size": 1, "shuffle": False, "flip": False}
    batches = make(folder, crop="centre", channels=1, **options)
    num = 3
    found = [np.asarray(batch) for batch, _ in zip(batches, range(num), strict=False)]
    for images, path in zip(found, sorted(folder.iterdir()), strict=True):
        assert images.shape == (1, SIZE, SIZE, 1)
        # Pillow rounds.
        expected = np.asarray(Image.open(path).convert("L"), "float32") / 127.5 - 1
        np.testing.assert_allclose(images[0, ..., 0], expected, atol=1.1 / 127.5)
    with pytest.raises(ValueError, match=r"`channels`.*in arrays. Received: channels=4"):
        make(folder, channels=4, **options)


def test_a_run_trains_grey_networks(tmp_path):
    sizes = {"image_size": SIZE, "width": 4, "critic_width": 2}
    gan = build(Settings("photos", "run", channels=1, **sizes))
    assert (gan.generator.channels, gan.critic.channels) == (1, 1)
    gan.save_to_preset(tmp_path / "preset")
    with pytest.raises(ValueError, match=r"`channels` of this preset is 1.*channels=3"):
        build(Settings("photos", "run", preset=str(tmp_path / "preset"), **sizes))
    for options in ({"channels": 2}, {"channels": 4}):
        with pytest.raises(ValueError, match="`channels` must be 1 or 3"):
            Settings("photos", "run", **options)


@pytest.mark.parametrize("size", [(64, 64), (90, 300)], ids=["whole", "windows"])
def test_grey_photos_are_filled_in_whatever_form_they_come(size, rng, tmp_path):
    inpainter = Inpainter(Generator(4, channels=1), image_size=64)
    inpainter.generator.run_eagerly = QUICKLY["run_eagerly"]
    grey = rng.integers(0, 256, size, "uint8")
    mask = np.zeros(size, bool)
    mask[20:44, 10:40] = True
    expected = inpainter.inpaint(grey[..., None], mask)
    assert expected.shape == (*size, 1)
    np.testing.assert_array_equal(expected[~mask], grey[~mask][:, None])
    rgb = np.repeat(grey[..., None], 3, axis=-1)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    alpha = np.concatenate([rgb, np.full((*size, 1), 255, "uint8")], -1)
    for photo in (grey, rgb, alpha, tmp_path / "grey.png"):
        filled = inpainter.inpaint(photo, mask, detail="copy")
        np.testing.assert_array_equal(filled, np.repeat(expected, 3, axis=-1))
    (filled,) = inpainter.inpaint_batch([rgb], [mask])
    assert filled.shape == rgb.shape
    rgb[3, 4, 1] ^= 1
    with pytest.raises(ValueError, match=r"grey photos alone.*in colour"):
        inpainter.inpaint(rgb, mask)


def test_arrays_of_other_channels_are_filled(rng):
    inpainter = Inpainter(Generator(4, channels=5), image_size=64)
    inpainter.generator.run_eagerly = QUICKLY["run_eagerly"]
    pixels, mask = rng.integers(0, 256, (64, 72, 5), "uint8"), np.zeros((64, 72), bool)
    mask[20:44, 10:40] = True
    filled = inpainter.inpaint(pixels, mask)
    np.testing.assert_array_equal(filled[~mask], pixels[~mask])
    assert (filled != pixels).any()


def test_a_grey_inpainter_is_measured_on_photos_made_grey(rng):
    class Black:
        """Fills with black, and looks at what it is given."""

        name = "black"
        generator = type("Grey", (), {"channels": 1})()

        def inpaint(self, photo, mask):
            assert (photo == photo[..., :1]).all()
            return np.where(np.asarray(mask)[..., None], np.uint8(0), photo)

    colours = rng.integers(0, 256, (1, 64, 64, 3), "uint8")
    found = evaluate(Black(), colours, "boxes").means("black")["hole_l1"]
    grey = np.asarray(Image.fromarray(colours[0]).convert("L"))
    made_grey = np.repeat(grey[None, ..., None], 3, axis=-1)
    expected = evaluate(Black(), made_grey, "boxes").means("black")["hole_l1"]
    # Pillow rounds otherwise.
    assert found == pytest.approx(expected, abs=0.5 / 255)
    assert found > 0.1
