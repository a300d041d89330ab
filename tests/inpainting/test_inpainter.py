import io
import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

from keras_inpaint import Inpainter
from keras_inpaint.models import Generator
from keras_inpaint.pictures import write_picture


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


SLOPE = np.arange(70, dtype="uint8") * 2 * np.ones((50, 1), "uint8")


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


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
        box(50, 70, "uint8", 2),
        box(50, 70, "int64", 255),
        box(50, 70, "float32", 0.5),
        Image.fromarray(box(50, 70)),
        png(box(50, 70, "uint8")),
    ],
    ids=[
        *("bool", "axis", "ones", "int", "float", "255", "128", "grey", "labels", "int 255"),
        *("half", "pil", "bytes"),
    ],
)
def test_masks_of_every_kind_mean_the_same_hole(photo, mask):
    filled = Inpainter(Painter(1.0)).inpaint(photo, mask)
    np.testing.assert_array_equal(filled, np.where(box(50, 70)[..., None], 255, photo))


@pytest.mark.parametrize("has_hole", [True, False])
def test_pil_image_in_gives_pil_image_out_and_array_gives_array(photo, has_hole):
    hole = Image.fromarray(box(50, 70)) if has_hole else np.zeros((50, 70), bool)
    inpainter = Inpainter(Painter(1.0))
    filled = inpainter.inpaint(Image.fromarray(photo).convert("RGBA"), hole)
    assert isinstance(filled, Image.Image)
    assert filled.mode == "RGB"
    np.testing.assert_array_equal(filled, inpainter.inpaint(photo, hole))
    assert isinstance(inpainter.inpaint(photo, hole), np.ndarray)
    out = np.empty_like(photo)
    assert inpainter.inpaint(Image.fromarray(photo), hole, out=out) is out


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (SLOPE / 255, r"zeros and ones.*values from 0.0 to 0.5"),
        (box(50, 70, "float32", np.nan), r"zeros and ones.*values from nan"),
        (SLOPE, r"unclear.*levels from 0 to 138, .* as in a photograph"),
        (SLOPE // 2, r"unclear.*levels from 0 to 69, all of them at or below 127"),
        (box(70, 50), r"70 x 50 pixels.*turned by 90 degrees.*Received: a mask of 50 x 70"),
        (np.zeros((50, 70, 2), "uint8"), r"one value per pixel.*mask.shape=\(50, 70, 2\)"),
        (np.full((50, 70), "hole"), r"bools, zeros and ones.*mask.dtype=<U4"),
        (None, r"mask_from_alpha=True.*mask=None"),
    ],
    ids=["soft", "nan", "slope", "dark", "turned", "colours", "words", "none"],
)
def test_unclear_mask_is_refused(photo, mask, message):
    with pytest.raises(ValueError, match=message):
        Inpainter(Painter()).inpaint(photo, mask)


@pytest.mark.parametrize("value", [0, 1, 255])
def test_mask_of_one_value_has_no_hole_and_says_so(photo, value):
    inpainter = Inpainter(Painter(1.0))
    with pytest.warns(UserWarning, match=f"has no hole: it holds one value, {value}"):
        filled = inpainter.inpaint(photo, np.full(photo.shape[:2], value, "uint8"))
    np.testing.assert_array_equal(filled, photo)
    # Bools are a program's own: all of the photo is meant.
    assert (inpainter.inpaint(photo, np.ones(photo.shape[:2], bool)) == 255).all()


