"""Filling a photo, window by window."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from keras_inpaint.inpainting.connected_components import tight
from keras_inpaint.inpainting.detail import VIEWS, add_detail, view_size
from keras_inpaint.inpainting.window import SEAM, Box, Window
from keras_inpaint.pictures.pixels import Bytes, Holes
from keras_inpaint.pictures.resizing import downsample, resize_holes, upsample

Weights = NDArray[np.float32]
# Photos of one size, their holes, and what is drawn into these or `None`, to predictions.
Predict = Callable[[Bytes, Holes, Holes | None], Bytes]
Progress = Callable[[int, int], None]


def fill(
    photo: Bytes,
    holes: Holes,
    windows: Sequence[Window],
    predict: Predict,
    feather: int = 0,
    progress: Progress | None = None,
    batch_size: int = 1,
    detail: str = "none",
    out: Bytes | None = None,
    lines: Holes | None = None,
) -> Bytes:
    """Fills the holes of a photo; a window sees what those before it have filled.

    Args:
        photo: uint8 array of shape `(height, width, channels)`.
        holes: bool array of shape `(height, width)`: True in the hole.
        windows: Sequence of `Window` that hold all of the hole between them.
        predict: Function of photos `(num, height, width, channels)` of any size and their
            holes `(num, height, width)`, and of `lines` like these or `None`, that returns a
            prediction of every pixel.
        feather: int. Known pixels less far than this from the hole, or as far, blend
            into the filling.
        progress: Function or `None`. Called after each batch with the number of windows
            done and of all.
        batch_size: int, at least 1. Windows that are predicted at once, where none of them
            sees what another one fills: the result does not depend on it.
        detail: One of `DETAILS`. Where detail comes from in windows that need it.
        out: uint8 array like `photo`, which takes the filled one, or `None` for a new one. It
            may be `photo`.
        lines: bool array like `holes`, or `None`: True on what is drawn into the hole.

    Returns:
        uint8 array like `photo`: `out`, or a new one.
    """
    filled = photo.copy() if out is None else out
    if filled is not photo:
        filled[...] = photo
    missing, num_done = holes.copy(), 0
    for batch in _batches(windows, batch_size, max(feather, SEAM)):
        # Others may have filled all of them.
        waiting = [window for window in batch if missing[window.hole.slices].any()]
        for some in _powers_of_two(waiting):
            _fill_windows(filled, missing, holes, some, predict, feather, detail, lines)
        num_done += len(batch)
        if progress is not None:
            progress(num_done, len(windows))
    return filled


def _batches(windows: Sequence[Window], most: int, reach: int) -> Iterator[list[Window]]:
    """Takes windows of one size together that come in a row and see nothing of each other.

    Args:
        windows: Sequence of `Window`.
        most: int. How many to take together.
        reach: int. Pixels around its hole that a window changes.
    """
    batch: list[Window] = []
    for window in windows:
        is_apart = len(batch) < most and not any(
            (window.size, window.needs_detail) != (other.size, other.needs_detail)
            or window.depends_on(other, reach)
            for other in batch
        )
        if not is_apart:
            yield batch
            batch = []
        batch.append(window)
    yield batch


def _powers_of_two(windows: Sequence[Window]) -> Iterator[Sequence[Window]]:
    """Divides a batch so that a network is compiled for few sizes of batches."""
    while windows:
        num = 1 << (len(windows).bit_length() - 1)
        yield windows[:num]
        windows = windows[num:]


def _fill_windows(
    filled: Bytes,
    missing: Holes,
    holes: Holes,
    windows: Sequence[Window],
    predict: Predict,
    feather: int,
    detail: str,
    lines: Holes | None,
) -> None:
    """Fills windows of one size that do not depend on each other."""
    size, copies = windows[0].size, detail == "copy" and windows[0].needs_detail
    small = np.stack([downsample(filled[each.view.slices], size) for each in windows])
    unknown = np.stack([resize_holes(missing[each.view.slices], size) for each in windows])
    drawn = None
    if lines is not None:
        drawn = np.stack([resize_holes(lines[each.view.slices], size) for each in windows])
    if copies:
        predictions = _predict_low_band(predict, small, unknown, drawn)
    else:
        predictions = predict(small, unknown, drawn)
    for index, predicted in enumerate(predictions):
        window = windows[index]
        pixels, inside = filled[window.view.slices], holes[window.view.slices]
        weights = _weights(missing[window.view.slices], inside, window, feather)
        is_wanted = resize_holes(weights > 0, size)
        # The known pixels are put back before the filling is made larger: what it is mixed
        # with at the hole's edge is then true. Not where they are to blend into it.
        painted = np.where((unknown[index] | is_wanted)[..., None], predicted, small[index])
        if copies:
            large = add_detail(pixels, inside, painted, is_wanted)
        else:
            large = upsample(painted, pixels.shape[:2])
        _blend(pixels, large, weights)
        missing[window.hole.slices] = False


def _predict_low_band(
    predict: Predict, photos: Bytes, holes: Holes, lines: Holes | None
) -> Bytes:
    """Predictions as soft as what detail is added to may be: means over smaller views.

    Args:
        predict: As `fill` takes.
        photos: uint8 array of shape `(num, height, width, channels)`.
        holes: bool array of shape `(num, height, width)`.
        lines: bool array like `holes`, or `None`.

    Returns:
        uint8 array like `photos`.
    """
    size = photos.shape[1:3]
    total = np.zeros(photos.shape, np.uint16)
    for scale, step in VIEWS:
        view = view_size(size, scale)
        seen = np.stack([downsample(each[:, ::step], view) for each in photos])
        unknown = _smaller(holes[:, :, ::step], view)
        drawn = None if lines is None else _smaller(lines[:, :, ::step], view)
        for each, predicted in zip(total, predict(seen, unknown, drawn), strict=True):
            each += upsample(predicted[:, ::step], size)
    means: Bytes = ((total + len(VIEWS) // 2) // len(VIEWS)).astype(np.uint8)
    return means


def _smaller(masks: Holes, size: tuple[int, int]) -> Holes:
    return np.stack([resize_holes(each, size) for each in masks])


def _weights(unknown: Holes, holes: Holes, window: Window, feather: int) -> Weights:
    """The filling's weight at each pixel: 1 in the hole, then less and less."""
    target = np.zeros_like(unknown)
    inside = window.hole.within(window.view).slices
    target[inside] = unknown[inside]
    is_filled = holes & ~unknown
    weights = ramp(target, feather)
    if is_filled.any():
        weights = np.where(is_filled, ramp(target, max(feather, SEAM)), weights)
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
