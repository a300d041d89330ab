"""From the shapes of weights to the network that they belong to."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any, TypeVar

from keras_inpaint.conversion.layouts import Arrays, Layout
from keras_inpaint.models import Generator, GlobalLocalCritic, PatchCritic

_Value = TypeVar("_Value", int, bool)
# Each is told three times: a weight that is missing or misshapen is not believed.
_FIRST = ("conv1/kernel", "xconv1/kernel", "pmconv1/kernel")
_SECOND = ("conv2_downsample/kernel", "xconv2_downsample/kernel", "pmconv2_downsample/kernel")
_LAST = ("conv17/bias", "allconv17/bias", "allconv17/kernel")
_STRIDE = 16


def make_generator(weights: Arrays, layout: Layout) -> Any:
    """Makes the generator that weights belong to, not yet with them in it.

    Args:
        weights: dict of arrays by our names.
        layout: `Layout` of the source.

    Returns:
        `keras_inpaint.models.Generator`.

    Raises:
        ValueError: If too little is there to tell, or no generator has that width.
    """
    first, second = _kernels(weights, _FIRST), _kernels(weights, _SECOND)
    last = [weights[name].shape[-1] for name in _LAST if name in weights]
    if not first or not second or not last:
        names = ", ".join(layout.spell(name) for name in (*_FIRST, *_SECOND, *_LAST))
        raise ValueError(
            "The first and last layers tell what the network is, and they are missing: "
            f"{names}. Received: {len(weights)} weights of known names"
        )
    width = _most_common(kernel[-1] for kernel in first)
    channels = _most_common(last)
    gated = _most_common(kernel[2] < width for kernel in second)
    refine = _kernels(weights, _FIRST[1:])
    make = Generator.deepfill_v2 if gated else Generator.deepfill_v1
    return make(
        width,
        dialect=layout.dialect,
        channels=channels,
        refine_sees_mask=_most_common(kernel[2] > channels for kernel in refine)
        if refine
        else not gated,
    )


def make_critic(weights: Arrays, layout: Layout, generator: Any) -> Any:
    """Makes the critic that weights belong to, not yet with them in it.

    Args:
        weights: dict of arrays by our names.
        layout: `Layout` of the source.
        generator: `keras_inpaint.models.Generator` that goes with it.

    Returns:
        `keras_inpaint.models.GlobalLocalCritic` or `PatchCritic`; `None` if there are no
        weights of a critic.
    """
    parts = {name.split("/")[0] for name in weights}
    common = {"channels": generator.channels, "padding": generator.padding}
    if "patch" in parts:
        return PatchCritic(_filters(weights, "patch", 1) or 64, **common)
    if not parts & {"local", "global"}:
        return None
    filters = {
        side: [_filters(weights, side, place) for place in range(1, 5)]
        for side in ("local", "global")
    }
    width = math.gcd(*filters["local"], *filters["global"]) or 64
    sides = {side: _side(weights, side, filters[side][-1]) for side in filters}
    return GlobalLocalCritic(
        width,
        # Not below that of the patches, whatever is missing.
        max(sides.values()),
        sides["local"],
        **common,
        **{f"{side}_multiples": _multiples(filters[side], width) for side in filters},
    )


def _kernels(weights: Arrays, names: Iterable[str]) -> list[tuple[int, ...]]:
    found = [weights[name].shape for name in names if name in weights]
    return [shape for shape in found if len(shape) == 4]


def _most_common(values: Iterable[_Value]) -> _Value:
    return Counter(values).most_common(1)[0][0]


def _filters(weights: Arrays, part: str, place: int) -> int:
    """Filters of a critic's convolution; 0 if it is missing."""
    for weight in ("bias", "kernel"):
        array = weights.get(f"{part}/conv{place}/{weight}")
        if array is not None and array.ndim:
            return int(array.shape[-1])
    return 0


def _multiples(filters: list[int], width: int) -> tuple[int, ...]:
    # Of what is missing anyhow, any number will do.
    return tuple(max(1, number // width) for number in filters)


def _side(weights: Arrays, part: str, filters: int) -> int:
    """Height and width of a critic's pictures, of which its dense layer sees a sixteenth."""
    kernel = weights.get(f"{part}/dense/kernel")
    if kernel is None or not filters:
        return _STRIDE
    return _STRIDE * max(1, math.isqrt(kernel.size // filters))
