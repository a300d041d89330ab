"""The folder of a training run: settings, checkpoints, log, sheets and preset."""

import csv
import io
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import keras
import numpy as np

from keras_inpaint.files import (
    FolderLock,
    atomic_write,
    check_target,
    reserve_room,
    sweep,
    weights_size,
    write_json,
    write_table,
)
from keras_inpaint.files.atomic import TEMPORARY_SUFFIX
from keras_inpaint.files.room import DiskFullError, KnownFolder
from keras_inpaint.gan.step_guard import NonFiniteStep
from keras_inpaint.presets import read_object
from keras_inpaint.presets.writing import check_replaceable
from keras_inpaint.training.checkpoints import (
    CHECKPOINTS,
    SETTINGS_FILE,
    Checkpoints,
    saved_settings,
)
from keras_inpaint.training.resuming import check_changes
from keras_inpaint.training.settings import Settings

# The folder of steps that were not finite in that of the run.
NONFINITE = "nonfinite"
_LOG = logging.getLogger("keras_inpaint.training")


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
        checkpoint/      weights and both optimizers, see `Checkpoints`
        preset/          for `Inpainter.from_preset`
        best/            a preset too, of the best step by the metric `keep_best`
        nonfinite/       steps whose numbers were not finite, see `TerminateOnNonFinite`

    Whenever a run is interrupted, each file under its name is complete. Should a disk damage
    files all the same, a run goes on as long as one checkpoint is whole. As a context manager,
    it unlocks the folder at its end.

    Args:
        settings: `Settings`.
        gan: `InpaintingGAN` made of them, or `None`. A run is resumed with its own networks
            only.
        report: Function. Called with each message.

    Raises:
        OSError: If the folder cannot be written to.
        ValueError: If the folder holds something else, a run of other networks, or one
            that another process is training.
    """

    def __init__(
        self,
        settings: Settings,
        gan: Any = None,
        report: Callable[[str], None] = _LOG.warning,
    ) -> None:
        self.path = Path(settings.output)
        self.settings_file = self.path / SETTINGS_FILE
        self.preset = self.path / "preset"
        self.best = self.path / "best"
        self.sheets = self.path / "sheets"
        self.tensorboard = self.path / "tensorboard"
        self.nonfinite = self.path / NONFINITE
        self.log = RunLog(self.path / "log.csv", report)
        self.checkpoints = Checkpoints(
            self.path / CHECKPOINTS, settings.keep_last, settings.keep_best
        )
        self._settings, self._report = settings, report
        try:
            for path in (self.path, self.settings_file, self.log.path):
                # They are read before they are written: a FIFO would block the reader.
                check_kind(path, is_folder=path == self.path)
            self._check(settings)
            if gan is not None:
                self._check_networks(settings, gan)
            for preset in (self.preset, self.best):
                # Not only once there is something to save.
                if os.path.lexists(preset):
                    check_replaceable(preset)
            self.checkpoints.folder.mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(self.path, "training")
            # All at once: a folder that is not written to again is swept too.
            for folder in (self.path, self.checkpoints.folder, self.sheets):
                sweep(folder)
            write_json(self.settings_file, settings.to_dict())
            self._known = KnownFolder(
                self.path, "Then start the run again: it goes on from its newest checkpoint."
            )
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
        if not self.settings_file.exists() and saved_settings(self.path) is None:
            if self.path.exists() and not self._is_free():
                raise ValueError(
                    "`output` must be a new folder, an empty one, or that of an earlier run. "
                    f"Received: output={settings.output!r}"
                )
            return
        earlier = self._earlier_settings()
        if earlier is None or not self._is_trained():
            return
        check_changes(earlier, settings, str(self.preset))

    def _earlier_settings(self) -> Settings | None:
        """Those that the run was trained with; `None` where only its weights tell."""
        saved = saved_settings(self.path)
        try:
            if saved is not None:
                return Settings.from_dict(saved)
        except (TypeError, ValueError):
            pass  # Of a version that had others.
        try:
            return Settings.from_dict(json.loads(self.settings_file.read_text("utf-8")))
        except (TypeError, ValueError) as error:
            if not self.checkpoints.all():
                raise ValueError(f"{self.settings_file} is damaged: {error}") from error
            return None

    def _is_trained(self) -> bool:
        """Whether it holds anything that was trained: else all settings may change."""
        return bool(self.checkpoints.all()) or self.preset.exists()

    def _is_free(self) -> bool:
        """Whether it holds nothing but what a run makes before its settings."""
        made = (FolderLock.NAME, CHECKPOINTS)
        return self.path.is_dir() and all(
            path.name in made or path.name.endswith(TEMPORARY_SUFFIX)
            for path in self.path.iterdir()
        )

    def _check_networks(self, settings: Settings, gan: Any) -> None:
        # Settings are not enough: a preset brings its own networks, and weights also fit
        # networks of another padding.
        for name, network in (("model", gan.generator), ("critic", gan.critic)):
            earlier = self._earlier_network(name)
            differing = [] if earlier is None else _differing(network, earlier)
            if differing:
                raise ValueError(
                    "A run cannot change its networks. Choose another `output`, or go on with "
                    f"the same `preset`. Received: preset={settings.preset!r} for "
                    f"{settings.output!r}, whose {name} differs in {', '.join(differing)}"
                )

    def _earlier_network(self, name: str) -> Any:
        """A network as the run trained it, without its weights; `None` where none is known."""
        networks = self.checkpoints.describe().get("networks", {})
        if name in networks:
            return keras.saving.deserialize_keras_object(networks[name])
        if not (self.preset / "config.json").exists():
            return None
        try:
            return read_object(self.preset, name)
        except (OSError, ValueError) as error:
            if not self.checkpoints.all():
                raise
            # Of version 0.1.0, whose checkpoints do not tell.
            self._report(f"The run's preset is damaged, and will be written anew: {error}")
            return None

    def restore(self, gan: Any, report: Callable[[str], None]) -> bool:
        """Loads the newest checkpoint that is whole, see `Checkpoints.restore`."""
        if not self.checkpoints.restore(gan, report):
            return False
        self.log.cut(after=gan.num_steps)
        return True

    def describe_nonfinite(self, found: NonFiniteStep, saved: Path | None) -> str:
        """Returns the message about a step that ended the run, and where it was saved."""
        repeat = (
            "It could not be saved. "
            if saved is None
            else f"Its batch, masks and losses, and the weights before it, are in {saved}; "
            f"repeat it with: keras-inpaint train --config {self.settings_file} "
            f"--repeat-step {found.step}. "
        )
        return (
            f"Step {found.step} is not finite: {', '.join(found.names)}. {repeat}Start the run "
            "again with a smaller `learning_rate`, a `global_clipnorm`, or "
            f"on_nonfinite='skip': it goes on {self._where_from()}. "
            f"Received: step={found.step} of output={str(self.path)!r}"
        )

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

    def check_is_there(self) -> None:
        """Refuses to write where the folder was: its disk may be lost, or it was moved.

        Raises:
            OSError: If it is not the one that the run began in.
        """
        self._known.check()

    @contextmanager
    def writing(self, gan: Any, step: int) -> Iterator[None]:
        """Reserves room for a checkpoint and a preset, and describes errors of the disk.

        Args:
            gan: `InpaintingGAN`.
            step: int. The step that is saved.
        """
        self.check_is_there()
        try:
            self._claim_room(gan)
            yield
        # HDF5 raises RuntimeErrors too where a disk is full.
        except (OSError, RuntimeError) as error:
            self._known.check_error(error)
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
        num_presets = 1 + (self.checkpoints.best_by is not None)
        size = num_presets * weights_size(networks) + weights_size(everything)
        reserve_room(self.path, size)

    def save(
        self, gan: Any, step: int, metrics: dict[str, float], metadata: dict[str, Any]
    ) -> None:
        """Writes all that is to be known of a step.

        Args:
            gan: `InpaintingGAN`.
            step: int. The step that it has reached.
            metrics: dict of float. Losses and metrics up to this step.
            metadata: dict. What presets say of themselves.

        Raises:
            OSError: If it cannot be written.
        """
        with self.writing(gan, step):
            self.log.add({"step": step, **metrics})
            gan.save_to_preset(self.preset, metadata)
            name = self.checkpoints.best_by
            if name is not None and self.checkpoints.would_be_best(step, metrics):
                gan.save_to_preset(self.best, {**metadata, "best_by": {name: metrics[name]}})
            # Last: a run that is resumed from it finds all else written.
            parts = {"model": gan.generator, "critic": gan.critic}
            networks = {
                name: keras.saving.serialize_keras_object(part) for name, part in parts.items()
            }
            about = {"settings": self._settings.to_dict(), "networks": networks}
            self.checkpoints.save(gan, step, metrics, about)

    def _where_from(self) -> str:
        """Describes where the run goes on when it is started again."""
        step = self.checkpoints.newest_step()
        return "anew" if step is None else f"from step {step}"


def _differing(network: Any, other: Any) -> list[str]:
    """Names of the arguments in which two networks differ, but for name and dtype."""
    if type(network) is not type(other):
        return ["class"]
    ours, theirs = network.get_config(), other.get_config()
    return sorted(
        name for name in ours if name not in ("name", "dtype") and ours[name] != theirs[name]
    )


class RunLog:
    """The table of losses and metrics of a run, one row per checkpoint.

    It agrees with the checkpoints: rows of later steps, which a resumed run makes again, are
    removed. Keras's `CSVLogger` only appends, and leaves part of a row where it is killed.
    Rows that a disk has damaged are left out, and the file is kept as log.damaged.csv.

    Args:
        path: Path of the CSV file, which need not exist yet.
        report: Function. Called with each message.

    Example:
    >>> import pathlib, tempfile
    >>> from keras_inpaint.training.run_folder import RunLog
    >>> path = pathlib.Path(tempfile.mkdtemp(), "log.csv")
    >>> RunLog(path).add({"step": 10, "critic_loss": 0.5})
    >>> path.read_text().splitlines()
    ['step,critic_loss', '10,0.5']
    """

    def __init__(self, path: Path, report: Callable[[str], None] = _LOG.warning) -> None:
        self.path = path
        self._report = report

    def add(self, row: dict[str, Any]) -> None:
        """Adds a row, and removes those of its `step` or later.

        Args:
            row: dict of values by column, one of which is `step`.

        Raises:
            OSError: If the file cannot be written.
        """
        self._write([*self._rows(before=row["step"]), row])

    def cut(self, after: int) -> None:
        """Removes the rows of later steps.

        Args:
            after: int. The last step that is kept.

        Raises:
            OSError: If the file cannot be written.
        """
        if self.path.exists():
            self._write(self._rows(before=after + 1))

    def _rows(self, before: int) -> list[dict[str, Any]]:
        """The rows of the steps before one."""
        if not self.path.exists():
            return []
        content = self.path.read_bytes()
        lines = csv.DictReader(io.StringIO(content.decode("utf-8", "replace"), newline=""))
        rows, num_damaged = [], 0
        try:
            if "step" not in (lines.fieldnames or ()):
                num_damaged += 1
            for row in lines:
                if _is_lost(row, before):
                    continue
                if _is_whole(row):
                    rows.append(row)
                else:
                    num_damaged += 1
        except csv.Error:
            num_damaged += 1
        if num_damaged:
            with atomic_write(self.path.with_name("log.damaged.csv")) as draft:
                draft.write_bytes(content)
            self._report(
                f"{self.path} is damaged: {num_damaged} of its lines cannot be read and are "
                "left out. The file is kept as log.damaged.csv."
            )
        return rows

    def _write(self, rows: list[dict[str, Any]]) -> None:
        columns = list(dict.fromkeys(["step", *(name for each in rows for name in each)]))
        write_table(self.path, columns, rows)


def _is_lost(row: dict[str, Any], before: int) -> bool:
    """Whether a row is of a step that is made again."""
    step = row.get("step")
    return isinstance(step, str) and step.isdecimal() and int(step) >= before


def _is_whole(row: dict[str, Any]) -> bool:
    """Whether a row has a step, and in each of its columns a number or nothing."""
    try:
        int(row["step"])
        for value in row.values():
            # Cells that are missing are `None`, those beyond the columns a list.
            if value != "":
                float(value)
    except (KeyError, TypeError, ValueError):
        return False
    return True
