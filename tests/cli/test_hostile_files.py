"""Files that mean harm, or only look like it: no command waits, prints or grows for them."""

import io
import os
import signal
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from keras_inpaint.cli.main import main
from keras_inpaint.data import find_pairs

pytestmark = pytest.mark.usefixtures("quick_loading")


@pytest.fixture
def files(rng, tmp_path):
    """A photo and its mask, and a folder of each."""
    for name in ("photos", "masks"):
        (tmp_path / name).mkdir()
    photo = Image.fromarray(rng.integers(0, 256, (40, 60, 3)).astype("uint8"))
    mask = np.zeros((40, 60), "uint8")
    mask[10:20, 20:30] = 255
    for folder in (tmp_path, tmp_path / "photos"):
        photo.save(folder / "a.png")
    for name in ("mask.png", "masks/a.png"):
        Image.fromarray(mask).save(tmp_path / name)
    return tmp_path


@pytest.fixture(autouse=True)
def impatient():
    """Whatever waits for a FIFO ends."""

    def stop(*arguments):
        raise AssertionError("The command waits.")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(100)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


WORDS = {
    "photo": "inpaint {}/bad.png --mask {}/mask.png --output {}/o.png",
    "mask": "inpaint {}/a.png --mask {}/bad.png --output {}/o.png",
    "mask of a folder": "inpaint {}/photos --mask {}/bad.png --output {}/filled",
    "preset": "inpaint {}/a.png --mask {}/mask.png --output {}/o.png --preset {}/bad.png",
    "evaluate": "evaluate --data {}/bad.png --preset PRESET",
    "evaluate's masks": "evaluate --data {}/a.png --masks {}/bad.png --preset PRESET",
    "train": "train --data {}/bad.png --output {}/run",
    "settings": "train --config {}/bad.png",
    "network": "tune --data {}/photos --output {}/run --network {}/bad.png",
    "convert": "convert {}/bad.png {}/new",
}


@pytest.mark.parametrize("kind", ["FIFO", "device"])
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_no_command_opens_what_is_no_file(files, preset, capsys, words, kind):
    path = files / "bad.png"
    os.mkfifo(path) if kind == "FIFO" else path.symlink_to("/dev/zero")
    before = sorted(files.iterdir())
    assert main(words.replace("{}", str(files)).replace("PRESET", preset).split()) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "bad.png" in told.err
    assert sorted(files.iterdir()) == before


@pytest.mark.parametrize("verb", ["inpaint", "evaluate"])
def test_fifo_among_photos_is_left_out(files, preset, capsys, verb):
    os.mkfifo(files / "photos" / "b.png")
    words = {
        "inpaint": ["inpaint", "{}/photos", "--mask", "{}/masks", "--output", "{}/filled"],
        "evaluate": ["evaluate", "--data", "{}/photos", "--image-size", "32"],
    }[verb]
    words = [word.replace("{}", str(files)) for word in words]
    assert main([*words, "--preset", preset]) == 0
    assert "Traceback" not in capsys.readouterr().err


NAMES = [
    b"new\nkeras-inpaint: line.png",
    b"\x1b[2J\x1b]0;title\x07.png",
    b"\xff\xfe.png",
    "\u202egnp.png".encode(),
]


@pytest.mark.parametrize("name", NAMES, ids=["line break", "escape", "no text", "turned"])
@pytest.mark.parametrize("is_sound", [True, False], ids=["sound", "damaged"])
def test_name_is_shown_in_one_line_and_its_photo_filled(files, preset, capsys, name, is_sound):
    folder = os.fsencode(files / "photos")
    content = (files / "a.png").read_bytes() if is_sound else b"\x89PNG\r\n\x1a\n"
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content)
    words = ["inpaint", str(files / "photos"), "--mask", str(files / "mask.png")]
    code = main([*words, "--output", str(files / "filled"), "--preset", preset])
    assert code == (0 if is_sound else 1)
    told = capsys.readouterr()
    assert told.out.count("\n") == 1 + is_sound
    # The failure and the summary, and how far it is where that takes long.
    lines = [line for line in told.err.splitlines() if not line.endswith(" left")]
    assert len(lines) == 1 + (not is_sound)
    assert all(character.isprintable() for character in (told.out + told.err).replace("\n", ""))
    written = {os.fsencode(path) for path in os.listdir(files / "filled")}
    assert (name in written) == is_sound


def test_closed_pipe_stops_nothing(files, preset, monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    words = ["inpaint", str(files / "photos"), "--mask", str(files / "masks")]
    assert main([*words, "--output", str(files / "filled"), "--preset", preset]) == 0
    assert (files / "filled" / "a.png").exists()


def test_what_libtiff_prints_is_silenced(files, capfd):
    path = files / "bad.tif"
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), "uint8")
    Image.fromarray(noise).save(path, compression="tiff_adobe_deflate")
    content = bytearray(path.read_bytes())
    content[100:400] = bytes(300)
    path.write_bytes(content)
    words = ["inpaint", str(path), "--mask", str(path), "--output", str(files / "o.png")]
    assert main(words) == 2
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "bad.tif" in told.err


@pytest.mark.parametrize(
    "option", ["--max-pixels=2k", "--memory-limit=30M"], ids=["pixels", "memory"]
)
def test_limits_are_those_of_options(files, capsys, option):
    words = ["inpaint", str(files / "a.png"), "--mask", str(files / "mask.png"), option]
    assert main([*words, "--output", str(files / "o.png")]) == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert option.partition("=")[0] in told.err
    assert not (files / "o.png").exists()


def test_four_times_the_names_take_no_more_than_four_times_the_calls():
    def calls(num):
        photos = [f"photos/{index}.jpg" for index in range(num)]
        masks = [f"masks/{index}.png" for index in range(num)]
        count = Counter()
        sys.setprofile(lambda frame, event, argument: count.update([event]))
        try:
            assert len(find_pairs(photos, masks).pairs) == num
        finally:
            sys.setprofile(None)
        return count.total()

    # A look at each other name, for each name, would be sixteen times as many.
    assert calls(800) < 5 * calls(200)
