"""A disk that is full is told in one line, before a library is brought down by it."""

import contextlib
import errno
import os
import resource
import shutil

import h5py
import numpy as np
import pytest

from keras_inpaint.files import atomic_write, reserve_room, weights_size, write_text
from keras_inpaint.files.room import KnownFolder, LostFolderError


@contextlib.contextmanager
def limited(size):
    """What is beyond so many bytes of a file is refused as by a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_room_is_given_back_to_be_used(tmp_path):
    before = shutil.disk_usage(tmp_path).free
    reserve_room(tmp_path, 50_000_000)
    assert not list(tmp_path.iterdir())
    assert shutil.disk_usage(tmp_path).free > before - 25_000_000


def test_full_disk_is_told_in_one_line(tmp_path):
    with (
        limited(10_000),
        pytest.raises(OSError, match=r"no room for 0\.2 MB .*Make room") as caught,
    ):
        reserve_room(tmp_path, 200_000)
    assert caught.value.errno == errno.EFBIG
    assert "\n" not in str(caught.value)
    assert f"Received: path={str(tmp_path)!r}" in str(caught.value)
    reserve_room(tmp_path, 200_000)


def test_disks_that_cannot_reserve_still_know_what_is_free(tmp_path, monkeypatch):
    def fallocate(*arguments):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", fallocate)
    reserve_room(tmp_path, 1000)
    with pytest.raises(OSError, match="No space left on device"):
        reserve_room(tmp_path, 2**60)
    monkeypatch.delattr(os, "posix_fallocate")
    with pytest.raises(OSError, match="No space left on device"):
        reserve_room(tmp_path, 2**60)


def test_nothing_is_begun_without_room_for_it(tmp_path):
    (tmp_path / "file").write_text("before")
    with (
        limited(10_000),
        pytest.raises(OSError, match=r"no room for 20000 bytes.*Received: path=.*file"),
        atomic_write(tmp_path / "file", size=20_000),
    ):
        pytest.fail("There is no room.")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "before"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        # As libraries in C++ put it.
        RuntimeError("Unable to flush: errno = 28, error message = 'No space left on device'"),
    ],
)
def test_disk_that_is_full_while_something_is_written_is_told_in_one_line(tmp_path, error):
    with (
        pytest.raises(OSError, match=r"no room for what is to be written.*Make room") as caught,
        atomic_write(tmp_path / "file"),
    ):
        raise error
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.__cause__ is error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOTCONN, errno.ESTALE])
@pytest.mark.parametrize("kind", [OSError, RuntimeError])
def test_disk_that_is_taken_away_is_told_in_one_line(tmp_path, number, kind):
    arguments = (number, os.strerror(number)) if kind is OSError else (os.strerror(number),)
    (tmp_path / "file").write_text("before")
    with (
        pytest.raises(LostFolderError, match=r"not there any more.*Bring it back") as caught,
        atomic_write(tmp_path / "file"),
    ):
        raise kind(*arguments)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_folder_that_is_another_one_by_now_is_told(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    writing = atomic_write(folder / "file")
    writing.__enter__().write_text("after")
    folder.rename(tmp_path / "moved")
    folder.mkdir()
    with pytest.raises(LostFolderError, match=r"another folder is in its place.*folder='"):
        writing.__exit__(None, None, None)
    assert not list(folder.iterdir())


def test_folder_above_what_is_written_later_is_the_nearest_that_is_there(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "new" / "file")
    known = KnownFolder.above(tmp_path / "link", "Try again.")
    # What is made below it is no other folder.
    (tmp_path / "disk" / "new").mkdir()
    known.check()
    (tmp_path / "disk").rename(tmp_path / "moved")
    (tmp_path / "disk").mkdir()
    with pytest.raises(LostFolderError, match=r"another folder.*Try again\. .*/disk'$"):
        known.check()


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(OSError, match="No such device"), atomic_write(tmp_path / "file"):
        raise OSError(errno.ENODEV, "No such device")


def test_inner_error_is_told_once(tmp_path):
    with (
        limited(1000),
        pytest.raises(OSError, match=r"path='[^']*inner'$"),
        atomic_write(tmp_path / "outer", is_folder=True) as draft,
    ):
        write_text(draft / "inner", "x" * 2000)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shapes", [[()], [(3, 3, 4, 8)] * 40, [(1000,)] * 3])
def test_size_of_weights_suffices_for_hdf5(tmp_path, shapes):
    arrays = [np.zeros(shape, "float32") for shape in shapes]
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        for index, array in enumerate(arrays):
            # As Keras lays them out: a group each layer, a group of its variables.
            file.create_group(f"layers/layer_{index}").create_group("vars")["0"] = array
    size = os.path.getsize(tmp_path / "weights.h5")
    assert size <= weights_size(arrays) <= size + 20_000 + 4096 * len(arrays)
