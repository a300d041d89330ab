"""What a search has found, as tables, a picture and settings."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_inpaint.pictures import Picture, sheet, write_picture
from keras_inpaint.training.text_files import write_table, write_text
from keras_inpaint.tuning.scatter import scatter
from keras_inpaint.tuning.search_range import SearchRange

# Of a trial, not of the run to come.
_NOT_FOR_TRAINING = ("output", "steps", "save_every", "sheets_every")
_PANELS_A_ROW = 3
_TABLE = "trials.csv"
_PAGE = "trials.md"
_PICTURE = "measure.png"
BEST = "best.json"


def write_report(
    folder: Path, trials: Sequence[Any], hypermodel: Any, objective: Any, failures: Any
) -> None:
    """Writes `trials.csv`, `trials.md`, `measure.png` and, of the best trial, `best.json`.

    Args:
        folder: Path. Where the files go.
        trials: Sequence of `keras_tuner` trials that have begun, in that order.
        hypermodel: `InpaintingHyperModel`.
        objective: `keras_tuner.Objective`.
        failures: function of a trial to a line of text, why it failed.
    """
    rows = [_row(trial, hypermodel.ranges, objective.name, failures) for trial in trials]
    if not rows:
        return
    write_table(folder / _TABLE, _columns(rows), rows)
    best = best_of(trials, objective)
    write_text(folder / _PAGE, _as_markdown(rows, best, hypermodel, objective))
    panels = [_panel(each, trials, objective) for each in hypermodel.ranges]
    starts = range(0, len(panels), _PANELS_A_ROW)
    picture = sheet([panels[start : start + _PANELS_A_ROW] for start in starts])
    write_picture(folder / _PICTURE, Picture(picture))
    if best is not None:
        settings = hypermodel.settings_of(best.hyperparameters).to_dict()
        kept = {
            name: value for name, value in settings.items() if name not in _NOT_FOR_TRAINING
        }
        write_text(folder / BEST, json.dumps(kept, indent=2, ensure_ascii=False) + "\n")


def best_of(trials: Sequence[Any], objective: Any) -> Any:
    """The best trial of those that were completed, `None` without any."""
    completed = [trial for trial in trials if trial.status == "COMPLETED"]
    sign = 1 if objective.direction == "min" else -1
    return min(completed, key=lambda trial: sign * trial.score, default=None)


def _row(
    trial: Any, ranges: Sequence[SearchRange], objective: str, failures: Any
) -> dict[str, Any]:
    values = trial.hyperparameters.values
    measured = {objective: trial.score}
    for name in sorted(trial.metrics.metrics):
        if name.startswith("val_") and name != objective:
            measured[name] = _at_best(trial, name)
    status = trial.status.lower()
    return {
        "trial": trial.trial_id,
        "status": status,
        **{name: None if value is None else float(value) for name, value in measured.items()},
        # Hyperband's trials differ in length.
        **({"epochs": values["tuner/epochs"]} if "tuner/epochs" in values else {}),
        **{each.name: values.get(each.name) for each in ranges},
        "failure": failures(trial) if status == "failed" else "",
    }


def _at_best(trial: Any, name: str) -> float | None:
    """A measure in the epoch in which the objective was best."""
    for observation in trial.metrics.get_history(name):
        if observation.step == trial.best_step:
            return float(observation.mean())
    return None


def _as_markdown(rows: Sequence[dict[str, Any]], best: Any, model: Any, objective: Any) -> str:
    """The trials from the best to the worst, and where they were searched for."""

    def rank(row: dict[str, Any]) -> float:
        if row["status"] != "completed":
            return math.inf
        value = float(row[objective.name])
        return value if objective.direction == "min" else -value

    better = "less" if objective.direction == "min" else "more"
    lines = [
        "# Trials",
        "",
        f"Compared by `{objective.name}`, of which {better} is better. "
        + ("None was completed." if best is None else f"The best is trial {best.trial_id}."),
        "",
        *_table(sorted(rows, key=rank)),
        "",
        "## Ranges",
        "",
        *_table([_range_row(each) for each in model.ranges]),
        "",
        f"![{objective.name} over each number]({_PICTURE})",
    ]
    return "\n".join(lines) + "\n"


def _range_row(each: SearchRange) -> dict[str, Any]:
    return {
        "number": each.name,
        "from": each.low,
        "to": each.high,
        "drawn": ", ".join(map(str, each.choices)) or each.sampling,
        "why there": each.reason,
    }


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    columns = _columns(rows)
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(row.get(name)) for name in columns] for row in rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    # A measure that an earlier, failed trial lacks would come after it.
    return sorted(names, key=lambda name: (name == "failure", _order(name)))


def _order(name: str) -> int:
    if name in ("trial", "status", "number"):
        return 0
    return 1 if name.startswith("val_") else 2


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
    return text.replace("|", "\\|")


def _panel(each: SearchRange, trials: Sequence[Any], objective: Any) -> Any:
    points = []
    for trial in trials:
        number = trial.hyperparameters.values.get(each.name)
        is_completed = trial.status == "COMPLETED"
        if number is not None and (is_completed or trial.status == "FAILED"):
            points.append((float(number), float(trial.score) if is_completed else None))
    return scatter(
        points,
        (each.low, each.high),
        each.name,
        objective.name,
        is_log=each.sampling == "log",
        is_less_better=objective.direction == "min",
    )
