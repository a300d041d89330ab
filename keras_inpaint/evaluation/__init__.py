"""Evaluating a model beside classical methods: table, JSON and sheet."""

from keras_inpaint.evaluation.baselines import baselines
from keras_inpaint.evaluation.evaluating import evaluate
from keras_inpaint.evaluation.evaluation import Evaluation
from keras_inpaint.evaluation.feature_networks import load_features
from keras_inpaint.evaluation.holes import HOLE_KINDS, hole_sampler
from keras_inpaint.evaluation.photo_metrics import measure

__all__ = [
    "HOLE_KINDS",
    "Evaluation",
    "baselines",
    "evaluate",
    "hole_sampler",
    "load_features",
    "measure",
]
