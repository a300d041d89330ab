"""What is written is there whole or not at all, and never in the place of a device."""

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from keras_inpaint.files import atomic, atomic_write, check_target, sweep
from keras_inpaint.files.atomic import TEMPORARY_SUFFIX


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=["at once", "in two steps"])
def exchange(request, monkeypatch):
    """Folders are exchanged as Linux can, and as other systems and disks have to."""
    if request.param == "in two steps":
        monkeypatch.setattr(atomic, "_exchange_at_once", lambda one, other: False)
    return request.param


def write_folder(path, text):
    with atomic_write(path, is_folder=True) as draft:
        (draft / "one").write_text(text)
        (draft / "two").write_text(text)


def test_file_appears_whole_and_replaces_another(tmp_path):
    path = tmp_path / "photo.png"
    for text in ("before", "after"):
        with atomic_write(path) as draft:
            # Libraries go by the suffix.
            assert draft.name == "photo.png"
            draft.write_text(text)
            assert not path.exists() or path.read_text() == "before"
            assert [name for name in names(tmp_path) if name != "photo.png"] == [
                draft.parent.name
            ]
            assert draft.parent.name.endswith(TEMPORARY_SUFFIX)
        assert path.read_text() == text
        assert names(tmp_path) == ["photo.png"]


def test_folder_appears_whole_and_replaces_another(tmp_path, exchange):
    for text in ("before", "after"):
        write_folder(tmp_path / "new" / "preset", text)
        assert names(tmp_path / "new") == ["preset"]
        assert names(tmp_path / "new" / "preset") == ["one", "two"]
        assert (tmp_path / "new" / "preset" / "two").read_text() == text


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("is_folder", [False, True])
def test_what_fails_leaves_what_was_there(tmp_path, error, is_folder):
    path = tmp_path / "there"
    if is_folder:
        write_folder(path, "before")
    else:
        path.write_text("before")

    def fail(target):
        with atomic_write(target, is_folder=is_folder) as draft:
            (draft / "one" if is_folder else draft).write_text("after")
            raise error

    with pytest.raises(error):
        fail(path)
    assert names(tmp_path) == ["there"]
    assert (path / "one" if is_folder else path).read_text() == "before"
    # Nor the folders that would have been made.
    with pytest.raises(error if is_folder else FileNotFoundError):
        fail(tmp_path / "a" / "b" / "new")
    assert names(tmp_path) == ["there"]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux exchanges folders in one step")
def test_no_reader_finds_a_folder_missing_while_it_is_replaced(tmp_path, monkeypatch):
    path, seen, rename = tmp_path / "preset", [], os.rename
    write_folder(path, "before")

    def rename_and_look(one, other):
        try:
            rename(one, other)
        finally:
            seen.append((path / "two").read_text() if path.exists() else "missing")

    monkeypatch.setattr(os, "rename", rename_and_look)
    write_folder(path, "after")
    # The folder cannot be renamed onto the other: it is exchanged, which needs no more renames.
    assert seen == ["before"]
    assert (path / "two").read_text() == "after"


def test_symbolic_link_stays_and_what_it_points_to_is_replaced(tmp_path, exchange):
    (tmp_path / "elsewhere").mkdir()
    for name, write in (
        ("file", lambda path: Path(path).write_text),
        ("folder", lambda path: lambda text: write_folder(path, text)),
    ):
        write(tmp_path / "elsewhere" / name)("before")
        (tmp_path / name).symlink_to(tmp_path / "elsewhere" / name)
    with atomic_write(tmp_path / "file") as draft:
        draft.write_text("after")
    write_folder(tmp_path / "folder", "after")
    assert (tmp_path / "file").is_symlink()
    assert (tmp_path / "folder").is_symlink()
    assert (tmp_path / "elsewhere" / "file").read_text() == "after"
    assert (tmp_path / "elsewhere" / "folder" / "one").read_text() == "after"
    assert names(tmp_path / "elsewhere") == ["file", "folder"]


