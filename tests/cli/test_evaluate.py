"""`keras-inpaint evaluate`: table, files and exit codes."""

import json

import numpy as np
import pytest
from PIL import Image

from keras_inpaint import Inpainter, InpaintingGAN, evaluate
from keras_inpaint.cli.main import main
from keras_inpaint.masks import EdgeSketch

pytestmark = pytest.mark.usefixtures("quick_loading")


@pytest.fixture
def words(rng, preset, tmp_path):
    """The words of a command that works."""
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.jpg"):
        pixels = rng.integers(0, 256, (40, 64, 3)).astype("uint8")
        Image.fromarray(pixels).save(tmp_path / "photos" / name)
    data = str(tmp_path / "photos")
    return ["evaluate", "--data", data, "--preset", preset, "--image-size", "32"]


def test_table_json_and_sheet(words, tmp_path, capsys):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    files = [tmp_path / "numbers.json", tmp_path / "sheet.png"]
    options = ["--json", str(files[0]), "--sheet", str(files[1]), "--holes", "boxes"]
    assert main([*words, *options, "--hole-area", "0.05:0.2", "--baselines"]) == 0
    table = capsys.readouterr().out.splitlines()
    columns = [cell.strip() for cell in table[0].split("|")[2:-1]]
    assert columns == ["untrained", "telea", "navier-stokes", "mean colour", "photos"]
    assert table[-2:] == [str(path) for path in files]
    told = json.loads(files[0].read_text("utf-8"))
    assert told["settings"]["masks"] == "boxes"
    assert told["settings"]["hole_area"] == [0.05, 0.2]
    assert all(0.05 <= row["hole_area"] <= 0.2 for row in told["pictures"])
    mean = told["means"]["telea"]["hole_l1"]
    assert f"{mean:.4g}" in next(line for line in table if "L1, hole" in line)
    with Image.open(files[1]) as sheet:
        assert sheet.width == 6 * 32 + 5 * 4


def test_photo_that_failed_is_named(words, tmp_path, capsys):
    (tmp_path / "photos/c.png").write_bytes(b"no picture")
    assert main(words) == 1
    told = capsys.readouterr()
    assert "c.png failed: " in told.err
    assert "1 of 3 photos failed." in told.err
    assert "| L1, hole" in told.out


def test_masks_of_the_photos_are_used(words, tmp_path, capsys):
    (tmp_path / "masks").mkdir()
    mask = np.zeros((40, 64), "uint8")
    mask[10:20, 20:40] = 255
    Image.fromarray(mask).save(tmp_path / "masks/a.png")
    masks, numbers = str(tmp_path / "masks"), tmp_path / "numbers.json"
    assert main([*words[:-2], "--masks", masks, "--json", str(numbers)]) == 1
    assert "b.jpg failed: there is no mask" in capsys.readouterr().err
    told = json.loads(numbers.read_text("utf-8"))
    assert [row["hole_area"] for row in told["pictures"]] == [200 / 2560]


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (["--holes", "stars"], "'stars'"),
        (["--hole-area", "0.2"], "0.1:0.2"),
        (["--hole-area", "0.2:0.1"], "--hole-area=(0.2, 0.1)"),
        (["--image-size", "0"], "number of pixels, at least 1"),
        (["--json", "missing/numbers.json"], "'missing/numbers.json'"),
        (["--sheet", "sheet.txt"], "--sheet must end in"),
        (["--features", "vgg"], "features='vgg'"),
        (["--masks", "missing"], "'missing'"),
        (["--grow", "3"], "'grow': 3"),
        (["--max-pixels", "many"], "such as 300M"),
        (["--data", "missing"], "'missing'"),
    ],
)
def test_wrong_use_is_told_in_one_line(words, options, advice, capsys):
    assert main([*words, *options]) == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert advice in told.err
    assert told.out == ""


def test_a_guided_preset_is_shown_sketches_as_it_was_in_training(words, tmp_path, capsys):
    sizes = {"image_size": 32, "width": 4, "critic_width": 2}
    gan = InpaintingGAN.deepfill_v2(guided=True, sketch=EdgeSketch(threshold=1e-4), **sizes)
    gan.save_to_preset(tmp_path / "guided")
    words[words.index("--preset") + 1] = str(tmp_path / "guided")
    numbers = tmp_path / "numbers.json"
    assert main([*words, "--json", str(numbers)]) == 0
    assert "guided is guided: EdgeSketch draws the edges" in capsys.readouterr().err
    assert json.loads(numbers.read_text("utf-8"))["settings"]["sketch"] == "EdgeSketch"
    inpainter = Inpainter.from_preset(tmp_path / "guided")
    paths = [str(tmp_path / "photos" / name) for name in ("a.png", "b.jpg")]
    expected = evaluate(inpainter, paths, image_size=32, sketch=EdgeSketch(threshold=1e-4))
    told = json.loads(numbers.read_text("utf-8"))["means"]["guided"]["hole_l1"]
    assert told == pytest.approx(expected.means("guided")["hole_l1"])
    # In noise, it finds no edge unless told to look closely.
    others = evaluate(inpainter, paths, image_size=32)
    assert told != pytest.approx(others.means("guided")["hole_l1"])
