"""Files and folders that appear, or are replaced, whole or not at all."""

import ctypes
import errno
import os
import re
import shutil
import stat
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import filelock

from keras_inpaint.files.room import (
    DiskFullError,
    KnownFolder,
    LostFolderError,
    is_full,
    no_room,
    reserve_room,
    weights_size,
)

# The one temporary name of this package: a hidden folder beside what it will become, on the
# same disk, where renaming is one step. In it the draft has the name that it will have, for
# libraries go by suffixes. No reader of folders of photos, versions or presets looks into it.
TEMPORARY_SUFFIX = ".unfinished"
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}" + re.escape(TEMPORARY_SUFFIX))
# Beside the draft: the folder that it is about to replace, where that takes two steps.
_REPLACED = ".replaced"
# For disks that know no locks: whoever still writes after a day, has not been cut off.
_OLD = 24 * 3600

KINDS = {
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFREG: "a file",
    stat.S_IFSOCK: "a socket",
}
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_swept: set[Path] = set()


@contextmanager
def atomic_write(
    path: str | os.PathLike[str],
    *,
    is_folder: bool = False,
    size: int = 0,
    next_path: Callable[[], Path] | None = None,
) -> Iterator[Path]:
    """Gives another path to write to; at the end, what is there takes the place of `path`.

    Readers see what was there before, or all of the new, never a part, also where the
    process is killed or the machine loses its power. What a killed process leaves behind
    is removed before the next one first writes into the same folder, see `sweep`.

    Args:
        path: str or path of the file or folder to be. A symbolic link stays one; what it
            points to is replaced.
        is_folder: bool. Whether a folder is written: an empty one is given to fill, and
            the folders above that are missing are made.
        size: int. Bytes that will be written, where a library writes that cannot bear a
            full disk, see `reserve_room`.
        next_path: Function or `None`. For folders that replace nothing: returns the path to
            take at the end, in the same folder as `path`, and is asked again where another
            process has just taken that.

    Yields:
        Path of the same name on the same disk. If anything fails, it is removed.

    Raises:
        OSError: If it cannot be written; a `DiskFullError` if there is no room, a
            `LostFolderError` if its folder is lost meanwhile.
        ValueError: If `path` names a device, a FIFO or a socket.

    Example:
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "note.txt")
    >>> with keras_inpaint.files.atomic_write(path) as draft:
    ...     _ = draft.write_text("whole")
    >>> open(path).read(), os.listdir(os.path.dirname(path))
    ('whole', ['note.txt'])
    """
    check_target(path, is_folder=is_folder)
    target = Path(os.path.realpath(path))
    missing = [each for each in target.parents if not each.exists()] if is_folder else []
    known = None
    try:
        if is_folder:
            target.parent.mkdir(parents=True, exist_ok=True)
        known = KnownFolder(target.parent, "Then write again: what was there before is whole.")
        if target.parent not in _swept:
            sweep(target.parent)
            _swept.add(target.parent)
        reserve_room(target.parent, size, path)
        with _temporary_folder(target.parent) as folder:
            # As it is called, and not what a link leads to: many writers go by the suffix.
            draft = folder / os.path.basename(os.path.abspath(path))
            if is_folder:
                draft.mkdir()
            yield draft
            _to_disk(draft)
            _publish(draft, target, is_folder, next_path)
    except BaseException as error:
        try:
            # Those were explained before, where one writes inside of another.
            if not isinstance(error, DiskFullError | LostFolderError):
                if is_full(error):
                    raise no_room(path, error, size or None) from error
                if known is not None:
                    known.check_error(error)
            raise
        finally:
            _remove_empty(missing)


@contextmanager
def keras_draft(
    filepath: str | os.PathLike[str], model: Any, is_whole: bool = True
) -> Iterator[str | os.PathLike[str]]:
    """Gives the path that Keras is to save a model to, see `atomic_write`.

    Args:
        filepath: str or path of the file to be; one on a remote disk, such as `gs://...`,
            is written to itself.
        model: `keras.Model`, of which all variables and those of the optimizer are saved.
        is_whole: bool. Whether one file is written that may replace another; else
            `filepath` itself is given.

    Raises:
        OSError: If it cannot be written; a `DiskFullError` if there is no room.

    Example:
    >>> import os, tempfile
    >>> critic, folder = keras_inpaint.models.PatchCritic(4), tempfile.mkdtemp()
    >>> path = os.path.join(folder, "critic.weights.h5")
    >>> with keras_inpaint.files.keras_draft(path, critic) as draft:
    ...     critic.save_weights(draft)
    >>> os.listdir(folder)
    ['critic.weights.h5']
    """
    if not is_whole or "://" in os.fspath(filepath):
        yield filepath
        return
    variables = [*model.variables, *(model.optimizer.variables if model.compiled else [])]
    with atomic_write(filepath, size=weights_size(variables)) as draft:
        yield draft


