"""Published weights as they lie on disk, recognised and matched with ours."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from keras_inpaint.conversion.layout import Arrays, Layout
from keras_inpaint.conversion.named_layout import NamedLayout
from keras_inpaint.conversion.official_layout import OfficialLayout
from keras_inpaint.conversion.port_layout import PortLayout, holds_critics
from keras_inpaint.conversion.pytorch_file import SUFFIXES, read_pytorch_file
from keras_inpaint.conversion.stage_layout import StageLayout
from keras_inpaint.conversion.tensorflow_checkpoint import (
    checkpoint_files,
    find_checkpoint,
    read_checkpoint,
)

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
