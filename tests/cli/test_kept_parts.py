"""What a photo's file holds survives on the command line, or what does not is told."""

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_inpaint import Inpainter
from keras_inpaint.cli import presets
from keras_inpaint.cli.main import main
from keras_inpaint.pictures import Picture, read_frames, read_mask, read_picture, write_picture

CASES = pathlib.Path(__file__).parents[1] / "cases"
HOLES = read_mask(CASES / "mask.png").astype(bool)


class Painter:
    """A network that paints one colour."""

    channels, size_multiple, name, weights = 3, 8, "painter", ()

    def predict_on_batch(self, inputs):
        return {"refined": np.full_like(inputs["corrupted"], 0.5)}


@pytest.fixture(autouse=True)
def painter(monkeypatch):
    monkeypatch.setattr(presets, "load_inpainter", lambda preset: Inpainter(Painter()))


@pytest.fixture
def fill(tmp_path):
    """Fills a photo of the cases, or another, and returns the path of the filled one."""

    def fill(photo, *words, output="filled.png", mask="mask.png"):
        words = ["--mask", str(CASES / mask), *words] if mask else list(words)
        path = tmp_path / output
        assert main(["inpaint", str(CASES / photo), *words, "--output", str(path)]) == 0
        return path

    return fill


@pytest.mark.parametrize("output", ["filled.png", "filled.tif"])
def test_16_bits_of_known_pixels_are_kept(fill, capsys, output):
    before, after = (
        read_picture(CASES / "deep.png"),
        read_picture(fill("deep.png", output=output)),
    )
    np.testing.assert_array_equal(after.deep[~HOLES], before.deep[~HOLES])
    assert (after.pixels[HOLES] == 191).all()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("output", ["filled.jpg", "filled.webp"])
def test_lost_bits_are_told(fill, capsys, output):
    fill("deep.png", output=output)
    assert "cannot hold the photo's 16 bits; PNG can" in capsys.readouterr().err


@pytest.mark.parametrize("photo", ["bigtext.png", "text300.png", "linear.png"])
def test_chunks_of_a_png_file_are_kept(fill, capsys, photo):
    before, after = read_picture(CASES / photo), read_picture(fill(photo))
    assert before.text or before.colour or before.resolution or before.xmp
    for name in ("text", "colour", "resolution", "xmp"):
        assert getattr(after, name) == getattr(before, name)
    np.testing.assert_array_equal(after.pixels[~HOLES], before.pixels[~HOLES])
    assert capsys.readouterr().err == ""


def test_resolution_of_a_jpeg_file_is_kept(fill):
    with Image.open(fill("dpi300.jpg", output="filled.jpg")) as image:
        assert image.info["dpi"] == (300, 300)


def test_gap_is_filled_and_seen(fill):
    before = read_picture(CASES / "cutout.png")
    after = read_picture(fill("cutout.png", "--mask-from-alpha", mask=None))
    is_gap = before.alpha == 0
    assert is_gap.any()
    assert (after.alpha == 255)[is_gap].all()
    assert (after.pixels[is_gap] == 191).all()
    np.testing.assert_array_equal(after.pixels[~is_gap], before.pixels[~is_gap])


@pytest.mark.parametrize(("photo", "num"), [("anim.webp", 3), ("pages.tif", 3)])
def test_first_frame_is_filled_which_is_told_or_all_are(fill, capsys, photo, num):
    suffix = pathlib.Path(photo).suffix
    before = [picture for picture, _ in read_frames(CASES / photo)]
    after = read_picture(fill(photo))
    assert after.num_frames == 1
    np.testing.assert_array_equal(after.pixels[~HOLES], before[0].pixels[~HOLES])
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"{photo} has {num} frames or pages: the first one is filled" in told
    output = fill(photo, "--all-frames", output=f"all{suffix}")
    assert capsys.readouterr().err == ""
    found = [picture for picture, _ in read_frames(output)]
    assert len(found) == num == len(before)
    for picture, expected in zip(found, before, strict=True):
        np.testing.assert_array_equal(picture.pixels[~HOLES], expected.pixels[~HOLES])
        assert (picture.pixels[HOLES] == 191).all()


def test_frames_keep_their_times(fill):
    def times(path):
        return [shown for _, shown in read_frames(path)]

    output = fill("anim.webp", "--all-frames", output="all.webp")
    assert times(output) == times(CASES / "anim.webp")
    assert all(times(output))


