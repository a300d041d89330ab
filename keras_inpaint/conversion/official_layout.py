"""The authors' TensorFlow 1 checkpoints."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from keras_inpaint.conversion.layout import Arrays, Layout
from keras_inpaint.conversion.weight_names import critic_names, generator_names

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
