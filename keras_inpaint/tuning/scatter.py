"""A picture of how a measure depends on one number."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_WIDTH, _HEIGHT = 360, 260
# Room for the numbers on the left and for the name below.
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 16, 14, 44
_INK, _FRAME, _DOT, _BEST, _FAILED = "#222222", "#bbbbbb", "#3b6fb6", "#d1495b", "#999999"
_NUM_TICKS = 4


def scatter(
    points: Sequence[tuple[float, float | None]],
    limits: tuple[float, float],
    name: str,
    measure: str,
    is_log: bool = True,
    is_less_better: bool = True,
) -> NDArray[np.uint8]:
    """Draws a measure over one number, a dot a trial.

    The best one is red and larger; what failed is a grey cross at the bottom.

    Args:
        points: Sequence of pairs of the number and the measure, which is `None` for a
            trial that failed.
        limits: pair of floats. The ends of the number's axis.
        name: str. What the number is.
        measure: str. What the measure is.
        is_log: bool. Whether the number's axis is logarithmic.
        is_less_better: bool. Whether the best measure is the least.

    Returns:
        uint8 array of shape `(260, 360, 3)`.

    Example:
    >>> from keras_inpaint.tuning.scatter import scatter
    >>> scatter([(0.1, 0.2), (1.0, None)], (0.1, 10.0), "hole", "val_hole_l1").shape
    (260, 360, 3)
    """
    canvas = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    draw = ImageDraw.Draw(canvas)
    measured = [value for _, value in points if value is not None]
    low, high = _spread(measured)

    def place(number: float, value: float) -> tuple[float, float]:
        right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        x = _LEFT + _share(number, *limits, is_log) * (right - _LEFT)
        return x, bottom - _share(value, low, high, False) * (bottom - _TOP)

    draw.rectangle((_LEFT, _TOP, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM), outline=_FRAME)
    _draw_axes(draw, place, limits, (low, high), is_log, f"{measure} over {name}")
    best = (min if is_less_better else max)(measured, default=None)
    # The best one last, on top.
    for number, value in sorted(points, key=lambda point: point[1] == best):
        if value is None:
            x, y = place(number, low)
            draw.line((x - 4, y - 9, x + 4, y - 1), fill=_FAILED, width=2)
            draw.line((x - 4, y - 1, x + 4, y - 9), fill=_FAILED, width=2)
        else:
            is_best = value == best
            _dot(draw, place(number, value), 6 if is_best else 4, _BEST if is_best else _DOT)
    return np.asarray(canvas)


def _draw_axes(
    draw: ImageDraw.ImageDraw,
    place: Callable[[float, float], tuple[float, float]],
    limits: tuple[float, float],
    spread: tuple[float, float],
    is_log: bool,
    title: str,
) -> None:
    font = ImageFont.load_default(11)
    for number in _ticks(*limits, is_log):
        x, y = place(number, spread[0])
        draw.line((x, y, x, y + 4), fill=_INK)
        draw.text((x, y + 6), f"{number:.3g}", fill=_INK, font=font, anchor="mt")
    values = _ticks(*spread, False)
    for value, text in zip(values, _told_apart(values), strict=True):
        x, y = place(limits[0], value)
        draw.line((x - 4, y, x, y), fill=_INK)
        draw.text((x - 7, y), text, fill=_INK, font=font, anchor="rm")
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    title_font = ImageFont.load_default(13)
    draw.text((middle, _HEIGHT - 6), title, fill=_INK, font=title_font, anchor="mb")


def _told_apart(values: Sequence[float]) -> list[str]:
    """Numbers with as many digits as it takes to tell one from the next."""
    texts: list[str] = []
    for num_digits in range(3, 9):
        texts = [f"{value:.{num_digits}g}" for value in values]
        if len(set(texts)) == len(texts):
            break
    return texts


def _dot(
    draw: ImageDraw.ImageDraw, centre: tuple[float, float], radius: int, colour: str
) -> None:
    x, y = map(round, centre)
    box = (x - radius, y - radius, x + radius, y + radius)
    draw.ellipse(box, fill=colour, outline="white")


def _spread(values: Sequence[float]) -> tuple[float, float]:
    """The ends of the axis of the measure, with room above and below."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or 0.05 * abs(high) or 0.5
    return low - room, high + room


def _share(value: float, low: float, high: float, is_log: bool) -> float:
    """How far from `low` to `high` a value stands, from 0 to 1."""
    if is_log:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return (value - low) / (high - low)


def _ticks(low: float, high: float, is_log: bool) -> list[float]:
    """Numbers to write on an axis: powers of ten on a logarithmic one that has two."""
    if is_log:
        powers = range(
            math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1
        )
        if len(powers) >= 2:
            return [10.0**power for power in powers]
        return [float(number) for number in np.geomspace(low, high, _NUM_TICKS)]
    return [float(number) for number in np.linspace(low, high, _NUM_TICKS)]
