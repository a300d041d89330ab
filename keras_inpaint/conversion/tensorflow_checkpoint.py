"""Reading TensorFlow checkpoints: of version 1 too, without its program."""

import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np

from keras_inpaint.conversion.layout import Arrays

_INDEX = ".index"


def find_checkpoint(source: Path) -> Path | None:
    """Finds the prefix that the files of a checkpoint have in common.

    Args:
        source: Path of a folder, a prefix, or one of the files.

    Returns:
        Path, `None` if the source is no checkpoint.

    Raises:
        ValueError: If a folder has several, and no file `checkpoint` names one of them.
    """
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
    told = folder / "checkpoint"
    text = told.read_text(encoding="utf-8", errors="replace") if told.is_file() else ""
    match = re.search(r'^model_checkpoint_path: "(.*)"$', text, re.M)
    # Only the name: the folder may be that of the machine where it was written.
    latest = folder / Path(match[1]).name if match else None
    if latest not in prefixes:
        names = ", ".join(prefix.name for prefix in prefixes)
        raise ValueError(
            "The folder must hold one checkpoint, or a file `checkpoint` that tells which. "
            f"Name one with its prefix instead. Received: {str(folder)!r}, which holds {names}"
        )
    return latest


def checkpoint_files(prefix: Path) -> list[Path]:
    """Lists the files of a checkpoint."""
    data = sorted(prefix.parent.glob(f"{_escaped(prefix.name)}.data-*"))
    return [prefix.with_name(prefix.name + _INDEX), *data]


def read_checkpoint(prefix: Path) -> Arrays:
    """Reads all floating-point numbers of a checkpoint.

    Args:
        prefix: Path that `find_checkpoint` returned.

    Returns:
        dict of float32 arrays by the variables' names.

    Raises:
        ValueError: If TensorFlow is not installed or the checkpoint is damaged.
    """
    tensorflow = _tensorflow(prefix)
    errors = (tensorflow.errors.OpError, LookupError, RuntimeError, ValueError, TypeError)
    try:
        reader = tensorflow.train.load_checkpoint(str(prefix))
        return {
            name: reader.get_tensor(name).astype(np.float32)
            for name, dtype in sorted(reader.get_variable_to_dtype_map().items())
            if dtype.is_floating
        }
    except errors as error:
        raise ValueError(
            "The checkpoint is damaged, or one of its files is missing. Copy it again, "
            "`.index` and all `.data-` files. "
            f"Received: source={str(prefix)!r}; TensorFlow says: {error}"
        ) from error


def _tensorflow(prefix: Path) -> Any:
    try:
        return importlib.import_module("tensorflow")
    except ImportError as error:
        raise ValueError(
            "TensorFlow reads TensorFlow checkpoints, and it is not installed. Run `pip "
            f"install tensorflow`. Received: source={str(prefix)!r}"
        ) from error


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)
