"""Our networks: their weights by name, and the network that a set of weights belongs to."""

import math
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inpaint.models import Generator, GlobalLocalCritic, PatchCritic

Arrays = dict[str, NDArray[np.float32]]

_Value = TypeVar("_Value", int, bool)
# Layers that show what a network is. Several of each, and the majority counts: a weight that
# is damaged is then named, and the others are not held to its size.
_FIRST = ("conv1/kernel", "xconv1/kernel", "pmconv1/kernel")
_SECOND = ("conv2_downsample/kernel", "xconv2_downsample/kernel", "pmconv2_downsample/kernel")
_LAST = ("conv17/bias", "allconv17/bias", "allconv17/kernel")
# Of the decoder of the refine network, with their filters in units of its width.
_DECODER = {"allconv11/bias": 4, "allconv12/bias": 4, "allconv14/bias": 2}
# All pictures have two channels more where they enter: ones and the mask.
_NUM_OTHER_INPUTS = 2
# Kernel size, number of convolutions and the stride of all of them, of the critics of v1.
_KERNEL, _NUM_CONVOLUTIONS, _STRIDE = 5, 4, 16
_NUM_PATCH_CONVOLUTIONS = 6
_SIDES = ("local", "global")


def generator_weights(generator: Any) -> dict[str, Any]:
    """Lists a generator's weights under the names of the published layers.

    Args:
        generator: `keras_inpaint.models.Generator`.

    Returns:
        dict of variables, in the order in which pictures pass the layers:
        `conv1/kernel`, `conv13_upsample/bias` and their like.

    Example:
    >>> from keras_inpaint.conversion.networks import generator_weights
    >>> generator = keras_inpaint.models.Generator.deepfill_v2(width=4)
    >>> list(generator_weights(generator))[:3]
    ['conv1/kernel', 'conv1/bias', 'conv2_downsample/kernel']
    """
    weights = {}
    for layer in _published_layers(generator):
        convolution = getattr(layer, "conv", layer)
        weights[f"{layer.name}/kernel"] = convolution.kernel
        weights[f"{layer.name}/bias"] = convolution.bias
    return weights


def _published_layers(generator: Any) -> list[Any]:
    coarse, refine = generator.coarse_network, generator.refine_network
    chains = (refine.dilated_branch, refine.before_attention, refine.after_attention)
    return [
        *coarse.body.steps,
        coarse.head,
        *(step for chain in (*chains, refine.join) for step in chain.steps),
        refine.head,
    ]


@cache
def generator_layers() -> tuple[str, ...]:
    """Lists the names of any generator's layers, in the order in which pictures pass them."""
    return tuple(layer.name for layer in _published_layers(_small_generator()))


@cache
def _small_generator() -> Any:
    return Generator.deepfill_v2(width=4)


def critic_weights(critic: Any) -> dict[str, Any]:
    """Lists a critic's weights, each layer's after the name of its part.

    Args:
        critic: `keras_inpaint.models.GlobalLocalCritic` or `PatchCritic`.

    Returns:
        dict of variables: of `local/conv1/kernel` and its like, `local/dense/kernel`,
        or of `patch/conv1/kernel` and its like, with `patch/conv1/u`.
    """
    if isinstance(critic, GlobalLocalCritic):
        parts = {"local": critic.local_critic.layers, "global": critic.global_critic.layers}
    else:
        parts = {"patch": critic.convolutions}
    return {
        f"{part}/{_critic_layer(layer)}/{weight}": getattr(layer, weight)
        for part, layers in parts.items()
        for layer in layers
        for weight in ("kernel", "bias", "u")
        if layer.weights and hasattr(layer, weight)
    }


def _critic_layer(layer: Any) -> str:
    return "dense" if isinstance(layer, keras.layers.Dense) else str(layer.name)


def critic_layers() -> tuple[str, ...]:
    """Lists the names of the layers of either kind of critic."""
    convolutions = [f"conv{index}" for index in range(1, _NUM_CONVOLUTIONS + 1)]
    pair = [f"{side}/{layer}" for side in _SIDES for layer in (*convolutions, "dense")]
    patch = [f"patch/conv{index}" for index in range(1, _NUM_PATCH_CONVOLUTIONS + 1)]
    return (*pair, *patch)


