"""Numbered versions of a model, as TensorFlow Serving looks for them."""

from collections.abc import Callable
from pathlib import Path

from keras_inpaint.files import atomic_write, check_target
from keras_inpaint.files.atomic import TEMPORARY_SUFFIX


def check_model_folder(folder: Path) -> None:
    """Refuses a folder that is not one of a model and its versions.

    Args:
        folder: Path. It may be missing.

    Raises:
        OSError: If it cannot be written to.
        ValueError: If it is a version itself, holds other things, or is a device, a FIFO or
            a socket.
    """
    if folder.name.isdecimal():
        raise ValueError(
            "`folder` must name the model; its versions are numbered in it. Leave out the "
            f"number at the end. Received: folder={str(folder)!r}"
        )
    check_target(folder, is_folder=True, name="folder")
    names = _names(folder)
    if names and not any(name.isdecimal() for name in names):
        raise ValueError(
            "`folder` must be new, empty, or hold versions of the model, such as 1. Choose "
            "another name, or append one. "
            f"Received: folder={str(folder)!r}, which holds {names[:5]}"
        )


def write_version(folder: Path, write: Callable[[Path], None], size: int = 0) -> Path:
    """Writes the next version of a model: whole, or not at all.

    Args:
        folder: Path of the model. Made where it is missing.
        write: Function that writes the version into the folder it is given.
        size: int. Bytes that it will write, see `keras_inpaint.files.atomic_write`.

    Returns:
        Path: `folder / "1"`, or what comes after the highest number there is.
    """
    version = folder / str(next_version(folder))

    def take_next() -> Path:
        # Other processes may have taken numbers in the meantime.
        nonlocal version
        version = folder / str(next_version(folder))
        return version

    with atomic_write(version, is_folder=True, size=size, next_path=take_next) as draft:
        write(draft)
    return version


def next_version(folder: Path) -> int:
    """Returns one more than the highest version, and 1 where there is none."""
    return 1 + max((int(name) for name in _names(folder) if name.isdecimal()), default=0)


def _names(folder: Path) -> list[str]:
    if not folder.exists():
        return []
    names = (path.name for path in folder.iterdir())
    return sorted(name for name in names if not name.endswith(TEMPORARY_SUFFIX))
