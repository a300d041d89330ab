"""How published programs name and lay out their weights."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise, permutations

import numpy as np
from numpy.typing import NDArray

from keras_inpaint.conversion.weight_names import critic_names, generator_names, generator_sizes

Arrays = dict[str, NDArray[np.float32]]


class Layout(ABC):
    """What is known of a kind of source.

    Attributes:
        title: str. The kind of source, as people are told.
        dialect: `"tensorflow"` or `"pytorch"`, see
            `keras_inpaint.models.Generator.deepfill_v1`.
        channel_order: `"rgb"` or `"bgr"`: that of the program's pictures.
        tells_channel_order: bool. Whether all sources of this kind have that order. It
            is a guess otherwise.
    """

    title: str
    dialect: str
    channel_order: str
    tells_channel_order = True

    @classmethod
    @abstractmethod
    def recognises(cls, names: Iterable[str]) -> bool:
        """Whether a source of weights of these names is of this kind."""

    @abstractmethod
    def find(self, arrays: Arrays) -> Mapping[str, str]:
        """Returns our name of each weight that is known, by the source's name."""

    @abstractmethod
    def spell(self, name: str) -> str:
        """Returns the source's name of a weight of ours, for messages."""

    def is_no_weight(self, name: str, array: NDArray[np.float32]) -> bool:
        """Whether what has the source's name was never learned and is not needed here."""
        return False

    def to_ours(self, name: str, arrays: Arrays) -> NDArray[np.float32]:
        """Returns a weight in the order of axes of ours.

        Args:
            name: str, ours.
            arrays: dict of all weights found, by our name.
        """
        return arrays[name]


_WEIGHTS = {"kernel": "weight", "bias": "bias"}


class PyTorchLayout(Layout):
    """Channels before rows and columns, red before blue.

    Attributes:
        marker: Pattern of a part of a weight's name, between dots, that no other kind of
            source has.
    """

    channel_order = "rgb"
    marker: re.Pattern[str]

    @classmethod
    def recognises(cls, names: Iterable[str]) -> bool:
        return bool(cls.prefixes(names))

    @classmethod
    def prefixes(cls, names: Iterable[str]) -> list[str]:
        """Lists what stands before the marker: one for each generator that is found."""
        found = set()
        for name in names:
            parts = name.split(".")
            for place, part in enumerate(parts):
                if cls.marker.fullmatch(part):
                    found.add("".join(f"{part}." for part in parts[:place]))
                    break
        return sorted(found)

    def prefix(self, names: Iterable[str]) -> str:
        """Returns what stands before the names of the generator's weights.

        Raises:
            ValueError: If there are several generators.
        """
        found = self.prefixes(names)
        if len(found) > 1:
            raise ValueError(
                "The source must hold one generator. Save the state dict of the one that you "
                f"mean by itself. Received: generators under {found}"
            )
        return found[0]

    def is_no_weight(self, name: str, array: NDArray[np.float32]) -> bool:
        # The attention's fusion is a convolution with a unit matrix; some keep that, too.
        return array.ndim == 4 and np.array_equal(array, np.eye(array.shape[-1])[None, None])

    def to_ours(self, name: str, arrays: Arrays) -> NDArray[np.float32]:
        array = arrays[name]
        if array.ndim == 4:
            return array.transpose(2, 3, 1, 0)
        last_bias = name.replace("dense/kernel", "conv4/bias")
        if array.ndim == 2 and last_bias != name and last_bias in arrays:
            return _dense_kernel(array, channels=arrays[last_bias].size)
        return array


def spelled_weight(weight: str) -> str:
    """PyTorch's word for `kernel` or `bias`."""
    return _WEIGHTS[weight]


