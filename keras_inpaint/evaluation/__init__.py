"""Evaluating a model beside classical methods: table, JSON and sheet."""

from keras_inpaint.evaluation.baselines import baselines
from keras_inpaint.evaluation.evaluation import Evaluation, evaluate
from keras_inpaint.evaluation.features import load_features
from keras_inpaint.evaluation.photo_metrics import measure
from keras_inpaint.evaluation.samples import HOLE_KINDS, hole_sampler

__all__ = [
    "HOLE_KINDS",
    "Evaluation",
    "baselines",
    "evaluate",
    "hole_sampler",
    "load_features",
    "measure",
]


def __dir__() -> list[str]:
    return sorted(__all__)