def test_files_are_filled_as_arrays_are_with_the_options_of_masks(photo, tmp_path):
    alpha = np.where(box(50, 70), 0, 255).astype("uint8")
    cutout = np.dstack([photo, alpha])
    Image.fromarray(cutout).save(tmp_path / "cutout.png")
    inpainter = Inpainter(Painter(1.0))
    expected = np.where(box(50, 70)[..., None], 255, photo)
    for source in (tmp_path / "cutout.png", png(cutout), Image.fromarray(cutout)):
        filled = inpainter.inpaint(source, None, mask_from_alpha=True)
        np.testing.assert_array_equal(filled, expected)
    inverted = inpainter.inpaint(photo, png(box(50, 70)), invert_mask=True)
    assert (inverted[box(50, 70)] == photo[box(50, 70)]).all()
    widened = inpainter.inpaint(photo, box(50, 70), grow=2)
    # The hole begins at row 16 and column 23.
    assert [(widened[row, 30] == 255).all() for row in (13, 14, 15, 16)] == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        (np.zeros((8, 8, 3), "float32"), r"bytes.*photo.dtype=float32"),
        (np.zeros((8, 8, 2), "uint8"), r"\(height, width, 3\).*photo.shape=\(8, 8, 2\)"),
        (["photo.jpg"], r"`inpaint_batch` takes a list.*Received: a list"),
        (np.zeros((0, 8, 3), "uint8"), r"at least one pixel.*photo.shape=\(0, 8, 3\)"),
    ],
    ids=["float", "channels", "list", "empty"],
)
def test_other_photos_are_refused(photo, message):
    with pytest.raises(ValueError, match=message):
        Inpainter(Painter()).inpaint(photo, np.zeros((8, 8), bool))


def test_arrays_are_taken_as_files_of_their_pixels():
    inpainter, colours = Inpainter(Painter(1.0)), np.zeros((8, 8, 4), "uint8")
    colours[2:5, 2:5, :3] = 90
    colours[..., 3] = 255
    colours[1, 1, 3] = 0
    grey = colours[..., 0]
    mask = np.repeat(box(8, 8, "uint8", 255)[..., None], 3, axis=-1)
    for photo in (colours, grey, grey[..., None]):
        filled = inpainter.inpaint(photo, mask)
        assert (filled == inpainter.inpaint(Image.fromarray(np.squeeze(photo)), mask)).all()
        assert filled.shape == (8, 8, 3)
    own = inpainter.inpaint(colours, None, mask_from_alpha=True)
    assert [tuple(place) for place in np.argwhere((own != colours[..., :3]).any(-1))] == [
        (1, 1)
    ]


def test_batch_takes_files_as_one_photo_does(photo, tmp_path):
    write_picture(tmp_path / "photo.png", photo)
    hole = box(50, 70, "uint8", 255)
    files = [str(tmp_path / "photo.png"), Image.fromarray(photo)]
    masks = [png(hole), Image.fromarray(hole)]
    filled = Inpainter(Painter(1.0)).inpaint_batch(files, masks)
    assert (filled == Inpainter(Painter(1.0)).inpaint(photo, hole)).all()
    with pytest.raises(ValueError, match=r"`inpaint`. Received: photos of type str"):
        Inpainter(Painter()).inpaint_batch("photo.jpg", masks)


@pytest.mark.parametrize("generator", ["photos-128", None], ids=repr)
def test_what_is_no_generator_is_refused(generator):
    with pytest.raises(ValueError, match=f"from_preset.*Received: generator={generator!r}"):
        Inpainter(generator)


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


@pytest.mark.parametrize(
    ("level", "way"), [(0.5, "Multiply it by 255.* 0.5"), (77, "Round and")]
)
def test_photos_of_floats_are_refused_with_the_way_to_bytes(level, way):
    photo = np.full((8, 8, 3), level, "float64")
    with pytest.raises(ValueError, match=f"`photo` must hold bytes.* {way}"):
        Inpainter(Painter()).inpaint(photo, box(8, 8))


def test_grey_generator_fills_grey_photos():
    generator = Generator.deepfill_v2(width=8, channels=1)
    photo = np.full((20, 20, 1), 50, "uint8")
    assert Inpainter(generator).inpaint(photo, box(20, 20)).shape == (20, 20, 1)


@pytest.mark.parametrize("method", [None, "whole", "crop", "resize"])
@pytest.mark.parametrize("size", [(1, 1), (3, 700), (300, 400)])
def test_every_method_fills_the_hole_and_nothing_else(rng, method, size):
    photo, mask = rng.integers(0, 200, (*size, 3)).astype("uint8"), box(*size)
    inpainter = Inpainter(Painter(1.0), image_size=64)
    for detail in ("copy", "none"):
        filled = inpainter.inpaint(photo, mask, method, detail=detail)
        np.testing.assert_array_equal(filled[~mask], photo[~mask])
    # Enlarged, white that borders on known pixels is no longer all white.
    assert (filled[mask] > 200).mean() > 0.9


