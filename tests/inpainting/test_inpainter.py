import keras
import numpy as np
import pytest
from keras import ops

from keras_inpaint import Inpainter
from keras_inpaint.models import Generator


class Painter(keras.Model):
    """Answers as a generator does: one level everywhere, or what it was shown."""

    channels = 3
    size_multiple = 8

    def __init__(self, level=None):
        super().__init__()
        self.level = level
        self.built = True

    def call(self, inputs):
        corrupted = inputs["corrupted"]
        refined = corrupted if self.level is None else ops.full_like(corrupted, self.level)
        return {"refined": refined}

    def predict_on_batch(self, inputs):
        self.shown = {name: ops.convert_to_numpy(value) for name, value in inputs.items()}
        return {name: ops.convert_to_numpy(value) for name, value in self(inputs).items()}


@pytest.fixture(scope="module")
def inpainter():
    return Inpainter(Generator.deepfill_v2(width=8))


@pytest.fixture
def photo(rng):
    return rng.integers(0, 256, (50, 70, 3)).astype("uint8")


def box(height, width, dtype=bool, hole=1):
    mask = np.zeros((height, width), dtype)
    mask[height // 3 : height // 2 + 1, width // 3 : width // 2 + 1] = hole
    return mask


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (63, 65), (64, 64), (130, 67)])
def test_photo_of_any_size_keeps_its_known_pixels(inpainter, rng, size):
    photo = rng.integers(0, 256, (*size, 3)).astype("uint8")
    mask = box(*size)
    filled = inpainter.inpaint(photo, mask)
    assert filled.dtype == np.uint8
    assert filled.shape == photo.shape
    np.testing.assert_array_equal(filled[~mask], photo[~mask])


def test_every_byte_survives_the_way_to_the_network_and_back():
    # The network repeats what it is shown; the hole is shown as mid-grey.
    photo = np.arange(256, dtype="uint8").repeat(3).reshape(16, 16, 3)
    painter = Painter()
    Inpainter(painter).inpaint(photo, box(16, 16))
    back = np.rint((painter.shown["corrupted"][0, :16, :16] + 1) * 127.5)
    known = ~box(16, 16)
    np.testing.assert_array_equal(back[known], photo[known])
    assert (painter.shown["corrupted"][0, :16, :16][~known] == 0).all()


@pytest.mark.parametrize(
    ("level", "byte"),
    [(-1.5, 0), (-1, 0), (0, 128), (0.0033, 128), (0.5, 191), (1, 255), (2, 255)],
)
def test_prediction_is_rounded_to_the_nearest_byte_and_clipped(level, byte):
    # 0 lies at 127.5, which rounds to even; 0.0033 at 127.92; 0.5 at 191.25.
    photo, mask = np.full((8, 8, 3), 7, "uint8"), box(8, 8)
    filled = Inpainter(Painter(level)).inpaint(photo, mask)
    assert (filled[mask] == byte).all()
    assert (filled[~mask] == 7).all()


def test_photo_is_continued_as_a_mirror_would(photo):
    painter = Painter()
    mask = box(50, 70)
    mask[-1, -1] = True
    Inpainter(painter).inpaint(photo, mask)
    masks, corrupted = painter.shown["masks"][0, ..., 0], painter.shown["corrupted"][0]
    assert masks.shape == (64, 72)
    np.testing.assert_array_equal(masks[50:], masks[36:50][::-1])
    np.testing.assert_array_equal(corrupted[:, 70:], corrupted[:, 68:70][:, ::-1])
    assert masks[50, 70] == 1


def test_photo_without_a_hole_comes_back_as_a_copy_at_once(photo):
    painter = Painter()
    filled = Inpainter(painter).inpaint(photo, np.zeros((50, 70), bool))
    np.testing.assert_array_equal(filled, photo)
    filled[:] = 0
    assert photo.any()
    assert not hasattr(painter, "shown")


