"""What a training run leaves on disk."""

import csv
import json
import os
from pathlib import Path
from typing import Any

from keras_inpaint.training.settings import Settings

# They make the networks: a checkpoint fits no others.
_FIXED = ("architecture", "width", "critic_width", "image_size")
# The one before the newest serves where a disk was full or failed.
_NUM_KEPT = 2


class RunFolder:
    """A training run's folder: settings, checkpoints, log and preset.

        settings.json    as given; `keras-inpaint train --config` goes on from it
        log.csv          losses and measures, a line a checkpoint
        checkpoint/      weights and both optimizers, the newest two
        preset/          for `Inpainter.from_preset`

    Args:
        settings: `Settings`.

    Raises:
        ValueError: If the folder holds something else, or a run of other networks.
    """

    def __init__(self, settings: Settings) -> None:
        self.path = Path(settings.output)
        self.settings_file = self.path / "settings.json"
        self.preset = self.path / "preset"
        self._check(settings)
        self._checkpoints = self.path / "checkpoint"
        self._checkpoints.mkdir(parents=True, exist_ok=True)
        text = json.dumps(settings.to_dict(), indent=2, ensure_ascii=False)
        _replace(self.settings_file, text + "\n")

    def _check(self, settings: Settings) -> None:
        if not self.settings_file.exists():
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise ValueError(
                    "`output` must be a new folder, an empty one, or that of an earlier run. "
                    f"Received: output={settings.output!r}"
                )
            return
        try:
            earlier = Settings.from_dict(json.loads(self.settings_file.read_text("utf-8")))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.settings_file} is damaged: {error}") from error
        for name in _FIXED:
            before, now = getattr(earlier, name), getattr(settings, name)
            if before != now:
                raise ValueError(
                    f"A run cannot change its `{name}`. Choose another output, or go on with "
                    f"{name}={before!r}. Received: {name}={now!r} for {settings.output!r}"
                )

    def restore(self, gan: Any) -> bool:
        """Loads the newest checkpoint, if there is one."""
        newest = self._saved()[-1:]
        for path in newest:
            try:
                gan.load_weights(path)
            except (OSError, ValueError, KeyError) as error:
                raise ValueError(
                    f"{path} cannot be read. Delete it, and the run goes on from the "
                    f"checkpoint before it. {error}"
                ) from error
        return bool(newest)

    def save(self, gan: Any, step: int) -> None:
        """Writes a checkpoint; one that was cut short does not count as one."""
        draft = self._checkpoints / "unfinished.weights.h5"
        gan.save_weights(draft)
        os.replace(draft, self._checkpoints / f"step-{step:09d}.weights.h5")
        for old in self._saved()[:-_NUM_KEPT]:
            old.unlink()

    def log(self, row: dict[str, Any]) -> None:
        """Adds a line to the log, in the place of any that a lost checkpoint left."""
        path = self.path / "log.csv"
        rows: list[dict[str, Any]] = []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                rows = [old for old in csv.DictReader(file) if int(old["step"]) < row["step"]]
        rows.append(row)
        columns = list(dict.fromkeys(name for each in rows for name in each))
        draft = path.with_suffix(".unfinished")
        with draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        os.replace(draft, path)

    def _saved(self) -> list[Path]:
        return sorted(self._checkpoints.glob("step-*.weights.h5"))


def _replace(path: Path, text: str) -> None:
    draft = path.with_suffix(".unfinished")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)
