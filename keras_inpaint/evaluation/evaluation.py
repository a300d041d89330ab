"""Evaluating a model on photos: `evaluate`, and its result."""

import functools
import logging
import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_inpaint.arguments import check_int
from keras_inpaint.data.photo_files import Limits
from keras_inpaint.evaluation.baselines import Fill, baselines
from keras_inpaint.evaluation.features import FeatureDistances, Features, load_features
from keras_inpaint.evaluation.photo_metrics import ROUGHNESS, Metrics, photo_metrics
from keras_inpaint.evaluation.samples import Area, Sample, Samples, Sketch
from keras_inpaint.files import write_json
from keras_inpaint.files.room import KnownFolder
from keras_inpaint.inpainting.sketches import check_guided, is_guided
from keras_inpaint.masks import EdgeSketch
from keras_inpaint.pictures import MAX_PIXELS, Picture, check_writable, write_picture
from keras_inpaint.pictures import sheet as draw_sheet
from keras_inpaint.pictures.pixels import Bytes
from keras_inpaint.pictures.resizing import downsample
from keras_inpaint.version import __version__

_LOG = logging.getLogger(__name__)
FillSample = Callable[[Sample], Bytes]
# The column of the true photos, whose only metric is roughness.
PHOTOS = "photos"
FORMAT_VERSION = 2

