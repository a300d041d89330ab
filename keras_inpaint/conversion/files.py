"""The files of a conversion: found, or seen to be free, before Keras is loaded."""

import re
from pathlib import Path
from typing import Any

from keras_inpaint.arguments import is_int
from keras_inpaint.presets.writing import check_replaceable

_INDEX = ".index"
WHAT = (
    "a TensorFlow checkpoint, its folder or prefix, or a file of weights that PyTorch or "
    "safetensors wrote"
)


def find_source(source: Path) -> Path | None:
    """Finds the checkpoint that a source is, if it is no file of weights.

    Args:
        source: Path of a checkpoint's folder, its prefix or one of its files, or of a file.

    Returns:
        Path: the prefix that the files of the checkpoint have in common; `None` for a file.

    Raises:
        FileNotFoundError: If there is nothing of this name.
        ValueError: If a folder has no checkpoint, or several, of which no file `checkpoint`
            names one.
    """
    prefix = _checkpoint(source)
    if prefix is None and not source.exists():
        raise FileNotFoundError(
            f"`source` must be {WHAT}. Received: source={str(source)!r}, which does not exist"
        )
    if prefix is None and source.is_dir():
        raise ValueError(
            f"`source` must be {WHAT}. Received: source={str(source)!r}, which holds "
            f"{sorted(path.name for path in source.iterdir())[:5]}"
        )
    return prefix


def _checkpoint(source: Path) -> Path | None:
    """The prefix that the files of a checkpoint have in common; `None` if it is none."""
    if source.is_dir():
        return _latest(source)
    for prefix in (source, source.with_name(re.sub(r"\.(index|data-.*)$", "", source.name))):
        if prefix.with_name(prefix.name + _INDEX).is_file():
            return prefix
    return None


def _latest(folder: Path) -> Path | None:
    prefixes = sorted(path.with_suffix("") for path in folder.glob(f"*{_INDEX}"))
    if len(prefixes) < 2:
        return prefixes[0] if prefixes else None
    index = folder / "checkpoint"
    text = index.read_text(encoding="utf-8", errors="replace") if index.is_file() else ""
    match = re.search(r'^model_checkpoint_path: "(.*)"$', text, re.M)
    # Only the name: the folder may be that of the machine where it was written.
    latest = folder / Path(match[1]).name if match else None
    if latest not in prefixes:
        names = ", ".join(prefix.name for prefix in prefixes)
        raise ValueError(
            "The folder must hold one checkpoint, or a file `checkpoint` that names one of "
            "them. Name one with its prefix instead. "
            f"Received: {str(folder)!r}, which holds {names}"
        )
    return latest


def checkpoint_files(prefix: Path) -> list[Path]:
    """Lists the files of a checkpoint."""
    data = sorted(prefix.parent.glob(f"{_escaped(prefix.name)}.data-*"))
    return [prefix.with_name(prefix.name + _INDEX), *data]


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def critic_size(image_size: Any) -> tuple[int, int] | None:
    """Height and width that `convert` is given for the critics of v1, seen to be possible."""
    if image_size is None:
        return None
    size = image_size if isinstance(image_size, tuple | list) else (image_size,) * 2
    if len(size) != 2 or not all(is_int(side, 16) and side % 16 == 0 for side in size):
        raise ValueError(
            "`image_size` must be the height and width of the critics' pictures, multiples "
            f"of 16. Received: image_size={image_size!r}"
        )
    return int(size[0]), int(size[1])


def check_free(folder: Path, replace: bool) -> None:
    """Refuses the folder of a preset that is taken, unless it may be replaced."""
    check_replaceable(folder)
    if not replace and folder.is_dir() and any(folder.iterdir()):
        raise ValueError(
            "`preset_dir` holds a preset. Choose another folder, or have it replaced: "
            f"`replace=True`, --replace. Received: preset_dir={str(folder)!r}"
        )
