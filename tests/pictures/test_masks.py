"""What a mask means, whatever kind of file or array it is."""

import io
import pathlib

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from keras_inpaint.pictures import read_mask
from keras_inpaint.pictures.masks import check_mask_size, find_holes, grown, stored_orientation

CASES = pathlib.Path(__file__).parents[1] / "cases"
HOLE = np.zeros((48, 64), bool)
HOLE[12:30, 20:44] = True


def two(darker, brighter, dtype="uint8"):
    return np.where(HOLE[..., None] if np.ndim(darker) else HOLE, brighter, darker).astype(
        dtype
    )


def palette(*colours, index=HOLE):
    image = Image.fromarray(index.astype("uint8"), "P")
    image.putpalette(np.ravel(colours).astype("uint8").tobytes())
    return image


def inverted_palette():
    return palette((200, 200, 200), (10, 0, 0), index=~HOLE)


def strokes(width=8, soft=0.0, ground=0, ink=255):
    """Antialiased strokes, as painting programs draw them, and where they are."""
    image = Image.new("L", (4 * 96, 4 * 64), ground)
    draw = ImageDraw.Draw(image)
    draw.line([(40, 40), (300, 200), (340, 60)], fill=ink, width=4 * width, joint="curve")
    image = image.resize((96, 64), Image.Resampling.BOX)
    return image.filter(ImageFilter.GaussianBlur(soft)) if soft else image


def encoded(image, kind, **options):
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()


# All of them mark HOLE.
TWO_VALUES = {
    "0 and 255": encoded(two(0, 255), "PNG"),
    "0 and 1": encoded(two(0, 1), "PNG"),
    "0 and 2": encoded(two(0, 2), "PNG"),
    "40 and 90": encoded(two(40, 90), "PNG"),
    "200 and 255": encoded(two(200, 255), "PNG"),
    "1 bit": encoded(Image.fromarray(HOLE), "PNG"),
    "1 bit tiff": encoded(Image.fromarray(HOLE), "TIFF"),
    "16 bits, 0 and 1": encoded(two(0, 1, "uint16"), "PNG"),
    "16 bits, 0 and 65535": encoded(two(0, 65535, "uint16"), "PNG"),
    "16 bits of tiff, 3 and 300": encoded(two(3, 300, "uint16"), "TIFF"),
    "32 bits, 0 and 1": encoded(two(0, 1, "int32"), "TIFF"),
    "floats, 0 and 1": encoded(two(0, 1, "float32"), "TIFF"),
    "floats, 0 and 0.5": encoded(two(0, 0.5, "float32"), "TIFF"),
    "palette of labels": encoded(palette((0, 0, 0), (128, 0, 0)), "PNG"),
    "palette the other way round": encoded(inverted_palette(), "PNG"),
    "palette gif": encoded(palette((0, 0, 0), (255, 255, 255)), "GIF"),
    "red on black": encoded(two((0, 0, 0), (255, 0, 0)), "PNG"),
    "green on blue": encoded(two((0, 0, 255), (0, 255, 0)), "BMP"),
    "white on red": encoded(two((255, 0, 0), (255, 255, 255)), "WEBP", lossless=True),
    "grey and opaque alpha": encoded(
        Image.fromarray(np.dstack([two(0, 255), np.full(HOLE.shape, 255, "uint8")]), "LA"),
        "PNG",
    ),
    "red strokes on an empty layer": encoded(
        np.dstack([two((0, 0, 0), (255, 0, 0)), two(0, 255)]), "PNG"
    ),
    "black strokes on an empty layer": encoded(
        np.dstack([two((255, 255, 255), (0, 0, 0)), two(0, 255)]), "PNG"
    ),
    "transparent palette": encoded(palette((0, 0, 0), (90, 20, 20)), "PNG", transparency=0),
}


@pytest.mark.parametrize("kind", TWO_VALUES)
def test_of_two_values_the_brighter_is_the_hole(kind):
    np.testing.assert_array_equal(read_mask(TWO_VALUES[kind]), HOLE)
    np.testing.assert_array_equal(read_mask(TWO_VALUES[kind], invert=True), ~HOLE)


ARRAYS = {
    "bools": HOLE,
    "zeros and ones": HOLE.astype("uint8"),
    "floats": HOLE.astype("float32"),
    "labels": 7 * HOLE.astype("int64"),
    "an axis more": two(0, 255)[..., None],
    "grey": Image.fromarray(two(0, 255)),
    "1 bit": Image.fromarray(HOLE),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_and_images_mean_what_files_do(kind):
    np.testing.assert_array_equal(read_mask(ARRAYS[kind]), HOLE)


def levels(*values):
    return np.array([values], "uint8")


@pytest.mark.parametrize("quality", [None, 90, 75, 50], ids=lambda value: f"quality {value}")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"width": 1},
        {"soft": 1.5},
        {"soft": 3.0},
        {"soft": 5.0, "width": 16},
        {"ground": 20, "ink": 180},
        {"ground": 100, "ink": 160},
    ],
    ids=lambda options: (
        " ".join(f"{key} {value}" for key, value in options.items()) or "strokes"
    ),
)
def test_soft_edges_and_jpeg_are_split_at_127(options, quality):
    image = strokes(**options)
    if quality:
        image = Image.open(io.BytesIO(encoded(image, "JPEG", quality=quality)))
    np.testing.assert_array_equal(read_mask(image), np.asarray(image) > 127)