# Of the pictures on a sheet, in pixels; and the grey of a hole on it.
_LARGEST_SIDE, _GREY = 256, 128
_SECONDS = "seconds"
_DISTANCES = ("perceptual", "frechet")
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
        frechet: dict of dicts: the Frechet distances of each method, by name.

    Example:
    >>> row = {"photo": "a.jpg", "height": 64, "width": 64, "hole_area": 0.25}
    >>> rows = [{**row, "methods": {"mine": {"l1": value}}} for value in (0.25, 0.75)]
    >>> evaluation = keras_inpaint.evaluation.Evaluation({}, rows, {}, {})
    >>> evaluation.means("mine")
    {'l1': 0.5}
    """

    settings: dict[str, Any]
    pictures: list[dict[str, Any]]
    failed: dict[str, str]
    frechet: dict[str, Metrics]

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
        return {**means, **self.frechet.get(method, {})}

    def left_out(self, method: str) -> dict[str, int]:
        """The number of photos whose value each mean leaves out; only where it does."""
        rows = [picture["methods"][method] for picture in self.pictures]
        counts = {name: sum(not math.isfinite(row[name]) for row in rows) for name in rows[0]}
        return {name: count for name, count in counts.items() if count}

    def table(self) -> str:
        """The means as a Markdown table, one column per method."""
        means = {method: self.means(method) for method in self.methods}
        names = self._names(means)
        columns = [["", *(self._title(name) for name in names)]]
        for method, values in means.items():
            columns.append([method, *(_cell(name, values.get(name)) for name in names)])
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
        """The metrics of any method, in the order of the rows."""
        names = dict.fromkeys(name for values in means.values() for name in values)
        order = list(_ROWS)
        return sorted(names, key=lambda name: order.index(name.partition(" ")[0]))

    def _title(self, name: str) -> str:
        """A metric's row: a distance in a network's features names the network."""
        metric, _, network = name.partition(" ")
        features = self.settings.get("features")
        if metric in _DISTANCES and features and not network:
            network = f"({features[0]})"
        return f"{_ROWS[metric]} {network}".rstrip()


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


def evaluate(
    inpainter: Any,
    photos: Any,
    masks: Any = "mixture",
    image_size: int | None = None,
    hole_area: Area | None = None,
    seed: int = 0,
    use_baselines: bool = False,
    features: str | Features | Sequence[str | Features] | None = None,
    sheet: str | os.PathLike[str] | None = None,
    progress: Callable[[str], None] | None = None,
    mask_options: dict[str, Any] | None = None,
    max_pixels: int | None = MAX_PIXELS,
    memory_limit: int | None = None,
    sketch: Sketch | None = None,
) -> Evaluation:
    """Evaluates an inpainter on photos whose holes' content is known.

    The metrics are of what users get: the bytes that `Inpainter.inpaint` returns. The
    same arguments give the same holes and, but for the seconds, the same numbers. A photo
    that cannot be read or used is left out, and named with the reason.

    Args:
        inpainter: `keras_inpaint.Inpainter`, or what has its `inpaint` and `name`.
        photos: A folder, pattern, list of paths, or text file that lists them, see
            `keras_inpaint.data.find_photos`; or uint8 arrays of shape
            `(height, width, 3)`. For an inpainter of grey photos they are made grey.
        masks: `"boxes"`, `"strokes"` or `"mixture"`: holes drawn from the seed, see
            `hole_sampler`. Or a sampler of `keras_inpaint.masks`. Or mask files, given as
            the photos are and paired with them by `keras_inpaint.data.find_pairs`. Or
            arrays, one mask per photo.
        image_size: int or `None`. Side of the squares that are used: the largest in
            the middle of each photo, resized. `None` for photos as they are.
        hole_area: Pair of floats or `None`. The least and the greatest fraction of the photo
            that a hole covers, for `"boxes"`, `"strokes"` and `"mixture"`.
        seed: int. Seed of the holes.
        use_baselines: bool. Whether to evaluate classical methods too, see `baselines`.
        features: Function, name, list of these, or `None`. The network of the perceptual and
            the Frechet distance: from float32 images of shape `(batch, height, width, 3)` in
            `[-1, 1]`, a NumPy array, to a list of feature arrays, one per layer, or a name
            that `load_features` knows. Without one, these two are not computed. Those of the
            first network are called `perceptual` and `frechet`, those of another one by its
            name too, such as `perceptual (efficientnet-lite1)`.
        sheet: str, path or `None`. A picture file to write: the photos on which the
            inpainter does best, median and worst by the L1 in the hole.
        progress: Function or `None`. Called with each photo's name before it is filled.
        mask_options: dict or `None`. What mask files mean, and what they are called, see
            `keras_inpaint.data.photos`.
        max_pixels: int or `None`. Pixels of the largest photo or mask that is read; `None`
            for any number.
        memory_limit: int or `None`. Bytes that reading a photo or a mask may take, and
            filling one; `None` for half of the machine's memory.
        sketch: Function of images that returns their lines, as that of
            `keras_inpaint.InpaintingGAN`, for a guided generator: it is shown those of the
            true photos, as in training. `None` for `keras_inpaint.masks.EdgeSketch()`.

    Returns:
        `Evaluation`.

    Raises:
        FileNotFoundError: If there are no such photos or masks.
        ValueError: If an argument is out of bounds, what a baseline or network needs is not
            installed, or none of the photos can be used.
        OSError: If the sheet cannot be written.

    Example:
    >>> generator = keras_inpaint.models.Generator.deepfill_v2(width=4)
    >>> inpainter = keras_inpaint.Inpainter(generator, "untrained")
    >>> photos = np.full((2, 64, 64, 3), 90, "uint8")
    >>> evaluation = keras_inpaint.evaluate(inpainter, photos, "boxes")
    >>> sorted(evaluation.means("untrained"))[:3]
    ['hole_l1', 'hole_l2', 'hole_psnr']
    """
    meaning = "is the side of the squares of photos that are used"
    image_size = check_int(
        "image_size", image_size, meaning, at_least=1, or_none="photos as they are"
    )
    seed = check_int("seed", seed, "is what the holes follow from")
    known = None
    if sheet is not None:
        check_writable(sheet)
        known = KnownFolder.above(sheet, "Then evaluate again.")
    limits = Limits.of(max_pixels, memory_limit)
    is_grey = getattr(getattr(inpainter, "generator", None), "channels", 3) == 1
    sketch = _checked_sketch(inpainter, sketch)
    samples = Samples(
        photos, masks, image_size, hole_area, seed, mask_options, limits, is_grey, sketch
    )
    if sheet is not None and samples.reads(sheet):
        raise ValueError(
            "`sheet` would replace a photo or mask that is read. Choose another name. "
            f"Received: sheet={os.fspath(sheet)!r}"
        )
    methods = _methods(inpainter, use_baselines, memory_limit)
    distances = _distances(features)
    rows, indices, failed = _evaluate_all(samples, methods, distances, progress)
    evaluation = Evaluation(
        settings={
            "model": inpainter.name,
            "masks": samples.masks_name,
            "mask_options": dict(mask_options or {}),
            "hole_area": None if hole_area is None else list(hole_area),
            "seed": seed,
            "image_size": image_size,
            "features": list(distances) or None,
            "sketch": None if sketch is None else _name(sketch),
        },
        pictures=rows,
        failed=failed,
        frechet={method: _frechet(distances, method) for method in methods},
    )
    if sheet is not None and known is not None:
        picture = _ranked_sheet(rows, methods, lambda row: samples.load(indices[row]))
        known.check()
        write_picture(sheet, Picture(picture))
    return evaluation


def _checked_sketch(inpainter: Any, sketch: Sketch | None) -> Sketch | None:
    """What draws the lines that a guided generator is shown; `None` for another one."""
    if sketch is not None:
        check_guided(inpainter)
    if not is_guided(getattr(inpainter, "generator", None)):
        return None
    sketch = sketch or EdgeSketch()
    _LOG.info(
        "%s is guided: %s draws the edges of the true photos into the holes, as in training.",
        inpainter.name,
        _name(sketch),
    )
    return sketch


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _evaluate_all(
    samples: Samples,
    methods: dict[str, FillSample],
    distances: dict[str, FeatureDistances],
    progress: Callable[[str], None] | None,
) -> tuple[list[dict[str, Any]], list[int], dict[str, str]]:
    """The photos' metrics, their indices among the samples, and why the others failed."""
    rows, indices, failed = [], [], dict(samples.unpaired)
    for index, name in enumerate(samples.names):
        if progress is not None:
            progress(name)
        try:
            row = _evaluate(samples.load(index), methods, distances)
        except (OSError, ValueError, MemoryError) as error:
            failed[name] = " ".join(str(error).split())
        else:
            rows.append({"photo": name, **row})
            indices.append(index)
    if not rows:
        name, reason = next(iter(failed.items()))
        raise ValueError(
            "None of the photos can be used. The first failed with: "
            f"{reason} Received: {len(failed)} photos, the first one {name!r}"
        )
    return rows, indices, failed


