"""From a published checkpoint to a preset."""

import logging
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from keras_inpaint.conversion.architecture import make_critic, make_generator
from keras_inpaint.conversion.reading import Source, read_source
from keras_inpaint.conversion.weight_names import critic_weights, generator_weights
from keras_inpaint.losses import HingeObjective, WassersteinObjective
from keras_inpaint.masks import Boxes, Strokes, Union
from keras_inpaint.models import GlobalLocalCritic
from keras_inpaint.presets.reading import sha256
from keras_inpaint.presets.writing import check_replaceable, write_preset

# Layers that are shown pictures, by our names, and those that paint them.
_SHOWN = ("conv1", "xconv1", "pmconv1", "local/conv1", "global/conv1", "patch/conv1")
_PAINT = ("conv17", "allconv17")


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
    for layer in _PAINT:
        for weight in (weights[f"{layer}/kernel"], weights[f"{layer}/bias"]):
            weight.assign(np.array(weight)[..., ::-1])


def assign(source: Source, variables: dict[str, Any]) -> None:
    """Gives variables the values of a source.

    Args:
        source: `Source`.
        variables: dict of variables by our names.

    Raises:
        ValueError: If a weight is missing, unexpected, of another shape or not finite;
            all of them are named, as the source does.
    """
    weights, spell = source.weights, source.layout.spell
    theirs = {ours: theirs for theirs, ours in reversed(source.names.items())}
    shared = [name for name in variables if name in weights]
    complaints = {
        "missing": [spell(name) for name in variables if name not in weights],
        "unexpected": [
            *source.unexpected,
            *(theirs[name] for name in weights if name not in variables),
        ],
        "of another shape": [
            f"{theirs[name]} is {weights[name].shape} and must be "
            f"{tuple(variables[name].shape)} (rows, columns, in, out)"
            for name in shared
            if weights[name].shape != tuple(variables[name].shape)
        ],
        "not finite": [theirs[name] for name in shared if not np.isfinite(weights[name]).all()],
    }
    told = [f"{kind}: {', '.join(names)}" for kind, names in complaints.items() if names]
    if told:
        raise ValueError(
            f"The weights are not those of {source.layout.title}, or the source is not whole. "
            f"Received: source={str(source.path)!r}; {'; '.join(told)}"
        )
    for name, variable in variables.items():
        variable.assign(weights[name])


_LOG = logging.getLogger("keras_inpaint.conversion")
_ORDERS = ("rgb", "bgr")
_LICENCE = "the weights keep the licence of their source"


def convert(
    source: str | PathLike[str],
    preset_dir: str | PathLike[str],
    channel_order: str | None = None,
    replace: bool = False,
    report: Callable[[str], None] = _LOG.info,
) -> Path:
    """Converts published weights into a preset.

    What program they come from is seen from their names, and the network's width,
    channels and gating from their shapes. The preset's pictures are RGB, whatever those
    of the source. If the source has a critic, the preset can be trained further:
    `keras_inpaint.InpaintingGAN.from_preset`.

    Args:
        source: str or path. A TensorFlow 1 checkpoint of the authors' program: its
            folder or its prefix. Or a `.pt` or `.pth` file of a PyTorch port: a state
            dict; critics in `dis_*.pt` are found beside `gen_*.pt`.
        preset_dir: str or path. Folder of the preset: new or empty.
        channel_order: `"rgb"`, `"bgr"` or `None`. The order of the channels of the
            pictures that the weights were trained with; `None` for that of the program,
            or, of files that do not tell, `"rgb"`.
        replace: bool. Whether a preset in `preset_dir` may be replaced.
        report: Function. Called with each message, in place of the logger
            `keras_inpaint.conversion`.

    Returns:
        Path of the preset.

    Raises:
        FileNotFoundError: If there is no such source.
        ValueError: If the source is damaged, of no known kind, not whole or holds code,
            or `preset_dir` is taken. Nothing is written then.

    Example:
    >>> try:
    ...     keras_inpaint.convert("gen_00000001.pt", "published")
    ... except FileNotFoundError as error:
    ...     print(error)
    `source` must be ... Received: source='gen_00000001.pt', which does not exist
    """
    if channel_order not in (*_ORDERS, None):
        raise ValueError(
            f"`channel_order` must be one of {_ORDERS}, or None for that of the program. "
            f"Received: channel_order={channel_order!r}"
        )
    folder = Path(preset_dir)
    _check_free(folder, replace)
    found = read_source(Path(source))
    networks = _networks(found)
    weights = generator_weights(networks["model"])
    if "critic" in networks:
        weights.update(critic_weights(networks["critic"]))
    assign(found, weights)
    channels = networks["model"].channels
    order = channel_order or found.layout.channel_order
    if order == "bgr" and channels == 3:
        reverse_colours(weights, channels)
    _tell(found, networks, channel_order, report)
    objects = _training(found, networks["critic"]) if "critic" in networks else None
    write_preset(folder, networks, _metadata(found, networks, order), objects=objects)
    return folder


def _check_free(folder: Path, replace: bool) -> None:
    check_replaceable(folder)
    if not replace and folder.is_dir() and any(folder.iterdir()):
        raise ValueError(
            "`preset_dir` holds a preset. Choose another folder, or have it replaced: "
            f"`replace=True`, --replace. Received: preset_dir={str(folder)!r}"
        )


def _networks(source: Source) -> dict[str, Any]:
    generator = make_generator(source.weights, source.layout)
    critic = make_critic(source.weights, source.layout, generator)
    return {"model": generator} if critic is None else {"model": generator, "critic": critic}


def _training(source: Source, critic: Any) -> dict[str, Any]:
    """What the published programs train with, for `InpaintingGAN.from_preset`."""
    if isinstance(critic, GlobalLocalCritic):
        height, width = critic.patch_size
        return {
            "objective": WassersteinObjective(variant=source.layout.dialect),
            "masks": Boxes.published(height, width),
        }
    return {"objective": HingeObjective(), "masks": Union([Boxes(), Strokes()])}


def _metadata(source: Source, networks: dict[str, Any], order: str) -> dict[str, Any]:
    generator, critic = networks["model"], networks.get("critic")
    name = "deepfill_v2" if generator.gated else "deepfill_v1"
    weights = f"{generator.count_params():,} weights"
    metadata = {
        "architecture": f"{name}, width {generator.width}, {weights}",
        "converted_from": f"{source.path.name}: {source.layout.title}",
        "channel_order_of_the_source": order,
        "licence": _LICENCE,
        "source_sha256": {file.name: sha256(file) for file in source.files},
    }
    if isinstance(critic, GlobalLocalCritic):
        metadata["image_size"] = critic.image_size[0]
    return metadata


def _tell(
    source: Source,
    networks: dict[str, Any],
    channel_order: str | None,
    report: Callable[[str], None],
) -> None:
    generator, layout = networks["model"], source.layout
    version = "v2" if generator.gated else "v1"
    report(f"{source.path.name} is {layout.title}: {version}, width {generator.width}.")
    if "critic" not in networks:
        report("It has no critic that is known here: only the generator is converted.")
    if source.unused_groups:
        report(f"Left out: {', '.join(source.unused_groups)}.")
    if channel_order is None and not layout.tells_channel_order and generator.channels == 3:
        report(
            "It does not tell the order of its channels, which is taken for RGB. If colours "
            "come out wrong, convert it with --channel-order bgr."
        )
