"""The checkpoints of a run: each a folder, with the checksums of its files.

    step-000002000/
      training.weights.h5   networks and both optimizers, as `InpaintingGAN.save_weights`
      checkpoint.json       step, metrics, settings, and the networks' configurations
      SHA256SUMS            checksums of the files above, as `sha256sum --check` reads them

Version 0.1.0 wrote files `step-000002000.weights.h5` without checksums. They are read too.
"""

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_inpaint.files import (
    atomic_write,
    read_source,
    sha256,
    weights_size,
    write_json,
    write_text,
)
from keras_inpaint.training.settings import BETTER
from keras_inpaint.version import __version__

# In a run's folder: that of its checkpoints, and its settings.
CHECKPOINTS = "checkpoint"
SETTINGS_FILE = "settings.json"
_WEIGHTS = "training.weights.h5"
_DESCRIPTION = "checkpoint.json"
_CHECKSUMS = "SHA256SUMS"
_EARLY_SUFFIX = ".weights.h5"
_FORMAT_VERSION = 1
# Bytes of the files of text, the largest of which holds the networks' configurations.
_LARGEST_TEXT = 2**24
_TEXT_SIZE = 2**17


class Checkpoints:
    """The checkpoints of a run: the last ones, and the best by a metric.

    Args:
        folder: Path. It may be missing.
        num_kept: int, at least 1. How many of the last ones are kept.
        best_by: str or `None`. The metric by which the best one is kept too, one of
            `keras_inpaint.training.settings.BETTER`.

    Example:
    >>> import pathlib, tempfile
    >>> from keras_inpaint.training.checkpoints import Checkpoints
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> gan = keras_inpaint.InpaintingGAN.deepfill_v2(width=8, image_size=64, critic_width=8)
    >>> gan.compile()
    >>> checkpoints = Checkpoints(folder, num_kept=1)
    >>> checkpoints.save(gan, 0, metrics={})
    >>> [path.name for path in folder.iterdir()], checkpoints.restore(gan, print)
    (['step-000000000'], True)
    """

    def __init__(self, folder: Path, num_kept: int = 2, best_by: str | None = None) -> None:
        self.folder = folder
        self.num_kept = num_kept
        self.best_by = best_by

    def save(
        self,
        gan: Any,
        step: int,
        metrics: dict[str, float],
        about: dict[str, Any] | None = None,
    ) -> None:
        """Writes a checkpoint, which appears complete or not at all, and removes old ones.

        Args:
            gan: `InpaintingGAN`, compiled.
            step: int. The step that it has reached.
            metrics: dict of float. Losses and metrics of this step.
            about: dict or `None`. What else `describe` is to return, as JSON can hold it.

        Raises:
            OSError: If it cannot be written.
        """
        variables = [*gan.variables, *gan.optimizer.variables]
        size = weights_size(variables) + _TEXT_SIZE
        with atomic_write(self._path(step), is_folder=True, size=size) as draft:
            gan.save_weights(draft / _WEIGHTS)
            description = {
                "format_version": _FORMAT_VERSION,
                "keras_inpaint_version": __version__,
                "step": step,
                # JSON has no others.
                "metrics": {name: x for name, x in metrics.items() if math.isfinite(x)},
                **(about or {}),
            }
            write_json(draft / _DESCRIPTION, description)
            write_text(draft / _CHECKSUMS, _checksums(draft))
        self._remove_old(step)

    def _remove_old(self, newest: int) -> None:
        for path in self.all():
            # Damaged, or of a training that was gone back from.
            if _step_of(path) > newest:
                _remove(path)
        steps = sorted({_step_of(path) for path in self.all()})
        kept = {*steps[-self.num_kept :], self._best_step()}
        for path in self.all():
            if _step_of(path) not in kept:
                _remove(path)

    def restore(self, gan: Any, report: Callable[[str], None]) -> bool:
        """Loads the newest checkpoint that is whole, if there is one.

        Args:
            gan: `InpaintingGAN`, compiled.
            report: Function. Called with one line of text per checkpoint that is not whole.

        Returns:
            bool: Whether one was loaded.

        Raises:
            ValueError: If there are checkpoints, and none is whole.
        """
        found = self.all()
        for path in reversed(found):
            try:
                _load(gan, path)
            # HDF5 has many kinds of errors for what is damaged.
            except Exception as error:
                reason = " ".join(str(error).split())
                report(f"{path} is damaged and passed over: {reason}")
            else:
                return True
        if found:
            raise ValueError(
                "None of the run's checkpoints can be read. Delete them to begin anew, or "
                f"put others in their place. Received: {', '.join(map(str, found))}"
            )
        return False

    def all(self) -> list[Path]:
        """list of Path: All checkpoints, the newest last."""
        folders = [path for path in self.folder.glob("step-*") if _is_checkpoint(path)]
        return sorted(folders, key=lambda path: (_step_of(path), path.is_dir()))

    def newest_step(self) -> int | None:
        """int or `None`: The step of the newest checkpoint."""
        found = self.all()
        return _step_of(found[-1]) if found else None

    def describe(self) -> dict[str, Any]:
        """Returns what the newest checkpoint with a whole description says of itself.

        Returns:
            dict: `step`, `metrics`, and what `save` was given as `about`; empty where there
            is none.
        """
        for path in reversed(self.all()):
            description = _description(path)
            if description is not None:
                return description
        return {}

    def would_be_best(self, step: int, metrics: dict[str, float]) -> bool:
        """Returns whether a step with its metrics is better than those of all steps before."""
        if self.best_by is None or not math.isfinite(metrics.get(self.best_by, math.nan)):
            return False
        is_better, name = BETTER[self.best_by], self.best_by
        return all(
            is_better(metrics[name], others[name])
            for other, others in self._metrics()
            if other < step and name in others
        )

    def _best_step(self) -> int | None:
        """The step of the best one; of equal ones the first."""
        bests = [step for step, metrics in self._metrics() if self.would_be_best(step, metrics)]
        return max(bests, default=None)

    def _metrics(self) -> list[tuple[int, dict[str, float]]]:
        """The step and the metrics of each checkpoint whose description is whole."""
        described = [_description(path) for path in self.all()]
        return [(each["step"], each["metrics"]) for each in described if each is not None]

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:09d}"