def make_strange(path, kind):
    """Something at `path` that is neither a file nor a folder, or leads to it."""
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a FIFO, at the end of a symbolic link":
        os.mkfifo(path.with_name("fifo"))
        path.symlink_to("fifo")
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    else:
        # A link: should it be replaced after all, the device is not.
        path.symlink_to(os.devnull)


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize(
    "kind",
    [
        "a FIFO",
        "a FIFO, at the end of a symbolic link",
        "a socket",
        "a character device, at the end of a symbolic link",
    ],
)
def test_devices_fifos_and_sockets_are_refused(tmp_path, monkeypatch, kind, is_folder):
    # Should a device not be refused, this keeps it from being replaced.
    monkeypatch.setattr(atomic, "_publish", lambda *arguments: None)
    # Names of sockets are short.
    monkeypatch.chdir(tmp_path)
    make_strange(Path("strange"), kind)
    before = os.lstat("strange")
    with (
        pytest.raises(
            ValueError, match=rf"Choose another name\. Received: .*{kind}$"
        ) as caught,
        atomic_write("strange", is_folder=is_folder),
    ):
        pytest.fail("There is nothing to be written to.")
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=f"Received: --json='strange', which is {kind}$"):
        check_target("strange", is_folder=is_folder, name="--json")
    assert os.lstat("strange") == before
    assert not list(tmp_path.glob(f".*{TEMPORARY_SUFFIX}"))


def test_fifo_that_came_while_it_was_written_is_left_alone(tmp_path):
    path = tmp_path / "log.csv"

    def write():
        with atomic_write(path) as draft:
            draft.write_text("step")
            os.mkfifo(path)

    with pytest.raises(ValueError, match="a FIFO"):
        write()
    assert path.is_fifo()
    assert names(tmp_path) == ["log.csv"]


