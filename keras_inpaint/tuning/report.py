"""The report of a search: tables, a plot and the best settings."""

import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

# Exported, as by no means all of Keras Tuner is, but not documented: `trial.status` can be
# compared with nothing else.
from keras_tuner.engine.trial import TrialStatus as TrialStatus

from keras_inpaint.files import atomic_write, write_json, write_table, write_text
from keras_inpaint.tuning.search_space import SearchRange

# In the search's folder: Keras Tuner's state, and in that of each trial why it failed.
TRIALS, FAILURE = "trials", "failure.txt"
BEST = "best.json"
_TABLE, _PAGE, _PLOT = "trials.csv", "trials.md", "trials.png"
# Of a trial, not of the run to come.
_NOT_FOR_TRAINING = ("output", "steps", "save_every", "sheets_every")
_PLOTS_PER_ROW = 3


def write_report(folder: Path, oracle: Any, hypermodel: Any) -> Any:
    """Writes `trials.csv`, `trials.md`, `trials.png` and, of the best trial, `best.json`.

    Each trial is reported once, however often it was run.

    Args:
        folder: Path. Where the files go.
        oracle: `keras_tuner.Oracle`, of which all trials that have begun are reported.
        hypermodel: `InpaintingHyperModel`.

    Returns:
        The best trial; `None` if none was completed.
    """
    trials = sorted(oracle.trials.values(), key=lambda trial: int(trial.trial_id))
    if not trials:
        return None
    objective, ranges = oracle.objective, hypermodel.ranges
    completed = [trial for trial in trials if trial.status == TrialStatus.COMPLETED]
    sign = 1 if objective.direction == "min" else -1
    best = min(completed, key=lambda trial: sign * trial.score, default=None)
    rows = [_row(trial, ranges, objective.name, folder) for trial in trials]
    write_table(folder / _TABLE, _columns(rows), rows)
    plots = [f"![{objective.name} over each setting]({_PLOT})"] if has_plots() else []
    write_text(folder / _PAGE, _as_markdown(rows, best, ranges, objective, plots))
    if plots:
        with atomic_write(folder / _PLOT) as draft:
            _plot(trials, best, ranges, objective.name).savefig(draft)
    if best is not None:
        settings = hypermodel.settings_of(best.hyperparameters).to_dict()
        kept = {
            name: value for name, value in settings.items() if name not in _NOT_FOR_TRAINING
        }
        write_json(folder / BEST, kept)
    return best


def failure_of(folder: Path, trial: Any) -> str:
    """Returns why a trial failed, in one line.

    Args:
        folder: Path of the search.
        trial: `keras_tuner.engine.trial.Trial` that failed.
    """
    # From a file: Keras Tuner's chief is not told why a worker's trial failed.
    file = folder / TRIALS / f"trial_{trial.trial_id}" / FAILURE
    text = file.read_text("utf-8") if file.exists() else trial.message or ""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "unknown"


def has_plots() -> bool:
    """Returns whether matplotlib is installed, without which no plot is drawn."""
    return importlib.util.find_spec("matplotlib") is not None


def _row(
    trial: Any, ranges: Sequence[SearchRange], objective: str, folder: Path
) -> dict[str, Any]:
    values = trial.hyperparameters.values
    metrics = {objective: trial.score}
    for name in sorted(trial.metrics.metrics):
        # `val_loss` is weighted, so that trials of different weights do not compare by it.
        if name.startswith("val_") and name not in (objective, "val_loss"):
            metrics[name] = _at_best(trial, name)
    has_failed = trial.status == TrialStatus.FAILED
    return {
        "trial": trial.trial_id,
        "status": trial.status.lower(),
        **{name: _number(value) for name, value in metrics.items()},
        # Hyperband's trials differ in length.
        **({"epochs": values["tuner/epochs"]} if "tuner/epochs" in values else {}),
        **{each.name: values.get(each.name) for each in ranges},
        "failure": failure_of(folder, trial) if has_failed else "",
    }


def _at_best(trial: Any, name: str) -> float | None:
    """A metric in the epoch in which the objective was best."""
    for observation in trial.metrics.get_history(name):
        if observation.step == trial.best_step:
            return float(observation.mean())
    return None


def _number(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def _as_markdown(
    rows: Sequence[dict[str, Any]],
    best: Any,
    ranges: Sequence[SearchRange],
    objective: Any,
    plots: Sequence[str],
) -> str:
    """The trials from the best to the worst, and the ranges of the search."""

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
        *_table([_range_row(each) for each in ranges]),
        *(["", *plots] if plots else []),
    ]
    return "\n".join(lines) + "\n"


def _range_row(each: SearchRange) -> dict[str, Any]:
    return {
        "setting": each.name,
        "from": each.low,
        "to": each.high,
        "drawn": ", ".join(map(str, each.choices)) or each.sampling,
        "reason": each.reason,
    }


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    columns = _columns(rows)
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(row.get(name)) for name in columns] for row in rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    # A metric that an earlier, failed trial lacks would come after it.
    return sorted(names, key=lambda name: (name == "failure", _order(name)))


def _order(name: str) -> int:
    if name in ("trial", "status", "setting"):
        return 0
    return 1 if name.startswith("val_") else 2


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
    return text.replace("|", "\\|")


def _plot(
    trials: Sequence[Any], best: Any, ranges: Sequence[SearchRange], objective: str
) -> Any:
    """A figure of the objective over each setting: the best trial red, failed ones crosses."""
    from matplotlib.figure import Figure  # An extra; not pyplot, whose state is global.

    num_columns = min(len(ranges), _PLOTS_PER_ROW)
    num_rows = -(-len(ranges) // num_columns)
    figure = Figure(figsize=(4 * num_columns, 3 * num_rows), layout="constrained")
    for index, each in enumerate(ranges):
        axes = figure.add_subplot(num_rows, num_columns, index + 1)
        axes.set(xlabel=each.name, ylabel=objective, xlim=(each.low, each.high))
        if each.sampling == "log":
            axes.set_xscale("log")
        for trial in trials:
            value = trial.hyperparameters.values.get(each.name)
            if value is None:
                continue
            if trial.status == TrialStatus.COMPLETED:
                axes.plot(value, trial.score, "o", color="red" if trial is best else "black")
            elif trial.status == TrialStatus.FAILED:
                # On the lower edge: there is no score.
                edge = axes.get_xaxis_transform()
                axes.plot(value, 0.0, "x", color="black", transform=edge, clip_on=False)
    return figure
