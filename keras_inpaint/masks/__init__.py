"""Holes, drawn on the device from seeds, a different one for each picture."""

from keras_inpaint.masks.boxes import Boxes
from keras_inpaint.masks.edge_sketch import EdgeSketch
from keras_inpaint.masks.mixture import Mixture
from keras_inpaint.masks.mosaic import Mosaic
from keras_inpaint.masks.strokes import Strokes
from keras_inpaint.masks.union import Union

__all__ = ["Boxes", "EdgeSketch", "Mixture", "Mosaic", "Strokes", "Union"]


def __dir__() -> list[str]:
    return sorted(__all__)
