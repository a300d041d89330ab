"""The result of an evaluation."""

import math
import os
import statistics
from dataclasses import dataclass
from typing import Any

from keras_inpaint.evaluation.photo_metrics import Metrics
from keras_inpaint.files import write_json
from keras_inpaint.version import __version__

# The column of the true photos, whose only metric is roughness.
PHOTOS = "photos"
FORMAT_VERSION = 1

_SECONDS = "seconds"
_ROWS = {
    "hole_l1": "L1, hole",
    "hole_l2": "L2, hole",
    "hole_psnr": "PSNR, hole",
    "hole_ssim": "SSIM, hole",
    "hole_total_variation": "TV, hole",
    "l1": "L1",
    "l2": "L2",
    "relative_l1": "relative L1",
    "relative_l2": "relative L2",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "total_variation": "TV",
    "perceptual": "perceptual",
    "frechet": "Frechet",
    _SECONDS: "seconds",
}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Metrics of a model, and of the methods that it is compared with.

    Args:
        settings: dict. What was evaluated, on what.
        pictures: List of dicts, one per photo: `photo` (its name), `height`, `width`,
            `hole_area` (the fraction of the hole), and `methods`: the metrics of each method.
        failed: dict of str: for each photo that is left out, the reason.
        frechet: dict: the Frechet distance of each method, `None` where not computed.

    Example:
    >>> row = {"photo": "a.jpg", "height": 64, "width": 64, "hole_area": 0.25}
    >>> rows = [{**row, "methods": {"mine": {"l1": value}}} for value in (0.25, 0.75)]
    >>> evaluation = keras_inpaint.evaluation.Evaluation({}, rows, {}, {"mine": None})
    >>> evaluation.means("mine")
    {'l1': 0.5}
    """

    settings: dict[str, Any]
    pictures: list[dict[str, Any]]
    failed: dict[str, str]
    frechet: dict[str, float | None]

    @property
    def methods(self) -> list[str]:
        """The methods that were evaluated, the model first, and the photos themselves."""
        return list(self.pictures[0]["methods"])

    def means(self, method: str) -> Metrics:
        """The mean of each metric over the photos, but the median of the seconds.

        Of the seconds, the mean would hold the time in which a network is compiled. Values that
        are no finite numbers, such as the PSNR of what is filled without an error, are
        left out of the mean; without any others, it is NaN.

        Args:
            method: str. One of `methods`.
        """
        rows = [picture["methods"][method] for picture in self.pictures]
        means = {}
        for name in rows[0]:
            values = [row[name] for row in rows if math.isfinite(row[name])]
            middle = statistics.median if name == _SECONDS else statistics.fmean
            means[name] = middle(values) if values else math.nan
        distance = self.frechet.get(method)
        return means if distance is None else {**means, "frechet": distance}

    def left_out(self, method: str) -> dict[str, int]:
        """The number of photos whose value each mean leaves out; only where it does."""
        rows = [picture["methods"][method] for picture in self.pictures]
        counts = {name: sum(not math.isfinite(row[name]) for row in rows) for name in rows[0]}
        return {name: count for name, count in counts.items() if count}

    def table(self) -> str:
        """The means as a Markdown table, one column per method."""
        means = {method: self.means(method) for method in self.methods}
        columns = [["", *(_ROWS[name] for name in self._names(means))]]
        for method, values in means.items():
            cells = [_cell(name, values.get(name)) for name in self._names(means)]
            columns.append([method, *cells])
        widths = [max(len(cell) for cell in column) for column in columns]
        rows = [
            [head.ljust(widths[0]), *map(str.rjust, cells, widths[1:])]
            for head, *cells in zip(*columns, strict=True)
        ]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        rows.insert(1, rule)
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it: what is no finite number is `None`."""
        plain = {
            "format": FORMAT_VERSION,
            "keras_inpaint": __version__,
            "settings": self.settings,
            "num_pictures": len(self.pictures),
            "means": {method: self.means(method) for method in self.methods},
            "left_out": {method: self.left_out(method) for method in self.methods},
            "pictures": self.pictures,
            "failed": [{"photo": name, "reason": why} for name, why in self.failed.items()],
        }
        cleaned: dict[str, Any] = _finite(plain)
        return cleaned

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a JSON file of `to_dict`: whole, or not at all.

        Args:
            path: str or path. An existing file is replaced.

        Raises:
            OSError: If it cannot be written.
            ValueError: If `path` names a device, a FIFO or a socket.
        """
        write_json(path, self.to_dict())

    def _names(self, means: dict[str, Metrics]) -> list[str]:
        return [name for name in _ROWS if any(name in values for values in means.values())]


def _cell(name: str, value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.2f}" if "psnr" in name else f"{value:.4g}"


def _finite(thing: Any) -> Any:
    if isinstance(thing, dict):
        return {name: _finite(value) for name, value in thing.items()}
    if isinstance(thing, list):
        return [_finite(value) for value in thing]
    if isinstance(thing, float) and not math.isfinite(thing):
        return None
    return thing
