"""From a checkpoint's files to arrays whose layout is known."""

import importlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from keras_inpaint.conversion.layouts import (
    Arrays,
    Layout,
    NamedLayout,
    OfficialLayout,
    PortLayout,
    StageLayout,
    holds_critics,
)

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


SUFFIXES = (".pt", ".pth")


def read_pytorch_file(path: Path) -> tuple[Arrays, frozenset[str]]:
    """Reads all floating-point tensors of a file.

    Args:
        path: Path of a `.pt` or `.pth` file: a state dict, or a dict of such.

    Returns:
        tuple: a dict of float32 arrays, those of inner dicts named `outer.inner`, and
        the names of the outer dict's dicts.

    Raises:
        ValueError: If PyTorch is not installed, the file is damaged, holds no dict, or
            holds anything that would run code.
    """
    content = _load(path)
    if not isinstance(content, Mapping):
        raise ValueError(
            "The file must hold a state dict. Save one with `torch.save(model.state_dict(), "
            f"path)`. Received: source={str(path)!r}, which holds a {type(content).__name__}"
        )
    torch = _torch(path)
    arrays = {
        name: tensor.detach().to(dtype=torch.float32).numpy()
        for name, tensor in _tensors(content, torch.Tensor)
        if tensor.is_floating_point() and tensor.layout == torch.strided
    }
    groups = frozenset(str(key) for key, value in content.items() if isinstance(value, Mapping))
    return arrays, groups


def _load(path: Path) -> Any:
    torch = _torch(path)
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            # Of formats that are refused a moment later.
            warnings.simplefilter("ignore")
            # PyTorch does not look at the checksums.
            if zipfile.is_zipfile(file) and zipfile.ZipFile(file).testzip():
                raise RuntimeError("a checksum is wrong")
            file.seek(0)
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            "The file holds more than tensors, or is damaged. What else a pickle holds can run "
            "code, and so it was refused. Where you trust it, load it yourself and save "
            f"`model.state_dict()` alone. Received: source={str(path)!r}"
        ) from error
    except OSError:
        raise
    # Damaged files make PyTorch raise whatever comes.
    except Exception as error:
        raise ValueError(
            "The file is damaged, or none of PyTorch's. Copy it again. "
            f"Received: source={str(path)!r}; PyTorch says: {error or 'it ends too early'}"
        ) from error


def _tensors(content: Mapping[Any, Any], kind: Any, prefix: str = "") -> Iterator[Any]:
    for key, value in content.items():
        if isinstance(value, kind):
            yield f"{prefix}{key}", value
        elif isinstance(value, Mapping):
            yield from _tensors(value, kind, f"{prefix}{key}.")


def _torch(path: Path) -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise ValueError(
            "PyTorch reads .pt and .pth files, and it is not installed. Run `pip install "
            f"'keras-inpaint[pytorch]'`. Received: source={str(path)!r}"
        ) from error


# The first that recognises a source: the port has layers of the authors' names, too.
_PYTORCH_LAYOUTS = (PortLayout, StageLayout, NamedLayout)


@dataclass(frozen=True)
class Source:
    """Weights read from files, and what each is to us.

    Args:
        path: Path of the file, or the prefix of a checkpoint.
        files: list of Path. What was read.
        layout: `Layout`.
        arrays: dict of arrays by the source's names.
        names: dict. Our name of each weight that is known, by the source's.
        groups: frozenset of str. Parts of the source that hold something each, such as
            `G`, `D` and their optimizers; empty where it has no parts.
    """

    path: Path
    files: list[Path]
    layout: Layout
    arrays: Arrays
    names: dict[str, str]
    groups: frozenset[str] = frozenset()

    @cached_property
    def weights(self) -> Arrays:
        """dict: The weights that are known, by our names and in our order of axes."""
        found: Arrays = {}
        for theirs, ours in self.names.items():
            found.setdefault(ours, self.arrays[theirs])
        return {name: self.layout.to_ours(name, found) for name in found}

    @cached_property
    def unused_groups(self) -> list[str]:
        """list of str: Parts of the source that hold nothing of ours."""
        return sorted(
            group
            for group in self.groups
            if not any(name.startswith(f"{group}.") for name in self.names)
        )

    @cached_property
    def unexpected(self) -> list[str]:
        """list of str: What lies among the weights and is none that is known."""
        unused = tuple(f"{group}." for group in self.unused_groups)
        first = {ours: theirs for theirs, ours in reversed(self.names.items())}
        return [
            name
            for name, array in self.arrays.items()
            if first.get(self.names.get(name, "")) != name
            and not name.startswith(unused)
            and not self.layout.is_no_weight(name, array)
        ]


def read_source(path: Path) -> Source:
    """Reads published weights.

    Args:
        path: Path of a TensorFlow checkpoint (folder, prefix or one of its files) or of a
            `.pt` or `.pth` file.

    Returns:
        `Source`.

    Raises:
        FileNotFoundError: If there is nothing of this name.
        ValueError: If it cannot be read, or is of no known kind.
    """
    prefix = find_checkpoint(path)
    if prefix is not None:
        arrays = read_checkpoint(prefix)
        layout = OfficialLayout()
        if not layout.recognises(arrays):
            raise _unknown(path, arrays)
        names = dict(layout.find(arrays))
        return Source(prefix, checkpoint_files(prefix), layout, arrays, names)
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return _read_pytorch(path)
    if not path.exists():
        raise FileNotFoundError(
            "`source` must be a TensorFlow checkpoint, its folder or prefix, or a .pt or .pth "
            f"file. Received: source={str(path)!r}, which does not exist"
        )
    found = f"which holds {sorted(p.name for p in path.iterdir())[:5]}" if path.is_dir() else ""
    raise ValueError(
        "`source` must be a TensorFlow checkpoint, its folder or prefix, or a .pt or .pth "
        f"file. Received: source={str(path)!r}, {found or 'which is another file'}"
    )


def _read_pytorch(path: Path) -> Source:
    files = [path]
    arrays, groups = read_pytorch_file(path)
    kind = next((kind for kind in _PYTORCH_LAYOUTS if kind.recognises(arrays)), None)
    if kind is None:
        if holds_critics(list(arrays)):
            raise ValueError(
                "The file holds critics alone. Name the generator's file, `gen_*.pt`: its "
                f"critics are found beside it. Received: source={str(path)!r}"
            )
        raise _unknown(path, arrays)
    # The port keeps its critics in a file of their own.
    beside = path.with_name(path.name.replace("gen_", "dis_", 1))
    is_generator = kind is PortLayout and not holds_critics(list(arrays))
    if is_generator and beside != path and beside.is_file():
        files.append(beside)
        critics, critic_groups = read_pytorch_file(beside)
        arrays, groups = {**arrays, **critics}, groups | critic_groups
    layout = kind()
    return Source(path, files, layout, arrays, dict(layout.find(arrays)), groups)


def _unknown(path: Path, arrays: Arrays) -> ValueError:
    return ValueError(
        "The weights must be named as a published program names them; docs/weights.md lists "
        f"those that are known. Received: source={str(path)!r}, with {list(arrays)[:5]}"
    )
