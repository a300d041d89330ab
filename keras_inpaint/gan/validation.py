"""What a batch must be like, said before anything is trained on it."""

from typing import Any

import keras
import numpy as np

from keras_inpaint.gan.batches import local_boxes

# Half precision rounds numbers near 1 to this.
_ROUNDING = 1e-3


def check_shapes(images: Any, masks: Any, boxes: Any, generator: Any, critic: Any) -> None:
    """Refuses a batch of other types or shapes, as far as they are known.

    Args:
        images: Tensor or array. What should be `(batch, height, width, channels)`.
        masks: Tensor or array, or `None`. What should be `(batch, height, width, 1)`.
        boxes: Tensor or array, or `None`. What should be `(batch, 4)`.
        generator: The network to train, with its `channels` and `size_multiple`.
        critic: What it is trained against, perhaps with an `image_size` and a
            `patch_size`.

    Raises:
        ValueError: If something does not fit.
    """
    shape = _check_images(images, generator.channels)
    if shape is None:
        return
    _check_size(shape[1:3], generator.size_multiple, critic)
    if masks is not None:
        _check_fits("masks", masks, (*shape[:3], 1))
    if boxes is not None:
        _check_fits("boxes", boxes, (shape[0], 4))


def check_values(images: Any, masks: Any, boxes: Any, critic: Any) -> None:
    """Refuses a batch of the right shapes whose numbers cannot be meant.

    Args:
        images: Tensor or array of shape `(batch, height, width, channels)`.
        masks: Tensor or array of shape `(batch, height, width, 1)`, or `None`.
        boxes: Tensor or array of shape `(batch, 4)`, or `None`.
        critic: What is trained against.

    Raises:
        ValueError: If images are not within [-1, 1], masks not of 0 and 1, or boxes not
            those of patches inside of the images.
    """
    images = np.asarray(images, "float32")
    least, most = float(images.min()), float(images.max())
    # A comparison with NaN is false.
    if not (least >= -1 - _ROUNDING and most <= 1 + _ROUNDING):
        raise ValueError(
            "Images must lie within [-1, 1]: bytes divided by 127.5, less 1; clip what "
            f"filters overshoot. Received: values from {least:g} to {most:g}"
        )
    if masks is not None:
        values = np.unique(np.asarray(masks, "float32"))
        if not np.isin(values, (0, 1)).all():
            raise ValueError(
                "Masks must hold 1 in the hole and 0 where the image is known, and nothing "
                "between: compare them with a threshold first. "
                f"Received: values from {values[0]:g} to {values[-1]:g}"
            )
    if boxes is not None:
        _check_boxes(np.asarray(boxes), images.shape[1:3], critic)


def check_patches(masks: Any, boxes: Any, critic: Any) -> None:
    """Refuses a batch whose holes do not lie in the local patches.

    Args:
        masks: Tensor or array of shape `(batch, height, width, 1)`: 1 in the hole, else 0.
        boxes: Tensor or array of shape `(batch, 4)`, or `None`.
        critic: What is trained against; one without a `patch_size` takes all holes.

    Raises:
        ValueError: If a hole sticks out.
    """

    def require(condition: Any, message: str, value: Any) -> None:
        if not condition:
            raise ValueError(f"{message}{np.asarray(value).tolist()}")

    # Arrays, as the tensors may be those of another backend.
    boxes = None if boxes is None else np.asarray(boxes)
    local_boxes(np.asarray(masks, "float32"), boxes, critic, require)


def _check_images(images: Any, channels: int) -> Any:
    """Returns the images' shape, `None` where not even its length is known."""
    if not hasattr(images, "shape") or not hasattr(images, "dtype"):
        raise ValueError(
            "A batch must be images, (images, masks) or (images, masks, boxes), each an "
            "array or tensor. In arrays, pass `fit(images, masks)`. "
            f"Received: images of type {type(images).__name__}"
        )
    shape = _shape(images)
    if shape is None:
        return None
    if len(shape) != 4 or shape[-1] not in (channels, None):
        raise ValueError(
            f"Images must be of shape (batch, height, width, {channels}), as the generator "
            f"has `channels={channels}`. Received: images.shape={shape}"
        )
    dtype = keras.backend.standardize_dtype(images.dtype)
    if "float" not in dtype:
        raise ValueError(
            "Images must be floats within [-1, 1]: divide bytes by 127.5 and take 1 from "
            f"them. Received: images.dtype={dtype}"
        )
    return shape


def _check_size(size: Any, multiple: int, critic: Any) -> None:
    if any(length is not None and length % multiple for length in size):
        raise ValueError(
            f"The images' height and width must be divisible by {multiple}, the stride of "
            "the generator. Crop or resize them first. "
            f"Received: height={size[0]}, width={size[1]}"
        )
    patch: Any = getattr(critic, "patch_size", (0, 0))
    if any(length is not None and length < patch[axis] for axis, length in enumerate(size)):
        raise ValueError(
            f"Images must be at least as large as the local patch, {patch[0]} x {patch[1]} "
            "pixels. Take larger ones, make the critic's `patch_size` smaller, or use a "
            f"PatchCritic. Received: height={size[0]}, width={size[1]}"
        )
    expected: Any = getattr(critic, "image_size", size)
    if any(length not in (expected[axis], None) for axis, length in enumerate(size)):
        raise ValueError(
            f"Images must be of the size that the critic was made for, {expected[0]} x "
            f"{expected[1]} pixels. Crop or resize them, make the critic with "
            "another `image_size`, or use a PatchCritic, which takes any. "
            f"Received: height={size[0]}, width={size[1]}"
        )


def _check_fits(name: str, values: Any, expected: Any) -> None:
    shape = _shape(values) if hasattr(values, "shape") else np.shape(values)
    if shape is None:
        return
    fits = len(shape) == len(expected) and all(
        length is None or wanted is None or length == wanted
        for length, wanted in zip(shape, expected, strict=True)
    )
    if not fits:
        raise ValueError(
            f"`{name}` must be of shape {expected}, as the images are. "
            f"Received: {name}.shape={shape}"
        )


def _check_boxes(boxes: Any, size: Any, critic: Any) -> None:
    patch = getattr(critic, "patch_size", None)
    if patch is not None and (boxes[:, 2:] != patch).any():
        wrong = boxes[(boxes[:, 2:] != patch).any(axis=1)][0]
        raise ValueError(
            "Boxes must be (top, left, height, width), as high and wide as the critic's "
            f"patch, {patch[0]} x {patch[1]} pixels. Received: {wrong.tolist()}"
        )
    sticks_out = (boxes[:, :2] < 0) | (boxes[:, :2] + boxes[:, 2:] > size)
    if sticks_out.any():
        raise ValueError(
            f"Boxes must lie within the images of {size[0]} x {size[1]} pixels. "
            f"Received: {boxes[sticks_out.any(axis=1)][0].tolist()}"
        )


def _shape(values: Any) -> Any:
    if getattr(values.shape, "rank", 0) is None:
        return None
    return tuple(values.shape)
