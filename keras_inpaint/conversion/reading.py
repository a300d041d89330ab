"""From the files of a source to arrays whose layout is known.

Files are not trusted: their kind is seen from their content, nothing in them is run, and
nothing is made that is larger than they are.
"""

import importlib
import pickle
import re
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from keras_inpaint.conversion.files import WHAT, checkpoint_files, find_source
from keras_inpaint.conversion.layouts import Layout, find_layout, holds_critics
from keras_inpaint.conversion.networks import Arrays

# Dicts within dicts, and entries in all, of a file that holds networks.
_DEEPEST, _MOST_ENTRIES = 8, 100_000
# What programs keep beside the weights: settings, numbers of steps, logs.
_TRAINING_LIBRARIES = (
    *("addict", "argparse", "datetime", "numpy", "omegaconf", "pathlib", "yacs"),
    *("lightning", "pytorch_lightning", "mmagic", "mmcv", "mmedit", "mmengine"),
)
# Safetensors refuses longer headers itself.
_LONGEST_HEADER = 100_000_000


@dataclass(frozen=True)
class Source:
    """Weights read from files, and what each is to us.

    Args:
        path: Path of the file, or the prefix of a checkpoint.
        files: list of Path. The files that were read.
        layout: `Layout`.
        arrays: dict of float32 arrays by the source's names.
        prefix: str. Prefix of the names of the generator's weights.
        groups: frozenset of str. Parts of the source that hold something each, such as
            `G`, `D` and their optimizers; empty where it has no parts.
    """

    path: Path
    files: list[Path]
    layout: Layout
    arrays: Arrays
    prefix: str = ""
    groups: frozenset[str] = frozenset()

    @cached_property
    def names(self) -> dict[str, str]:
        """dict: Our name of each weight that is known, by the source's name."""
        return self.layout.find(self.arrays, self.prefix)

    @cached_property
    def weights(self) -> Arrays:
        """dict: The weights that are known, by our names and in our order of axes."""
        found: Arrays = {}
        for theirs, ours in self.names.items():
            found.setdefault(ours, self.arrays[theirs])
        return {name: self.layout.to_ours(name, found) for name in found}

    def of(self, part: str) -> Arrays:
        """dict: `weights` of `"generator"` or `"critic"`."""
        # Our names of critics' layers begin with the critic: `local/conv1/kernel`.
        is_critic = part == "critic"
        return {
            name: weight
            for name, weight in self.weights.items()
            if (name.count("/") == 2) == is_critic
        }

    def unexpected(self, part: str) -> list[str]:
        """list of str: Arrays among the weights of a part that are none of its weights."""
        first = {ours: theirs for theirs, ours in reversed(self.names.items())}
        return [
            name
            for name, array in self.arrays.items()
            if self._part(name) == part
            and first.get(self.names.get(name, "")) != name
            and not self.layout.is_no_weight(name, array)
        ]

    @cached_property
    def left_out(self) -> list[str]:
        """list of str: Parts of the source that hold nothing of ours."""
        parts = set(self._unused_groups)
        for name in self.arrays:
            if self._part(name) is None and name.split(".")[0] not in parts:
                parts.add(self._first_difference(name))
        # A checkpoint's variables outside of the networks are those of its training.
        return sorted(parts - {""})

    def theirs(self, name: str) -> str:
        """str: The source's name of a weight of ours."""
        return next(theirs for theirs, ours in self.names.items() if ours == name)

    @cached_property
    def _unused_groups(self) -> frozenset[str]:
        used = {name.split(".")[0] for name in self.names}
        return self.groups - used

    def _part(self, name: str) -> str | None:
        if name.split(".")[0] in self._unused_groups:
            return None
        return self.layout.part(name, self.prefix)

    def _first_difference(self, name: str) -> str:
        """The name up to where it differs from the generator's: `state_dict.disc`."""
        parts, others = name.split("."), self.prefix.split(".")
        if len(parts) < 2:
            return ""
        same = 0
        while same < min(len(parts) - 1, len(others)) and parts[same] == others[same]:
            same += 1
        return ".".join(parts[: same + 1])


def read_source(path: Path, select: str | None = None) -> Source:
    """Reads published weights.

    Args:
        path: Path of a TensorFlow checkpoint (folder, prefix or one of its files) or of a
            file of PyTorch's or safetensors'.
        select: str or `None`. Name of one of several generators, such as `G_ema`.

    Returns:
        `Source`.

    Raises:
        FileNotFoundError: If there is nothing of this name.
        ValueError: If it cannot be read, is of no known kind, or holds several generators of
            which none is selected.
    """
    prefix = find_source(path)
    if prefix is not None:
        arrays = read_checkpoint(prefix)
        return _source(prefix, checkpoint_files(prefix), arrays, frozenset(), True, select)
    arrays, groups = read_file(path)
    files = [path]
    # The port of v1 keeps its critics in a file of their own.
    beside = path.with_name(path.name.replace("gen_", "dis_", 1))
    if beside != path and beside.is_file() and not holds_critics(arrays):
        critics, critic_groups = read_file(beside)
        if holds_critics(critics):
            files.append(beside)
            arrays, groups = {**arrays, **critics}, groups | critic_groups
    return _source(path, files, arrays, groups, False, select)


