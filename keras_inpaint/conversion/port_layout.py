"""The PyTorch port of v1."""

import re
from collections.abc import Mapping

from keras_inpaint.conversion.layout import Arrays
from keras_inpaint.conversion.pytorch_layout import PyTorchLayout, spelled_weight
from keras_inpaint.conversion.weight_names import critic_names, generator_names

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