@pytest.mark.parametrize("method", [None, "whole", "crop", "resize"])
def test_photo_that_is_all_hole_is_filled(method):
    photo = np.zeros((90, 150, 3), "uint8")
    inpainter = Inpainter(Painter(1.0), image_size=64)
    assert (inpainter.inpaint(photo, np.ones((90, 150)), method) == 255).all()


def test_large_photo_is_shown_at_the_size_that_the_network_knows():
    painter = Painter(1.0)
    photo, mask = np.zeros((1200, 1500, 3), "uint8"), np.zeros((1200, 1500), bool)
    mask[400:600, 400:600] = True
    Inpainter(painter, image_size=128).inpaint(photo, mask, detail="none")
    # 200 pixels become 64, between margins of 128; 320 divides by 8.
    masks = painter.shown["masks"][0, ..., 0]
    assert masks.shape == (320, 320)
    assert masks[128:192, 128:192].all()
    assert masks.sum() == 64**2


def test_feather_changes_known_pixels_near_the_hole_alone(rng):
    photo, mask = rng.integers(0, 200, (60, 60, 3)).astype("uint8"), np.zeros((60, 60), bool)
    mask[20:40, 20:40] = True
    changed = (Inpainter(Painter(1.0)).inpaint(photo, mask, feather=2) != photo).any(axis=-1)
    assert changed[18:42, 20:40].all()
    assert not changed[:18].any()
    assert not changed[:, 42:].any()


def test_memory_limit_refuses_before_the_network_is_asked(photo):
    painter = Painter()
    with pytest.raises(ValueError, match="memory_limit=1000"):
        Inpainter(painter).inpaint(photo, box(50, 70), memory_limit=1000)
    with pytest.raises(ValueError, match=r"1 photos of 70 x 50 pixels, memory_limit=1000"):
        Inpainter(painter).inpaint_batch([photo], [box(50, 70)], memory_limit=1000)
    assert not hasattr(painter, "shown")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "tile"}, r"whole.*crop.*resize.*method='tile'"),
        ({"detail": "more"}, r"copy.*none.*detail='more'"),
        ({"feather": -1}, "at least 0.*feather=-1"),
        ({"feather": 0.5}, "an int.*feather=0.5"),
        ({"memory_limit": 0}, "at least 1.*memory_limit=0"),
        ({"memory_limit": "2G"}, "counts bytes.*memory_limit='2G'"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_option_out_of_bounds_is_refused(photo, options, message):
    with pytest.raises(ValueError, match=message):
        Inpainter(Painter()).inpaint(photo, np.zeros((50, 70)), **options)


@pytest.mark.parametrize("size", [0, -8, 2.5, "256", True])
def test_image_size_that_is_none_is_refused(size):
    with pytest.raises(ValueError, match=f"image_size={size!r}"):
        Inpainter(Painter(), image_size=size)


def test_threads_get_what_each_would_get_alone(rng):
    generator = Generator.deepfill_v2(width=4)
    tasks = [
        (rng.integers(0, 256, (*size, 3)).astype("uint8"), box(*size))
        for size in [(64, 64), (72, 64)] * 12
    ]
    expected = [Inpainter(generator).inpaint(*task) for task in tasks]
    # Another one, which is compiled while they wait; two inpainters share it.
    twin = Generator.from_config(generator.get_config())
    twin.set_weights(generator.get_weights())
    inpainters = [Inpainter(twin), Inpainter(twin)] * 12
    start = threading.Barrier(6)

    def fill(first):
        start.wait(timeout=60)
        indices = range(first, len(tasks), 6)
        return {index: inpainters[index].inpaint(*tasks[index]) for index in indices}

    with ThreadPoolExecutor(6) as threads:
        filled = {
            index: one for some in threads.map(fill, range(6)) for index, one in some.items()
        }
    for index, one in enumerate(expected):
        np.testing.assert_array_equal(filled[index], one)