def _methods(
    inpainter: Any, use_baselines: bool, memory_limit: int | None
) -> dict[str, FillSample]:
    classical = baselines() if use_baselines else {}
    if inpainter.name in (*classical, PHOTOS):
        raise ValueError(
            f"The inpainter must not be called like another column. Rename it. "
            f"Received: name={inpainter.name!r}"
        )
    options = {} if memory_limit is None else {"memory_limit": memory_limit}

    def fill(sample: Sample) -> Bytes:
        drawn = {} if sample.lines is None else {"sketch": sample.lines}
        filled: Bytes = inpainter.inpaint(sample.photo, sample.holes, **options, **drawn)
        return filled

    # Classical methods have no place for a sketch.
    others = {name: functools.partial(_fill_plainly, each) for name, each in classical.items()}
    return {inpainter.name: fill, **others}


def _fill_plainly(fill: Fill, sample: Sample) -> Bytes:
    return fill(sample.photo, sample.holes)


def _evaluate(
    sample: Sample, methods: dict[str, FillSample], distances: dict[str, FeatureDistances]
) -> dict[str, Any]:
    photo, holes = sample.photo, sample.holes
    height, width = holes.shape
    pictures, seconds = {PHOTOS: photo}, {}
    for name, fill in methods.items():
        start = time.perf_counter()
        pictures[name] = fill(sample)
        seconds[name] = time.perf_counter() - start
    values = photo_metrics(photo, list(pictures.values()), holes)
    metrics = dict(zip(pictures, values, strict=True))
    true = metrics.pop(PHOTOS)
    seen = {
        network: dict(zip(pictures, each.see(list(pictures.values())), strict=True))
        for network, each in distances.items()
    }
    for title, network in _titles("perceptual", distances):
        of_photo, measured = seen[network][PHOTOS], distances[network]
        for name in methods:
            metrics[name][title] = measured.perceptual(of_photo, seen[network][name])
    # Not before all is computed: each method must have seen the same photos.
    for network, each in distances.items():
        for name, layers in seen[network].items():
            each.keep(name, layers)
    for name in methods:
        metrics[name]["seconds"] = seconds[name]
    return {
        "height": height,
        "width": width,
        "hole_area": float(holes.mean()),
        # The only metric of the true photo is its roughness.
        "methods": {**metrics, PHOTOS: {name: true[name] for name in ROUGHNESS}},
    }


