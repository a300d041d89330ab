"""PyTorch ports that keep the names of the authors' layers."""

import re
from collections.abc import Mapping

from keras_inpaint.conversion.layout import Arrays
from keras_inpaint.conversion.pytorch_layout import PyTorchLayout, spelled_weight
from keras_inpaint.conversion.weight_names import generator_names

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
