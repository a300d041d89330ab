"""The folder of a training run: settings, checkpoints, log, sheets and preset."""

import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from keras_inpaint.files import (
    FolderLock,
    check_target,
    reserve_room,
    sweep,
    weights_size,
    write_json,
    write_table,
)
from keras_inpaint.files.atomic import TEMPORARY_SUFFIX
from keras_inpaint.files.room import DiskFullError
from keras_inpaint.presets import read_object
from keras_inpaint.training.settings import Settings

# The networks and their optimizers are made of these: a checkpoint fits no others.
_FIXED = ("architecture", "width", "critic_width", "image_size", "precision")
# The one before the newest is for disks that were full or failed.
_NUM_KEPT = 2


def check_kind(path: str | os.PathLike[str], is_folder: bool = True) -> None:
    """Refuses what a run would write to where something of another kind is in its place.

    Args:
        path: str or path of the run's folder, or of a file in it. It may be missing.
        is_folder: bool. Whether it is the folder.

    Raises:
        OSError, ValueError: See `keras_inpaint.files.check_target`.
    """
    if os.path.lexists(path):
        check_target(path, is_folder=is_folder, name="output")


class RunFolder:
    """A training run's folder: settings, checkpoints, log and preset.

        settings.json    as given; `keras-inpaint train --config` goes on from it
        log.csv          losses and metrics, one row per checkpoint
        sheets/          filled pictures, see `PictureSheets`
        tensorboard/     metrics and sheets, if asked for
        report.md        see `write_report`
        checkpoint/      weights and both optimizers, the newest two
        preset/          for `Inpainter.from_preset`

    Whenever a run is interrupted, each file under its name is complete. As a context
    manager, it unlocks the folder at its end.

    Args:
        settings: `Settings`.
        gan: `InpaintingGAN` made of them, or `None`. A run is resumed with its own networks
            only.

    Raises:
        OSError: If the folder cannot be written to.
        ValueError: If the folder holds something else, a run of other networks, or one
            that another process is training.
    """

    def __init__(self, settings: Settings, gan: Any = None) -> None:
        self.path = Path(settings.output)
        self.settings_file = self.path / "settings.json"
        self.preset = self.path / "preset"
        self.sheets = self.path / "sheets"
        self.tensorboard = self.path / "tensorboard"
        self.log = RunLog(self.path / "log.csv")
        self._checkpoints = self.path / "checkpoint"
        try:
            for path in (self.path, self.settings_file, self.log.path):
                # They are read before they are written: a FIFO would block the reader.
                check_kind(path, is_folder=path == self.path)
            self._check(settings)
            if gan is not None:
                self._check_networks(settings, gan)
            self._checkpoints.mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(self.path, "training")
            # All at once: a folder that is not written to again is swept too.
            for folder in (self.path, self._checkpoints, self.sheets):
                sweep(folder)
            write_json(self.settings_file, settings.to_dict())
        except OSError as error:
            raise OSError(
                "`output` must be a folder that can be written to. Choose another, or change "
                f"what is in the way: {error}. Received: output={settings.output!r}"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()

    def _check(self, settings: Settings) -> None:
        if not self.settings_file.exists():
            if self.path.exists() and not self._is_free():
                raise ValueError(
                    "`output` must be a new folder, an empty one, or that of an earlier run. "
                    f"Received: output={settings.output!r}"
                )
            return
        try:
            earlier = Settings.from_dict(json.loads(self.settings_file.read_text("utf-8")))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.settings_file} is damaged: {error}") from error
        if not self._is_trained():
            return
        for name in _FIXED:
            before, now = getattr(earlier, name), getattr(settings, name)
            if before != now:
                advice = f"without `{name}`" if before is None else f"with {name}={before!r}"
                raise ValueError(
                    f"A run cannot change its `{name}`. Choose another `output`, or go on "
                    f"{advice}. Received: {name}={now!r} for {settings.output!r}"
                )
        has_average, wants_average = (
            each.ema_momentum is not None for each in (earlier, settings)
        )
        if has_average != wants_average:
            raise ValueError(
                "A run has an average of its generator from the first step on, or none. Choose "
                f"another `output`, and begin with preset={str(self.preset)!r}. Received: "
                f"ema_momentum={settings.ema_momentum!r} for {settings.output!r}"
            )

    def _is_trained(self) -> bool:
        """Whether it holds anything that was trained: else all settings may change."""
        return bool(self._saved()) or self.preset.exists()

    def _is_free(self) -> bool:
        """Whether it holds nothing but what a run makes before its settings."""
        made = (FolderLock.NAME, self._checkpoints.name)
        return self.path.is_dir() and all(
            path.name in made or path.name.endswith(TEMPORARY_SUFFIX)
            for path in self.path.iterdir()
        )

    def _check_networks(self, settings: Settings, gan: Any) -> None:
        # Settings are not enough: a preset brings its own networks, and weights also fit
        # networks of another padding.
        if not (self.preset / "config.json").exists():
            return
        for name, network in (("model", gan.generator), ("critic", gan.critic)):
            differing = _differing(network, read_object(self.preset, name))
            if differing:
                raise ValueError(
                    "A run cannot change its networks. Choose another `output`, or go on with "
                    f"the same `preset`. Received: preset={settings.preset!r} for "
                    f"{settings.output!r}, whose {name} differs in {', '.join(differing)}"
                )

    def restore(self, gan: Any, report: Callable[[str], None]) -> bool:
        """Loads the newest checkpoint that can be read, if there is one.

        Args:
            gan: `InpaintingGAN`, compiled.
            report: Function. Called with one line of text per checkpoint that cannot be read.

        Returns:
            bool: Whether one was loaded.

        Raises:
            ValueError: If there are checkpoints, and none can be read.
        """
        saved = self._saved()
        for path in reversed(saved):
            try:
                gan.load_weights(path)
            # HDF5 has many kinds of errors for what is damaged.
            except Exception as error:
                reason = " ".join(str(error).split())
                report(f"{path} is damaged and passed over: {reason}")
            else:
                self.log.cut(after=_step_of(path))
                return True
        if saved:
            raise ValueError(
                "None of the run's checkpoints can be read. Delete them to begin anew, or "
                "put others in their place. Received: "
                f"{', '.join(str(path) for path in saved)}"
            )
        return False

    def check_is_finite(self, gan: Any, step: int) -> None:
        """Refuses networks that have diverged, before they replace those on disk.

        Args:
            gan: `InpaintingGAN`.
            step: int. The step that it has reached.

        Raises:
            ValueError: If a weight of either network is not a finite number.
        """
        weights = [*gan.generator.get_weights(), *gan.critic.get_weights()]
        if not all(np.isfinite(each).all() for each in weights):
            raise ValueError(
                "The training has diverged: the networks' weights are no longer finite. "
                "Nothing of it was saved. Start the run again with a smaller `learning_rate`: "
                f"it goes on {self._where_from()}. "
                f"Received: step={step} of output={str(self.path)!r}"
            )

    @contextmanager
    def writing(self, gan: Any, step: int) -> Iterator[None]:
        """Reserves room for a checkpoint and a preset, and describes errors of the disk.

        Args:
            gan: `InpaintingGAN`.
            step: int. The step that is saved.
        """
        try:
            self._claim_room(gan)
            yield
        # HDF5 raises RuntimeErrors too where a disk is full.
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            if isinstance(error, DiskFullError):
                # Without its advice: that for a run follows.
                reason = reason.partition(". ")[0]
            raise OSError(
                f"The training up to step {step} cannot be saved: {reason}. Make room on the "
                f"disk and start the run again: it goes on {self._where_from()}. "
                f"Received: output={str(self.path)!r}"
            ) from error

    def _claim_room(self, gan: Any) -> None:
        """Reserves room for everything before the first file is written."""
        networks = [*gan.generator.variables, *gan.critic.variables]
        everything = [*gan.variables, *gan.optimizer.variables]
        reserve_room(self.path, weights_size(networks) + weights_size(everything))

    def save(self, gan: Any, step: int) -> None:
        """Writes a checkpoint, which appears complete or not at all."""
        path = self._checkpoints / f"step-{step:09d}.weights.h5"
        gan.save_weights(path)
        for old in self._saved()[:-_NUM_KEPT]:
            old.unlink()

    def _saved(self) -> list[Path]:
        return sorted(self._checkpoints.glob("step-*.weights.h5"))

    def _where_from(self) -> str:
        """Describes where the run goes on when it is started again."""
        saved = self._saved()
        return f"from step {_step_of(saved[-1])}" if saved else "anew"


