"""PyTorch ports of v2 in two stages, whose layers are known by their order alone."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise, permutations

import numpy as np

from keras_inpaint.conversion.layout import Arrays
from keras_inpaint.conversion.pytorch_layout import PyTorchLayout
from keras_inpaint.conversion.weight_names import generator_sizes

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
