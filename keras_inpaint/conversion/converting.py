"""From published weights to a preset."""

import logging
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from keras_inpaint.arguments import check_choice
from keras_inpaint.conversion.files import check_free, critic_size
from keras_inpaint.conversion.networks import (
    Arrays,
    critic_weights,
    generator_weights,
    make_critic,
    make_generator,
    reverse_colours,
)
from keras_inpaint.conversion.reading import Source, read_source
from keras_inpaint.files import sha256
from keras_inpaint.files.room import KnownFolder
from keras_inpaint.losses import HingeObjective, WassersteinObjective
from keras_inpaint.masks import Boxes, EdgeSketch, Strokes, Union
from keras_inpaint.models import GlobalLocalCritic
from keras_inpaint.presets.writing import write_preset

_LOG = logging.getLogger("keras_inpaint.conversion")
_ORDERS = ("rgb", "bgr")
_LICENCE = "the weights keep the licence of their source"
# Of each kind of difference, so many are named; a source of another program has hundreds.
_MOST_NAMES = 12


def convert(
    source: str | PathLike[str],
    preset_dir: str | PathLike[str],
    channel_order: str | None = None,
    replace: bool = False,
    report: Callable[[str], None] = _LOG.info,
    select: str | None = None,
    image_size: int | tuple[int, int] | None = None,
) -> Path:
    """Converts published weights into a preset.

    The kind of a file is seen from its content and the program from the names of its layers;
    the network's width, channels and gating from their shapes. The preset's pictures are RGB,
    whatever those of the source. If the source has critics like ours, the preset can be trained
    further: `keras_inpaint.InpaintingGAN.from_preset`. Others are left out, and reported.

    Args:
        source: str or path. A TensorFlow 1 checkpoint of the authors' program: its
            folder or its prefix. Or a file of PyTorch's or safetensors', of any suffix, that
            holds a state dict or a dict of several; critics in `dis_*.pt` are found beside
            `gen_*.pt`.
        preset_dir: str or path. Folder of the preset: new or empty.
        channel_order: `"rgb"`, `"bgr"` or `None`. The order of the channels of the
            pictures that the weights were trained with; `None` for that of the program,
            or, of files that do not show it, the one that is assumed and reported.
        replace: bool. Whether a preset in `preset_dir` may be replaced.
        report: Function. Called with each message, in place of the logger
            `keras_inpaint.conversion`.
        select: str or `None`. Which of several generators in the source is meant, such as
            `"G_ema"`.
        image_size: int, pair of ints or `None`. Height and width of the pictures that the
            critics of v1 were trained with, multiples of 16; needed where they are no squares.

    Returns:
        Path of the preset.

    Raises:
        FileNotFoundError: If there is no such source.
        ValueError: If an argument is out of bounds, the source is damaged, of no known kind,
            not whole or holds code, or `preset_dir` is taken. Nothing is written then.

    Example:
    >>> try:
    ...     keras_inpaint.convert("gen_00000001.pt", "published")
    ... except FileNotFoundError as error:
    ...     print(error)
    `source` must be ... Received: source='gen_00000001.pt', which does not exist
    """
    check_choice("channel_order", channel_order, _ORDERS, or_none="that of the program")
    size = critic_size(image_size)
    folder = Path(preset_dir)
    check_free(folder, replace)
    known = KnownFolder.above(folder, "Then convert again.")
    found = read_source(Path(source), select)
    networks, weights, why_no_critic = _networks(found, size)
    channels = networks["model"].channels
    order = channel_order or found.layout.channel_order
    if order == "bgr" and channels == 3:
        reverse_colours(weights, channels)
    _report(found, networks["model"], why_no_critic, channel_order, report)
    objects = _training(found, **networks) if "critic" in networks else None
    known.check()
    write_preset(folder, networks, _metadata(found, networks, order), objects=objects)
    return folder