def test_few_levels_are_split_at_127():
    assert read_mask(levels(0, 127, 128, 255)).tolist() == [[0, 0, 1, 1]]
    assert read_mask(levels(0, 127, 128, 255), invert=True).tolist() == [[1, 1, 0, 0]]
    deep = np.array([[0, 32639, 32896, 65535]], "uint16")
    assert read_mask(encoded(deep, "PNG")).tolist() == [[0, 0, 1, 1]]


def test_levels_of_yellow_strokes_are_those_of_their_luminance():
    ink = np.asarray(strokes()).astype("float32")[..., None] / 255
    yellow = np.rint(ink * (255, 230, 0)).astype("uint8")
    weighted = (yellow.astype(int) @ [299, 587, 114] + 500) // 1000
    np.testing.assert_array_equal(read_mask(encoded(yellow, "PNG")), weighted > 127)


@pytest.mark.parametrize("value", [0, 1, 128, 255])
@pytest.mark.parametrize("invert", [False, True], ids=["as it is", "inverted"])
def test_one_value_is_no_hole(value, invert):
    for source in (
        np.full((6, 8), value, "uint8"),
        Image.new("RGB", (8, 6), (value, 0, value)),
    ):
        mask = find_holes(source, invert)
        assert mask.is_constant
        assert not mask.holes.any()
        assert "one value, " in mask.seen


def photograph(rng, dark=0, bright=255):
    """Smooth areas, slopes and noise in colour."""
    rows, columns = np.mgrid[:90, :120]
    waves = np.stack([rows * 2, columns * 2, 255 - rows - columns], axis=-1) % 256
    noisy = np.clip(waves + rng.normal(0, 8, waves.shape), 0, 255) / 255
    return (dark + noisy * (bright - dark)).astype("uint8")


def ramp():
    return np.tile(np.arange(256, dtype="uint8"), (40, 1))


AMBIGUOUS = {
    "a photograph": lambda rng: photograph(rng),
    "a dark photograph": lambda rng: photograph(rng, 0, 150),
    "a bright photograph": lambda rng: photograph(rng, 100, 255),
    "a grey photograph": lambda rng: photograph(rng)[..., 0],
    "a photograph with alpha": lambda rng: np.dstack(
        [photograph(rng), ramp()[:1].repeat(90, axis=0)[:, :120]]
    ),
    "noise": lambda rng: rng.integers(0, 256, (60, 80)).astype("uint8"),
    "a slope": lambda rng: ramp(),
    "a vignette": lambda rng: np.clip(np.hypot(*np.mgrid[-30:30, -40:40]) * 6, 0, 255).astype(
        "uint8"
    ),
    "dark levels": lambda rng: ramp() // 3,
    "bright levels": lambda rng: 255 - ramp() // 3,
    "labels": lambda rng: levels(0, 1, 2, 3, 4),
    "labels in colours": lambda rng: palette(
        (0, 0, 0), (128, 0, 0), (224, 224, 192), index=np.arange(48).reshape(6, 8) % 3
    ),
}


@pytest.mark.parametrize("kind", AMBIGUOUS)
def test_what_could_mean_several_things_is_refused_with_what_was_seen(rng, kind, tmp_path):
    path = tmp_path / "mask.png"
    image = AMBIGUOUS[kind](rng)
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path)
    with pytest.raises(ValueError, match=r"unclear.*Received: .*mask\.png, levels from \d+ to"):
        read_mask(path)


@pytest.mark.parametrize("name", ["photo.png", "photo.jpg", "cutout.png", "several/p1.png"])
def test_the_cases_photos_are_no_masks(name):
    with pytest.raises(ValueError, match=r"unclear.*in many colours"):
        read_mask(CASES / name)


def test_a_photograph_with_a_gap_is_named_by_its_alpha():
    with pytest.raises(ValueError, match="add --mask-from-alpha"):
        read_mask(CASES / "cutout.png")


def test_two_colours_as_bright_as_each_other_are_refused():
    # By luminance: 171 * 299 == 57 * 587 + 155 * 114.
    same = encoded(two((171, 0, 0), (0, 57, 155)), "PNG")
    with pytest.raises(ValueError, match=r"must have one that is brighter.*\(171, 0, 0\) and"):
        read_mask(same)


def test_numbers_whose_white_is_unknown_are_refused():
    with pytest.raises(ValueError, match=r"whose white is known.*from 0.0 to 1.0"):
        read_mask(encoded(np.linspace(0, 1, 12, dtype="float32").reshape(3, 4), "TIFF"))