def _differing(network: Any, other: Any) -> list[str]:
    """Names of the arguments in which two networks differ, but for name and dtype."""
    if type(network) is not type(other):
        return ["class"]
    ours, theirs = network.get_config(), other.get_config()
    return sorted(
        name for name in ours if name not in ("name", "dtype") and ours[name] != theirs[name]
    )


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("step-").removesuffix(".weights.h5"))


class RunLog:
    """The table of losses and metrics of a run, one row per checkpoint.

    It agrees with the checkpoints: rows of later steps, which a resumed run makes again, are
    removed. Keras's `CSVLogger` only appends, and leaves part of a row where it is killed.

    Args:
        path: Path of the CSV file, which need not exist yet.

    Example:
    >>> import pathlib, tempfile
    >>> from keras_inpaint.training.run_folder import RunLog
    >>> path = pathlib.Path(tempfile.mkdtemp(), "log.csv")
    >>> RunLog(path).add({"step": 10, "critic_loss": 0.5})
    >>> path.read_text().splitlines()
    ['step,critic_loss', '10,0.5']
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, row: dict[str, Any]) -> None:
        """Adds a row, and removes those of its `step` or later.

        Args:
            row: dict of values by column, one of which is `step`.

        Raises:
            OSError: If the file cannot be written.
            ValueError: If the file holds something else.
        """
        self._write([*self._rows(before=row["step"]), row])

    def cut(self, after: int) -> None:
        """Removes the rows of later steps.

        Args:
            after: int. The last step that is kept.

        Raises:
            OSError: If the file cannot be written.
            ValueError: If the file holds something else.
        """
        rows = self._rows(before=after + 1)
        if rows:
            self._write(rows)

    def _rows(self, before: int) -> list[dict[str, Any]]:
        """The rows of the steps before one."""
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        try:
            return [row for row in rows if int(row["step"]) < before]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{self.path} must have a number in its column `step`, a line a "
                "checkpoint. Repair it, or move it away."
            ) from error

    def _write(self, rows: list[dict[str, Any]]) -> None:
        columns = list(dict.fromkeys(name for each in rows for name in each))
        write_table(self.path, columns, rows)
