"""Whatever writes a file or a folder: never in the place of a device, never a part of it."""

import ast
import os
import pathlib
import pkgutil
import subprocess

import keras
import numpy as np
import pytest
from conversion.sources import stripped, write_pytorch
from PIL import Image
from reference.published import port_state

import keras_inpaint
from keras_inpaint import Inpainter
from keras_inpaint.cli import presets
from keras_inpaint.cli.main import main
from keras_inpaint.evaluation import Evaluation
from keras_inpaint.files import (
    atomic,
    write_json,
    write_table,
    write_text,
)
from keras_inpaint.gan.inpainting_gan import InpaintingGAN
from keras_inpaint.models import Generator
from keras_inpaint.pictures import Picture, write_picture

ROOT = pathlib.Path(keras_inpaint.__file__).parent
NEEDS_TENSORFLOW = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow only"
)
SLOW = pytest.mark.slow
KINDS = ["FIFO", "character device, at the end of a symbolic link"]


def numbers(size):
    """Numbers that fill a file of at least so many bytes."""
    return np.random.default_rng(0).integers(0, 256, size)


def save_evaluation(path):
    photo = {"photo": "a.png", "height": 8, "width": 8, "hole_area": 0.5, "methods": {}}
    rows = [{**photo, "methods": {"mine": {"l1": value}}} for value in numbers(9000) / 256]
    Evaluation({}, rows, {}, {}).save(path)


@pytest.fixture(scope="module")
def gan():
    return InpaintingGAN.deepfill_v2(width=8, image_size=64, critic_width=4)


# Each writes at least 200 kB.
WRITERS = {
    "picture.png": lambda path, gan: write_picture(
        path, Picture(numbers(300 * 300 * 3).reshape(300, 300, 3).astype("uint8"))
    ),
    "text.md": lambda path, gan: write_text(path, "text" * 60_000),
    "object.json": lambda path, gan: write_json(path, numbers(60_000).tolist()),
    "table.csv": lambda path, gan: write_table(
        path, ["n"], [{"n": each} for each in numbers(90_000)]
    ),
    "evaluation.json": lambda path, gan: save_evaluation(path),
    "generator": lambda path, gan: gan.inpainter.save_to_preset(path),
    "gan": lambda path, gan: gan.save_to_preset(path),
    "run.weights.h5": lambda path, gan: gan.save_weights(path),
    "run.keras": lambda path, gan: gan.save(path),
    "model": lambda path, gan: Inpainter(gan.generator).export(path),
}
EVERY_WRITER = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[NEEDS_TENSORFLOW] if name == "model" else [])
        for name in WRITERS
    ],
)


def make_strange(path, kind):
    """A link to a device, not a device: should it be replaced after all, nothing is lost."""
    os.mkfifo(path) if kind == "FIFO" else path.symlink_to(os.devnull)


@pytest.fixture
def guard(monkeypatch):
    """Should a device not be refused, nothing is put in its place."""
    monkeypatch.setattr(atomic, "_publish", lambda *arguments: None)


@EVERY_WRITER
@pytest.mark.parametrize("kind", KINDS)
def test_no_device_is_ever_replaced(name, kind, gan, tmp_path, guard):
    make_strange(tmp_path / name, kind)
    with pytest.raises(
        ValueError, match=rf"another name\. Received.*, which is a {kind}$"
    ) as caught:
        WRITERS[name](tmp_path / name, gan)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.fixture
