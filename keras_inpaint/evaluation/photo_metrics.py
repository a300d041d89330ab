"""Metrics of filled photos."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_inpaint.metrics import l1, l2, psnr, ssim, total_variation
from keras_inpaint.pictures.pixels import Bytes, Holes, to_images

Metrics = dict[str, float]

# The metrics of a photo alone, without another to compare it with.
ROUGHNESS = ("hole_total_variation", "total_variation")
# Of one batch. Small photos are a matter of calls, large ones of memory.
_MOST_PIXELS = 2**20


def measure(photo: Bytes, filled: Bytes, holes: Holes) -> Metrics:
    """Computes how close a filled photo comes to the true one.

    Args:
        photo: uint8 array of shape `(height, width, channels)`: the true photo, at least
            11 x 11 pixels.
        filled: uint8 array like `photo`.
        holes: bool array of shape `(height, width)`: True in the hole.

    Returns:
        dict of floats: `l1`, `l2`, `psnr`, `ssim` and `total_variation` of
        `keras_inpaint.metrics`, over the picture and, with `hole_` before their names, in
        the hole; `relative_l1` and `relative_l2`: the sum of the absolute (squared)
        differences over the picture as a fraction of the sum of the photo's intensities (of
        their squares), NaN for a black photo.

    Raises:
        ValueError: If the photo is smaller than a window of `ssim`.

    Example:
    >>> photo, holes = np.full((16, 16, 3), 200, "uint8"), np.zeros((16, 16), bool)
    >>> holes[4:8, 4:8] = True
    >>> filled = np.where(holes[..., None], 251, photo).astype("uint8")
    >>> metrics = keras_inpaint.evaluation.measure(photo, filled, holes)
    >>> round(metrics["hole_l1"], 4), round(metrics["l1"], 4)
    (0.2, 0.0125)
    """
    return photo_metrics(photo, [filled], holes)[0]


def photo_metrics(photo: Bytes, fillings: Sequence[Bytes], holes: Holes) -> list[Metrics]:
    """Computes the metrics of several fillings of one photo at once, which takes less time.

    Args:
        photo: uint8 array, see `measure`, and so all others.
        fillings: Sequence of uint8 arrays like `photo`.
        holes: bool array.

    Returns:
        List of dicts, one per filling.
    """
    image, mask = to_images(photo), holes[..., None].astype("float32")
    metrics: list[Metrics] = []
    for batch in in_batches(fillings):
        images = np.broadcast_to(image, batch.shape)
        masks = np.broadcast_to(mask, (*batch.shape[:3], 1))
        tensors = _tensors(images, to_images(batch), masks)
        columns = [keras.ops.convert_to_numpy(tensor).tolist() for tensor in tensors.values()]
        metrics += [
            dict(zip(tensors, row, strict=True)) | _relative(photo, filled)
            for row, filled in zip(zip(*columns, strict=True), batch, strict=True)
        ]
    return metrics


def _tensors(images: Any, completed: Any, masks: Any) -> dict[str, Any]:
    pairs = {"l1": l1, "l2": l2, "psnr": psnr, "ssim": ssim}
    return {
        **{f"hole_{name}": metric(images, completed, masks) for name, metric in pairs.items()},
        "hole_total_variation": total_variation(completed, masks),
        **{name: metric(images, completed) for name, metric in pairs.items()},
        "total_variation": total_variation(completed),
    }


def _relative(photo: Bytes, filled: Bytes) -> Metrics:
    true = photo.astype("float64")
    differences = filled.astype("float64") - true
    if not true.any():
        return {"relative_l1": float("nan"), "relative_l2": float("nan")}
    return {
        "relative_l1": float(np.abs(differences).sum() / true.sum()),
        "relative_l2": float(np.square(differences).sum() / np.square(true).sum()),
    }


def in_batches(photos: Sequence[Bytes]) -> Iterator[Bytes]:
    """Stacks photos of one size into batches of at most a megapixel, or of one photo.

    Args:
        photos: Sequence of uint8 arrays of shape `(height, width, channels)`.

    Returns:
        Iterator of uint8 arrays of shape `(batch, height, width, channels)`.
    """
    height, width = photos[0].shape[:2]
    num = max(1, _MOST_PIXELS // (height * width))
    for start in range(0, len(photos), num):
        yield np.stack(photos[start : start + num])