@pytest.mark.parametrize(
    "mask",
    [
        box(50, 70),
        box(50, 70)[..., None],
        box(50, 70, "uint8"),
        box(50, 70, "int64"),
        box(50, 70, "float32"),
        box(50, 70, "uint8", 255),
        box(50, 70, "uint8", 128),
        box(50, 70, "uint8", 255) + np.uint8(100) * ~box(50, 70),
    ],
    ids=["bool", "axis", "ones", "int", "float", "255", "128", "grey"],
)
def test_masks_of_every_kind_mean_the_same_hole(photo, mask):
    filled = Inpainter(Painter(1.0)).inpaint(photo, mask)
    np.testing.assert_array_equal(filled, np.where(box(50, 70)[..., None], 255, photo))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (box(50, 70, "float32", 0.5), r"zeros and ones.*values from 0.0 to 0.5"),
        (box(50, 70, "float32", np.nan), r"zeros and ones.*Received: values from nan"),
        (box(50, 70, "int64", 255), r"grey levels as uint8.*to 255"),
        (box(50, 70, "uint8", 2), r"values above 127.*from 0 to 2"),
        (box(70, 50), r"\(50, 70\).*mask.shape=\(70, 50\)"),
        (np.zeros((50, 70, 3), "uint8"), r"one value a pixel.*mask.shape=\(50, 70, 3\)"),
        (np.full((50, 70), "hole"), r"bools, zeros and ones.*mask.dtype=<U4"),
        (None, r"mask.shape=\(\)"),
    ],
    ids=["soft", "nan", "int", "labels", "turned", "colours", "words", "none"],
)
def test_unclear_mask_is_refused(photo, mask, message):
    with pytest.raises(ValueError, match=message):
        Inpainter(Painter()).inpaint(photo, mask)


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        (np.zeros((8, 8, 3), "float32"), r"bytes.*photo.dtype=float32"),
        (np.zeros((8, 8), "uint8"), r"\(height, width, 3\).*photo.shape=\(8, 8\)"),
        (np.zeros((8, 8, 4), "uint8"), r"\(height, width, 3\).*photo.shape=\(8, 8, 4\)"),
        (np.zeros((0, 8, 3), "uint8"), r"at least one pixel.*photo.shape=\(0, 8, 3\)"),
    ],
    ids=["float", "grey", "alpha", "empty"],
)
def test_other_photos_are_refused(photo, message):
    with pytest.raises(ValueError, match=message):
        Inpainter(Painter()).inpaint(photo, np.zeros((8, 8), bool))


def test_batch_is_filled_as_its_photos_one_by_one(inpainter, rng):
    photos = rng.integers(0, 256, (2, 64, 64, 3)).astype("uint8")
    masks = [box(64, 64, "uint8", 255), box(64, 64, "uint8")[::-1]]
    filled = inpainter.inpaint_batch(photos, masks)
    for alone, photo, mask in zip(filled, photos, masks, strict=True):
        # The order of sums differs with the batch, by far less than a byte.
        difference = alone.astype(int) - inpainter.inpaint(photo, mask)
        assert abs(difference).max() <= 1


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([], r"at least one photo.*shapes \[\]"),
        ([(8, 8), (8, 9)], r"all of one size.*\(8, 8, 3\), \(8, 9, 3\)"),
        ([(8, 8)] * 2, r"2 photos, 1 masks"),
    ],
    ids=["none", "sizes", "masks"],
)
def test_batch_of_unequal_parts_is_refused(sizes, message):
    photos = [np.zeros((*size, 3), "uint8") for size in sizes]
    with pytest.raises(ValueError, match=message):
        Inpainter(Painter()).inpaint_batch(photos, [np.zeros((8, 8), bool)])


def test_grey_generator_fills_grey_photos():
    generator = Generator.deepfill_v2(width=8, channels=1)
    photo = np.full((20, 20, 1), 50, "uint8")
    assert Inpainter(generator).inpaint(photo, box(20, 20)).shape == (20, 20, 1)