def make_generator(weights: Arrays, dialect: str, spell: Any) -> Any:
    """Makes the generator that weights belong to, not yet with them in it.

    Args:
        weights: dict of arrays by our names; kernels of shape `(rows, columns, in, out)`.
        dialect: str, see `keras_inpaint.models.Generator.deepfill_v1`.
        spell: Function of a name of ours that returns the source's, for messages.

    Returns:
        `keras_inpaint.models.Generator`.

    Raises:
        ValueError: If the layers that show the network's width are missing, no generator
            has that width, or the weights are too few for it.
    """
    first, second = _kernels(weights, _FIRST), _kernels(weights, _SECOND)
    last = [int(weights[name].shape[-1]) for name in _LAST if weights.get(name, _NONE).ndim]
    if not first or not second or not last:
        names = ", ".join(spell(name) for name in (*_FIRST, *_SECOND, *_LAST))
        raise ValueError(
            "The first and last layers show what the network is, and they are missing: "
            f"{names}. Received: {len(weights)} weights of known names"
        )
    width = _most_common(kernel[-1] for kernel in first)
    gated = _most_common(kernel[2] < width for kernel in second)
    channels = _most_common(last)
    others = [shape[2] - _NUM_OTHER_INPUTS for shape in _kernels(weights, _FIRST[:1])]
    gated_output = gated and others == [channels // 2] and channels % 2 == 0
    channels //= 2 if gated_output else 1
    refine = _kernels(weights, _FIRST[1:])
    decoder = [
        weights[name].size // multiple for name, multiple in _DECODER.items() if name in weights
    ]
    decoder_width = _most_common(decoder) if decoder else width
    _check_enough(weights, max(width, decoder_width))
    make = Generator.deepfill_v2 if gated else Generator.deepfill_v1
    return make(
        width,
        dialect=dialect,
        channels=channels,
        refine_sees_mask=_most_common(kernel[2] > channels for kernel in refine)
        if refine
        else not gated,
        gated_output=gated_output,
        # Of the guided mode, the sketch too.
        guided=gated and others == [channels + 1],
        decoder_width=None if decoder_width in (0, width) else decoder_width,
    )


_NONE: NDArray[np.float32] = np.zeros((), "float32")


def _check_enough(weights: Arrays, width: int) -> None:
    """Refuses a width under which a network has many times the weights that there are.

    One layer that is wide costs little in a file; the network that has only such layers
    would take all memory before anything could be compared.
    """
    small = _small_generator()
    # Too high by the layers whose weights grow with the width alone, but never too low.
    estimate = small.count_params() * (width / small.width) ** 2
    found = sum(array.size for array in weights.values())
    if estimate > 8 * found:
        raise ValueError(
            "The source must hold all weights of a network. Its first layers are those of one "
            f"of width {width}, with about {estimate:,.0f} weights. Received: {found:,} weights"
        )


def _kernels(weights: Arrays, names: Iterable[str]) -> list[tuple[int, ...]]:
    found = [weights[name].shape for name in names if name in weights]
    return [shape for shape in found if len(shape) == 4]


def _most_common(values: Iterable[_Value]) -> _Value:
    return Counter(values).most_common(1)[0][0]


def make_critic(
    weights: Arrays, generator: Any, image_size: tuple[int, int] | None = None
) -> Any:
    """Makes the critic that weights belong to, not yet with them in it.

    Args:
        weights: dict of arrays by our names.
        generator: `keras_inpaint.models.Generator` that goes with it.
        image_size: pair of ints or `None`. Height and width of the pictures that the critics
            of v1 were trained with; `None` for squares.

    Returns:
        `keras_inpaint.models.GlobalLocalCritic` or `PatchCritic`, of the weights' shapes;
        `None` if there are no weights of a critic.

    Raises:
        ValueError: If the weights are not those of such a critic.
    """
    parts = {name.split("/")[0] for name in weights}
    channels = generator.channels
    common = {"channels": channels, "padding": generator.padding}
    if "patch" in parts:
        sketched = (_KERNEL, _KERNEL, channels + 2)
        first = weights.get("patch/conv1/kernel", _NONE)
        guided = generator.guided and first.shape[:-1] == sketched
        chain = _filters(weights, "patch", _NUM_PATCH_CONVOLUTIONS, channels + 1 + guided)
        expected = [layer.filters * chain[0] for layer in PatchCritic(1).convolutions]
        if chain != expected:
            raise ValueError(f"its convolutions have {chain} filters and must have {expected}")
        return PatchCritic(chain[0], **common, guided=guided)
    if not parts & set(_SIDES):
        return None
    filters = {side: _filters(weights, side, _NUM_CONVOLUTIONS, channels) for side in _SIDES}
    width = math.gcd(*filters["local"], *filters["global"])
    sizes = _input_sizes(
        weights, {side: chain[-1] for side, chain in filters.items()}, image_size
    )
    return GlobalLocalCritic(
        width,
        sizes["global"],
        sizes["local"],
        **common,
        **{
            f"{side}_multiples": tuple(number // width for number in chain)
            for side, chain in filters.items()
        },
    )


def _filters(weights: Arrays, part: str, number: int, channels: int) -> list[int]:
    """The filters of a critic's convolutions, each of which takes what the last one gave."""
    filters = []
    for index in range(1, number + 1):
        name = f"{part}/conv{index}"
        kernel, bias = weights.get(f"{name}/kernel"), weights.get(f"{name}/bias")
        if kernel is None or bias is None:
            raise ValueError(f"there is no {name}")
        expected = (_KERNEL, _KERNEL, channels)
        if kernel.shape[:-1] != expected or bias.shape != kernel.shape[-1:]:
            raise ValueError(
                f"{name} is {kernel.shape} and must be {(*expected, bias.size)} (rows, "
                "columns, in, out)"
            )
        channels = int(bias.size)
        filters.append(channels)
    return filters


def _input_sizes(
    weights: Arrays, filters: dict[str, int], image_size: tuple[int, int] | None
) -> dict[str, tuple[int, int]]:
    """Height and width of what the critics of v1 see, from their dense layers.

    A dense layer has a weight for each position, of which there is one in 16 x 16 pixels.
    """
    positions = {}
    for side, last in filters.items():
        kernel, bias = weights.get(f"{side}/dense/kernel"), weights.get(f"{side}/dense/bias")
        if kernel is None or bias is None:
            raise ValueError(f"there is no {side}/dense")
        positions[side] = kernel.size // last
        if kernel.shape != (positions[side] * last, 1) or bias.shape != (1,):
            raise ValueError(f"{side}/dense is {kernel.shape} and must be ({last} * n, 1)")
    if image_size is None:
        sizes = {side: (math.isqrt(number),) * 2 for side, number in positions.items()}
    else:
        # The patch, as published, has half of the pictures' height and width; else a square.
        height, width = (length // _STRIDE for length in image_size)
        half, square = (height // 2, width // 2), (math.isqrt(positions["local"]),) * 2
        is_half = math.prod(half) == positions["local"]
        sizes = {"global": (height, width), "local": half if is_half else square}
    for side, size in sizes.items():
        if math.prod(size) != positions[side]:
            raise ValueError(
                f"the pictures of the {side} critic are not "
                + ("square" if image_size is None else "x".join(map(str, image_size)))
                + f": it sees {positions[side]} positions of {_STRIDE} x {_STRIDE} pixels. "
                "Name the pictures' height and width: `image_size`, --image-size HxW"
            )
    return {side: (size[0] * _STRIDE, size[1] * _STRIDE) for side, size in sizes.items()}


# Layers that are shown pictures, by our names, and those that make them.
_SHOWN = ("conv1", "xconv1", "pmconv1", "local/conv1", "global/conv1", "patch/conv1")
_OUTPUTS = ("conv17", "allconv17")


def reverse_colours(weights: dict[str, Any], channels: int) -> None:
    """Changes networks so that they do to RGB pictures what they did to BGR ones.

    Args:
        weights: dict of variables by our names: those of a generator and its critic.
        channels: int. Channels of the pictures, which come first of all that is shown.
    """
    for layer in _SHOWN:
        if f"{layer}/kernel" in weights:
            kernel = weights[f"{layer}/kernel"]
            values = np.array(kernel)
            values[:, :, :channels] = values[:, :, :channels][:, :, ::-1]
            kernel.assign(values)
    for layer in _OUTPUTS:
        for weight in (weights[f"{layer}/kernel"], weights[f"{layer}/bias"]):
            values = np.array(weight)
            # Where they are gated, the gates come after the features.
            halves = np.split(values, values.shape[-1] // channels, axis=-1)
            weight.assign(np.concatenate([half[..., ::-1] for half in halves], axis=-1))