def disk(tmp_path):
    """A disk of its own, of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=8m", "tmpfs"]
    try:
        subprocess.run(["mount", *options, str(folder)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"only root can mount a small disk, and not everywhere: {error}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(disk, free=0):
    """Fills a disk up to some bytes."""
    room = os.statvfs(disk)
    (disk / "filler").write_bytes(bytes(room.f_bavail * room.f_frsize - free))


@pytest.fixture
def small_disk(disk):
    """A disk with room for 100 kB."""
    fill(disk, free=100_000)
    return disk


@EVERY_WRITER
def test_full_disk_leaves_what_was_there_and_is_told_in_one_line(name, gan, small_disk):
    path = small_disk / name
    is_folder = name in ("generator", "gan")
    if is_folder:
        path.mkdir()
        (path / "metadata.json").write_text("before")
    elif name != "model":
        path.write_text("before")
    with pytest.raises(
        OSError, match=r"There is no room for .*Make room on the disk"
    ) as caught:
        WRITERS[name](path, gan)
    assert "\n" not in str(caught.value)
    assert {each.name for each in small_disk.iterdir()} <= {"filler", name}
    if is_folder:
        assert [each.name for each in path.iterdir()] == ["metadata.json"]
    elif name != "model":
        assert path.read_text() == "before"
    else:
        assert not path.exists()


@pytest.fixture
def lost_disk(tmp_path, monkeypatch):
    """A disk that is taken away in the middle of what is first written, and what it holds."""
    kept, folder = tmp_path / "kept", tmp_path / "mounted"
    for each in (kept, folder):
        each.mkdir()
    mount_other(kept, folder)
    to_disk, is_there = atomic._to_disk, [True]

    def lose(draft):
        if is_there:
            is_there.clear()
            # While files of it are open.
            subprocess.run(["umount", "-l", str(folder)], check=True)
        to_disk(draft)

    monkeypatch.setattr(atomic, "_to_disk", lose)
    try:
        yield folder, kept
    finally:
        subprocess.run(["umount", str(folder)], check=False, capture_output=True)


def mount_other(kept, folder):
    try:
        subprocess.run(["mount", "--bind", kept, folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"only root can mount a folder, and not everywhere: {error}")


@pytest.mark.parametrize(
    "name",
    [
        # Which is traced twice.
        pytest.param(
            name, marks=[NEEDS_TENSORFLOW, pytest.mark.slow] if name == "model" else []
        )
        for name in WRITERS
    ],
)
def test_disk_that_is_lost_keeps_what_was_there_and_is_told_in_one_line(name, gan, lost_disk):
    folder, kept = lost_disk
    is_folder = name in ("generator", "gan")
    if is_folder:
        (folder / name).mkdir()
    elif name != "model":
        (folder / name).write_text("before")
    with pytest.raises(OSError, match=r"not there any more.*Bring it back") as caught:
        WRITERS[name](folder / name, gan)
    assert "\n" not in str(caught.value)
    # Nothing is written where it was mounted.
    assert not list(folder.iterdir())
    if is_folder:
        assert not list((kept / name).iterdir())
    elif name != "model":
        assert (kept / name).read_text() == "before"
    mount_other(kept, folder)
    WRITERS[name](folder / name, gan)
    assert (kept / name).exists()


@pytest.fixture
def commands(tmp_path, disk, monkeypatch):
    """Commands that write onto the disk, and what of it they write."""
    # Of which a source is made.
    pytest.importorskip("torch")
    port = write_pytorch(tmp_path / "gen.pt", stripped(port_state("netG"), "netG."))
    monkeypatch.setattr(presets, "check_preset", lambda preset, **options: None)
    monkeypatch.setattr(presets, "load_inpainter", lambda preset: Inpainter(Echo()))
    # Of what is written, which takes longer than to write it.
    monkeypatch.setattr(
        "keras_inpaint.export.parity.check_saved_model", lambda inpainter, folder: None
    )
    photos = tmp_path / "photos"
    for folder in (photos, tmp_path / "masks"):
        folder.mkdir()
    Image.fromarray(numbers(64 * 64 * 3).reshape(64, 64, 3).astype("uint8")).save(
        photos / "photo.png"
    )
    mask = Image.new("L", (64, 64))
    mask.paste(255, (20, 20, 40, 40))
    mask.save(tmp_path / "masks" / "photo.png")
    report = disk / "evaluation.json"
    words = {
        "evaluate": ["evaluate", "--data", photos, "--preset", "echo", "--json", report],
        "sheet": [
            *("evaluate", "--data", photos, "--preset", "echo"),
            *("--sheet", disk / "sheet.png"),
        ],
        "report": [
            *("inpaint", photos, "--mask", tmp_path / "masks", "--preset", "echo"),
            *("--output", tmp_path / "filled", "--report", disk / "report.json"),
        ],
        "inpaint": [
            *("inpaint", photos, "--mask", tmp_path / "masks", "--preset", "echo"),
            *("--output", disk / "filled"),
        ],
        "photo": [
            *(
                "inpaint",
                photos / "photo.png",
                "--mask",
                tmp_path / "masks",
                "--preset",
                "echo",
            ),
            *("--output", disk / "photo.png"),
        ],
        "convert": ["convert", port, disk / "preset", "--channel-order", "rgb", "--replace"],
        "export": ["export", "--preset", "echo", "--output", disk / "model"],
    }
    return {verb: [str(word) for word in each] for verb, each in words.items()}


class Echo(keras.Model):
    """Predicts what it sees."""

    channels, size_multiple = 3, 8

    def call(self, inputs):
        return {"refined": inputs["corrupted"]}


def contents(folder):
    """Every file of a folder, with what it holds."""
    return {str(each): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


@NEEDS_TENSORFLOW
@pytest.mark.parametrize("verb", ["convert", "evaluate", "export"])
def test_command_on_a_disk_that_is_full_or_read_only_leaves_what_was_there(
    verb, commands, disk, capfd
):
    def mount_again(options):
        subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)

    def check_failure(advice):
        capfd.readouterr()
        assert main(commands[verb]) == 2
        told = capfd.readouterr()
        # What was measured is printed all the same, where the disk turns out to be full.
        assert (told.out == "") == (verb != "evaluate" or "room" not in advice)
        # What is converted is said before.
        *_, line = told.err.splitlines()
        assert told.err.count("keras-inpaint: ") == 1
        assert line.startswith("keras-inpaint: ")
        assert advice in line
        assert {path: x for path, x in contents(disk).items() if "filler" not in path} == before

    assert main(commands[verb]) == 0
    before = contents(disk)
    fill(disk)
    check_failure("Make room on the disk")
    (disk / "filler").unlink()
    mount_again("ro")
    check_failure("cannot be written to")
    mount_again("rw")
    assert main(commands[verb]) == 0


@NEEDS_TENSORFLOW
@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("convert", "keras_inpaint.cli.presets.find_source"),
        ("convert", "keras_inpaint.conversion.converting.read_source"),
        ("export", "keras_inpaint.cli.presets.load_inpainter"),
        ("evaluate", "keras_inpaint.cli.presets.load_inpainter"),
        ("evaluate", "keras_inpaint.inpainting.Inpainter.inpaint"),
        ("sheet", "keras_inpaint.cli.presets.load_inpainter"),
        ("sheet", "keras_inpaint.inpainting.Inpainter.inpaint"),
        ("report", "keras_inpaint.inpainting.Inpainter.inpaint"),
        ("inpaint", "keras_inpaint.inpainting.Inpainter.inpaint"),
        ("photo", "keras_inpaint.inpainting.Inpainter.inpaint"),
    ],
)
def test_command_writes_nothing_where_its_disk_was_lost_before_the_first_write(
    name, moment, commands, disk, capfd, monkeypatch
):
    owner, _, attribute = moment.rpartition(".")
    owner = pkgutil.resolve_name(owner)
    work = getattr(owner, attribute)

    def lose(*args, **options):
        if os.path.ismount(disk):
            subprocess.run(["umount", "-l", str(disk)], check=True)
        return work(*args, **options)

    monkeypatch.setattr(owner, attribute, lose)
    try:
        assert main(commands[name]) in (1, 2)
        told = capfd.readouterr().err.splitlines()
        (line,) = [line for line in told if "not there any more" in line]
        assert "Bring it back" in line
        assert f"='{disk}" in line
        assert not list(disk.iterdir())
    finally:
        if not os.path.ismount(disk):
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(disk)], check=True)
    monkeypatch.setattr(owner, attribute, work)
    assert main(commands[name]) == 0
    assert list(disk.iterdir())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("inpaint {}/photo.png --mask {}/photo.png --output {}/strange.png", "strange.png"),
        ("evaluate --data {} --json {}/strange", "strange"),
        ("evaluate --data {} --sheet {}/strange.png", "strange.png"),
        ("convert {}/photo.png {}/strange", "strange"),
        (
            "train --data {} --output {}/strange --image-size 64 --batch-size 1 --width 4 "
            "--critic-width 4",
            "strange",
        ),
    ],
)
def test_command_refuses_a_device_in_one_line(words, name, kind, tmp_path, capsys, guard):
    photo = numbers(64 * 64 * 3).reshape(64, 64, 3).astype("uint8")
    Image.fromarray(photo).save(tmp_path / "photo.png")
    make_strange(tmp_path / name, kind)
    assert main(words.replace("{}", str(tmp_path)).split()) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert str(tmp_path / name) in told.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png", name]


RENAMES = {"link", "move", "rename", "renames", "replace", "symlink"}


def renaming(source):
    """Calls that put one file or folder in the place of another."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        called, owner = node.func.attr, getattr(node.func.value, "id", "")
        # `text.replace(a, b)` and `dataclasses.replace` rename none; paths have one argument.
        if called in RENAMES and (
            owner in ("os", "shutil") or (len(node.args) == 1 and not node.keywords)
        ):
            yield f"{owner or '...'}.{called} in line {node.lineno}"


def test_nothing_but_files_puts_one_file_in_the_place_of_another():
    found = [
        f"{path.relative_to(ROOT)}: {call}"
        for path in sorted(ROOT.rglob("*.py"))
        if path.relative_to(ROOT).parts[0] != "files"
        for call in renaming(path.read_text("utf-8"))
    ]
    assert not found, "Use keras_inpaint.files.atomic_write:\n" + "\n".join(found)


def test_renaming_is_seen():
    assert len(list(renaming("os.replace(a, b); draft.rename(path); shutil.move(a, b)"))) == 3
    assert not list(renaming("text.replace('a', 'b'); dataclasses.replace(a, b=c)"))


def test_generator_has_what_the_writers_need():
    assert Generator.deepfill_v2(width=8).count_params() * 4 > 200_000