def _networks(
    source: Source, image_size: tuple[int, int] | None
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Makes the generator of a source, and its critic where it is one of ours.

    Returns:
        tuple: a dict of networks, a dict of all of their variables by our names, and why
        there is no critic; empty if there is one.
    """
    found, layout = source.of("generator"), source.layout
    generator = make_generator(found, layout.dialect, layout.spell)
    variables = generator_weights(generator)
    wrong = _differences(source, "generator", variables)
    if wrong:
        raise ValueError(
            f"The weights are not those of {layout.title}, or the source is not whole. "
            f"Received: source={str(source.path)!r}; {wrong}"
        )
    critic = None
    try:
        critic = make_critic(source.of("critic"), generator, image_size)
        wrong = _differences(source, "critic", {} if critic is None else critic_weights(critic))
    except ValueError as error:
        wrong = str(error)
    _check_finite(source)
    _assign(found, variables)
    if critic is None or wrong:
        return {"model": generator}, variables, wrong or "it has none that is known here"
    of_critic = critic_weights(critic)
    _assign(source.of("critic"), of_critic)
    return {"model": generator, "critic": critic}, {**variables, **of_critic}, ""


def _differences(source: Source, part: str, variables: dict[str, Any]) -> str:
    """Describes what is wrong with the weights of a part; empty if nothing is."""
    weights, spell = source.of(part), source.layout.spell
    shared = [name for name in variables if name in weights]
    differences = {
        "missing": [spell(name) for name in variables if name not in weights],
        "unexpected": [
            *source.unexpected(part),
            *(source.theirs(name) for name in weights if name not in variables),
        ],
        "of another shape": [
            f"{source.theirs(name)} is {weights[name].shape} and must be "
            f"{tuple(variables[name].shape)} (rows, columns, in, out)"
            for name in shared
            if weights[name].shape != tuple(variables[name].shape)
        ],
    }
    return "; ".join(
        f"{kind}: {_listed(names)}" for kind, names in differences.items() if names
    )


def _check_finite(source: Source) -> None:
    names = [name for name in source.weights if not np.isfinite(source.weights[name]).all()]
    if names:
        raise ValueError(
            "All weights must be finite numbers: these were damaged in training or since. "
            f"Received: source={str(source.path)!r}; not finite: "
            f"{_listed([source.theirs(name) for name in names])}"
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _assign(weights: Arrays, variables: dict[str, Any]) -> None:
    for name, variable in variables.items():
        variable.assign(weights[name])


def _training(source: Source, model: Any, critic: Any) -> dict[str, Any]:
    """Objective and masks of the published programs, for `InpaintingGAN.from_preset`."""
    if isinstance(critic, GlobalLocalCritic):
        height, width = critic.patch_size
        return {
            "objective": WassersteinObjective(variant=source.layout.dialect),
            "masks": Boxes.published(height, width),
        }
    sketch = {"sketch": EdgeSketch()} if model.guided else {}
    return {"objective": HingeObjective(), "masks": Union([Boxes(), Strokes()]), **sketch}


def _metadata(source: Source, networks: dict[str, Any], order: str) -> dict[str, Any]:
    generator, critic = networks["model"], networks.get("critic")
    name = "deepfill_v2" if generator.gated else "deepfill_v1"
    weights = f"{generator.count_params():,} weights"
    network = f" ({source.prefix.rstrip('.')})" if source.prefix else ""
    metadata = {
        "architecture": f"{name}, width {generator.width}, {weights}",
        "converted_from": f"{source.path.name}{network}: {source.layout.title}",
        "channel_order_of_the_source": order,
        "licence": _LICENCE,
        "source_sha256": {file.name: sha256(file) for file in source.files},
    }
    if isinstance(critic, GlobalLocalCritic) and len(set(critic.image_size)) == 1:
        metadata["image_size"] = critic.image_size[0]
    return metadata


def _report(
    source: Source,
    generator: Any,
    why_no_critic: str,
    channel_order: str | None,
    report: Callable[[str], None],
) -> None:
    layout = source.layout
    version = "v2" if generator.gated else "v1"
    report(f"{source.path.name} is {layout.title}: {version}, width {generator.width}.")
    if why_no_critic:
        report(f"Only the generator is converted, no critic: {why_no_critic}.")
    if source.left_out:
        report(f"Left out: {_listed(source.left_out)}.")
    if channel_order is None and not layout.is_order_known and generator.channels == 3:
        assumed = layout.channel_order
        other = next(order for order in _ORDERS if order != assumed)
        report(
            "It does not show the order of its channels, which is taken for "
            f"{assumed.upper()}. If colours come out wrong, convert it with --channel-order "
            f"{other}."
        )
