import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from keras_inpaint.cli import presets
from keras_inpaint.cli.main import main
from keras_inpaint.pictures import read_picture

pytestmark = pytest.mark.usefixtures("quick_loading")


def hole(height, width):
    mask = np.zeros((height, width), "uint8")
    mask[height // 4 : height // 2, width // 4 : width // 2] = 255
    return mask


@pytest.fixture
def photo(rng, tmp_path):
    pixels = rng.integers(0, 256, (40, 60, 3)).astype("uint8")
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return pixels


@pytest.fixture
def words(photo, preset, tmp_path):
    """The words of a command that works."""
    Image.fromarray(hole(40, 60)).save(tmp_path / "mask.png")
    return {
        "photo": str(tmp_path / "photo.png"),
        "--mask": str(tmp_path / "mask.png"),
        "--output": str(tmp_path / "filled.png"),
        "--preset": preset,
    }


def call(words, *more):
    options = [word for name in words if name != "photo" for word in (name, words[name])]
    return main(["inpaint", words["photo"], *options, *more])


def differs(before, after):
    return (before != after).any(axis=-1)


def test_hole_is_filled_and_the_output_is_named(words, photo, tmp_path, capsys):
    assert call(words) == 0
    filled = read_picture(tmp_path / "filled.png").pixels
    assert differs(photo, filled)[10:20, 15:30].mean() > 0.9
    assert not differs(photo, filled)[hole(40, 60) == 0].any()
    told = capsys.readouterr()
    assert told.out == f"{tmp_path / 'filled.png'}\n"
    assert told.err == ""


def test_inverted_mask_marks_what_is_known(words, photo, tmp_path):
    assert call(words, "--invert-mask") == 0
    filled = read_picture(tmp_path / "filled.png").pixels
    assert not differs(photo, filled)[10:20, 15:30].any()
    assert differs(photo, filled)[hole(40, 60) == 0].mean() > 0.9


def test_transparency_profile_and_exif_are_kept(words, photo, tmp_path):
    alpha = np.arange(60, dtype="uint8") * np.ones((40, 1), "uint8")
    exif = Image.Exif()
    exif[0x013B] = "Ada"  # Artist
    # Only the colour space at byte 16 is read.
    profile = b"\0" * 16 + b"RGB " + b"\0" * 108
    Image.fromarray(np.dstack([photo, alpha])).save(
        words["photo"], exif=exif, icc_profile=profile
    )
    assert call(words) == 0
    with Image.open(tmp_path / "filled.png") as filled:
        is_known = hole(40, 60) == 0
        np.testing.assert_array_equal(np.asarray(filled)[is_known, 3], alpha[is_known])
        assert (np.asarray(filled)[~is_known, 3] == 255).all()
        assert filled.getexif()[0x013B] == "Ada"
        assert filled.info["icc_profile"] == profile


def test_mask_without_a_hole_is_pointed_out(words, photo, tmp_path, capsys):
    Image.fromarray(np.zeros((40, 60), "uint8")).save(words["--mask"])
    assert call(words) == 0
    assert not differs(photo, read_picture(tmp_path / "filled.png").pixels).any()
    assert "--invert-mask" in capsys.readouterr().err


def test_a_dithered_photo_as_a_mask_is_advised_against_and_filled(words, rng, capsys):
    dithered = Image.fromarray(rng.integers(0, 256, (40, 60)).astype("uint8")).convert("1")
    dithered.save(words["--mask"])
    assert call(words) == 0
    assert "mask.png has two values that alternate" in capsys.readouterr().err


def test_a_file_that_is_replaced_is_told(words, tmp_path, capsys):
    Image.new("L", (2, 2)).save(tmp_path / "filled.png")
    assert call(words) == 0
    assert (
        capsys.readouterr().err
        == f"{tmp_path / 'filled.png'} was there already, and was replaced.\n"
    )


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"photo": "none.png"}, "none.png"),
        ({"--mask": "none.png"}, "none.png"),
        ({"--mask": "wide.png"}, "60 x 40 pixels. Resize it. Received: "),
        ({"--output": "filled.gif"}, ".png"),
        ({"--output": "missing/filled.png"}, "does not exist"),
        ({"--output": "photo.png"}, "another file than the photo"),
        ({"--output": "mask.png"}, "another file than the mask"),
        ({"--preset": "flowrs"}, "bundled preset"),
    ],
    ids=lambda value: " ".join(map("=".join, value.items())) if isinstance(value, dict) else "",
)
def test_what_cannot_be_done_is_told_in_one_line(words, tmp_path, capsys, changes, advice):
    Image.fromarray(hole(40, 61)).save(tmp_path / "wide.png")
    before = sorted(path.name for path in tmp_path.iterdir())
    changes = {
        name: value if name == "--preset" else str(tmp_path / value)
        for name, value in changes.items()
    }
    assert call({**words, **changes}) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert advice in told.err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_both_sizes_are_told(words, tmp_path, capsys):
    Image.fromarray(hole(41, 60)).save(words["--mask"])
    assert call(words) == 2
    error = capsys.readouterr().err
    assert "60 x 40" in error
    assert "60 x 41" in error


