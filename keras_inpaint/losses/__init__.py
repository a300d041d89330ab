"""Losses: plain functions of tensors, one value per image."""

from keras_inpaint.losses.discounts import box_discounts, distance_discounts
from keras_inpaint.losses.hinge_objective import HingeObjective
from keras_inpaint.losses.loss_weights import LossWeights
from keras_inpaint.losses.reconstruction import discounted_l1, known_l1
from keras_inpaint.losses.wasserstein_objective import WassersteinObjective

__all__ = [
    "HingeObjective",
    "LossWeights",
    "WassersteinObjective",
    "box_discounts",
    "discounted_l1",
    "distance_discounts",
    "known_l1",
]


def __dir__() -> list[str]:
    return sorted(__all__)