def saved_settings(output: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Returns the settings that the newest checkpoint of a run was trained with.

    Args:
        output: str or path of the run's folder.

    Returns:
        dict, or `None` where no checkpoint tells.
    """
    settings = Checkpoints(Path(output) / CHECKPOINTS).describe().get("settings")
    return settings if isinstance(settings, dict) else None


def check(path: Path) -> None:
    """Refuses a checkpoint of which a single bit is another than was written.

    Args:
        path: Path of its folder.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If a file is not the one that `SHA256SUMS` describes, or is missing.
    """
    content = read_source(path / _CHECKSUMS, _LARGEST_TEXT)
    # What names the file; that all is as written is seen by the last condition alone.
    lines = content.decode("utf-8", "replace").splitlines()
    expected = {
        name: checksum for checksum, _, name in (each.partition("  ") for each in lines)
    }
    for name in sorted({_WEIGHTS, _DESCRIPTION, *_names(path)}):
        if sha256(path / name) != expected.get(name):
            raise ValueError(
                f"{name} is not the file that {_CHECKSUMS} describes: it has changed since it "
                "was written"
            )
    if content != _checksums(path).encode("utf-8"):
        raise ValueError(f"{_CHECKSUMS} has changed since it was written")


def _checksums(folder: Path) -> str:
    return "".join(f"{sha256(folder / name)}  {name}\n" for name in _names(folder))


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != _CHECKSUMS)


def _load(gan: Any, path: Path) -> None:
    if not path.is_dir():
        gan.load_weights(path)
        return
    check(path)
    gan.load_weights(path / _WEIGHTS)
    step = json.loads((path / _DESCRIPTION).read_text("utf-8"))["step"]
    if not step == gan.num_steps == _step_of(path):
        raise ValueError(
            f"it is of step {step}, and its weights of step {gan.num_steps}: it lies under "
            "another name than it was written under"
        )


def _description(path: Path) -> dict[str, Any] | None:
    """What a checkpoint says of itself, if that is as written, whatever its weights are."""
    try:
        line = f"{sha256(path / _DESCRIPTION)}  {_DESCRIPTION}"
        if line not in (path / _CHECKSUMS).read_text("utf-8").splitlines():
            return None
        description = json.loads(read_source(path / _DESCRIPTION, _LARGEST_TEXT))
    except (OSError, ValueError):
        return None
    return description if isinstance(description, dict) else None


def _is_checkpoint(path: Path) -> bool:
    return _number(path).isdecimal() and path.is_dir() == (_EARLY_SUFFIX not in path.name)


def _step_of(path: Path) -> int:
    return int(_number(path))


def _number(path: Path) -> str:
    return path.name.removeprefix("step-").removesuffix(_EARLY_SUFFIX)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
