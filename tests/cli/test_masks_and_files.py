"""The commands that a person would type, on masks, folders and files as people have them."""

import io
import json
import os
import pathlib
import re
import shutil
import socketserver
import sys
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image, ImageFilter

from keras_inpaint import Inpainter, evaluate, export_saved_model, inpaint_folder
from keras_inpaint.cli import presets
from keras_inpaint.cli.main import main
from keras_inpaint.data import PictureDataset, photos
from keras_inpaint.inpainting.on_ray import check_address
from keras_inpaint.pictures import read_mask, read_picture
from keras_inpaint.pictures.masks import grown
from keras_inpaint.pictures.resizing import centre_square

CASES = pathlib.Path(__file__).parents[1] / "cases"
SIDE = 48
HOLE = np.zeros((SIDE, SIDE), bool)
HOLE[12:30, 20:44] = True


class Painter(keras.Model):
    """Answers as a generator does, in white: what is filled is seen."""

    channels, size_multiple = 3, 8

    def __init__(self):
        super().__init__()
        self.built = True

    def call(self, inputs):
        return {"refined": ops.ones_like(inputs["corrupted"])}


@pytest.fixture(scope="module")
def inpainter():
    return Inpainter(Painter(), "painter")


@pytest.fixture(scope="module")
def served(inpainter, tmp_path_factory):
    """What an exported model makes of the files of a photo and a mask, as pixels."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    version = export_saved_model(inpainter, tmp_path_factory.mktemp("models") / "painter")
    model = tf.saved_model.load(version)

    def fill(photo, mask):
        files = {"image_bytes": tf.constant([photo]), "mask_bytes": tf.constant([mask])}
        try:
            (answer,) = model.signatures["serving_bytes"](**files)["completed_bytes"].numpy()
        except tf.errors.InvalidArgumentError as error:
            raise ValueError(error.message) from error
        return read_picture(answer).pixels

    return fill


@pytest.fixture(autouse=True)
def folder(inpainter, tmp_path, monkeypatch):
    """An empty folder, which is the current one."""
    monkeypatch.setattr(presets, "load_inpainter", lambda preset: inpainter)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def inpaint(*words):
    return main(["inpaint", *map(str, words)])


def put(*names, content=None):
    """Writes files below the current folder: photos, or masks of HOLE where so named."""
    for name in names:
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        own = MASK if "mask" in name else PHOTO
        pathlib.Path(name).write_bytes(own if content is None else content)


def is_filled(output, photo, hole=HOLE):
    """Whether the hole is white, and all else as it was."""
    after, before = read_picture(output), read_picture(photo)
    kept = (after.pixels == before.pixels)[~hole].all()
    return bool(kept and (after.pixels[hole] == 255).all())


def written(folder="filled"):
    """The names of the files in the output, hidden ones left out."""
    paths = [path.relative_to(folder) for path in pathlib.Path(folder).rglob("*")]
    return sorted(
        str(path) for path in paths if (folder / path).is_file() and path.name[0] != "."
    )


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()


def two(darker, brighter, dtype="uint8"):
    hole = HOLE[..., None] if np.ndim(darker) else HOLE
    return np.where(hole, brighter, darker).astype(dtype)


def palette(darker, brighter):
    image = Image.fromarray(HOLE.astype("uint8"), "P")
    image.putpalette([*darker, *brighter])
    return image


def photograph():
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    slopes = np.stack([rows * 4, columns * 4, 200 - rows * 2 - columns * 2], axis=-1)
    return (slopes + rng.integers(0, 30, slopes.shape)).astype("uint8")


PHOTO = encoded(photograph())
MASK = encoded(two(0, 255))
SOFT = Image.fromarray(two(0, 255)).filter(ImageFilter.BoxBlur(1))
EMPTY = two((0, 0, 0), (255, 0, 0))

# The file, and whether a server takes it: levels above 127, or zeros and ones.
MASKS = {
    "black and white": (MASK, True),
    "zeros and ones": (encoded(two(0, 1)), True),
    "labels": (encoded(two(3, 7)), False),
    "dark greys": (encoded(two(20, 110)), False),
    "bright greys": (encoded(two(180, 240)), False),
    "1 bit": (encoded(Image.fromarray(HOLE)), True),
    "16 bits": (encoded(two(0, 65535, "uint16")), True),
    "zeros and ones of 16 bits": (encoded(two(0, 1, "uint16")), True),
    "floats of tiff": (encoded(two(0, 1, "float32"), "TIFF"), None),
    "palette of labels": (encoded(palette((0, 0, 0), (128, 0, 0))), False),
    "red on black": (encoded(two((0, 0, 0), (255, 0, 0))), False),
    "green on blue": (encoded(two((0, 0, 255), (0, 255, 0)), "BMP"), True),
    "gif": (encoded(palette((0, 0, 0), (255, 255, 255)), "GIF"), None),
    "webp": (encoded(two((0, 0, 0), (255, 255, 255)), "WEBP", lossless=True), True),
    "jpeg": (encoded(two(0, 255), "JPEG", quality=80), True),
    "red strokes on an empty layer": (encoded(np.dstack([EMPTY, two(0, 255)])), True),
    "soft red strokes on an empty layer": (
        encoded(np.dstack([two(*[(255, 0, 0)] * 2), np.asarray(SOFT)])),
        True,
    ),
    "soft edges": (
        encoded(SOFT),
        True,
    ),
}


@pytest.mark.parametrize("kind", MASKS)
def test_a_mask_means_the_same_on_every_way(inpainter, kind):
    content, is_served = MASKS[kind]
    put("photo.png")
    put("mask", content=content)
    expected = read_mask(content).astype(bool)
    # Compressing and blurring move the edge by a pixel at most.
    assert np.mean(expected != HOLE) < (0.04 if kind == "jpeg" or "soft" in kind else 1e-9)

    assert inpaint("photo.png", "--mask", "mask", "--output", "out.png") == 0
    assert is_filled("out.png", "photo.png", expected)
    for mask in ("mask", content, Image.open(io.BytesIO(content))):
        filled = inpainter.inpaint("photo.png", mask)
        np.testing.assert_array_equal(filled, read_picture("out.png").pixels)
    options = {"crop": "centre", "flip": False, "shuffle": False, "masks": ["mask"]}
    options["mask_choice"] = "random"
    _, masks = PictureDataset(["photo.png"], SIDE, 1, **options)[0]
    np.testing.assert_array_equal(masks[0, ..., 0] == 1, expected)
    if is_served is not None and keras.backend.backend() == "tensorflow":
        assert _served(content, expected) == is_served


def _served(content, expected):
    """Whether the exported graph takes a mask, and if so, for the same hole."""
    import tensorflow as tf

    from keras_inpaint.export.graph import check_levels, decode_mask, find_holes, level_range

    levels = decode_mask(tf.constant(content))[None]
    try:
        check_levels(*level_range(levels), "masks")
    except tf.errors.InvalidArgumentError:
        return False
    np.testing.assert_array_equal(find_holes(levels)[0, ..., 0], expected)
    return True


@pytest.mark.parametrize("value", [0, 1, 90, 255])
@pytest.mark.parametrize("words", [[], ["--invert-mask"]], ids=["as it is", "inverted"])
def test_one_value_is_no_hole_said_and_copied(capsys, value, words):
    put("photo.png")
    put("mask.png", content=encoded(np.full((SIDE, SIDE), value, "uint8")))
    assert inpaint("photo.png", "--mask", "mask.png", "--output", "out.png", *words) == 0
    assert pathlib.Path("out.png").read_bytes() == PHOTO
    told = capsys.readouterr()
    assert told.out == "out.png\n"
    assert told.err.count("\n") == 1
    assert "has no hole" in told.err
    assert f"one value, {value}" in told.err


UNCLEAR = {
    "a photograph": encoded(photograph()[::-1]),
    "a grey photograph": encoded(photograph()[..., 0]),
    "a photograph of jpeg": encoded(photograph()[::-1], "JPEG"),
    "a slope": encoded(np.tile(np.linspace(0, 255, SIDE).astype("uint8"), (SIDE, 1))),
    "noise": encoded(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE)).astype("uint8")),
    "dark levels": encoded(np.tile(np.arange(SIDE, dtype="uint8"), (SIDE, 1))),
    "label colours": encoded(
        Image.fromarray(photograph()).quantize(12, dither=Image.Dither.NONE)
    ),
}


@pytest.mark.parametrize("kind", UNCLEAR)
def test_what_is_ambiguous_is_refused_with_what_was_seen(capsys, kind):
    put("photo.png")
    put("mask.png", content=UNCLEAR[kind])
    assert inpaint("photo.png", "--mask", "mask.png", "--output", "out.png") == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert "unclear" in told.err
    assert "mask.png, levels from " in told.err
    assert not pathlib.Path("out.png").exists()
    with pytest.raises(ValueError, match="unclear"):
        PictureDataset(["photo.png"], SIDE, 1, masks=["mask.png"], mask_choice="random")


def test_a_hole_is_inverted_and_widened():
    put("photo.png", "mask.png")
    assert inpaint("photo.png", "--mask", "mask.png", "--output", "a.png", "--invert-mask") == 0
    assert is_filled("a.png", "photo.png", ~HOLE)
    assert inpaint("photo.png", "--mask", "mask.png", "--output", "b.png", "--grow", "3") == 0
    wide = read_mask("mask.png", grow=3).astype(bool)
    assert wide.sum() > HOLE.sum()
    assert is_filled("b.png", "photo.png", wide)


def test_a_gap_in_a_cutout_is_filled_and_seen(capsys):
    shutil.copy(CASES / "cutout.png", "cutout.png")
    gap = read_picture("cutout.png").alpha == 0
    for number, mask in enumerate([[], ["--mask", "cutout.png"]]):
        words = ["cutout.png", *mask, "--output", f"{number}.png", "--mask-from-alpha"]
        assert inpaint(*words) == 0
        assert is_filled(f"{number}.png", "cutout.png", gap)
        alpha = read_picture(f"{number}.png").alpha
        assert alpha is None or alpha.min() == 255
    # Of its own colours, it is no mask.
    assert inpaint("cutout.png", "--mask", "cutout.png", "--output", "c.png") == 2
    assert "--mask-from-alpha" in capsys.readouterr().err
    shutil.copy("cutout.png", "other.png")
    assert inpaint("cutout.png", "--mask", "other.png", "--output", "c.png") == 2
    assert "--mask-from-alpha" in capsys.readouterr().err


def test_a_mask_drawn_on_the_photo_as_stored_is_turned_along(capsys):
    for name in ("turned.jpg", "mask.png"):
        shutil.copy(CASES / name, name)
    words = ["turned.jpg", "--mask", "mask.png", "--output", "out.png"]
    assert inpaint(*words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "orientation" in error
    assert "--turn-mask" in error
    assert inpaint(*words, "--turn-mask") == 0
    # EXIF orientation 6: shown turned a quarter clockwise.
    hole = np.rot90(read_mask("mask.png"), -1).astype(bool)
    assert is_filled("out.png", "turned.jpg", hole)
    # A photo that was set upright before does not say which way its mask is turned.
    photo = Image.fromarray(read_picture("turned.jpg").pixels)
    photo.save("upright.png")
    assert inpaint("upright.png", *words[1:]) == 2
    assert "names no orientation" in capsys.readouterr().err


def case(name):
    return (CASES / name).read_bytes()


def colours(mode, kind="PNG", **options):
    return encoded(Image.fromarray(photograph()).convert(mode), kind, **options)


TWO_FRAMES = {"save_all": True, "append_images": [Image.fromarray(photograph()[::-1])]}
# The photo, its mask, and whether an exported model decodes it as all others do; None where its
# pixels are those of other libraries.
PHOTOS = {
    "case photo.png": (case("photo.png"), case("mask.png"), True),
    "case photo.png, mask01.png": (case("photo.png"), case("mask01.png"), True),
    "case photo.jpg": (case("photo.jpg"), case("mask.png"), True),
    "case bigtext.png": (case("bigtext.png"), case("mask.png"), True),
    "case deep.png": (case("deep.png"), case("mask.png"), None),
    "case text300.png": (case("text300.png"), case("mask.png"), True),
    "case dpi300.jpg": (case("dpi300.jpg"), case("mask.png"), True),
    "case linear.png": (case("linear.png"), case("mask.png"), True),
    "case cutout.png": (case("cutout.png"), case("mask.png"), True),
    "case anim.webp": (case("anim.webp"), case("mask.png"), False),
    "case pages.tif": (case("pages.tif"), case("mask.png"), False),
    "case one.png": (case("kinds/photos/one.png"), case("kinds/masks/one.png"), True),
    "case two.jfif": (case("kinds/photos/two.jfif"), case("kinds/masks/two.png"), True),
    "case three.avif": (case("kinds/photos/three.avif"), case("kinds/masks/three.png"), False),
    "case four.gif": (case("kinds/photos/four.gif"), case("kinds/masks/four.png"), False),
    "case p0.png": (case("several/p0.png"), case("mask.png"), True),
    "grey": (colours("L"), MASK, True),
    "grey and alpha": (colours("LA"), MASK, True),
    "1 bit": (colours("1"), MASK, True),
    "palette": (colours("P"), MASK, True),
    "16 bits of grey": (encoded(photograph()[..., 0].astype("uint16") * 257), MASK, True),
    "two frames of png": (encoded(photograph(), **TWO_FRAMES), MASK, None),
    "grey jpeg": (colours("L", "JPEG"), MASK, True),
    "progressive jpeg": (encoded(photograph(), "JPEG", progressive=True), MASK, True),
    "cmyk jpeg": (colours("CMYK", "JPEG"), MASK, None),
    "bmp": (encoded(photograph(), "BMP"), MASK, True),
    "webp": (encoded(photograph(), "WEBP", lossless=True), MASK, True),
    "tiff of one bit": (colours("1", "TIFF", compression="group4"), MASK, False),
    "two pages": (encoded(photograph(), "TIFF", **TWO_FRAMES), MASK, False),
    "jpeg 2000": (encoded(photograph(), "JPEG2000"), MASK, False),
    "ppm": (encoded(photograph(), "PPM"), MASK, False),
    "bytes after the end": (PHOTO + bytes(1000), MASK, None),
}


@pytest.mark.parametrize("kind", PHOTOS)
def test_a_photo_means_the_same_on_every_way(inpainter, served, kind):
    photo, mask, is_served = PHOTOS[kind]
    put("photo", content=photo)
    put("photo_mask.png", content=mask)
    before, hole = read_picture(photo).pixels, read_mask(mask).astype(bool)

    assert inpaint("photo", "--mask", "photo_mask.png", "--output", "out.png") == 0
    assert is_filled("out.png", "photo", hole)
    # Pillow itself refuses as much text.
    opened = [] if "bigtext" in kind else [Image.open(io.BytesIO(photo))]
    for given in ("photo", photo, *opened):
        filled = inpainter.inpaint(given, mask)
        np.testing.assert_array_equal(filled, read_picture("out.png").pixels)
    top, left, side = centre_square(*hole.shape)
    square = np.s_[top : top + side, left : left + side]
    options = {"crop": "centre", "flip": False, "shuffle": False, "masks": "photo_mask.png"}
    for read in (PictureDataset, photos):
        images, masks = next(iter(read(["photo"], side, 1, **options)))
        levels = np.asarray(images)[0] * 127.5 + 127.5
        # A JPEG file is decoded around the square, where colours are upsampled alike but there.
        is_jpeg = photo.startswith(b"\xff\xd8")
        np.testing.assert_allclose(levels, before[square], atol=4 if is_jpeg else 0.01)
        np.testing.assert_array_equal(np.asarray(masks)[0, ..., 0] == 1, hole[square])
    if served is not None and is_served is not None:
        if is_served:
            np.testing.assert_array_equal(served(photo, mask), filled)
        else:
            with pytest.raises(ValueError, match=r"image_bytes\[0\]"):
                served(photo, mask)


def test_cases_of_several_photos_are_filled_with_one_mask(capsys):
    words = [CASES / "several", "--mask", CASES / "mask.png", "--output", "filled"]
    assert inpaint(*words) == 0
    assert written() == ["p0.png", "p1.png", "p2.png"]
    hole = read_mask(CASES / "mask.png").astype(bool)
    assert all(
        is_filled(f"filled/{name}", CASES / "several" / name, hole) for name in written()
    )
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize("masks", [[], ["--mask", "lama"], ["--mask", "./lama/"]], ids=str)
def test_cases_of_photos_and_masks_in_one_folder_are_paired(masks):
    shutil.copytree(CASES / "lama", "lama")
    assert inpaint("lama", *masks, "--output", "filled") == 0
    assert written() == ["a.png"]
    assert is_filled("filled/a.png", "lama/a.png", read_mask("lama/a_mask001.png").astype(bool))


def test_cases_of_all_kinds_of_files_are_filled():
    kinds = CASES / "kinds"
    assert inpaint(kinds / "photos", "--mask", kinds / "masks", "--output", "filled") == 0
    assert [name.split(".")[0] for name in written()] == ["four", "one", "three", "two"]
    for name in written():
        (photo,) = (kinds / "photos").glob(f"{name.split('.')[0]}.*")
        before, after = read_picture(photo).pixels, read_picture(f"filled/{name}").pixels
        hole = read_mask(kinds / "masks" / f"{photo.stem}.png").astype(bool)
        # JPEG is encoded anew.
        assert after[hole].mean() > 250
        assert np.abs(after[~hole].astype(int) - before[~hole]).mean() < 3


PAIRED = {
    "names": ("photos/a.png", "masks/a.bmp", ["--mask", "masks"]),
    "other case": ("photos/A.PNG", "masks/a.png", ["--mask", "masks"]),
    "accents": (
        unicodedata.normalize("NFD", "photos/caf\u00e9.png"),
        unicodedata.normalize("NFC", "masks/caf\u00e9_mask.png"),
        ["--mask", "masks"],
    ),
    "-mask": ("photos/a.png", "masks/a-mask.png", ["--mask", "masks"]),
    "_mask001 beside": ("photos/a.png", "photos/a_mask001.png", []),
    "folders below": ("photos/x/a.png", "masks/x/a.png", ["--mask", "masks"]),
    "masks within the photos": (
        "photos/a.png",
        "photos/masks/a.png",
        ["--mask", "photos/masks"],
    ),
    "pattern": (
        "photos/a.png",
        "masks/mask of a v2.png",
        ["--mask", "masks", "--mask-pattern", "mask of {name} *"],
    ),
    "pattern beside": (
        "photos/a.png",
        "photos/a.hole_mask.png",
        ["--mask-pattern", "{name}.hole_mask.*"],
    ),
    "brackets": ("photos/a[1].png", "photos/a[1]_mask.png", []),
    "one mask among the photos": (
        "photos/a.png",
        "photos/mask.png",
        ["--mask", "photos/mask.png"],
    ),
}


@pytest.mark.parametrize("kind", PAIRED)
def test_photos_and_masks_are_paired_as_a_person_would(kind, capsys):
    photo, mask, words = PAIRED[kind]
    put(photo)
    put(mask, content=MASK)
    assert inpaint("photos", *words, "--output", "filled") == 0
    assert len(written()) == 1
    assert is_filled(pathlib.Path("filled", written()[0]), photo)
    assert "failed" not in capsys.readouterr().err


def test_one_photo_finds_its_mask_beside_it_and_in_a_folder():
    put("photos/a.png", "photos/a_mask.png", "photos/b.png", "masks/a.png")
    assert inpaint("photos/a.png", "--output", "out.png") == 0
    assert is_filled("out.png", "photos/a.png")
    assert inpaint("photos/a.png", "--mask", "masks", "--output", "again.png") == 0
    assert is_filled("again.png", "photos/a.png")


def test_what_has_no_partner_is_named_and_counted(capsys):
    put("photos/a.png", "photos/b.png", "masks/a.png", "masks/c.png")
    for mask in ("masks/a.png", "masks/c.png"):
        put(mask, content=MASK)
    assert inpaint("photos", "--mask", "masks", "--output", "filled") == 1
    told = capsys.readouterr()
    assert told.out == "filled/a.png\n"
    assert "photos/b.png: there is no mask of its name" in told.err
    assert "masks/c.png: there is no photo of its name" in told.err
    assert "2 " in told.err.splitlines()[-1]
    assert written() == ["a.png"]
    # Of chosen photos, nobody expects all masks to be used.
    assert inpaint("photos/a*.png", "--mask", "masks", "--output", "chosen") == 0


def test_only_photos_are_filled_and_the_rest_is_counted_by_reason(capsys):
    put("photos/a", "photos/b.dat", "photos/deep/c.jfif")
    put("photos/.hidden.png", "photos/@eaDir/a.png", "photos/.git/d.png")
    put("photos/notes.txt", content=b"P1 is the first plan")
    put("photos/movie.mov", content=b"\0\0\0\x14ftypqt  ")
    os.mkfifo("photos/pipe.png")
    os.symlink("nowhere", "photos/broken.png")
    os.symlink("../photos", "photos/loop")
    os.symlink("itself", "photos/itself")
    put("mask.png")
    assert inpaint("photos", "--mask", "mask.png", "--output", "photos/filled") == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == len(written("photos/filled")) == 3
    for counted in (
        *("3 hidden", "2 not a picture", "3 not a regular file"),
        "1 in a folder that was",
    ):
        assert counted in told.err
    # Its own output is no photo the next time.
    assert inpaint("photos", "--mask", "mask.png", "--output", "photos/filled") == 0
    assert len(written("photos/filled")) == 3


def test_a_file_named_like_a_picture_that_is_none_fails_with_a_reason(capsys):
    put("photos/a.png", "mask.png")
    put("photos/b.jpg", content=b"no picture")
    assert inpaint("photos", "--mask", "mask.png", "--output", "filled") == 1
    told = capsys.readouterr()
    assert told.out == "filled/a.png\n"
    assert "photos/b.jpg failed: " in told.err


def test_heic_is_filled_or_says_which_extra_it_needs(capsys):
    put("mask.png")
    heif = b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(40)
    try:
        import pillow_heif
    except ImportError:
        put("photos/a.heic", content=heif)
        assert inpaint("photos", "--mask", "mask.png", "--output", "filled") == 1
        assert "pip install 'keras-inpaint[heif]'" in capsys.readouterr().err
    else:
        os.mkdir("photos")
        pillow_heif.from_pillow(Image.fromarray(photograph())).save("photos/a.heic")
        assert inpaint("photos", "--mask", "mask.png", "--output", "filled") == 0
        assert is_filled("filled/a.heic.png", "photos/a.heic")


def test_a_name_that_exists_is_literal_before_it_is_a_pattern():
    put("a[1].png", "a1.png", "photos[2020]/b.png", "mask.png")
    assert inpaint("a[1].png", "--mask", "mask.png", "--output", "out.png") == 0
    assert is_filled("out.png", "a[1].png")
    assert inpaint("photos[2020]", "--mask", "mask.png", "--output", "filled") == 0
    assert written() == ["b.png"]
    assert inpaint("a[0-9].png", "--mask", "mask.png", "--output", "some") == 0
    assert written("some") == ["a1.png"]


def test_names_that_cannot_be_printed_do_not_fail(capfdbinary):
    names = [os.fsdecode(b"\xff\xfe.png"), "line\nbreak.png", "escape\x1b[2J.png", "\u202e.png"]
    put(*(f"photos/{name}" for name in names))
    put("mask.png")
    assert inpaint("photos", "--mask", "mask.png", "--output", "filled") == 0
    assert written() == sorted(names)
    told = capfdbinary.readouterr()
    assert len(told.out.splitlines()) == 4
    assert b"\x1b[2J" not in told.out + told.err


def test_a_closed_pipe_turns_no_written_picture_into_a_failed_one(monkeypatch, capsys):
    put(*(f"photos/{index}.png" for index in range(4)), "mask.png")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        assert inpaint("photos", "--mask", "mask.png", "--output", "filled") == 0
    assert len(written()) == 4
    assert "failed" not in capsys.readouterr().err


def test_nothing_that_is_written_replaces_what_is_read(inpainter, capsys):
    def kept():
        return pathlib.Path("photos/a.png").read_bytes() == PHOTO and all(
            pathlib.Path(name).read_bytes() == MASK
            for name in ("photos/a_mask.png", "masks/a.png")
        )

    put("photos/a.png", "photos/a_mask.png", "masks/a.png")
    commands = [
        ["inpaint", "photos/a.png", "--output", "photos/a_mask.png"],
        ["inpaint", "photos/a.png", "--mask", "masks", "--output", "masks/a.png"],
        ["inpaint", "photos/*.png", "--mask", "masks", "--output", "photos"],
        ["inpaint", "photos/*.png", "--mask", "masks/*.png", "--output", "masks"],
        *(
            ["inpaint", "photos", "--mask", "masks", "--output", "filled", "--report", name]
            for name in ("photos/a.png", "masks/a.png")
        ),
        ["evaluate", "--data", "photos", "--masks", "masks", "--json", "photos/a.png"],
        ["evaluate", "--data", "photos", "--masks", "masks", "--sheet", "masks/a.png"],
        ["evaluate", "--data", "photos", "--sheet", "photos/a.png"],
    ]
    for words in commands:
        assert main(words) == 2 or "would be replaced" in capsys.readouterr().err, words
        assert kept(), words
    for output, source in (("photos", ["photos/a.png"]), ("masks", "photos")):
        report = inpaint_folder(inpainter, source, "masks", output)
        assert "would be replaced" in report.outcomes[0].reason
        assert kept()


def test_report_is_written_of_one_photo_too():
    put("a.png", "mask.png")
    words = ["a.png", "--mask", "mask.png", "--output", "out.png", "--report", "report.json"]
    assert inpaint(*words) == 0
    assert json.loads(pathlib.Path("report.json").read_text())["counts"] == {"filled": 1}


def test_the_output_may_be_a_link_to_a_folder_that_is_not_there_yet():
    put("photos/a.png", "mask.png")
    os.symlink("other", "filled")
    assert inpaint("photos", "--mask", "mask.png", "--output", "filled") == 0
    assert is_filled("other/a.png", "photos/a.png")


def halves():
    """Masks of the upper and of the lower part of HOLE, and what both leave known."""
    upper, lower = HOLE.copy(), HOLE.copy()
    upper[20:], lower[:20] = False, False
    return upper, lower


def put_two_masks(folder):
    for number, half in enumerate(halves(), start=1):
        put(f"{folder}/a_mask00{number}.png", content=encoded(half.astype("uint8") * 255))


@pytest.mark.parametrize("place", ["photos", "masks"])
def test_the_holes_of_several_masks_are_filled_in_one_which_is_told(place, capsys):
    put("photos/a.png", "photos/b.png", f"{place}/b_mask.png")
    put_two_masks(place)
    words = ["--mask", place, "--report", "report.json"]
    assert inpaint("photos", *words, "--output", "filled") == 0
    told = capsys.readouterr()
    assert written() == ["a.png", "b.png"]
    assert is_filled("filled/a.png", "photos/a.png")
    assert told.err.count("has 2 masks (a_mask001.png, a_mask002.png)") == 1
    assert "--each-mask" in told.err
    report = json.loads(pathlib.Path("report.json").read_text())["photos"]
    assert [f"{place}/a_mask00{number}.png" for number in (1, 2)] in [
        each["mask"] for each in report
    ]
    assert inpaint("photos", *words, "--output", "filled") == 0
    assert "2 done before" in capsys.readouterr().err
    # One of them has changed.
    put(f"{place}/a_mask002.png", content=encoded(np.zeros((SIDE, SIDE), "uint8")))
    assert inpaint("photos", *words, "--output", "filled") == 0
    assert is_filled("filled/a.png", "photos/a.png", halves()[0])
    assert "a_mask002.png has no hole: it holds one value, 0." in capsys.readouterr().err
    assert inpaint("photos/a.png", "--mask", place, "--output", "one.png") == 0
    assert is_filled("one.png", "photos/a.png", halves()[0])


def test_each_of_several_masks_makes_a_filled_photo_where_asked_for(capsys):
    put("photos/x/a.png", "photos/x/b.png", "photos/x/b_mask.png")
    put_two_masks("photos/x")
    assert inpaint("photos", "--output", "filled", "--each-mask") == 0
    assert written() == ["x/a_mask001.png", "x/a_mask002.png", "x/b.png"]
    for number, half in enumerate(halves(), start=1):
        assert is_filled(f"filled/x/a_mask00{number}.png", "photos/x/a.png", half)
    assert inpaint("photos/x/a.png", "--output", "one.png", "--each-mask") == 2
    assert "PHOTO be a folder" in capsys.readouterr().err


def test_what_is_no_picture_is_called_what_it_is_on_the_command_line(capsys):
    put("photo.png", "mask.png")
    put("notes.txt", content=b"no picture")
    for option, words in (
        ("PHOTO", ["notes.txt", "--mask", "mask.png"]),
        ("--mask", ["photo.png", "--mask", "notes.txt"]),
    ):
        assert inpaint(*words, "--output", "out.png") == 2
        told = capsys.readouterr().err
        assert f"{option} must name a picture" in told
        assert f"Received: {option}='notes.txt'" in told


@pytest.mark.parametrize("typed", ["--engine ray", "--address auto", "--workers 2"])
def test_what_holds_for_folders_is_refused_of_one_photo(typed, capsys):
    put("photos/a.png", "photos/a_mask.png")
    assert inpaint("photos/a.png", "--output", "one.png", *typed.split()) == 2
    assert f"{typed.split()[0]} is for folders" in capsys.readouterr().err
    assert not os.path.exists("one.png")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("--address auto", "choose the engine 'ray'.*'auto'"),
        ("--workers 0", "--workers .* at least 1.*0"),
        ("--engine ray --preset nowhere/preset", "nowhere/preset"),
        ("--engine ray --address 127.0.0.1:1", "no Ray cluster.*refused.*127.0.0.1:1"),
        ("--engine ray --address ray://[::1]:1", r"no Ray cluster.*\[::1\]:1"),
    ],
)
def test_a_cluster_that_is_asked_for_wrongly_is_not_started(typed, message, capsys):
    put("photos/a.png", "photos/a_mask.png")
    assert inpaint("photos", "--output", "filled", *typed.split()) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not os.path.exists("filled")


class WebServer(socketserver.BaseRequestHandler):
    """Answers as those of HTTP/1 do when they are spoken to in HTTP/2."""

    def handle(self):
        self.request.recv(1000)
        self.request.sendall(b"HTTP/1.1 505 HTTP Version Not Supported\r\n\r\n")


def test_what_answers_and_is_no_cluster_is_told_from_one(capsys):
    put("photos/a.png", "photos/a_mask.png")
    words = ["photos", "--output", "filled", "--engine", "ray", "--address"]
    with socketserver.TCPServer(("127.0.0.1", 0), WebServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_address[1]}"
        assert inpaint(*words, address) == 2
        server.shutdown()
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "what answers there is no Ray" in told
    assert f"Received: --address {address}" in told
    assert not os.path.exists("filled")
    grpc = pytest.importorskip("grpc")
    server = grpc.server(ThreadPoolExecutor(1))
    # Ray's own speak as this one does.
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    check_address(f"127.0.0.1:{port}")
    server.stop(None).wait()


def test_each_of_several_masks_is_trained_on_and_evaluated():
    put("photos/a.png")
    put_two_masks("masks")
    common = ["--data", "photos", "--masks", "masks", "--json", "numbers.json"]
    assert main(["evaluate", *common]) == 0
    rows = json.loads(pathlib.Path("numbers.json").read_text())["pictures"]
    assert [row["hole_area"] for row in rows] == [half.mean() for half in halves()]
    assert [row["photo"] for row in rows] == [
        f"photos/a.png with masks/a_mask00{number}.png" for number in (1, 2)
    ]
    options = {"crop": "centre", "flip": False, "shuffle": False, "masks": "masks"}
    _, masks = PictureDataset("photos", SIDE, 2, **options)[0]
    np.testing.assert_array_equal(masks[..., 0] == 1, halves())


@pytest.fixture
def trained_on(monkeypatch):
    """The masks of the first batch of `train`, and of its validation, by the command line."""
    from keras_inpaint.training import photo_streams, run

    asked = []
    monkeypatch.setattr(run, "train", lambda settings, verbose: asked.append(settings) or 1)

    def first(batches):
        return np.asarray(next(iter(batches))[1])[0, ..., 0] == 1

    def trained_on(*words):
        sizes = ["--image-size", SIDE, "--batch-size", 1, "--steps", 1]
        common = ["--masks", "masks", "--mask-choice", "paired", "--validation-masks", "masks"]
        words = ["--data", "photos", "--validation", "photos", *common, *sizes, *words]
        assert main(["train", "--output", "run", *map(str, words)]) == 0
        settings = asked.pop()
        source = photo_streams.training_source(settings)
        drawn = first(photo_streams.training_stream(settings, source, 0))
        source = photo_streams.validation_source(settings)
        return drawn, first(photo_streams.validation_stream(settings, source))

    return trained_on


CUTOUT = encoded(np.dstack([photograph(), two(255, 0)]))
OPTIONS = {
    "as they are": ("masks/a.png", MASK, [], HOLE),
    "--invert-mask": ("masks/a.png", MASK, ["--invert-mask"], ~HOLE),
    "--mask-from-alpha": ("masks/a.png", CUTOUT, ["--mask-from-alpha"], HOLE),
    "--grow": ("masks/a.png", MASK, ["--grow", "3"], grown(HOLE, 3)),
    "--mask-pattern": ("masks/hole of a.png", MASK, ["--mask-pattern", "hole of {name}"], HOLE),
    "all": (
        "masks/a-gap.png",
        CUTOUT,
        ["--mask-from-alpha", "--mask-pattern", "{name}-gap", "--invert-mask", "--grow", "2"],
        grown(~HOLE, 2),
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_of_masks_mean_the_same_to_every_command(name, trained_on, tmp_path):
    mask, content, words, hole = OPTIONS[name]
    put("photos/a.png")
    put(mask, content=content)
    assert inpaint("photos", "--mask", "masks", "--output", "filled", *words) == 0
    assert is_filled("filled/a.png", "photos/a.png", hole)
    common = ["--data", "photos", "--masks", "masks", "--json", "numbers.json"]
    assert main(["evaluate", *common, *words]) == 0
    (row,) = json.loads(pathlib.Path("numbers.json").read_text())["pictures"]
    assert row["hole_area"] == hole.mean()
    drawn, validated = trained_on(*words)
    np.testing.assert_array_equal(validated, hole)
    # Perhaps mirrored.
    assert any(np.array_equal(each, hole) for each in (drawn, drawn[:, ::-1]))


def test_masks_are_turned_along_by_every_command(trained_on):
    put("photos/a.jpg", content=(CASES / "turned.jpg").read_bytes())
    put("masks/a.png", content=(CASES / "mask.png").read_bytes())
    hole = np.rot90(read_mask("masks/a.png"), -1).astype(bool)
    common = ["--data", "photos", "--masks", "masks"]
    assert main(["evaluate", *common]) == 2
    assert main(["evaluate", *common, "--turn-mask", "--json", "numbers.json"]) == 0
    (row,) = json.loads(pathlib.Path("numbers.json").read_text())["pictures"]
    assert row["hole_area"] == hole.mean()
    top, left, side = centre_square(*hole.shape)
    expected = hole[top : top + side, left : left + side]
    drawn, validated = trained_on("--turn-mask", "--image-size", side)
    assert drawn.any()
    np.testing.assert_array_equal(validated, expected)


LIMITS = {"pixels": ["--max-pixels", "2000"], "memory": ["--memory-limit", "32M"]}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_of_reading_hold_for_every_command(name, trained_on, capsys):
    put("photos/a.png", "masks/a.png")
    assert inpaint("photos", "--mask", "masks", "--output", "filled", *LIMITS[name]) == 1
    assert LIMITS[name][0] in capsys.readouterr().err
    common = ["--data", "photos", "--masks", "masks"]
    assert main(["evaluate", *common, *LIMITS[name]]) == 2
    assert LIMITS[name][0] in capsys.readouterr().err
    with pytest.raises(ValueError, match=LIMITS[name][0]):
        trained_on(*LIMITS[name])


@pytest.mark.parametrize("limits", [{"max_pixels": 2000}, {"memory_limit": 2**25}], ids=str)
def test_limits_hold_for_masks_of_photos_that_are_arrays(inpainter, limits):
    put("mask.png")
    (name,) = limits
    with pytest.raises(ValueError, match=f"None of the photos can be used.*`{name}`"):
        evaluate(inpainter, [photograph()], ["mask.png"], **limits)
