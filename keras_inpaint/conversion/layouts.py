"""Names and layouts of the weights of published programs.

A layer is known by its name, never by its position in a file or by its shape: several layers of
these networks have one shape, and programs list them in different orders.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from keras_inpaint.conversion.networks import Arrays, critic_layers, generator_layers

_KINDS = re.compile("_(downsample|atrous|upsample)$")


class Layout(ABC):
    """A kind of source: names of weights, order of axes, padding and colours.

    Attributes:
        title: str. The kind of source, for messages.
        dialect: `"tensorflow"`, `"pytorch"` or `"mmagic"`, see
            `keras_inpaint.models.Generator.deepfill_v1`.
        channel_order: `"rgb"` or `"bgr"`: that of the program's pictures.
        is_order_known: bool. Whether all sources of this kind have that order. It is an
            assumption otherwise.
    """

    title: str
    dialect: str
    channel_order: str
    is_order_known = True

    @abstractmethod
    def networks(self, names: Iterable[str]) -> list[str]:
        """Lists the generators in a source of weights of these names.

        Returns:
            List of str: what stands before the names of each one's weights. Empty if the
            source is of another kind.
        """

    @abstractmethod
    def find(self, names: Iterable[str], prefix: str) -> dict[str, str]:
        """Returns our name of each weight that is known, by the source's name.

        Args:
            names: Names of all weights of the source.
            prefix: str. That of the generator, one of `networks`.
        """

    @abstractmethod
    def spell(self, name: str) -> str:
        """Returns the source's name of a weight of ours, for messages."""

    @abstractmethod
    def part(self, name: str, prefix: str) -> str | None:
        """Returns `"generator"` or `"critic"`, the part that a weight of the source belongs to.

        `None` for what belongs to neither, such as the state of an optimizer.
        """

    def is_no_weight(self, name: str, array: NDArray[np.float32]) -> bool:
        """Returns whether a variable was never trained and is not needed here."""
        return False

    def to_ours(self, name: str, arrays: Arrays) -> NDArray[np.float32]:
        """Returns a weight in our order of axes.

        Args:
            name: str, ours.
            arrays: dict of all weights found, by our name.
        """
        return arrays[name]


_GENERATOR = "inpaint_net/"
_CRITIC = "discriminator/"
# What TensorFlow 1 keeps beside a variable to train it.
_SLOTS = ("Adam", "Adam_1", "Momentum", "RMSProp", "RMSProp_1", "ExponentialMovingAverage")


class OfficialLayout(Layout):
    """The authors' releases of v1 and v2, and what their code saves."""

    title = "a TensorFlow 1 checkpoint of the authors' program"
    dialect = "tensorflow"
    channel_order = "bgr"

    def networks(self, names: Iterable[str]) -> list[str]:
        return [""] if any(name.startswith(_GENERATOR) for name in names) else []

    def find(self, names: Iterable[str], prefix: str) -> dict[str, str]:
        weights = [
            f"{layer}/{kind}"
            for layer in (*generator_layers(), *critic_layers())
            for kind in ("kernel", "bias", "u")
        ]
        ours = {self.spell(name): name for name in weights}
        return {name: ours[name] for name in names if name in ours}

    def spell(self, name: str) -> str:
        part, *rest = name.split("/")
        if part == "patch":
            layer, weight = rest
            weight = "kernel_sn/u" if weight == "u" else weight
            return f"{_CRITIC}sn_patch_gan/{layer}/{weight}"
        if part in ("local", "global"):
            layer, weight = rest
            if layer == "dense":
                return f"{_CRITIC}dout_{part}_fc/{weight}"
            return f"{_CRITIC}discriminator_{part}/{layer}/{weight}"
        scope = f"{part}/{part}_conv" if part.endswith("upsample") else part
        return f"{_GENERATOR}{scope}/{rest[0]}"

    def part(self, name: str, prefix: str) -> str | None:
        if name.startswith(_GENERATOR):
            return "generator"
        return "critic" if name.startswith(_CRITIC) else None

    def is_no_weight(self, name: str, array: NDArray[np.float32]) -> bool:
        return name.rsplit("/", 1)[-1] in _SLOTS


_WEIGHTS = {"weight": "kernel", "bias": "bias"}
_LARGEST_FUSION = 16


