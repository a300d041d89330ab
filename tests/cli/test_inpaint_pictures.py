"""Whatever pictures users have, through the command line."""

import io
import os
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from PIL import Image, ImageCms

from keras_inpaint.cli.main import main
from keras_inpaint.pictures import read_picture

HEIGHT, WIDTH = 40, 60
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ARTIST, ORIENTATION = 0x013B, 0x0112


pytestmark = pytest.mark.usefixtures("quick_loading")


def box(height, width):
    """Where the hole is: a quarter of the sides, at least one pixel."""
    hole = np.zeros((height, width), bool)
    hole[height // 4 : height // 2 + 1, width // 4 : width // 2 + 1] = True
    return hole


def colours(rng, height=HEIGHT, width=WIDTH):
    return rng.integers(0, 256, (height, width, 3)).astype("uint8")


def exif(**tags):
    data = Image.Exif()
    data[ARTIST] = "Ada"
    if tags.get("orientation"):
        data[ORIENTATION] = tags["orientation"]
    return data.tobytes()


def grey(rng, path):
    Image.fromarray(colours(rng)[..., 0]).save(path)


def palette(rng, path):
    picture = Image.fromarray(rng.integers(0, 16, (HEIGHT, WIDTH)).astype("uint8"), "P")
    picture.putpalette(rng.integers(0, 256, 48).astype("uint8").tobytes())
    picture.save(path, transparency=3)


def alpha(rng, path):
    opacity = rng.integers(0, 256, (HEIGHT, WIDTH, 1)).astype("uint8")
    Image.fromarray(np.dstack([colours(rng), opacity])).save(path)


def sixteen_bits(rng, path):
    Image.fromarray(rng.integers(0, 2**16, (HEIGHT, WIDTH)).astype("uint16")).save(path)


def cmyk(rng, path):
    Image.fromarray(np.dstack([colours(rng)] * 2)[..., :4], "CMYK").save(path)


def with_profile(rng, path):
    Image.fromarray(colours(rng)).save(path, icc_profile=SRGB)


def turned(rng, path):
    Image.fromarray(colours(rng, WIDTH, HEIGHT)).save(path, exif=exif(orientation=6))


def plain(rng, path):
    Image.fromarray(colours(rng)).save(path)


@pytest.fixture
def call(preset, tmp_path):
    """Fills a photo and returns the exit code and the path of the filled one."""

    def call(photo, hole, output="filled.png", *more):
        mask = tmp_path / "mask.png"
        Image.fromarray(hole).save(mask)
        words = ["inpaint", str(photo), "--mask", str(mask), "--preset", preset, *more]
        return main([*words, "--output", str(tmp_path / output)]), tmp_path / output

    return call


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (grey, "photo.png"),
        (grey, "photo.jpg"),
        (palette, "photo.png"),
        (alpha, "photo.png"),
        (alpha, "photo.webp"),
        (alpha, "photo.tiff"),
        (sixteen_bits, "photo.png"),
        (sixteen_bits, "photo.tif"),
        (cmyk, "photo.jpg"),
        (cmyk, "photo.tiff"),
        (with_profile, "photo.png"),
        (with_profile, "photo.jpeg"),
        (turned, "photo.jpg"),
        (turned, "photo.png"),
        (plain, "photo.bmp"),
        (plain, "photo.WEBP"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_odd_photo_is_filled_and_keeps_the_rest(rng, call, tmp_path, make, name):
    make(rng, tmp_path / name)
    before, hole = read_picture(tmp_path / name), box(HEIGHT, WIDTH)
    code, output = call(tmp_path / name, hole)
    after = read_picture(output)
    assert code == 0
    assert after.size == (HEIGHT, WIDTH)
    np.testing.assert_array_equal(after.pixels[~hole], before.pixels[~hole])
    assert (after.pixels != before.pixels)[hole].any(axis=-1).mean() > 0.9
    assert (after.alpha is None) == (before.alpha is None)
    if before.alpha is not None:
        np.testing.assert_array_equal(after.alpha[~hole], before.alpha[~hole])
        # What is filled can be seen.
        assert (after.alpha[hole] == 255).all()
    assert after.icc_profile == before.icc_profile
    assert after.exif == before.exif
    assert (before.alpha is not None) == (make in (alpha, palette))
    assert (before.icc_profile is not None) == (make is with_profile)
    assert (before.exif is not None) == (make is turned)


@pytest.mark.parametrize(
    ("output", "keeps"),
    [
        ("filled.png", ("alpha", "icc_profile", "exif")),
        ("filled.tiff", ("alpha", "icc_profile", "exif")),
        ("filled.webp", ("alpha", "icc_profile", "exif")),
        ("filled.jpg", ("icc_profile", "exif")),
        ("filled.bmp", ()),
    ],
)
def test_what_an_output_cannot_hold_is_told(rng, call, tmp_path, capsys, output, keeps):
    photo = tmp_path / "photo.png"
    Image.fromarray(np.dstack([colours(rng), colours(rng)[..., :1]])).save(
        photo, icc_profile=SRGB, exif=exif()
    )
    code, path = call(photo, box(HEIGHT, WIDTH), output)
    assert code == 0
    after, told = read_picture(path), capsys.readouterr().err
    words = {"alpha": "transparency", "icc_profile": "colour profile", "exif": "EXIF"}
    for name, word in words.items():
        assert (getattr(after, name) is not None) == (name in keeps)
        assert (f"{word}" in told) == (name not in keeps)
    assert ("JPEG is encoded anew" in told) == (output == "filled.jpg")


@pytest.mark.parametrize(
    ("size", "method"),
    [((1, 40), None), ((1, 40), "resize"), ((8, 5000), None), ((8, 5000), "resize")],
    ids=["40x1", "40x1-resize", "5000x8", "5000x8-resize"],
)
def test_photo_of_any_shape_is_filled(rng, call, tmp_path, size, method):
    Image.fromarray(colours(rng, *size)).save(tmp_path / "photo.png")
    before, hole = read_picture(tmp_path / "photo.png").pixels, np.zeros(size, bool)
    hole[:, size[1] // 3 : size[1] // 3 + 20] = True
    code, output = call(tmp_path / "photo.png", hole, "o.png", *_options(method))
    after = read_picture(output).pixels
    assert code == 0
    np.testing.assert_array_equal(after[~hole], before[~hole])
    assert (after != before)[hole].any()


def _options(method):
    return [] if method is None else ["--method", method]


def test_mask_that_is_white_all_over_has_no_hole(rng, call, tmp_path, capsys):
    plain(rng, tmp_path / "photo.png")
    code, output = call(tmp_path / "photo.png", np.ones((HEIGHT, WIDTH), bool))
    assert code == 0
    assert output.read_bytes() == (tmp_path / "photo.png").read_bytes()
    assert "has no hole" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "name", "output"),
    [
        (plain, "photo.jpg", "filled.jpeg"),
        (turned, "photo.jpg", "filled.jpg"),
        (sixteen_bits, "photo.tif", "filled.tiff"),
        (palette, "photo.png", "filled.png"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_photo_without_a_hole_stays_as_it_is(rng, call, tmp_path, capsys, make, name, output):
    make(rng, tmp_path / name)
    code, path = call(tmp_path / name, np.zeros((HEIGHT, WIDTH), bool), output)
    assert code == 0
    assert path.read_bytes() == (tmp_path / name).read_bytes()
    told = capsys.readouterr()
    assert "has no hole: the photo stays as it is" in told.err
    assert "encoded" not in told.err
    assert told.out == f"{path}\n"


def test_photo_without_a_hole_keeps_its_pixels_in_another_format(rng, call, tmp_path):
    plain(rng, tmp_path / "photo.bmp")
    _, path = call(tmp_path / "photo.bmp", np.zeros((HEIGHT, WIDTH), bool), "filled.webp")
    before = read_picture(tmp_path / "photo.bmp").pixels
    np.testing.assert_array_equal(read_picture(path).pixels, before)


def test_inverted_mask_of_all_ones_has_no_hole(rng, call, tmp_path, capsys):
    plain(rng, tmp_path / "photo.png")
    hole = np.ones((HEIGHT, WIDTH), bool)
    code, _ = call(tmp_path / "photo.png", hole, "filled.png", "--invert-mask")
    assert code == 0
    assert "The mask holds one value, 255" in capsys.readouterr().err


def test_mask_of_a_turned_photo_is_as_the_photo_is_seen(rng, call, tmp_path):
    turned(rng, tmp_path / "photo.jpg")
    code, _ = call(tmp_path / "photo.jpg", box(WIDTH, HEIGHT))
    assert code == 2


def truncated(path):
    content = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), "uint8")
    Image.fromarray(noise).save(content, "png")
    path.write_bytes(content.getvalue()[:-60])


def floats(path):
    levels = np.linspace(0, 1, HEIGHT * WIDTH, dtype="float32")
    Image.fromarray(levels.reshape(HEIGHT, WIDTH)).save(path)


@pytest.mark.parametrize("role", ["photo", "mask"])
@pytest.mark.parametrize(
    ("name", "make", "advice"),
    [
        ("missing.png", None, "There is no such picture"),
        ("words.png", lambda path: path.write_text("no picture"), "this file is none"),
        ("empty.jpg", lambda path: path.write_bytes(b""), "this file is none"),
        ("half.png", truncated, "damaged"),
        ("float.tif", floats, "white is"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_bad_file_is_refused_before_any_work(
    rng, preset, tmp_path, capsys, role, name, make, advice
):
    plain(rng, tmp_path / "good.png")
    if make:
        make(tmp_path / name)
    before = sorted(tmp_path.iterdir())
    files = {"photo": "good.png", "mask": "good.png", role: name}
    words = ["inpaint", str(tmp_path / files["photo"]), "--mask", str(tmp_path / files["mask"])]
    assert main([*words, "--output", str(tmp_path / "o.png"), "--preset", preset]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert advice in told.err
    assert name in told.err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["--method", "tile"], "whole"),
        (["--feather", "-1"], "must be a whole number of pixels, at least 0. Received: '-1'"),
        (["--feather", "1.5"], "at least 0. Received: '1.5'"),
        (["--memory-limit", "2X"], "such as 500M or 2G. Received: '2X'"),
        (["--memory-limit", "0"], "such as 500M or 2G. Received: '0'"),
        (
            ["--memory-limit", "100 KiB"],
            "Raise the limit (--memory-limit)",
        ),
    ],
    ids=lambda value: "".join(value) if isinstance(value, list) else "",
)
def test_bad_option_is_refused(rng, call, tmp_path, capsys, words, advice):
    plain(rng, tmp_path / "photo.png")
    code, path = call(tmp_path / "photo.png", box(HEIGHT, WIDTH), "o.png", *words)
    told = capsys.readouterr()
    assert code == 2
    assert told.err.count("\n") == 1
    assert advice in told.err
    assert not path.exists()


def test_options_reach_the_network(rng, call, tmp_path):
    plain(rng, tmp_path / "photo.png")
    hole = box(HEIGHT, WIDTH)
    before = read_picture(tmp_path / "photo.png").pixels
    _, path = call(
        tmp_path / "photo.png", hole, "o.png", "--feather", "2", "--memory-limit", "2G"
    )
    changed = (read_picture(path).pixels != before).any(axis=-1)
    # The hole begins at row 10 and column 15.
    assert changed[8:10, 15:31].mean() > 0.9
    assert not changed[:8].any()


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid(), reason="needs root's rights")
def test_folder_that_may_not_be_written_to_is_refused_before_any_work():
    # As somebody else, for nothing is locked for root, and in a folder that all may enter.
    program = (
        "import locale, os, sys; from keras_inpaint.cli.main import main; os.setuid(65534); "
        "sys.exit(main(['inpaint', 'none.png', '--mask', 'none.png', '--output', sys.argv[1]]))"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        answer = subprocess.run(
            [sys.executable, "-c", program, os.path.join(folder, "filled.png")],
            capture_output=True,
            text=True,
            check=False,
        )
    assert answer.returncode == 2
    assert "cannot be written to" in answer.stderr