def _source(
    path: Path,
    files: list[Path],
    arrays: Arrays,
    groups: frozenset[str],
    is_checkpoint: bool,
    select: str | None,
) -> Source:
    layout = find_layout(arrays, is_checkpoint)
    if layout is None and holds_critics(arrays):
        raise ValueError(
            "The file holds critics alone. Name the generator's file, `gen_*.pt`: its "
            f"critics are found beside it. Received: source={str(path)!r}"
        )
    if layout is None:
        raise ValueError(
            "The layers must be named as a published program names them: their order and "
            "shapes do not show which is which. docs/weights.md lists the names that are "
            f"known. Received: source={str(path)!r}, with {list(arrays)[:5]}"
        )
    prefix = _selected(layout.networks(arrays), select, path)
    return Source(path, files, layout, arrays, prefix, groups)


def _selected(prefixes: list[str], select: str | None, path: Path) -> str:
    """The prefix of the generator that is meant."""
    wanted = [part for part in (select or "").split(".") if part]

    def is_meant(prefix: str) -> bool:
        parts = prefix.split(".")
        starts = range(len(parts) - len(wanted) + 1)
        return any(parts[start : start + len(wanted)] == wanted for start in starts)

    found = [prefix for prefix in prefixes if is_meant(prefix)] if wanted else prefixes
    if len(found) == 1:
        return found[0]
    names = ", ".join(prefix.rstrip(".") or "one without a name" for prefix in prefixes)
    raise ValueError(
        "`select` must name one of the generators in the source: `select`, --select NAME. "
        f"Received: select={select!r}, source={str(path)!r}, which holds {names}"
    )


def read_checkpoint(prefix: Path) -> Arrays:
    """Reads all floating-point variables of a TensorFlow checkpoint.

    Args:
        prefix: Path that `find_checkpoint` returned.

    Returns:
        dict of float32 arrays by the variables' names.

    Raises:
        ValueError: If TensorFlow is not installed or the checkpoint is damaged.
    """
    tensorflow = _library("tensorflow", "TensorFlow", "tensorflow", prefix)
    errors = (tensorflow.errors.OpError, LookupError, RuntimeError, ValueError, TypeError)
    try:
        reader = tensorflow.train.load_checkpoint(str(prefix))
        shapes = reader.get_variable_to_shape_map()
        dtypes = {
            name: dtype
            for name, dtype in sorted(reader.get_variable_to_dtype_map().items())
            if dtype.is_floating
        }
        # Before memory is taken for what the index says.
        sizes = [_num_bytes(shapes[name], dtype.size) for name, dtype in dtypes.items()]
        _, *data = checkpoint_files(prefix)
        if data and sum(sizes) > _file_size(*data):
            raise ValueError("its variables are larger than its files")
        return {_printable(name): reader.get_tensor(name).astype(np.float32) for name in dtypes}
    except errors as error:
        raise ValueError(
            "The checkpoint is damaged, or one of its files is missing. Copy it again, "
            "`.index` and all `.data-` files. "
            f"Received: source={str(prefix)!r}; TensorFlow says: {error}"
        ) from error


def read_file(path: Path) -> tuple[Arrays, frozenset[str]]:
    """Reads all floating-point tensors of a file of weights, whatever it is called.

    Args:
        path: Path of a file that `torch.save` or safetensors wrote.

    Returns:
        tuple: a dict of float32 arrays, those of inner dicts named `outer.inner`, and
        the names of the outer dict's dicts.

    Raises:
        ValueError: If the file is of another kind, is damaged, holds no dict or anything that
            would run code, or what reads it is not installed.
    """
    if not path.is_file():
        raise ValueError(
            f"`source` must be {WHAT}. Received: source={str(path)!r}, a device or a FIFO"
        )
    with path.open("rb") as file:
        start = file.read(512)
    length = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and length <= min(_LONGEST_HEADER, _file_size(path) - 8):
        return _read_safetensors(path)
    # A zip archive, or a pickle of protocol 2 to 5.
    if start[:4] == b"PK\x03\x04" or (
        start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05"
    ):
        return _read_pytorch(path)
    raise ValueError(
        f"`source` must be {WHAT}. Received: source={str(path)!r}, {_kind(path, start)}"
    )


def _kind(path: Path, start: bytes) -> str:
    """Describes a file that holds no weights that can be read here."""
    if not start:
        return "which is empty, so that it is damaged: copy it again"
    if start.startswith(b"\x89HDF"):
        return "which is an HDF5 file, such as Keras writes"
    if start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        return "which is compressed: unpack it first"
    if tarfile.is_tarfile(path):
        return "which is an archive: unpack it first"
    if re.match(rb"\s*(?:<!doctype|<html|version https://git-lfs)", start, re.I):
        return "which is a web page or a pointer in place of the file: download it again"
    return "which is another file, or damaged"


