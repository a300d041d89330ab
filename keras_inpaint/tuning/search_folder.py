"""What a search leaves on disk."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from keras_inpaint.training.text_files import DRAFT_SUFFIX, write_text
from keras_inpaint.tuning.inpainting_tuner import FAILURE, FOLDER
from keras_inpaint.tuning.report import write_report

# What may change when a search goes on.
_FREE = ("max_trials", "max_failures")


class SearchFolder:
    """A search's folder: what is searched, the trials, and what they say.

        search.json    as asked for
        trials/        a folder a trial, and the state of the search
        trials.csv     numbers and measures, a line a trial
        trials.md      the same, the best first, with the ranges
        measure.png    the measure over each number
        best.json      for `keras-inpaint train --config`

    Args:
        path: str or path. Missing, empty, or the folder of a search to go on with.
        search: dict of what is searched, as JSON has it.
        is_helper: bool. Whether another process writes to the folder: the chief. Two that
            write one file would take each other's draft, and what is half written looks like
            something else: call `check` once the chief has answered.

    Raises:
        OSError: If the folder cannot be written to.
        ValueError: If it holds something else, or another search.
    """

    def __init__(
        self, path: str | os.PathLike[str], search: dict[str, Any], is_helper: bool = False
    ) -> None:
        self.path = Path(path)
        self._file = self.path / "search.json"
        self._is_helper = is_helper
        # Through JSON, so that tuples compare with the lists of a file.
        self._search = json.loads(json.dumps(search))
        try:
            if is_helper:
                self.path.mkdir(parents=True, exist_ok=True)
            else:
                self._begin()
        except OSError as error:
            raise OSError(
                "`output` must be a folder that can be written to. Choose another, or change "
                f"what is in the way: {error}. Received: output={str(path)!r}"
            ) from error

    def _begin(self) -> None:
        self.check()
        self.path.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self._search, indent=2, ensure_ascii=False)
        write_text(self._file, text + "\n")

    def check(self) -> None:
        """Refuses a folder of something else, of another search, or not of the chief's.

        Raises:
            ValueError: If it is one.
        """
        search = self._search
        if not self._file.exists():
            if self._is_helper:
                raise ValueError(
                    "`output` must be the folder of the chief, on a disk that both see, but "
                    f"holds no search.json. Received: output={str(self.path)!r}"
                )
            if self.path.exists() and not self._is_free():
                raise ValueError(
                    "`output` must be a new folder, an empty one, or that of an earlier "
                    f"search. Received: output={str(self.path)!r}"
                )
            return
        try:
            earlier = dict(json.loads(self._file.read_text("utf-8")))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self._file} is damaged: {error}") from error
        for name in sorted({*earlier, *search} - {*_FREE}):
            before, now = earlier.get(name), search.get(name)
            if before != now:
                name, before, now = _difference(name, before, now)
                raise ValueError(
                    f"A search cannot change its `{name}`: trials would not compare. Choose "
                    f"another output, or go on with {name}={before!r}. "
                    f"Received: {name}={now!r} for {str(self.path)!r}"
                )

    def _is_free(self) -> bool:
        """Whether there is nothing but what is made before `search.json`."""
        if not self.path.is_dir():
            return False
        # A draft that was cut off, and what a worker makes that is there before its chief.
        names = {each.name for each in self.path.iterdir()} - {self._file.name + DRAFT_SUFFIX}
        return not names or (names == {FOLDER} and not any((self.path / FOLDER).iterdir()))

    def report(self, oracle: Any, hypermodel: Any) -> None:
        """Writes what the trials say so far.

        Args:
            oracle: What `make_oracle` returns.
            hypermodel: `InpaintingHyperModel`.
        """
        trials = [oracle.trials[trial_id] for trial_id in oracle.start_order]
        write_report(self.path, trials, hypermodel, oracle.objective, self.why)

    def why(self, trial: Any) -> str:
        """The last line of what is known of a trial's failure."""
        message = trial.message
        file = self.path / FOLDER / f"trial_{trial.trial_id}" / FAILURE
        if not message and file.exists():
            message = file.read_text("utf-8")
        lines = [line for line in (message or "").splitlines() if line.strip()]
        text = lines[-1].strip() if lines else "unknown"
        return text.removeprefix("keras_tuner.src.errors.FailedTrialError: ")


def description(settings: Any, ranges: Any, **others: Any) -> dict[str, Any]:
    """What `search.json` holds.

    Args:
        settings: `Settings`.
        ranges: List of `SearchRange`.
        **others: What else tells searches apart.
    """
    told = settings.to_dict()
    # The folder may be moved, to a machine with other devices.
    for name in ("output", "distribution"):
        told.pop(name, None)
    kept = ("low", "high", "sampling", "choices")
    found = {
        each.name: {name: dataclasses.asdict(each)[name] for name in kept} for each in ranges
    }
    return {"settings": told, "ranges": found, **others}


def _difference(name: str, before: Any, now: Any) -> tuple[str, Any, Any]:
    """The innermost name under which two values differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        for inner in sorted({*before, *now}):
            if before.get(inner) != now.get(inner):
                return _difference(f"{name}.{inner}", before.get(inner), now.get(inner))
    return name, before, now