def _distances(features: Any) -> dict[str, FeatureDistances]:
    """The distances in the features of each network, by its name."""
    if features is None:
        return {}
    given = features if isinstance(features, list | tuple) else [features]
    names = [each if isinstance(each, str) else _name(each) for each in given]
    if len(set(names)) < len(names):
        raise ValueError(
            f"`features` must be networks of different names. Received: {', '.join(names)}"
        )
    networks = [load_features(each) if isinstance(each, str) else each for each in given]
    return {name: FeatureDistances(each) for name, each in zip(names, networks, strict=True)}


def _titles(metric: str, networks: Iterable[str]) -> list[tuple[str, str]]:
    """Names of a metric in the features of each network, and the networks' names."""
    return [
        (f"{metric} ({network})" if index else metric, network)
        for index, network in enumerate(networks)
    ]


def _frechet(distances: dict[str, FeatureDistances], method: str) -> Metrics:
    found = {
        title: distances[network].frechet(PHOTOS, method)
        for title, network in _titles("frechet", distances)
    }
    return {title: distance for title, distance in found.items() if distance is not None}


def _ranked_sheet(
    rows: Sequence[dict[str, Any]],
    methods: dict[str, FillSample],
    load: Callable[[int], Sample],
) -> Bytes:
    """Draws the photos that the first method fills best, median and worst.

    They are filled once more: to keep what all photos became would take their memory.

    Args:
        rows: Sequence of dicts, the `pictures` of an `Evaluation`.
        methods: dict of functions of a `Sample` that return the filled photo.
        load: Function of a row's number that gives its photo and holes.

    Returns:
        uint8 array of shape `(height, width, 3)`: one row each for the least, the median and
        the greatest `hole_l1`; photo, hole, and one column per method.
    """
    first = next(iter(methods))
    order = sorted(range(len(rows)), key=lambda row: rows[row]["methods"][first]["hole_l1"])
    # Of one or two photos, each is shown once.
    chosen = dict.fromkeys((order[0], order[(len(order) - 1) // 2], order[-1]))
    pictures = []
    for row in chosen:
        sample = load(row)
        blanked = np.where(sample.holes[..., None], _GREY, sample.photo).astype("uint8")
        filled = [fill(sample) for fill in methods.values()]
        pictures.append([_small(picture) for picture in (sample.photo, blanked, *filled)])
    return draw_sheet(pictures, titles=["photo", "hole", *methods])


def _small(photo: Bytes) -> Bytes:
    height, width = photo.shape[:2]
    scale = min(1.0, _LARGEST_SIDE / max(height, width))
    return downsample(photo, (max(1, round(scale * height)), max(1, round(scale * width))))