@pytest.mark.parametrize(
    ("name", "is_folder", "error", "message"),
    [
        (
            "folder",
            False,
            IsADirectoryError,
            "Add a file name.* which is a folder$",
        ),
        ("file", True, NotADirectoryError, "must name a folder.* which is a file$"),
        ("none/new", False, FileNotFoundError, "does not exist. Create it first.*none/new"),
        ("file/new", False, NotADirectoryError, "is a file. Choose another folder.*file/new"),
        ("file/a/new", True, NotADirectoryError, "is a file. Choose another folder.*file/a"),
    ],
)
def test_what_cannot_be_written_is_refused_before(tmp_path, name, is_folder, error, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(error, match=message):
        check_target(tmp_path / name, is_folder=is_folder)
    with (
        pytest.raises(error, match=message),
        atomic_write(tmp_path / name, is_folder=is_folder),
    ):
        pytest.fail("There is nothing to be written to.")


@pytest.mark.skipif(not hasattr(os, "setresuid") or os.getuid(), reason="needs root's rights")
def test_folder_of_somebody_else_is_refused_before():
    # Not in pytest's folder, into which nobody else can look.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        os.setresuid(65534, 65534, 0)
        try:
            for name, is_folder in (("file", False), ("a/b", True)):
                with pytest.raises(PermissionError, match=r"Change its permissions.*Received"):
                    check_target(os.path.join(folder, name), is_folder=is_folder)
        finally:
            os.setresuid(0, 0, 0)


# Begins to write, and is killed in the middle, or ended between the two steps of a replacement.
KILLED = """
import os, signal, sys
from keras_inpaint.files import atomic
from keras_inpaint.files import atomic_write

path, moment = sys.argv[1:]
if moment == "replacing":
    atomic._exchange_at_once = lambda one, other: False
    rename = os.rename
    def rename_and_die(one, other):
        rename(one, other)
        if os.path.basename(other) == ".replaced":
            os.kill(os.getpid(), signal.SIGKILL)
    os.rename = rename_and_die
with atomic_write(path, is_folder=moment == "replacing") as draft:
    file = draft / "one" if moment == "replacing" else draft
    file.write_text("after")
    if moment == "waiting":
        print("writing", flush=True)
        signal.pause()
    if moment == "writing":
        os.kill(os.getpid(), signal.SIGKILL)
"""


def start(path, moment, **options):
    return subprocess.Popen([sys.executable, "-c", KILLED, str(path), moment], **options)


def test_what_a_killed_process_left_is_swept_away(tmp_path):
    (tmp_path / "log.csv").write_text("before")
    assert start(tmp_path / "log.csv", "writing").wait() == -signal.SIGKILL
    assert len(names(tmp_path)) == 2
    assert (tmp_path / "log.csv").read_text() == "before"
    sweep(tmp_path)
    assert names(tmp_path) == ["log.csv"]


def test_process_that_writes_first_sweeps(tmp_path):
    assert start(tmp_path / "log.csv", "writing").wait() == -signal.SIGKILL
    with atomic_write(tmp_path / "other") as draft:
        draft.write_text("")
    assert names(tmp_path) == ["other"]


def test_what_another_process_is_writing_is_left_alone(tmp_path):
    with start(tmp_path / "log.csv", "waiting", stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout.readline() == b"writing\n"
            sweep(tmp_path)
            assert len(names(tmp_path)) == 1
        finally:
            other.kill()
    sweep(tmp_path)
    assert not names(tmp_path)


def test_replacement_that_was_cut_off_is_ended_by_the_sweep(tmp_path):
    write_folder(tmp_path / "preset", "before")
    assert start(tmp_path / "preset", "replacing").wait() == -signal.SIGKILL
    assert not (tmp_path / "preset").exists()
    sweep(tmp_path)
    assert names(tmp_path) == ["preset"]
    assert (tmp_path / "preset" / "one").read_text() == "after"


def test_files_of_others_are_not_swept_away(tmp_path):
    for name in (f"mine{TEMPORARY_SUFFIX}", f".mine{TEMPORARY_SUFFIX}"):
        (tmp_path / name).mkdir()
    before = names(tmp_path)
    sweep(tmp_path)
    sweep(tmp_path / "nowhere")
    assert names(tmp_path) == before


def test_leftovers_on_a_disk_without_locks_go_after_a_day(tmp_path, monkeypatch):
    def lock(*arguments, **options):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(atomic.filelock, "lock_descriptor", lock)
    old, young = (tmp_path / f".{digit * 32}{TEMPORARY_SUFFIX}" for digit in "01")
    for path in (old, young):
        path.mkdir()
    os.utime(old, (0, 0))
    with atomic_write(tmp_path / "file") as draft:
        draft.write_text("")
    assert names(tmp_path) == [young.name, "file"]


def test_replacement_that_fails_half_way_is_taken_back(tmp_path, monkeypatch):
    write_folder(tmp_path / "preset", "before")
    monkeypatch.setattr(atomic, "_exchange_at_once", lambda one, other: False)
    rename = os.rename

    def rename_but_the_draft(one, other):
        if Path(other) == tmp_path / "preset" and Path(one).name == "preset":
            raise OSError(errno.ENOTEMPTY if Path(other).exists() else errno.EIO, "failed")
        rename(one, other)

    monkeypatch.setattr(os, "rename", rename_but_the_draft)
    with pytest.raises(OSError, match="failed"):
        write_folder(tmp_path / "preset", "after")
    assert names(tmp_path) == ["preset"]
    assert (tmp_path / "preset" / "one").read_text() == "before"


def test_next_path_is_asked_for_where_one_is_taken(tmp_path, monkeypatch):
    paths = iter([tmp_path / name for name in "1234"])
    rename = os.rename

    def take_three_at_the_last_moment(one, other):
        if Path(other) == tmp_path / "3":
            (tmp_path / "3").mkdir()
            (tmp_path / "3" / "one").write_text("others'")
        rename(one, other)

    monkeypatch.setattr(os, "rename", take_three_at_the_last_moment)
    with atomic_write(tmp_path / "1", is_folder=True, next_path=lambda: next(paths)) as draft:
        (draft / "one").write_text("mine")
        (tmp_path / "1").mkdir()
        (tmp_path / "2").write_text("others'")
    assert names(tmp_path) == ["1", "2", "3", "4"]
    assert not names(tmp_path / "1")
    assert (tmp_path / "2").read_text() == (tmp_path / "3" / "one").read_text() == "others'"
    assert (tmp_path / "4" / "one").read_text() == "mine"