def test_photo_too_large_for_the_memory_is_refused(words, monkeypatch, capsys):
    class Exhausted:
        def inpaint(self, photo, mask, **options):
            raise MemoryError

    monkeypatch.setattr(presets, "load_inpainter", lambda preset: Exhausted())
    assert call(words) == 2
    assert "Try --method crop" in capsys.readouterr().err


@pytest.fixture
def folders(rng, preset, tmp_path):
    """Three photos, of which the second has a mask of another size and the third none."""
    for folder in ("photos", "masks"):
        (tmp_path / folder).mkdir()
    for name, size in (("a.png", (40, 60)), ("b.jpg", (24, 24)), ("c.png", (24, 24))):
        pixels = rng.integers(0, 256, (*size, 3)).astype("uint8")
        Image.fromarray(pixels).save(tmp_path / "photos" / name)
    Image.fromarray(hole(40, 60)).save(tmp_path / "masks" / "a.bmp")
    Image.fromarray(hole(40, 60)).save(tmp_path / "masks" / "b.png")
    return {
        "photo": str(tmp_path / "photos"),
        "--mask": str(tmp_path / "masks"),
        "--output": str(tmp_path / "deep" / "filled"),
        "--preset": preset,
    }


def test_folder_is_filled_and_each_failure_is_named(folders, tmp_path, capsys):
    assert call(folders) == 1
    output = tmp_path / "deep" / "filled"
    assert [path.name for path in output.iterdir() if path.name[0] != "."] == ["a.png"]
    told = capsys.readouterr()
    assert told.out == f"{output / 'a.png'}\n"
    lines = told.err.splitlines()
    assert len(lines) == 3
    assert any("b.jpg failed: " in line and "24 x 24" in line for line in lines)
    assert any("c.png: there is no mask" in line for line in lines)
    assert lines[-1].startswith("1 filled, 1 failed, 1 without a partner in ")


def test_folder_without_failures_is_done(folders, tmp_path):
    for name in ("b.jpg", "c.png"):
        (tmp_path / "photos" / name).unlink()
    (tmp_path / "masks" / "b.png").unlink()
    assert call(folders) == 0


def test_loss_of_jpeg_is_told_once_a_folder(folders, rng, tmp_path, capsys):
    for name in ("a", "b"):
        pixels = rng.integers(0, 256, (24, 24, 3)).astype("uint8")
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.jpg")
        Image.fromarray(hole(24, 24)).save(tmp_path / "masks" / f"{name}.png")
    (tmp_path / "photos" / "a.png").unlink()
    (tmp_path / "photos" / "c.png").unlink()
    (tmp_path / "masks" / "a.bmp").unlink()
    assert call(folders) == 0
    assert capsys.readouterr().err.count("JPEG is encoded anew") == 1


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"--output": "photos"}, "another folder than that of the photos"),
        ({"--output": "masks"}, "another folder than that of the masks"),
        ({"--output": "photos/a.png"}, "must be a folder where PHOTO is one"),
        ({"--mask": "empty"}, "--mask holds no photos"),
        ({"--mask": "others"}, "No photo has a mask"),
        ({"--mask": "nowhere"}, "Received: --mask='"),
    ],
    ids=["photos", "masks", "output", "empty", "others", "nowhere"],
)
def test_impossible_folders_are_told_in_one_line(folders, tmp_path, capsys, changes, advice):
    for name in ("empty", "others"):
        (tmp_path / name).mkdir()
    Image.fromarray(hole(40, 60)).save(tmp_path / "others" / "z.png")
    folders.update({name: str(tmp_path / value) for name, value in changes.items()})
    assert call(folders) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert advice in error


def test_libraries_are_silent(words):
    options = [word for name in words if name != "photo" for word in (name, words[name])]
    program = "import sys; from keras_inpaint.cli.main import main; sys.exit(main())"
    answer = subprocess.run(
        [sys.executable, "-c", program, "inpaint", words["photo"], *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0
    assert answer.stderr == ""
    assert answer.stdout == words["--output"] + "\n"
