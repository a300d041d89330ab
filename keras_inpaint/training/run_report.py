"""The report of a run: what it was asked for, how it went, and what it left out."""

import csv
import dataclasses
import importlib.util
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_inpaint.files import atomic_write, shown, write_text
from keras_inpaint.training.settings import Settings

_CURVES = "curves.png"
_NUM_NAMED = 50
_COLUMNS = 3


def write_report(
    folder: Path, settings: Settings, step: int, skipped: Mapping[str, str], speed: str = ""
) -> Path:
    """Writes `report.md` and, where matplotlib is installed, `curves.png`.

    Args:
        folder: Path of the run's folder, with its `log.csv` and `sheets/`.
        settings: `Settings`.
        step: int. Steps made so far.
        skipped: Mapping of str: files that were left out, with the reason.
        speed: str. How fast the steps were, in words.

    Returns:
        Path of the report.

    Raises:
        OSError: If it cannot be written.
    """
    rows = _read_log(folder / "log.csv")
    lines = [
        f"# {shown(folder.name)}",
        "",
        f"{step} of {settings.steps} steps." + (f" The last ones: {speed}." if speed else ""),
        "",
        "## Settings that are not the defaults",
        "",
        *_table(["setting", "value"], _changed(settings)),
        "",
        "## Metrics",
        "",
        *_metrics(rows),
        "",
        *_curves(folder, rows),
        *_sheets(folder),
        "## Files that were left out",
        "",
        *_skipped(skipped),
    ]
    path = folder / "report.md"
    write_text(path, "\n".join(lines) + "\n")
    return path


def _read_log(path: Path) -> list[dict[str, float]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
        ]


def _changed(settings: Settings) -> list[list[str]]:
    return [
        [f"`{field.name}`", str(getattr(settings, field.name))]
        for field in dataclasses.fields(settings)
        if getattr(settings, field.name) != field.default
    ]


def _metrics(rows: Sequence[Mapping[str, float]]) -> list[str]:
    names = _names(rows)
    if not names:
        return ["None yet."]
    last = rows[-1]
    cells = []
    for name in names:
        points = [(row[name], int(row["step"])) for row in rows if name in row]
        low, high = min(points), max(points)
        now = f"{last[name]:.4g}" if name in last else ""
        cells.append(
            [f"`{name}`", now, *(f"{value:.4g} (step {step})" for value, step in (low, high))]
        )
    return _table(["metric", f"step {int(last['step'])}", "lowest", "highest"], cells)


def _names(rows: Sequence[Mapping[str, float]]) -> list[str]:
    return [
        name for name in dict.fromkeys(name for row in rows for name in row) if name != "step"
    ]


def _curves(folder: Path, rows: Sequence[Mapping[str, float]]) -> list[str]:
    if len(rows) < 2:
        return []
    if importlib.util.find_spec("matplotlib") is None:
        return [
            "Curves are drawn where matplotlib is installed (`pip install matplotlib`).",
            "",
        ]
    from matplotlib.figure import Figure  # An extra; not pyplot, whose state is global.

    # A metric and that of validation share a panel.
    panels: dict[str, list[str]] = {}
    for name in _names(rows):
        panels.setdefault(name.removeprefix("val_"), []).append(name)
    num_rows = math.ceil(len(panels) / _COLUMNS)
    figure = Figure(figsize=(4 * _COLUMNS, 2.6 * num_rows), layout="constrained")
    for index, (title, names) in enumerate(panels.items()):
        axes = figure.add_subplot(num_rows, _COLUMNS, index + 1)
        axes.set(title=title, xlabel="step")
        for name in names:
            points = [(row["step"], row[name]) for row in rows if name in row]
            axes.plot(*zip(*points, strict=True), label=name, linewidth=1)
        if len(names) > 1:
            axes.legend(fontsize="small")
    with atomic_write(folder / _CURVES) as draft:
        figure.savefig(draft, dpi=80)
    return [f"![Curves of all metrics]({_CURVES})", ""]


def _sheets(folder: Path) -> list[str]:
    sheets = sorted(folder.glob("sheets/step-*.png"))
    if not sheets:
        return []
    shown_ones = list(dict.fromkeys((sheets[0], sheets[-1])))
    return [
        "## Sheets",
        "",
        f"{len(sheets)} in `sheets/`; the first and the last one:",
        "",
        *(f"![{path.stem}](sheets/{path.name})" for path in shown_ones),
        "",
    ]


def _skipped(skipped: Mapping[str, str]) -> list[str]:
    if not skipped:
        return ["None."]
    rows = [[f"`{shown(path)}`", shown(reason)] for path, reason in skipped.items()]
    more = len(rows) - _NUM_NAMED
    return [
        f"{len(rows)}, which could not be read:",
        "",
        *_table(["file", "reason"], rows[:_NUM_NAMED]),
        *([f"and {more} more."] if more > 0 else []),
    ]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [columns, ["---"] * len(columns), *rows]
    return [
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
        for row in cells
    ]