def _dense_kernel(array: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """A dense kernel over features that were flattened channel by channel."""
    positions = array.shape[1] // max(1, channels)
    if array.shape[1] != channels * positions:
        return array
    by_position = array.reshape(-1, channels, positions).transpose(2, 1, 0)
    return by_position.reshape(array.shape[1], -1)


_GENERATOR = "inpaint_net/"
_CRITIC = "discriminator/"
# What TensorFlow 1 keeps beside a variable to train it.
_SLOTS = ("Adam", "Adam_1", "Momentum", "RMSProp", "RMSProp_1", "ExponentialMovingAverage")


class OfficialLayout(Layout):
    """The authors' releases of v1 and v2, and what their code saves."""

    title = "a TensorFlow 1 checkpoint of the authors' program"
    dialect = "tensorflow"
    channel_order = "bgr"

    @classmethod
    def recognises(cls, names: Iterable[str]) -> bool:
        return any(name.startswith(_GENERATOR) for name in names)

    def find(self, arrays: Arrays) -> Mapping[str, str]:
        ours = {self.spell(name): name for name in (*generator_names(), *critic_names())}
        return {name: ours[name] for name in arrays if name in ours}

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

    def is_no_weight(self, name: str, array: NDArray[np.float32]) -> bool:
        # The step's number, the learning rate, powers of betas: outside of the networks.
        inside = name.startswith((_GENERATOR, _CRITIC))
        return not inside or name.rsplit("/", 1)[-1] in _SLOTS


_CRITICS = {"local": "localD", "global": "globalD"}
_BEFORE_CRITIC = re.compile(r"^(?:.*\.)?(?=(?:localD|globalD)\.)")


class PortLayout(PyTorchLayout):
    """State dicts of a generator, or of a trainer that also holds both critics."""

    title = "a state dict of the PyTorch port of v1"
    dialect = "pytorch"
    marker = re.compile("coarse_generator|fine_generator")

    def find(self, arrays: Arrays) -> Mapping[str, str]:
        prefix = self.prefix(arrays)
        names = [name for name in critic_names() if not name.startswith("patch/")]
        ours = {self.spell(name): name for name in (*generator_names(), *names)}
        spelled = {name: _BEFORE_CRITIC.sub("", name.removeprefix(prefix)) for name in arrays}
        return {name: ours[spelled[name]] for name in arrays if spelled[name] in ours}

    def spell(self, name: str) -> str:
        part, *rest = name.split("/")
        weight = spelled_weight(rest[-1])
        if part in _CRITICS:
            if rest[0] == "dense":
                return f"{_CRITICS[part]}.linear.{weight}"
            return f"{_CRITICS[part]}.dis_conv_module.{rest[0]}.conv.{weight}"
        network = "coarse_generator" if part.startswith("conv") else "fine_generator"
        layer = part.removeprefix("x").removesuffix("_upsample")
        return f"{network}.{layer}.conv.{weight}"


def holds_critics(names: list[str]) -> bool:
    """Whether weights of these names are those of the port's critics."""
    return any(_BEFORE_CRITIC.match(name) for name in names)


_KIND = "(?:_downsample|_atrous|_upsample)?"
_NAME = re.compile(
    rf"(?P<layer>(?:x|pm|all)?conv\d+){_KIND}(?:\.conv)*\.(?P<weight>weight|bias)"
)


class NamedLayout(PyTorchLayout):
    """`conv1.conv.weight`, `xconv2_downsample.conv.weight`, `allconv17.conv.bias`.

    What a layer does may be part of its name or not, and so may `.conv`. They are taken to
    pad as the authors' program does.
    """

    title = "a state dict of a PyTorch port with the authors' names of layers"
    dialect = "tensorflow"
    tells_channel_order = False
    marker = re.compile(rf"(?:x|pm|all)conv\d+{_KIND}")

    def find(self, arrays: Arrays) -> Mapping[str, str]:
        prefix = self.prefix(arrays)
        ours = {self.spell(name): name for name in generator_names()}
        found = {}
        for name in arrays:
            match = _NAME.fullmatch(name.removeprefix(prefix))
            if match and name.startswith(prefix):
                spelled = f"{match['layer']}.conv.{match['weight']}"
                if spelled in ours:
                    found[name] = ours[spelled]
        return found

    def spell(self, name: str) -> str:
        layer, weight = name.split("/")
        return f"{layer.split('_')[0]}.conv.{spelled_weight(weight)}"


_NUM_COARSE = 17
# Convolutions of the refine network: dilated branch, before and after attention, join.
_SEGMENTS = (10, 6, 2, 7)


class StageLayout(PyTorchLayout):
    """Blocks `stage1` (coarse) and `stage2` (refine), whatever the layers in them are called.

    A state dict keeps the order in which its layers were made. Within a branch, this is
    taken to be the order in which pictures pass them; the order of the branches follows
    from the sizes of their convolutions.
    """

    title = "a state dict of a PyTorch port with stage1 and stage2"
    dialect = "pytorch"
    tells_channel_order = False
    marker = re.compile("stage1|stage2")

    def find(self, arrays: Arrays) -> Mapping[str, str]:
        prefix = self.prefix(arrays)
        stages = [list(_convolutions(arrays, f"{prefix}stage{n}.")) for n in (1, 2)]
        expected = (_NUM_COARSE, sum(_SEGMENTS))
        for place, (stage, number) in enumerate(zip(stages, expected, strict=True), start=1):
            if len(stage) != number:
                raise ValueError(
                    f"`stage{place}` must have {number} convolutions, one for each of the "
                    "published network's: the network is another one. "
                    f"Received: {len(stage)} convolutions, {', '.join(stage) or 'none'}"
                )
        layers = [*list(generator_sizes())[:_NUM_COARSE], *_in_their_order(arrays, stages)]
        return {
            f"{stem}.{theirs}": f"{layer}/{ours}"
            for stem, layer in zip([*stages[0], *stages[1]], layers, strict=True)
            for theirs, ours in (("weight", "kernel"), ("bias", "bias"))
            if f"{stem}.{theirs}" in arrays
        }

    def spell(self, name: str) -> str:
        # The order does not tell what a missing weight would be called.
        layer, weight = name.split("/")
        return f"the {weight} of {layer}"


def _convolutions(arrays: Arrays, prefix: str) -> Iterator[str]:
    """The names of a stage's convolutions, without `.weight`."""
    for name, array in arrays.items():
        if name.startswith(prefix) and name.endswith(".weight") and array.ndim == 4:
            yield name.removesuffix(".weight")


def _in_their_order(arrays: Arrays, stages: list[list[str]]) -> list[str]:
    """Our layers of the refine network, branch by branch as the source has them."""
    width = arrays[f"{stages[0][0]}.weight"].shape[0]
    kernels = [arrays[f"{stem}.weight"] for stem in stages[1]]
    found = [(kernel.shape[0], kernel.shape[-1]) for kernel in kernels]
    sizes = {
        layer: (int(multiple * width) or found[-1][0], size)
        for layer, (multiple, size) in generator_sizes().items()
    }
    refine = list(sizes)[_NUM_COARSE:]
    starts = np.cumsum((0, *_SEGMENTS))
    segments = [refine[start:end] for start, end in pairwise(starts)]
    for order in permutations(segments):
        layers = [layer for segment in order for layer in segment]
        if [sizes[layer] for layer in layers] == found:
            return layers
    # Whatever differs is listed where it is compared with our network.
    return refine