class PyTorchLayout(Layout):
    """State dicts: channels before rows and columns, layers by their paths between dots.

    Weights are called `prefix.path.conv.weight`, where the prefix may be empty (or `module`,
    or the network's name), and `conv` may be missing or stand there twice. A path is matched
    whole, so that a layer of another network is not taken for one of this.

    Attributes:
        marks: Pattern of the paths that only the generator has.
        spelled_kinds: tuple of str. Suffixes of the names of layers, such as `_downsample`.
    """

    channel_order = "rgb"
    marks: re.Pattern[str] = re.compile(".*")
    spelled_kinds: tuple[str, ...] = ()

    @property
    @abstractmethod
    def layers(self) -> dict[str, str]:
        """dict: Our layer by the source's path."""

    @cached_property
    def critic_layers(self) -> dict[str, str]:
        """dict: The same for critics, which need not have the generator's prefix."""
        return {}

    def networks(self, names: Iterable[str]) -> list[str]:
        split = (self._split(name, self.layers) for name in names)
        return sorted({each[0] for each in split if each and self.marks.fullmatch(each[1])})

    def find(self, names: Iterable[str], prefix: str) -> dict[str, str]:
        found = {}
        for name in names:
            weight = _WEIGHTS.get(name.rpartition(".")[2])
            split = self._split(name, self.layers)
            if weight and split and split[0] == prefix:
                found[name] = f"{self.layers[split[1]]}/{weight}"
                continue
            split = self._split(name, self.critic_layers)
            if weight and split:
                found[name] = f"{self.critic_layers[split[1]]}/{weight}"
        return found

    def spell(self, name: str) -> str:
        layer, _, weight = name.rpartition("/")
        path = self._paths.get(layer, layer)
        kind = "".join(kind for kind in self.spelled_kinds if layer.endswith(kind))
        # A dense layer has no `conv`.
        conv = "" if layer.endswith("dense") else ".conv"
        return f"{path}{kind}{conv}.{'weight' if weight == 'kernel' else weight}"

    def part(self, name: str, prefix: str) -> str | None:
        blocks = {path.split(".")[0] for path in self.critic_layers}
        if blocks & set(name.split(".")):
            return "critic"
        return "generator" if name.startswith(prefix) else None

    def is_no_weight(self, name: str, array: NDArray[np.float32]) -> bool:
        # The attention's fusion is a convolution with a unit matrix; some keep that, too.
        size = array.shape[-1] if array.ndim == 4 else 0
        is_small = 0 < size < _LARGEST_FUSION and array.shape == (1, 1, size, size)
        return is_small and np.array_equal(array[0, 0], np.eye(size))

    def to_ours(self, name: str, arrays: Arrays) -> NDArray[np.float32]:
        array = arrays[name]
        if array.ndim == 4:
            return array.transpose(2, 3, 1, 0)
        last_bias = name.replace("dense/kernel", "conv4/bias")
        if array.ndim == 2 and last_bias != name and last_bias in arrays:
            return _dense_kernel(array, channels=arrays[last_bias].size)
        return array

    @cached_property
    def _paths(self) -> dict[str, str]:
        """dict: The source's path of each layer of ours, the first where it has several."""
        both = [*self.layers.items(), *self.critic_layers.items()]
        return {ours: path for path, ours in reversed(both)}

    @staticmethod
    def _split(name: str, layers: dict[str, str]) -> tuple[str, str] | None:
        """Splits a weight's name into the prefix of its network and the path of its layer."""
        parts = name.split(".")[:-1]
        while parts and parts[-1] == "conv":
            parts.pop()
        if parts:
            parts[-1] = _KINDS.sub("", parts[-1])
        for start in range(len(parts)):
            path = ".".join(parts[start:])
            if path in layers:
                return "".join(f"{part}." for part in parts[:start]), path
        return None


