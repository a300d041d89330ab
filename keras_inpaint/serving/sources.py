"""Where versions of a model come from; Keras is loaded with the first of them, not before."""

import os
from pathlib import Path
from typing import Any, Protocol

from keras_inpaint.presets.reading import is_onnx_name, preset_name


class Source(Protocol):
    """Where versions of a model come from."""

    name: str

    def latest(self) -> int:
        """Returns the newest version there is."""

    def load(self, version: int) -> Any:
        """Returns a version as an `Inpainter`."""


class PresetSource:
    """A preset, or an ONNX file. There is a new version whenever its files have changed.

    Args:
        preset: str. As `Inpainter.from_preset` takes, or the path of a file for
            `Inpainter.from_onnx`.
        name: str or `None`. What to call the model; the preset's or the file's name unless
            given.
    """

    def __init__(self, preset: str, name: str | None = None) -> None:
        self._is_onnx = is_onnx_name(preset)
        self.name = name or (Path(preset).stem if self._is_onnx else preset_name(preset))
        self._preset = preset
        self._seen: tuple[tuple[str, int, int], ...] = ()
        self._version = 0

    def latest(self) -> int:
        """Returns 1, and one more after each change."""
        seen = self._files()
        if seen != self._seen or not self._version:
            self._seen = seen
            self._version += 1
        return self._version

    def load(self, version: int) -> Any:
        """Returns the preset as it is now."""
        from keras_inpaint.inpainting import Inpainter

        if self._is_onnx:
            return Inpainter.from_onnx(self._preset)
        return Inpainter.from_preset(self._preset)

    def _files(self) -> tuple[tuple[str, int, int], ...]:
        try:
            folder = Path(self._preset)
            paths = [folder] if self._is_onnx else sorted(folder.iterdir())
            stats = [(path.name, path.stat()) for path in paths]
        except OSError:
            # A name, or an address on the hub; or a folder that is being replaced.
            return self._seen
        return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)


class ExportSource:
    """A folder of exported versions, as TensorFlow Serving reads it.

    Args:
        folder: Path of the model, or of one version, which is then the only one.
        name: str or `None`. What to call the model; the folder's name unless given.

    Raises:
        ValueError: If it holds no version.
    """

    def __init__(self, folder: Path, name: str | None = None) -> None:
        folder = Path(os.path.abspath(folder))
        self._only = int(folder.name) if _is_version(folder) else None
        self._folder = folder.parent if self._only is not None else folder
        self.name = name or self._folder.name
        if not self._versions():
            raise ValueError(
                "`--model` must name the folder of an exported model, which holds versions "
                "such as 1. Write one with `keras-inpaint export`. Received: "
                f"{str(folder)!r}"
            )

    def latest(self) -> int:
        """Returns the highest version, or the one that was asked for."""
        return max(self._versions(), default=0) if self._only is None else self._only

    def load(self, version: int) -> Any:
        """Returns a version as an `Inpainter`."""
        from keras_inpaint.inpainting import Inpainter

        return Inpainter.from_saved_model(self._folder / str(version))

    def _versions(self) -> list[int]:
        try:
            folders = list(self._folder.iterdir())
        except OSError:
            return []
        return [int(folder.name) for folder in folders if _is_version(folder)]


def _is_version(folder: Path) -> bool:
    return folder.name.isdecimal() and (folder / "saved_model.pb").is_file()


def choose_source(
    preset: str, model: str | os.PathLike[str] | None = None, name: str | None = None
) -> Source:
    """Returns where versions of a model come from, of the arguments of `create_app`."""
    if model is None or is_onnx_name(model):
        return PresetSource(preset if model is None else str(model), name)
    return ExportSource(Path(model), name)
