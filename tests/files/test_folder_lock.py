"""One process per folder."""

import errno
import os
import subprocess
import sys

import filelock
import pytest

from keras_inpaint.files import FolderLock

HOLD = """
import sys, time
from keras_inpaint.files import FolderLock

lock = FolderLock(sys.argv[1], "training")
print("held", flush=True)
time.sleep(600)
"""


def test_folder_that_another_process_holds_is_refused(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout.readline() == b"held\n"
            with pytest.raises(ValueError, match=f"Another training .*{tmp_path}") as caught:
                FolderLock(tmp_path, "training")
            assert "\n" not in str(caught.value)
        finally:
            other.kill()
    # Of a process that was killed the system takes the lock back.
    FolderLock(tmp_path, "training").release()


def test_lock_is_given_back_and_its_file_stays(tmp_path):
    with FolderLock(tmp_path), pytest.raises(ValueError, match="Another process"):
        FolderLock(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FolderLock.NAME]
    lock = FolderLock(tmp_path)
    lock.release()
    FolderLock(tmp_path).release()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_disk_that_knows_no_locks_keeps_nobody_out(tmp_path, monkeypatch, number):
    fcntl = pytest.importorskip("fcntl")

    def flock(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with FolderLock(tmp_path), FolderLock(tmp_path):
        pass


def test_folder_that_cannot_be_written_to_is_an_error(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        FolderLock(tmp_path / "nowhere")
    assert filelock.__version__
