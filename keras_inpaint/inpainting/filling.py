"""Filling a photo, window by window."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from keras_inpaint.inpainting.connected_components import tight
from keras_inpaint.inpainting.window import Box, Window
from keras_inpaint.pictures.pixels import Bytes, Holes
from keras_inpaint.pictures.resizing import downsample, resize_holes, upsample

Weights = NDArray[np.float32]
Predict = Callable[[Bytes, Holes], Bytes]
Progress = Callable[[int, int], None]

# Pixels over which two windows of one hole blend into each other.
_SEAM = 16


def fill(
    photo: Bytes,
    holes: Holes,
    windows: Sequence[Window],
    predict: Predict,
    feather: int = 0,
    progress: Progress | None = None,
) -> Bytes:
    """Fills the holes of a photo; a window sees what those before it have filled.

    Args:
        photo: uint8 array of shape `(height, width, channels)`.
        holes: bool array of shape `(height, width)`: True in the hole.
        windows: Sequence of `Window` that hold all of the hole between them.
        predict: Function of a photo and its holes, of any size, that returns a
            prediction of every pixel.
        feather: int. Known pixels less far than this from the hole, or as far, blend
            into the filling.
        progress: Function or `None`. Called after each window with the number of those
            done and of all.

    Returns:
        uint8 array like `photo`, a new one.
    """
    filled, missing = photo.copy(), holes.copy()
    for num_done, window in enumerate(windows, start=1):
        # Another window may have filled all of it.
        if missing[window.hole.slices].any():
            _fill_window(filled, missing, holes, window, predict, feather)
        if progress is not None:
            progress(num_done, len(windows))
    return filled


def _fill_window(
    filled: Bytes,
    missing: Holes,
    holes: Holes,
    window: Window,
    predict: Predict,
    feather: int,
) -> None:
    view = window.view
    pixels, unknown = filled[view.slices], missing[view.slices]
    weights = _weights(unknown, holes[view.slices], window, feather)
    small, small_unknown = downsample(pixels, window.size), resize_holes(unknown, window.size)
    predicted = predict(small, small_unknown)
    # The known pixels are put back before the filling is made larger: what it is mixed
    # with at the hole's edge is then true. Not where they are to blend into it.
    is_painted = small_unknown | resize_holes(weights > 0, window.size)
    painted = upsample(np.where(is_painted[..., None], predicted, small), pixels.shape[:2])
    _blend(pixels, painted, weights)
    unknown[window.hole.within(view).slices] = False


def _weights(unknown: Holes, holes: Holes, window: Window, feather: int) -> Weights:
    """The filling's weight at each pixel: 1 in the hole, then less and less."""
    target = np.zeros_like(unknown)
    inside = window.hole.within(window.view).slices
    target[inside] = unknown[inside]
    is_filled = holes & ~unknown
    weights = ramp(target, feather)
    if is_filled.any():
        weights = np.where(is_filled, ramp(target, max(feather, _SEAM)), weights)
    return weights


def ramp(holes: Holes, feather: int) -> Weights:
    """1 in the hole, falling evenly to 0 at a distance of `feather + 1` pixels.

    Args:
        holes: bool array of shape `(height, width)`: True in the hole.
        feather: int, at least 0.

    Returns:
        float32 array like `holes`: `1 - distance / (feather + 1)`, with the Euclidean
        distance to the nearest pixel of the hole, and 0 from where it exceeds `feather`.
    """
    weights = holes.astype(np.float32)
    if not feather or not holes.any():
        return weights
    # Only what the ramp reaches is looked at.
    height, width = holes.shape
    hole = tight(holes, Box(0, 0, height, width))
    near = hole.grown(feather, height, width).slices
    distances = ndimage.distance_transform_edt(~holes[near]).astype(np.float32)
    falling = 1 - distances / np.float32(feather + 1)
    weights[near] = np.where(distances <= feather, falling, 0)
    return weights


def _blend(pixels: Bytes, painted: Bytes, weights: Weights) -> None:
    """Changes `pixels` in place, but no pixel whose weight is 0."""
    between = (weights > 0) & (weights < 1)
    np.copyto(pixels, painted, where=(weights == 1)[..., None])
    weight = weights[between][:, None]
    mixed = weight * painted[between] + (1 - weight) * pixels[between]
    pixels[between] = np.rint(mixed).astype(np.uint8)
