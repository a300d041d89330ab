"""Searching for loss weights, and other settings, with Keras Tuner."""

from keras_inpaint.tuning.inpainting_hyper_model import InpaintingHyperModel
from keras_inpaint.tuning.objectives import measure_objective
from keras_inpaint.tuning.ranges import search_ranges
from keras_inpaint.tuning.search import search

__all__ = ["InpaintingHyperModel", "measure_objective", "search", "search_ranges"]