def test_frames_that_no_file_can_hold_are_refused(tmp_path, capsys):
    words = ["inpaint", str(CASES / "anim.webp"), "--mask", str(CASES / "mask.png")]
    assert main([*words, "--all-frames", "--output", str(tmp_path / "o.jpg")]) == 2
    assert "choose .tiff for pages, .webp or .png for frames" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_lost_is_told_once_a_kind(tmp_path, capsys):
    for name in ("photos", "filled"):
        (tmp_path / name).mkdir()
    for name in "abc":
        shutil.copy(CASES / "deep.png", tmp_path / "photos" / f"{name}.jpg")
    picture = read_picture(CASES / "photo.png")
    alpha = np.full(picture.size, 200, np.uint8)
    write_picture(tmp_path / "d.png", dataclasses.replace(picture, alpha=alpha))
    (tmp_path / "d.png").rename(tmp_path / "photos" / "d.jpg")
    words = ["inpaint", str(tmp_path / "photos"), "--mask", str(CASES / "mask.png")]
    assert main([*words, "--output", str(tmp_path / "filled")]) == 0
    told = capsys.readouterr().err
    assert told.count("cannot hold the photo's 16 bits") == 1
    assert told.count("cannot hold the photo's transparency") == 1
    assert told.count("JPEG is encoded anew") == 1


def test_report_names_everything(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for name in ("p0.png", "p1.png"):
        shutil.copy(CASES / "several" / name, tmp_path / "photos")
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    write_picture(tmp_path / "photos" / "small.png", Picture(np.zeros((9, 9, 3), "uint8")))
    report = tmp_path / "report.json"
    words = ["inpaint", str(tmp_path / "photos"), "--mask", str(CASES / "mask.png")]
    words += ["--output", str(tmp_path / "filled"), "--report", str(report)]
    assert main(words) == 1
    content = report.read_text()
    assert '"counts": {\n    "filled": 2,\n    "failed": 1\n  }' in content
    assert "notes.txt" in content
    told = capsys.readouterr().err
    assert "2 filled, 1 failed in " in told
    assert main(words) == 1
    assert "2 done before, 1 failed in " in capsys.readouterr().err


def peak_and_current(reset=False):
    """The largest memory of the process since it was reset, and that of now, in bytes."""
    if reset:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    found = dict(line.split(":") for line in lines if line.startswith(("VmHWM", "VmRSS")))
    return tuple(int(found[name].split()[0]) * 1024 for name in ("VmHWM", "VmRSS"))


MEASURED = pytest.mark.skipif(
    not pathlib.Path("/proc/self/clear_refs").exists(), reason="Linux tells it, others do not"
)


@MEASURED
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_process_grows_by_less_than_the_limit(tmp_path, suffix):
    Image.new("RGB", (4000, 3000), (10, 90, 200)).save(tmp_path / f"a{suffix}")
    mask = np.zeros((3000, 4000), "uint8")
    mask[1000:1100, 2000:2100] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    words = ["inpaint", str(tmp_path / f"a{suffix}"), "--mask", str(tmp_path / "mask.png")]
    words += ["--output", str(tmp_path / f"o{suffix}"), "--method", "crop"]
    # Modules and threads that the first photo brings are none of its own.
    assert main([*words, "--memory-limit", "400M"]) == 0
    _, before = peak_and_current(reset=True)
    assert main([*words, "--memory-limit", "400M"]) == 0
    assert peak_and_current()[0] - before < 400 * 2**20
    assert main([*words, "--memory-limit", "100M"]) == 2


def test_huge_photo_is_refused_by_an_option_that_exists(tmp_path, capsys):
    words = ["inpaint", str(CASES / "huge.png"), "--mask", str(CASES / "hugemask.png")]
    words += ["--output", str(tmp_path / "o.png")]
    for option in ("--max-pixels=100M", "--memory-limit=500M"):
        assert main([*words, option]) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert option.partition("=")[0] in told
        assert "16320 x 12240" in told


@MEASURED
@pytest.mark.slow  # 200 million pixels are read, filled and written: about a minute.
def test_huge_photo_is_filled_within_its_limit(tmp_path):
    words = ["inpaint", str(CASES / "huge.png"), "--mask", str(CASES / "hugemask.png")]
    words += ["--output", str(tmp_path / "o.png"), "--method", "crop", "--memory-limit", "2G"]
    _, before = peak_and_current(reset=True)
    assert main(words) == 0
    assert peak_and_current()[0] - before < 2 * 2**30
