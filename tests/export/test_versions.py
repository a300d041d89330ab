import os
import pathlib
import signal
import subprocess
import sys

import pytest

from keras_inpaint.export import saved_model as versions
from keras_inpaint.export.saved_model import check_model_folder, next_version, write_version


def write(folder):
    (folder / "saved_model.pb").write_text("model")


@pytest.mark.parametrize(
    ("present", "number"),
    [([], 1), (["1"], 2), (["1", "2"], 3), (["2", "10", "9"], 11), (["007", "x"], 8)],
)
def test_next_version_follows_the_highest_number(tmp_path, present, number):
    for name in present:
        (tmp_path / name).mkdir()
    assert next_version(tmp_path) == number
    version = write_version(tmp_path, write)
    assert version == tmp_path / str(number)
    assert [path.name for path in version.iterdir()] == ["saved_model.pb"]


def test_no_folder_looks_like_a_version_before_it_is_written(tmp_path):
    def look(draft):
        write(draft)
        names = [path.name for path in (tmp_path / "model").iterdir()]
        assert names == [draft.parent.name]
        assert not names[0].isdecimal()

    assert write_version(tmp_path / "model", look).name == "1"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failed_version_leaves_nothing(tmp_path, error):
    def fail(draft):
        write(draft)
        raise error

    with pytest.raises(error):
        write_version(tmp_path / "models" / "new", fail)
    assert not list(tmp_path.iterdir())
    first = write_version(tmp_path / "old", write)
    with pytest.raises(error):
        write_version(tmp_path / "old", fail)
    assert list((tmp_path / "old").iterdir()) == [first]


def test_version_is_the_highest_also_where_a_higher_one_came_in_between(tmp_path):
    def write_late(draft):
        write(draft)
        (tmp_path / "5").mkdir()

    assert write_version(tmp_path, write_late).name == "6"


def test_version_that_another_process_takes_is_left_alone(tmp_path):
    def write_late(draft):
        write(draft)
        write_version(tmp_path, write)

    assert write_version(tmp_path, write_late).name == "2"

    def write_and_take_three(draft):
        write(draft)
        taken = [3, 4]
        versions_next = iter(taken)
        monkey.setattr(versions, "next_version", lambda folder: next(versions_next))
        (tmp_path / "3").mkdir()
        write(tmp_path / "3")

    with pytest.MonkeyPatch.context() as monkey:
        assert write_version(tmp_path, write_and_take_three).name == "4"


# Without the package around the module: a process that is killed costs no start of Keras.
KILLED = """
import importlib.util, os, pathlib, signal, sys

spec = importlib.util.spec_from_file_location("versions", sys.argv[1])
versions = importlib.util.module_from_spec(spec)
spec.loader.exec_module(versions)

def write(draft):
    (draft / "saved_model.pb").write_text("half of a model")
    os.kill(os.getpid(), signal.SIGKILL)

versions.write_version(pathlib.Path(sys.argv[2]), write)
"""


def test_killed_process_leaves_no_version(tmp_path):
    folder = tmp_path / "model"
    command = [sys.executable, "-c", KILLED, versions.__file__, str(folder)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    (left,) = folder.iterdir()
    assert not left.name.isdecimal()
    # What it left is in nobody's way.
    check_model_folder(folder)
    assert write_version(folder, write).name == "1"


@pytest.mark.parametrize(
    ("folder", "advice"),
    [
        ("model/3", "Leave out the number.*model/3"),
        ("photos", r"Choose another name, or append one.*\['a.jpg'\]"),
    ],
)
def test_folder_of_other_things_is_refused(tmp_path, folder, advice):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_text("")
    with pytest.raises(ValueError, match=advice):
        check_model_folder(tmp_path / folder)


def test_file_or_device_is_no_folder_of_versions(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(os.devnull)
    with pytest.raises(NotADirectoryError, match=r"Choose another.*folder=.*which is a file$"):
        check_model_folder(tmp_path / "file")
    with pytest.raises(ValueError, match=r"Choose another name.*a character device.*link$"):
        check_model_folder(tmp_path / "link")


def test_folder_of_versions_may_hold_a_note(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "README.md").write_text("Whose model this is.")
    check_model_folder(tmp_path)
    check_model_folder(pathlib.Path(tmp_path, "new"))
