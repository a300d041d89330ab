"""Freezing layers by name."""

import fnmatch
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_inpaint.arguments import check_names

# Layers in layers, of which messages name those there are.
_NAMED_DEPTH = 4


def freeze(networks: dict[str, Any], names: Sequence[str]) -> dict[str, int]:
    """Sets `trainable = False` of layers, which holds from the next `compile` on.

    A layer has a path such as `generator/coarse_network/body/conv1`. A name is the last part of
    it, or several parts with `/` between them, in their order: others may be left out. Each may
    have the wildcards of shells, and `_network` at its end may be left out. So `coarse`,
    `critic/conv1` and `refine/*_atrous` are names.

    Args:
        networks: dict of `keras.Model` by name, which is the first part of paths.
        names: Names of layers. What is in them is frozen too.

    Returns:
        dict of int: By network, how many weights were trained and are not any more.

    Raises:
        ValueError: If a name is that of nothing.

    Example:
    >>> from keras_inpaint.gan.freezing import freeze
    >>> generator = keras_inpaint.models.Generator.deepfill_v2(width=4)
    >>> freeze({"generator": generator}, ["coarse"])
    {'generator': 34}
    >>> len(generator.trainable_variables)
    50
    """
    layers = [each for key, network in networks.items() for each in _layers(network, (key,))]
    unknown = [name for name in names if not any(_fits(path, name) for path, _ in layers)]
    if unknown:
        # The outer ones first.
        depths = range(1, _NAMED_DEPTH + 1)
        known = dict.fromkeys(path[-1] for d in depths for path, _ in layers if len(path) == d)
        parts = {part for name in unknown for part in name.split("/")}
        unknown_parts = [part for part in parts if not any(_is(each, part) for each in known)]
        check_names("Layers", unknown_parts, known)
        # There are layers of each part, but not one in the other.
        raise ValueError(
            "Layers are named by parts of their paths, in their order, such as "
            f"{'/'.join(layers[-1][0])!r}. Received: {', '.join(unknown)}"
        )
    before = {key: len(network.trainable_variables) for key, network in networks.items()}
    for path, layer in layers:
        if any(_fits(path, name) for name in names):
            layer.trainable = False
    return {key: before[key] - len(each.trainable_variables) for key, each in networks.items()}


def frozen_layers(network: Any) -> list[int]:
    """Returns which layers of a network are not trainable, for `freeze_layers`."""
    # Not their names, which Keras counts up with each network that is made.
    layers = [layer for _, layer in _layers(network, ())]
    return [index for index, layer in enumerate(layers) if not layer.trainable]


def freeze_layers(network: Any, indices: Sequence[int]) -> None:
    """Sets `trainable = False` of layers, as `frozen_layers` has found them in an equal one."""
    layers = [layer for _, layer in _layers(network, ())]
    for index in indices:
        layers[index].trainable = False


def _layers(layer: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A layer and all those in it, each with its path, the outer ones first."""
    yield path, layer
    # Keras lists the layers of models alone. Each is an attribute too.
    parts = {id(part): part for value in vars(layer).values() for part in _parts(value)}
    for part in parts.values():
        yield from _layers(part, (*path, part.name))


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, keras.layers.Layer):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _parts(each)


def _fits(path: tuple[str, ...], name: str) -> bool:
    """Whether a name is the last part of a path, or several of its parts in their order."""
    *outer, last = name.split("/")
    parts = iter(path[:-1])
    return _is(path[-1], last) and all(any(_is(part, each) for part in parts) for each in outer)


def _is(part: str, wanted: str) -> bool:
    return any(
        fnmatch.fnmatchcase(each, wanted) for each in (part, part.removesuffix("_network"))
    )