@pytest.mark.parametrize("kind", ["alpha", "grey alpha", "palette", "one colour"])
def test_what_is_transparent_is_the_hole_where_it_is_asked_for(rng, kind):
    alpha, noise = two(255, 0), rng.integers(0, 256, (*HOLE.shape, 3)).astype("uint8")
    image = {
        "alpha": Image.fromarray(np.dstack([noise, alpha])),
        "grey alpha": Image.fromarray(np.dstack([noise[..., 0], alpha]), "LA"),
        "palette": palette((9, 200, 9), (1, 2, 3)),
        "one colour": Image.fromarray(np.dstack([0 * noise, alpha])),
    }[kind]
    options = {"transparency": 1} if kind == "palette" else {}
    content = encoded(image, "PNG", **options)
    np.testing.assert_array_equal(read_mask(content, from_alpha=True), HOLE)
    np.testing.assert_array_equal(read_mask(content, from_alpha=True, invert=True), ~HOLE)


def test_alpha_that_is_not_there_is_told():
    with pytest.raises(ValueError, match=r"from_alpha.*bytes, without alpha"):
        read_mask(TWO_VALUES["0 and 255"], from_alpha=True)


@pytest.mark.parametrize("colour", [0, 90, 255])
def test_mask_of_one_colour_is_its_alpha(colour, tmp_path):
    alpha = np.array([[0, 127, 128, 255]], np.uint8)
    image = Image.fromarray(np.dstack([np.full((1, 4, 3), colour, np.uint8), alpha]))
    image.save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png").tolist() == [[0, 0, 1, 1]]


def test_transparent_pixels_of_a_mask_are_known(tmp_path):
    pixels = np.array([[[255] * 3 + [0], [255] * 3 + [255], [0, 0, 0, 255]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png").tolist() == [[0, 1, 0]]


@pytest.mark.parametrize("pixels", [0, 1, 3, 70])
def test_a_grown_hole_holds_what_is_no_farther(pixels):
    holes = np.zeros((300, 40), bool)
    holes[0, 0] = holes[255, 20] = holes[256, 39] = True
    rows, columns = np.mgrid[:300, :40]
    distances = [np.hypot(rows - row, columns - column) for row, column in np.argwhere(holes)]
    np.testing.assert_array_equal(grown(holes, pixels), np.min(distances, axis=0) <= pixels)


def test_growing_comes_after_inverting():
    mask = two(255, 0)
    grown_mask = read_mask(mask, invert=True, grow=2)
    assert grown_mask.sum() > HOLE.sum()
    np.testing.assert_array_equal(grown_mask, grown(HOLE, 2))
    np.testing.assert_array_equal(read_mask(HOLE, grow=2), grown(HOLE, 2))


def test_mask_is_upright(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(tmp_path / "mask.png", exif=exif)
    # Orientation 6 is shown turned a quarter clockwise.
    assert read_mask(tmp_path / "mask.png").tolist() == [[0], [1]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_is_turned_as_pillow_turns_its_photo(rng, orientation, tmp_path):
    mask = rng.integers(0, 2, (5, 7)).astype("uint8")
    exif = Image.Exif()
    exif[274] = orientation
    Image.new("RGB", (7, 5)).save(tmp_path / "photo.jpg", exif=exif)
    Image.fromarray(mask).save(tmp_path / "same.png", exif=exif)
    assert stored_orientation(tmp_path / "photo.jpg") == orientation
    turned = read_mask(mask, turn_like=tmp_path / "photo.jpg")
    np.testing.assert_array_equal(turned, read_mask(tmp_path / "same.png"))


def test_a_turned_size_is_named_as_a_matter_of_orientation():
    check_mask_size((3, 4), (3, 4))
    with pytest.raises(ValueError, match=r"4 x 3 pixels\. Resize it.*m\.png of 5 x 3"):
        check_mask_size((3, 5), (3, 4), "m.png")
    with pytest.raises(ValueError, match=r"matter of orientation.*--turn-mask"):
        check_mask_size((4, 3), (3, 4), "m.png", photo_orientation=6)
    with pytest.raises(ValueError, match=r"matter of orientation.*names no orientation"):
        check_mask_size((4, 3), (3, 4), "m.png", photo_orientation=1)


def test_a_dithered_photo_is_told_from_dust():
    slope = np.tile(np.linspace(0, 255, 400), (300, 1)).astype("uint8")
    assert find_holes(Image.fromarray(slope).convert("1")).is_scattered
    rng, dust = np.random.default_rng(0), np.zeros((300, 400), "uint8")
    # A speck of four pixels on each sixtieth one: that much dust, no photo has.
    rows, columns = rng.integers(0, 299, 2000), rng.integers(0, 399, 2000)
    for row, column in zip(rows, columns, strict=True):
        dust[row : row + 2, column : column + 2] = 255
    assert not find_holes(dust).is_scattered
    assert not find_holes(np.kron(slope > 127, np.ones((2, 2), "uint8"))).is_scattered
