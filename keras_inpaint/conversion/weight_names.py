"""The weights of our networks by name: `conv13_upsample/kernel`, `local/dense/bias`."""

from functools import cache
from typing import Any

import keras

from keras_inpaint.models import Generator, GlobalLocalCritic


def generator_weights(generator: Any) -> dict[str, Any]:
    """Lists a generator's weights under the names of the published layers.

    Args:
        generator: `keras_inpaint.models.Generator`.

    Returns:
        dict of variables, in the order in which pictures pass the layers.

    Example:
    >>> from keras_inpaint.conversion.weight_names import generator_weights
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
def generator_names() -> tuple[str, ...]:
    """Lists the names of any generator's weights."""
    return tuple(generator_weights(_small_generator()))


@cache
def generator_sizes() -> dict[str, tuple[float, int]]:
    """Lists the layers of any generator.

    Returns:
        dict: By name, filters in units of the width, 0 for the output layers, which have
        the pictures' channels; and the height and width of the kernel.
    """
    width = _small_generator().width
    return {
        name.split("/")[0]: (
            0 if name.split("/")[0].endswith("conv17") else weight.shape[-1] / width,
            weight.shape[0],
        )
        for name, weight in generator_weights(_small_generator()).items()
        if name.endswith("kernel")
    }


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


def critic_names() -> tuple[str, ...]:
    """Lists the names of the weights of either kind of critic."""
    layers = ("conv1", "conv2", "conv3", "conv4", "dense")
    pair = [
        f"{side}/{layer}/{weight}"
        for side in ("local", "global")
        for layer in layers
        for weight in ("kernel", "bias")
    ]
    patch = [
        f"patch/conv{place}/{weight}"
        for place in range(1, 7)
        for weight in ("kernel", "bias", "u")
    ]
    return (*pair, *patch)
