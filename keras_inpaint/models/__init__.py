"""The published networks."""

from keras_inpaint.models.coarse_network import CoarseNetwork
from keras_inpaint.models.efficient_net_lite import EfficientNetLite
from keras_inpaint.models.generator import Generator
from keras_inpaint.models.global_local_critic import GlobalLocalCritic
from keras_inpaint.models.patch_critic import PatchCritic
from keras_inpaint.models.refine_network import RefineNetwork

__all__ = [
    "CoarseNetwork",
    "EfficientNetLite",
    "Generator",
    "GlobalLocalCritic",
    "PatchCritic",
    "RefineNetwork",
]


def __dir__() -> list[str]:
    return sorted(__all__)