def _read_safetensors(path: Path) -> tuple[Arrays, frozenset[str]]:
    library = _library("safetensors", "safetensors", "keras-inpaint[pytorch]", path)
    # NumPy has no bfloat16 of its own.
    importlib.import_module("ml_dtypes")
    try:
        with library.safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError:
        raise
    # Damaged files make it raise whatever comes.
    except Exception as error:
        raise _damaged(path, "safetensors", error) from error
    return (
        {
            _printable(name): tensor.astype(np.float32)
            for name, tensor in tensors.items()
            if tensor.dtype.kind in "fV"
        },
        frozenset(),
    )


def _read_pytorch(path: Path) -> tuple[Arrays, frozenset[str]]:
    content = _load(path)
    if not isinstance(content, Mapping):
        raise ValueError(
            "The file must hold a state dict. Save one with `torch.save(model.state_dict(), "
            f"path)`. Received: source={str(path)!r}, which holds a {type(content).__name__}"
        )
    torch = importlib.import_module("torch")
    try:
        tensors = {
            _printable(name): tensor.detach()
            for name, tensor in _entries(content)
            if isinstance(tensor, torch.Tensor)
            and tensor.is_floating_point()
            and tensor.layout == torch.strided
        }
        # A view can name one number any number of times.
        size = sum(_num_bytes(each.shape, each.element_size()) for each in tensors.values())
        if size > 2 * _file_size(path):
            raise RuntimeError(f"it has tensors of {size:,} bytes, more than the file")
        arrays = {
            name: tensor.to(dtype=torch.float32, copy=True).numpy()
            for name, tensor in tensors.items()
        }
    except (RuntimeError, RecursionError, NotImplementedError) as error:
        raise _damaged(path, "PyTorch", error) from error
    groups = (key for key, value in content.items() if isinstance(value, Mapping))
    return arrays, frozenset(_printable(str(key)) for key in groups)


def _entries(content: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """All entries of dicts within dicts, by their path."""
    waiting: list[tuple[str, Mapping[Any, Any], int]] = [("", content, 1)]
    num_entries = 0
    while waiting:
        prefix, mapping, depth = waiting.pop()
        num_entries += len(mapping)
        if depth > _DEEPEST or num_entries > _MOST_ENTRIES:
            raise RuntimeError("it has more dicts within dicts, or entries, than networks have")
        for key, value in mapping.items():
            if isinstance(value, Mapping):
                waiting.append((f"{prefix}{key}.", value, depth + 1))
            else:
                yield f"{prefix}{key}", value


def _load(path: Path) -> Any:
    torch = _library("torch", "PyTorch", "keras-inpaint[pytorch]", path)
    try:
        is_zip = zipfile.is_zipfile(path)
        if is_zip:
            _check_archive(path)
        with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            # Of formats that are refused a moment later.
            warnings.simplefilter("ignore")
            # Under a name without a suffix, which PyTorch would believe.
            link = Path(folder, "weights")
            link.symlink_to(path.resolve())
            ignored = [(_Ignored, name) for name in _ignored_classes(link)] if is_zip else []
            with torch.serialization.safe_globals(ignored):
                # Mapped, a tensor cannot reach beyond the file, whatever is said of its size.
                return torch.load(link, map_location="cpu", weights_only=True, mmap=is_zip)
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
        raise _damaged(path, "PyTorch", error) from error


class _Ignored:
    """Stands for an object of a training program, of which nothing is made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _ignored_classes(path: Path) -> list[str]:
    """Names of the classes and functions in a checkpoint that belong to its training.

    None of them is imported or called. Names of others are left to PyTorch, which refuses the
    file: they may be meant to run code.
    """
    torch = importlib.import_module("torch")
    names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    return [name for name in names if name.split(".")[0] in _TRAINING_LIBRARIES]


def _check_archive(path: Path) -> None:
    """Refuses archives that PyTorch did not write, and those whose checksums are wrong."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if not any(entry.filename.endswith("/data.pkl") for entry in entries):
            names = [entry.filename for entry in entries][:5]
            raise RuntimeError(f"the archive is that of another program, with {names}")
        # What is compressed may become any size; PyTorch compresses nothing.
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise RuntimeError("the archive is compressed")
        # PyTorch does not look at the checksums.
        if archive.testzip():
            raise RuntimeError("a checksum is wrong")


def _damaged(path: Path, library: str, error: Exception) -> ValueError:
    return ValueError(
        f"The file is damaged, or {library} did not write it. Copy it again. "
        f"Received: source={str(path)!r}; {library} says: {error or 'it ends too early'}"
    )


def _library(module: str, title: str, package: str, path: Path) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            f"{title} reads this file, and it is not installed. Run `pip install "
            f"'{package}'`. Received: source={str(path)!r}"
        ) from error


def _num_bytes(shape: Sequence[int], itemsize: int) -> int:
    # In Python's integers: NumPy's would overflow.
    size = itemsize
    for length in shape:
        size *= int(length)
    return size


def _file_size(*files: Path) -> int:
    return sum(file.stat().st_size for file in files)


def _printable(name: str) -> str:
    """A name without what would break or colour the line in which it is shown."""
    return name if name.isprintable() else ascii(name)[1:-1]
