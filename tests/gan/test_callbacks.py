"""Sheets are drawn at their steps and show what they say."""

import keras
import numpy as np
import pytest
from gan.tiny import TinyCritic

from keras_inpaint.gan import InpaintingGAN, PictureSheets
from keras_inpaint.losses import HingeObjective
from keras_inpaint.masks import Boxes, Mosaic
from keras_inpaint.models import Generator
from keras_inpaint.ops.mosaic import mosaic
from keras_inpaint.ops.offset_colors import offset_colors
from keras_inpaint.pictures import read_picture, sheet

SIZE = 32
GAP = 4
COLUMNS = ("true", "corrupted", "coarse", "completed", "offsets")


class Filler(keras.Model):
    """Fills every hole with the same, and counts steps; trains as quickly as can be."""

    def __init__(self):
        super().__init__()
        self.steps = self.add_weight(shape=(), dtype="int32", trainable=False, name="steps")
        self.corruption = None
        self.built = True

    @property
    def num_steps(self):
        return int(keras.ops.convert_to_numpy(self.steps.value))

    def call(self, inputs, training=False):
        images, masks = inputs["images"], inputs["masks"]
        return {
            "coarse": 0 * images - 0.5,
            "refined": 0 * images,
            "completed": images * (1 - masks),
            "offsets": OFFSETS + keras.ops.cast(0 * images[:, ::8, ::8, :2], "int32"),
        }


OFFSETS = np.stack(np.meshgrid(np.arange(4), np.arange(-2, 2)), axis=-1).astype("int32")


@pytest.fixture
def images(rng):
    return rng.uniform(-1, 1, size=(2, SIZE, SIZE, 3)).astype("float32")


@pytest.fixture
def masks():
    masks = np.zeros((2, SIZE, SIZE, 1), "float32")
    masks[:, 8:24, 4:20] = 1
    return masks


def as_bytes(images):
    return np.rint((np.asarray(images) + 1) * 127.5).astype("uint8")


def columns_of(path, num):
    """The pictures of a sheet, a column each, its title cut off."""
    pixels = read_picture(path).pixels
    height = num * SIZE + (num - 1) * GAP
    body = pixels[-height:]
    return {
        name: np.stack(
            [
                body[row : row + SIZE, column : column + SIZE]
                for row in range(0, height, SIZE + GAP)
            ]
        )
        for name, column in zip(COLUMNS, range(0, pixels.shape[1], SIZE + GAP), strict=True)
    }


def test_a_sheet_shows_true_corrupted_coarse_completed_and_offsets(images, masks, tmp_path):
    model = Filler()
    sheets = PictureSheets(images, masks, tmp_path / "sheets", every=5)
    sheets.set_model(model)
    sheets.draw(1000)
    shown = columns_of(tmp_path / "sheets" / "step-000001000.png", 2)
    np.testing.assert_array_equal(shown["true"], as_bytes(images))
    blank = np.where(masks > 0, 0, images)
    np.testing.assert_array_equal(shown["corrupted"], as_bytes(blank))
    np.testing.assert_array_equal(shown["coarse"], np.full_like(shown["coarse"], 64))
    np.testing.assert_array_equal(shown["completed"], as_bytes(blank))
    colors = as_bytes(keras.ops.convert_to_numpy(offset_colors(OFFSETS[None])))
    expected = np.repeat(np.repeat(colors, 8, axis=1), 8, axis=2)
    np.testing.assert_array_equal(shown["offsets"][1:], expected)

    model.corruption = Mosaic(4)
    sheets.draw(7)
    shown = columns_of(tmp_path / "sheets" / "step-000000007.png", 2)
    tiles = keras.ops.convert_to_numpy(mosaic(images, masks, 4))
    np.testing.assert_array_equal(shown["corrupted"], as_bytes(tiles))


def test_titles_name_the_columns(images, masks, tmp_path):
    sheets = PictureSheets(images, masks, tmp_path, every=5)
    sheets.set_model(Filler())
    sheets.draw(1)
    pixels = read_picture(tmp_path / "step-000000001.png").pixels
    blank = np.zeros((2 * SIZE + GAP, SIZE, 3), "uint8")
    titled = sheet([[blank] * 5], titles=COLUMNS)
    np.testing.assert_array_equal(pixels[: len(titled) - len(blank)], titled[: -len(blank)])


def test_networks_that_copy_nothing_have_sheets_without_that_column(
    images, masks, tmp_path, monkeypatch
):
    model = Filler()
    sheets = PictureSheets(images, masks, tmp_path, every=5)
    sheets.set_model(model)
    outputs = model.predict_on_batch({"images": images, "masks": masks})
    del outputs["offsets"]
    monkeypatch.setattr(model, "predict_on_batch", lambda batch: outputs)
    sheets.draw(1)
    width = read_picture(tmp_path / "step-000000001.png").pixels.shape[1]
    assert width == 4 * SIZE + 3 * GAP


def test_sheets_are_drawn_at_multiples_whatever_an_epoch_or_an_execution_holds(
    images, masks, tmp_path, monkeypatch
):
    model = Filler()
    sheets = PictureSheets(images, masks, tmp_path, every=4)
    sheets.set_model(model)
    drawn = []
    monkeypatch.setattr(sheets, "draw", drawn.append)
    # A training of which six steps were made; the first epoch has three, one by one, the
    # second eleven, by twos.
    for first, begins, last in ((6, [0, 1, 2], 9), (9, [0, 2, 4, 6, 8, 10], 20)):
        model.steps.assign(first)
        sheets.on_epoch_begin(0)
        for begin in begins:
            sheets.on_train_batch_begin(begin)
        model.steps.assign(last)
        sheets.on_epoch_end(0)
    # The steps that end the executions in which 8, 12, 16 and 20 lie.
    assert drawn == [8, 13, 17, 20]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="JAX takes a minute to compile it"
)
def test_fit_draws_what_the_network_makes_of_the_pictures(images, masks, tmp_path):
    generator = Generator.deepfill_v2(width=4)
    gan = InpaintingGAN(generator, TinyCritic(), HingeObjective(), Boxes(16, 16, jitter=2))
    gan.compile(run_eagerly=True)
    sheets = PictureSheets(images, masks, tmp_path, every=2)
    gan.fit(images, batch_size=1, verbose=0, callbacks=[sheets])
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000002.png"]
    shown = columns_of(tmp_path / "step-000000002.png", 2)
    completed = gan.predict_on_batch({"images": images, "masks": masks})["completed"]
    np.testing.assert_array_equal(shown["completed"], as_bytes(completed))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"every": 0}, "at least 1. Received: every=0"),
        ({"images": np.zeros((0, 8, 8, 3))}, r"at least one.*\(0, 8, 8, 3\) and \(2, 32"),
        ({"masks": np.zeros((2, 32, 32))}, r"\(2, 32, 32, 3\) and \(2, 32, 32\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused(images, masks, tmp_path, changes, message):
    arguments = {"images": images, "masks": masks, "folder": tmp_path, **changes}
    with pytest.raises(ValueError, match=message):
        PictureSheets(**arguments)
