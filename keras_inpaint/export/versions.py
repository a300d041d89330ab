"""Numbered versions of a model, as TensorFlow Serving looks for them."""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path


def check_model_folder(folder: Path) -> None:
    """Refuses a folder that is not one of a model and its versions.

    Args:
        folder: Path. It may be missing.

    Raises:
        ValueError: If it is a version itself, or holds other things.
    """
    if folder.name.isdecimal():
        raise ValueError(
            "`folder` must name the model; its versions are numbered in it. Leave out the "
            f"number at the end. Received: folder={str(folder)!r}"
        )
    if folder.exists() and not folder.is_dir():
        raise ValueError(
            "`folder` must be a folder, new or of the model's versions. Choose another name. "
            f"Received: folder={str(folder)!r}, which is a file"
        )
    names = _names(folder)
    if names and not any(name.isdecimal() for name in names):
        raise ValueError(
            "`folder` must be new, empty, or hold versions of the model, such as 1. Choose "
            "another name, or append one. "
            f"Received: folder={str(folder)!r}, which holds {names[:5]}"
        )


def write_version(folder: Path, write: Callable[[Path], None]) -> Path:
    """Writes the next version of a model: whole, or not at all.

    A server that watches the folder never sees half of a version: it is written under a
    name that is no number, and renamed.

    Args:
        folder: Path of the model. Made where it is missing.
        write: Function that writes the version into the folder it is given.

    Returns:
        Path: `folder / "1"`, or what comes after the highest number there is.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the version, on the same disk: only there is renaming one step.
    draft = folder / f".{uuid.uuid4().hex}.unfinished"
    try:
        draft.mkdir()
        write(draft)
        return _publish(draft, folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        _remove_empty(missing)
        raise


def next_version(folder: Path) -> int:
    """Returns one more than the highest version, and 1 where there is none."""
    return 1 + max((int(name) for name in _names(folder) if name.isdecimal()), default=0)


def _publish(draft: Path, folder: Path) -> Path:
    while True:
        version = folder / str(next_version(folder))
        try:
            return draft.rename(version)
        except OSError:
            # Another process may have taken the number in the meantime.
            if not version.exists():
                raise


def _names(folder: Path) -> list[str]:
    if not folder.exists():
        return []
    names = (path.name for path in folder.iterdir())
    return sorted(name for name in names if not name.endswith(".unfinished"))


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            # Somebody else uses it by now.
            return