def check_target(
    path: str | os.PathLike[str], *, is_folder: bool = False, name: str = "path"
) -> None:
    """Refuses a path that no file, or no folder, can be written to, before any work is done.

    Args:
        path: str or path of what is to be written.
        is_folder: bool. Whether that is a folder, of which those above may be missing.
        name: str. The name of the argument, for the error.

    Raises:
        FileNotFoundError: If the folder of a file is missing.
        IsADirectoryError: If there is a folder where a file is to be written.
        NotADirectoryError: If there is a file where a folder is to be written, or above.
        PermissionError: If the folder above cannot be written to.
        ValueError: If there is a device, a FIFO or a socket under that name, also at the
            end of a symbolic link.

    Example:
    >>> keras_inpaint.files.check_target("filled.png")
    """
    target = Path(os.path.realpath(path))
    _check_kind(target, path, is_folder, name)
    received = f"Received: {name}={str(path)!r}"
    folder = target.parent
    while is_folder and not folder.exists():
        folder = folder.parent
    if not folder.exists():
        raise FileNotFoundError(
            f"The folder of `{name}` does not exist. Create it first. {received}"
        )
    if not folder.is_dir():
        raise NotADirectoryError(
            f"The folder of `{name}` is a file. Choose another folder. {received}"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            f"The folder of `{name}` cannot be written to. Change its permissions or choose "
            f"another folder. {received}"
        )


def sweep(folder: str | os.PathLike[str]) -> None:
    """Removes what processes that were cut off have left in a folder.

    What another process is writing at this moment is left alone: it holds a lock. A folder
    that was being replaced, and for a moment was not there, is put into its place.

    Args:
        folder: str or path. It may be missing.
    """
    try:
        found = [each for each in Path(folder).iterdir() if _TEMPORARY.fullmatch(each.name)]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    for temporary in found:
        # Another process may sweep at the same time, or the folder not be ours.
        with suppress(OSError):
            _remove_abandoned(temporary)


def _remove_abandoned(temporary: Path) -> None:
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        try:
            is_abandoned = filelock.lock_descriptor(descriptor, blocking=False)
        except OSError:
            is_abandoned = time.time() - temporary.stat().st_mtime > _OLD
        if not is_abandoned:
            return
        if (temporary / _REPLACED).exists():
            # Only a folder that was whole was about to replace another.
            for draft in temporary.iterdir():
                target = temporary.parent / draft.name
                if draft.name != _REPLACED and not os.path.lexists(target):
                    draft.rename(target)
        shutil.rmtree(temporary)
    finally:
        os.close(descriptor)


@contextmanager
def _temporary_folder(parent: Path) -> Iterator[Path]:
    """A folder that is this process's as long as it is locked, and removed at the end."""
    descriptor = None
    while descriptor is None:
        folder = parent / f".{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
        folder.mkdir()
        descriptor = _locked(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor >= 0:
            os.close(descriptor)


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the folder; `None` where `sweep` came in between."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError:
        # Windows opens no folders.
        return -1
    try:
        is_ours = filelock.lock_descriptor(descriptor, blocking=False)
    except OSError:
        # Disks that know no locks: `sweep` goes by the age there.
        return descriptor
    if is_ours and folder.exists():
        return descriptor
    os.close(descriptor)
    return None


def _check_kind(
    target: Path, path: str | os.PathLike[str], is_folder: bool, name: str = "path"
) -> None:
    try:
        mode = stat.S_IFMT(target.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return
    if mode == (stat.S_IFDIR if is_folder else stat.S_IFREG):
        return
    kind = KINDS.get(mode, "something else")
    through = ", at the end of a symbolic link" if os.path.islink(path) else ""
    received = f"Received: {name}={str(path)!r}, which is {kind}{through}"
    if mode == stat.S_IFDIR:
        raise IsADirectoryError(f"`{name}` must name a file. Add a file name. {received}")
    if mode == stat.S_IFREG:
        raise NotADirectoryError(
            f"`{name}` must name a folder. Choose another name. {received}"
        )
    wanted = "folder" if is_folder else "file"
    raise ValueError(
        f"`{name}` must name a {wanted}, a new one or one to replace. Choose another name. "
        f"{received}"
    )


def _publish(
    draft: Path, target: Path, is_folder: bool, next_path: Callable[[], Path] | None
) -> None:
    if next_path is not None:
        _rename_to_next(draft, next_path)
        return
    # Once more: it may have changed since.
    _check_kind(target, target, is_folder)
    if not is_folder:
        os.replace(draft, target)
    elif not _rename_to_free(draft, target):
        _exchange(draft, target)


def _rename_to_next(draft: Path, next_path: Callable[[], Path]) -> None:
    while True:
        target = next_path()
        if not os.path.lexists(target) and _rename_to_free(draft, target):
            return


def _rename_to_free(draft: Path, target: Path) -> bool:
    """Renames a folder; `False` where another one is there that holds files."""
    try:
        os.rename(draft, target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _exchange(draft: Path, target: Path) -> None:
    """Puts a folder in the place of another, which goes to the draft's."""
    if _exchange_at_once(draft, target):
        return
    # Elsewhere nothing is there for a moment; `sweep` ends what a killed process began.
    replaced = draft.parent / _REPLACED
    os.rename(target, replaced)
    try:
        os.rename(draft, target)
    except OSError:
        os.rename(replaced, target)
        raise


def _exchange_at_once(one: Path, other: Path) -> bool:
    """Exchanges two folders in one step; `False` where the system or the disk cannot.

    Linux can (3.15 and later, ext4, XFS, Btrfs, tmpfs), and Python has no name for it. The
    alternatives are worse: a symbolic link in place of the folder is no folder to whoever
    copies or uploads it, and of files that are replaced one by one a reader sees a mixture.
    """
    if sys.platform != "linux":
        return False
    try:
        rename = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError):
        return False
    paths = (os.fsencode(one), os.fsencode(other))
    return bool(rename(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0)


def _to_disk(draft: Path) -> None:
    # Else a machine that loses its power may keep the new name and none of the bytes.
    files = [draft]
    if draft.is_dir():
        files = [Path(parent, name) for parent, _, names in os.walk(draft) for name in names]
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            # Somebody else uses it by now.
            return
