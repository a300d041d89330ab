"""What became of each photo of a folder: the report of a run, and what the next one reads."""

import hashlib
import json
import os
import threading
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from keras_inpaint.files import write_json

FILLED, COPIED, SKIPPED, FAILED = "filled", "copied", "skipped", "failed"


@dataclass(frozen=True)
class Outcome:
    """What became of a photo.

    Args:
        photo: str. Its path.
        status: `"filled"`, `"copied"` (it has no hole), `"skipped"` (an earlier run did it) or
            `"failed"`.
        mask: str or None; of several masks whose holes were filled together, a tuple of str.
        output: str or None.
        reason: str. Why it failed.
        sketch: str or None. What was drawn into it.
    """

    photo: str
    status: str
    mask: str | tuple[str, ...] | None = None
    output: str | None = None
    reason: str = ""
    sketch: str | None = None


@dataclass(frozen=True)
class FolderReport:
    """What became of each photo of a folder.

    Args:
        outcomes: list of `Outcome`.
        unpaired: dict of str: photos and masks without a partner, by path, with the reason.
        left_out: dict of lists of str: files that are no photos, by the reason.
        seconds: float. How long it took.

    Example:
    >>> from keras_inpaint.inpainting.folder_report import FolderReport, Outcome
    >>> report = FolderReport([Outcome("a.jpg", "filled"), Outcome("b.jpg", "failed")])
    >>> report.counts, report.summary()
    ({'filled': 1, 'failed': 1}, '1 filled, 1 failed in 0 s.')
    """

    outcomes: list[Outcome]
    unpaired: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def counts(self) -> dict[str, int]:
        """Number of photos by what became of them."""
        found = Counter(outcome.status for outcome in self.outcomes)
        counts = {name: found[name] for name in (FILLED, COPIED, SKIPPED, FAILED)}
        return {name: count for name, count in counts.items() if count}

    def summary(self) -> str:
        """Returns the counts in one line."""
        words = {SKIPPED: "done before", COPIED: "without a hole"}
        parts = [f"{count} {words.get(name, name)}" for name, count in self.counts.items()]
        if self.unpaired:
            parts.append(f"{len(self.unpaired)} without a partner")
        return f"{', '.join(parts) or 'Nothing'} in {self.seconds:.0f} s."

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes all of it as a JSON file.

        Args:
            path: str or path.

        Raises:
            OSError: If it cannot be written.
        """
        content = {
            "counts": self.counts,
            "seconds": round(self.seconds, 3),
            "photos": [asdict(outcome) for outcome in self.outcomes],
            "unpaired": self.unpaired,
            "left_out": self.left_out,
        }
        # Names that are no text would be refused as such; JSON can escape them.
        write_json(path, json.loads(json.dumps(content).encode("utf-8", "replace")))


class Manifest:
    """The photos of a folder that are done, by what, and from which files.

    A line is added for each one right before it appears under its name, with the size and
    the time of the file that is about to: so a run that is killed at any moment neither
    loses a photo nor does one twice.

    Args:
        folder: Path of the folder of filled photos.
        recipe: str. What else the filled photos depend on, see `recipe`.
        writer: str. Of several processes that write to the folder at once, the name of this
            one: each adds lines to a file of its own, and reads those of all.
    """

    NAME = ".inpainted.jsonl"

    def __init__(self, folder: Path, recipe: str, writer: str = "") -> None:
        stem, suffix = os.path.splitext(self.NAME)
        self.path = folder / (f"{stem}-{writer}{suffix}" if writer else self.NAME)
        self.recipe = recipe
        self._lock = threading.Lock()
        self._lines: dict[str, dict[str, Any]] = {}
        self._is_cut_off = False
        for path in sorted(folder.glob(f"{stem}*{suffix}"), key=_written):
            self._read(path)

    def _read(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8", errors="replace")
        if path == self.path:
            self._is_cut_off = bool(text) and not text.endswith("\n")
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                self._lines[entry["output"]] = entry
            except (KeyError, TypeError, ValueError):
                # The process was killed as it wrote it.
                continue

    def is_done(self, output: Path, sources: list[os.stat_result]) -> bool:
        """Checks whether an earlier run has written `output`, and nobody changed anything."""
        entry = self._lines.get(self._name(output))
        is_current = entry is not None and entry == {**entry, **self._facts(sources)}
        return is_current and os.path.lexists(output) and not self.is_others(output)

    def is_others(self, output: Path) -> bool:
        """Checks whether `output` is there, and not as an earlier run has left it."""
        try:
            made = _stamp(output.stat())
        except OSError:
            return os.path.lexists(output)
        return bool(self._lines.get(self._name(output), {}).get("made") != made)

    def add(self, output: Path, sources: list[os.stat_result], made: os.stat_result) -> None:
        """Notes that `output` is about to appear, made of files of these sizes and times."""
        entry = {
            "output": self._name(output),
            "made": _stamp(made),
            **self._facts(sources),
        }
        with self._lock, self.path.open("a", encoding="utf-8") as file:
            file.write("\n" * self._is_cut_off + json.dumps(entry) + "\n")
            self._is_cut_off = False

    def _facts(self, sources: list[os.stat_result]) -> dict[str, Any]:
        return {"sources": [_stamp(status) for status in sources], "recipe": self.recipe}

    def _name(self, output: Path) -> str:
        return os.path.relpath(output, self.path.parent)


def _written(path: Path) -> tuple[int, str]:
    """By this, the newest of several manifests is read last: its lines count."""
    return path.stat().st_mtime_ns, path.name


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns]


def recipe(generator: Any, options: dict[str, Any]) -> str:
    """Returns a hash of a network's weights and of how it is used."""
    # Here alone: reports are made without Keras.
    import keras

    digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    for variable in generator.weights:
        digest.update(keras.ops.convert_to_numpy(variable).tobytes())
    return digest.hexdigest()