def _dense_kernel(array: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """A dense kernel over features that were flattened channel by channel."""
    positions = array.shape[1] // max(1, channels)
    if array.shape[1] != channels * positions:
        return array
    by_position = array.reshape(-1, channels, positions).transpose(2, 1, 0)
    return by_position.reshape(array.shape[1], -1)


def _plain(layer: str) -> str:
    """A layer's name without what it does: `conv13` of `conv13_upsample`."""
    return _KINDS.sub("", layer)


def _two_blocks(coarse: str, refine: str) -> dict[str, str]:
    """Paths of programs with the authors' layers in two blocks.

    The dilated branch of the refine network, the authors' `xconv1` and so on, may be called
    as that of the coarse one, as the blocks distinguish them.
    """
    paths = {}
    for layer in generator_layers():
        name = _plain(layer)
        if name.startswith("conv"):
            paths[f"{coarse}.{name}"] = layer
        else:
            paths[f"{refine}.{name.removeprefix('x')}"] = layer
            paths[f"{refine}.{name}"] = layer
    return paths


class PortLayout(PyTorchLayout):
    """State dicts of a generator, or of a trainer that also holds both critics."""

    title = "a state dict of the PyTorch port of v1"
    dialect = "pytorch"
    spelled_kinds = ("_downsample", "_atrous")

    @cached_property
    def layers(self) -> dict[str, str]:
        return _two_blocks("coarse_generator", "fine_generator")

    @cached_property
    def critic_layers(self) -> dict[str, str]:
        paths = {}
        for layer in critic_layers():
            side, name = layer.split("/")
            if side != "patch":
                path = "linear" if name == "dense" else f"dis_conv_module.{name}"
                paths[f"{side}D.{path}"] = layer
        return paths


class MMagicLayout(PyTorchLayout):
    """MMagic's (MMEditing's) DeepFill v1 and v2: encoders, necks and decoders in two stages.

    Its critics, `disc`, are other networks than the published ones.
    """

    title = "a state dict of MMagic (MMEditing)"
    dialect = "mmagic"
    # Its recipes read files by OpenCV and have `to_rgb=False`, but recipes can be changed.
    channel_order = "bgr"
    is_order_known = False
    # Blocks in the order in which pictures pass them, with the number of their layers.
    _blocks = (
        ("stage1.encoder.enc", 6),
        ("stage1.dilation_neck.dilation_convs.", 4),
        ("stage1.decoder.dec", 7),
        ("stage2.encoder_conv.enc", 6),
        ("stage2.dilation_neck.dilation_convs.", 4),
        ("stage2.encoder_attention.enc", 6),
        ("stage2.contextual_attention_neck.conv", 2),
        ("stage2.decoder.dec", 7),
    )

    @cached_property
    def layers(self) -> dict[str, str]:
        # A list of modules counts from 0, what has names from 1.
        paths = (
            [f"{block}{index + (not block.endswith('.'))}" for index in range(number)]
            for block, number in self._blocks
        )
        return dict(zip(chain.from_iterable(paths), generator_layers(), strict=True))


class StageLayout(PyTorchLayout):
    """Blocks `stage1` (coarse) and `stage2` (refine) with the authors' names of layers."""

    title = "a state dict of a PyTorch port with stage1 and stage2"
    dialect = "pytorch"
    is_order_known = False

    @cached_property
    def layers(self) -> dict[str, str]:
        return _two_blocks("stage1", "stage2")


class NamedLayout(PyTorchLayout):
    """`conv1.conv.weight`, `xconv2_downsample.conv.weight`, `allconv17.conv.bias`.

    What a layer does may be part of its name or not, and so may `.conv`. They are taken to
    pad as the authors' program does.
    """

    title = "a state dict of a PyTorch port with the authors' names of layers"
    dialect = "tensorflow"
    is_order_known = False
    # Critics have a `conv1` too.
    marks = re.compile(r"(?:x|pm|all)conv\d+")

    @cached_property
    def layers(self) -> dict[str, str]:
        return {_plain(layer): layer for layer in generator_layers()}


# The first that recognises a source: others have layers of the authors' names, too.
_PYTORCH_LAYOUTS = (PortLayout, MMagicLayout, StageLayout, NamedLayout)


def find_layout(names: Iterable[str], is_checkpoint: bool) -> Layout | None:
    """Finds the layout of a source.

    Args:
        names: Names of all weights of the source.
        is_checkpoint: bool. Whether it is a checkpoint of TensorFlow, or a state dict.

    Returns:
        `Layout`, or `None` if none is known that has such names.
    """
    names = list(names)
    layouts = (OfficialLayout,) if is_checkpoint else _PYTORCH_LAYOUTS
    return next(
        (layout for layout in (kind() for kind in layouts) if layout.networks(names)), None
    )


def holds_critics(names: Iterable[str]) -> bool:
    """Returns whether these are names of the weights of critics of the port of v1."""
    blocks = {path.split(".")[0] for path in PortLayout().critic_layers}
    return any(blocks & set(name.split(".")[:-1]) for name in names)
