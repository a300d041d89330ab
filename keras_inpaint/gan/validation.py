"""What data and settings must be like, checked before anything is trained on them."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from keras_inpaint.gan.parts import Critic, Generator, Objective, Tensor, Tensors
from keras_inpaint.losses import LossWeights
from keras_inpaint.ops.local_patches import boxes_around_holes, boxes_hold_holes, hole_sizes

# Half precision rounds numbers near 1 to this.
_ROUNDING = 1e-3
# What Keras takes for a batch of arrays unless told.
BATCH_SIZE = 32
NO_SAMPLER = (
    "Batches without masks need a sampler of them: pass `masks=` to `InpaintingGAN`, or "
    "batches of `(images, masks)`. Received: masks=None"
)
# Another object than the literal: it tells whether `format` was left out.
USUAL_FORMAT = str(b"tf_saved_model", "ascii")
# Arguments of `keras.Model.compile` that have no meaning here, and what to use instead.
_NOT_FOR_COMPILE = {
    "optimizer": "There are two: pass `generator_optimizer=` and `critic_optimizer=`.",
    "loss": "The objective is the loss: pass `objective=` to `InpaintingGAN`, and "
    "`loss_weights=` to `compile`.",
    "metrics": "Validation has its own; `add_measure` adds one to them.",
    "weighted_metrics": "Validation has its own; `add_measure` adds one to them.",
}


# ---- compile ------------------------------------------------------------------------


def check_compile(
    objective: Objective, weights: LossWeights, critic_steps: Any, others: dict[str, Any]
) -> None:
    """Refuses what `InpaintingGAN.compile` cannot be told.

    Args:
        objective: The model's `Objective`.
        weights: `LossWeights`.
        critic_steps: int. Updates of the critic for one of the generator.
        others: dict. Arguments of `keras.Model.compile` that must be left out.

    Raises:
        ValueError: If a value is out of bounds, or an argument has no meaning here.
    """
    for name, value in others.items():
        if name not in _NOT_FOR_COMPILE:
            raise TypeError(f"compile() got an unexpected keyword argument {name!r}")
        if value is not None:
            raise ValueError(
                f"`compile` of InpaintingGAN takes no `{name}`. {_NOT_FOR_COMPILE[name]} "
                f"Received: {name}={value!r}"
            )
    is_count = isinstance(critic_steps, int) and not isinstance(critic_steps, bool)
    if not is_count or critic_steps < 0:
        raise ValueError(
            "`critic_steps` counts the critic's updates for one of the generator's and "
            f"must be an int of at least 0. Received: critic_steps={critic_steps}"
        )
    usual = objective.default_weights.get_config()
    for name, weight in weights.get_config().items():
        if name not in objective.weight_names and weight != usual[name]:
            # A saved objective has lost the network, which is no part of the model.
            way_out = (
                "Make the model with an objective that has `perceptual=` (to load a saved one: "
                "`load_model(..., compile=False)`), or leave it out"
                if name == "perceptual"
                else "Leave it out"
            )
            raise ValueError(
                f"{type(objective).__name__} has nothing that `{name}` could weigh, only "
                f"{', '.join(objective.weight_names)}. {way_out}. Received: {name}={weight}"
            )
    if critic_steps == 0 and weights.adversarial:
        raise ValueError(
            "Without updates of the critic its opinion means nothing: set the weight "
            "`adversarial` to 0, or `critic_steps` to at least 1. Received: "
            f"critic_steps=0, adversarial={weights.adversarial}"
        )


# ---- fit, evaluate, predict ---------------------------------------------------------


def check_weights_of_samples(sample_weight: Any, class_weight: Any = None) -> None:
    """Refuses what Keras weighs images by.

    Raises:
        ValueError: If one of them is given.
    """
    if sample_weight is not None:
        raise ValueError(
            "`sample_weight` has no meaning here: every image counts alike, and `loss_weights` "
            "of `compile` weighs the terms of the loss. Boxes are the third part of "
            f"`(images, masks, boxes)`. Received: sample_weight of {_describe(sample_weight)}"
        )
    if class_weight is not None:
        raise ValueError(
            "`class_weight` has no meaning here: there are no classes, and `loss_weights` of "
            f"`compile` weighs the terms of the loss. Received: class_weight={class_weight!r}"
        )


class BatchChecker:
    """Decides what the batches of a model may be.

    The first batch is looked at before the first step, and every one where `compile` was
    told `check_values=True`. Used as a context, it raises its own ValueError where Keras
    reports an error of the data pipeline instead.

    Args:
        gan: `InpaintingGAN`.
        purpose: `"fit"`, `"validation"`, `"evaluate"` or `"predict"`.

    Attributes:
        checks_all: Whether every batch is to be looked at.
        num_micro_batches: Equal parts that a batch must have.
        image_shape: Shape of the images of the first batch, once it was looked at.
    """

    def __init__(self, gan: Any, purpose: str) -> None:
        # What it needs of the networks, and not these: worker processes take it along.
        self.generator: Any = SimpleNamespace(
            channels=gan.generator.channels, size_multiple=gan.generator.size_multiple
        )
        self.critic: Any = None
        if purpose != "predict":
            self.critic = SimpleNamespace(
                image_size=gan.critic.image_size, patch_size=gan.critic.patch_size
            )
        self.is_training = purpose == "fit"
        self.num_devices = gan.backend.num_devices
        self.num_micro_batches = max(1, gan.critic_steps) if self.is_training else 1
        self.checks_all = gan.check_values
        self._has_sampler = gan.masks is not None
        self._prefix = "In `validation_data`: " if purpose == "validation" else ""
        self._refusal: str | None = None
        self.image_shape: tuple[int, ...] | None = None

    def check_shapes(self, batch: Tensors) -> None:
        """Refuses a batch, or all of an array, of other types or shapes."""
        with self._refusing():
            images, masks, boxes = unpack(batch)
            check_shapes(images, masks, boxes, self.generator, self.critic)
            if "masks" not in batch and not self._has_sampler:
                raise ValueError(NO_SAMPLER)

    def check(self, batch: Tensors) -> None:
        """Refuses a batch of other types, shapes or values."""
        self.check_shapes(batch)
        images, masks, boxes = unpack(batch)
        with self._refusing():
            size = len(images)
            if self.num_devices == 1 and size % self.num_micro_batches:
                raise ValueError(indivisible_batch(size, self.num_micro_batches))
            check_values(images, masks, boxes, self.critic)
            if masks is not None and self.is_training:
                check_patches(masks, boxes, self.critic)

    def check_first(self, batch: Tensors) -> None:
        """Refuses the first batch, and warns of images that are probably of another range."""
        self.check(batch)
        images = np.asarray(batch["images"])
        self.image_shape = images.shape
        if self.is_training and images.min() >= 0:
            warnings.warn(
                "All images of the first batch lie within [0, 1]: they are probably not in "
                "[-1, 1], as they must be. Of images in [0, 1] take twice their values, less "
                f"1. Received: values from {images.min():g} to {images.max():g}",
                stacklevel=6,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if error is not None and self._refusal is not None and str(error) != self._refusal:
            raise ValueError(self._refusal) from None

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            self._refusal = f"{self._prefix}{error}"
            raise ValueError(self._refusal) from None


def check_callbacks(gan: Any, callbacks: Any) -> None:
    """Refuses callbacks that Keras cannot run with the model's optimizers.

    Args:
        gan: `InpaintingGAN`, compiled.
        callbacks: What `fit` was given: a callback, a list of them, or `None`.

    Raises:
        ValueError: If averages are to be swapped of optimizers that scale their loss.
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = callbacks.callbacks
    elif isinstance(callbacks, keras.callbacks.Callback):
        callbacks = [callbacks]
    if not any(isinstance(each, keras.callbacks.SwapEMAWeights) for each in callbacks or ()):
        return
    optimizers = gan.optimizer.optimizers
    if any(isinstance(each, keras.optimizers.LossScaleOptimizer) for each in optimizers):
        raise ValueError(
            "SwapEMAWeights does not find the averages of optimizers that scale their loss for "
            "float16. Train in float32 or mixed_bfloat16, or leave it out: with `use_ema=True` "
            "the averages take the place of the weights at the end of `fit`. Received: "
            f"{', '.join(type(each).__name__ for each in optimizers)}"
        )


# ---- export ------------------------------------------------------------------------


def is_old_export(filepath: Any, format: str, options: dict[str, Any]) -> bool:
    """Tells whether `gan.export` is meant as it was before it was Keras's, and warns.

    Until version 0.2, `gan.export(folder)` wrote versions for a server. By that name of its
    argument it still does; a call that could be either is Keras's.

    Raises:
        ValueError: If `filepath` holds versions for a server.
    """
    if "folder" in options:
        message = "`gan.export(folder=...)` will be removed in the next release: call"
    elif format is USUAL_FORMAT:
        message = (
            "`gan.export(filepath)` writes what `keras.Model.export` does (pass `format=` to "
            "say that you mean it). To write versions for a server, as it did, call"
        )
    else:
        return False
    warnings.warn(
        f"{message} `keras_inpaint.export_saved_model(gan.inpainter, folder)`.",
        DeprecationWarning,
        stacklevel=3,
    )
    if "folder" in options:
        return True
    has_versions = os.path.isdir(filepath) and any(n.isdigit() for n in os.listdir(filepath))
    if has_versions:
        raise ValueError(
            "`filepath` holds versions for a server: write the next one with "
            "`keras_inpaint.export_saved_model(gan.inpainter, folder)`, or choose another one. "
            f"Received: filepath={str(filepath)!r}"
        )
    return False


# ---- Batches ------------------------------------------------------------------------


def read_batch(data: Any) -> Tensors:
    """Reads `images`, `(images, masks)`, `(images, masks, boxes)`, or a dict of them.

    Args:
        data: What `fit` was given or hands to a step: one of those, possibly as the only
            input, and possibly padded with `None`.

    Returns:
        dict of `"images"` and, where there are any, `"masks"`, `"boxes"` and `"indices"`, the
        numbers of the images in the whole of the data.

    Raises:
        ValueError: If there are other parts.
    """
    parts = list(data) if isinstance(data, (tuple, list)) else [data]
    while parts and parts[-1] is None:
        parts.pop()
    if len(parts) == 1 and isinstance(parts[0], (tuple, list)):
        return read_batch(parts[0])
    if len(parts) == 1 and isinstance(parts[0], dict):
        batch = {name: part for name, part in parts[0].items() if part is not None}
        unexpected = set(batch) - {"images", "masks", "boxes", "indices"}
        is_complete = "images" in batch and ("boxes" not in batch or "masks" in batch)
        if unexpected or not is_complete:
            raise ValueError(
                'A dict must hold "images", and may hold "masks" and with them "boxes". '
                f"Received: a dict of {', '.join(map(repr, parts[0])) or 'nothing'}"
            )
        return batch
    if not 1 <= len(parts) <= 3 or any(part is None for part in parts):
        raise ValueError(
            "A batch must be images, (images, masks) or (images, masks, boxes). "
            f"Received: {len(parts)} parts, of which "
            f"{sum(part is None for part in parts)} are None"
        )
    return dict(zip(("images", "masks", "boxes"), parts, strict=False))


def unpack(data: Any) -> Any:
    """Reads a batch, see `read_batch`.

    Returns:
        tuple: images, masks or `None`, boxes or `None`.
    """
    batch = read_batch(data)
    return tuple(batch.get(name) for name in ("images", "masks", "boxes"))


def indivisible_batch(size: int, num_micro_batches: int) -> str:
    """The message about a batch that the updates of the critic cannot share."""
    needed = num_micro_batches * -(-size // num_micro_batches)
    return (
        f"A batch must hold images for each of the {num_micro_batches} critic updates: a "
        f"multiple of {num_micro_batches} images per device, say {needed}, the last batch too "
        f"(`drop_remainder=True`). Received: a batch of {size}"
    )


def check_shapes(
    images: Tensor,
    masks: Tensor | None,
    boxes: Tensor | None,
    generator: Generator,
    critic: Critic | None,
) -> None:
    """Refuses a batch of other types or shapes, as far as they are known.

    Args:
        images: Tensor or array. What should be `(batch, height, width, channels)`.
        masks: Tensor or array, or `None`. What should be `(batch, height, width, 1)`.
        boxes: Tensor or array, or `None`. What should be `(batch, 4)`.
        generator: The network to train, with its `channels` and `size_multiple`.
        critic: What it is trained against; `None` where it sees nothing of the batch.

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
        _check_are_boxes(boxes, shape[0])


def check_values(
    images: Tensor, masks: Tensor | None, boxes: Tensor | None, critic: Critic | None
) -> None:
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
    if boxes is not None and critic is not None:
        _check_boxes(np.asarray(boxes), images.shape[1:3], critic)


def check_patches(masks: Tensor, boxes: Tensor | None, critic: Critic) -> None:
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


def split_batch(batch: Tensors, num_micro_batches: int) -> list[Tensors]:
    """Splits a batch: image `i` goes to micro-batch `i mod num_micro_batches`.

    Raises:
        ValueError: If the batch does not divide, where its size is known.
    """
    size = batch["images"].shape[0]
    if size is not None and size % num_micro_batches:
        raise ValueError(indivisible_batch(size, num_micro_batches))
    return [
        {
            name: None if values is None else values[first::num_micro_batches]
            for name, values in batch.items()
        }
        for first in range(num_micro_batches)
    ]


def local_boxes(
    masks: Tensor,
    boxes: Tensor | None,
    critic: Critic,
    require: Callable[[Tensor, str, Tensor], None] | None = None,
) -> Tensor | None:
    """The boxes of the local patches, for a critic that looks at some.

    Args:
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0.
        boxes: int tensor of shape `(batch, 4)`, or `None` where the masks bring none.
        critic: The critic; one with a `patch_size` needs boxes.
        require: function of a bool tensor, a message and a tensor that completes it,
            which stops where the former is false; `None` to take what does not fit.

    Returns:
        int tensor of shape `(batch, 4)`, or `None` where none are needed.
    """
    size = critic.patch_size
    if size is None:
        return None
    if boxes is None:
        boxes = boxes_around_holes(masks, size)
    if require is not None:
        require(
            ops.all(boxes_hold_holes(boxes, masks, size)),
            f"A local patch of {size[0]} x {size[1]} pixels must lie in the image and hold its "
            "whole hole. Draw smaller holes, enlarge the critic's `patch_size`, or use a "
            "PatchCritic. Received: a largest hole, height and width, of ",
            ops.max(hole_sizes(masks), axis=0),
        )
    return boxes


def check_equal_parts(size: int | None, num_devices: int, num_micro_batches: int) -> None:
    """Refuses a batch that devices and updates of the critic cannot share.

    Args:
        size: int. Pictures in the global batch; `None` where that is not known.
        num_devices: int. Devices that share it.
        num_micro_batches: int. Shares that each device needs, one for each critic update.

    Raises:
        ValueError: If the batch does not divide.

    Example:
    >>> from keras_inpaint.gan.validation import check_equal_parts
    >>> check_equal_parts(20, num_devices=2, num_micro_batches=5)
    """
    unit = num_devices * num_micro_batches
    if size is not None and size % unit:
        raise ValueError(
            f"A batch must divide by {unit}: {num_devices} devices share it, and each needs "
            f"images for critic_steps={num_micro_batches}. Take {-(-size // unit) * unit}, and "
            f"leave out a smaller last batch. Received: a batch of {size}"
        )


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
            f"Images must be of shape (batch, height, width, {channels}), channels last, as "
            f"the generator has `channels={channels}`. Received: images.shape={shape}"
        )
    dtype = keras.backend.standardize_dtype(images.dtype)
    if "float" not in dtype:
        raise ValueError(
            "Images must be floats within [-1, 1]: divide bytes by 127.5 and take 1 from "
            f"them. Received: images.dtype={dtype}{_range(images)}"
        )
    return shape


def _range(images: Any) -> str:
    """The values of an array, for a message; tensors of a graph have none."""
    if not hasattr(images, "__array__") or not all(images.shape):
        return ""
    try:
        values = np.asarray(images[:BATCH_SIZE])
    except Exception:  # Each backend has its own error for tensors without values.
        return ""
    return f", values from {values.min()} to {values.max()}"


def _check_size(size: Any, multiple: int, critic: Any) -> None:
    if any(length is not None and length % multiple for length in size):
        raise ValueError(
            f"The images' height and width must be divisible by {multiple}, the stride of "
            "the generator. Crop or resize them first. "
            f"Received: height={size[0]}, width={size[1]}"
        )
    if critic is None:
        return
    patch = critic.patch_size or (0, 0)
    if any(length is not None and length < patch[axis] for axis, length in enumerate(size)):
        raise ValueError(
            f"Images must be at least as large as the local patch, {patch[0]} x {patch[1]} "
            "pixels. Take larger ones, make the critic's `patch_size` smaller, or use a "
            f"PatchCritic. Received: height={size[0]}, width={size[1]}"
        )
    expected = critic.image_size or size
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


def _check_are_boxes(boxes: Any, num_images: Any) -> None:
    shape = _shape(boxes) if hasattr(boxes, "shape") else np.shape(boxes)
    if shape is None:
        return
    fits = len(shape) == 2 and shape[1] in (4, None)
    fits = fits and (shape[0] == num_images or None in (shape[0], num_images))
    if not fits or "int" not in keras.backend.standardize_dtype(boxes.dtype):
        raise ValueError(
            "The third part of a batch are boxes of whole numbers (top, left, height, width), "
            f"of shape {(num_images, 4)}, and no sample weights. "
            f"Received: {_describe(boxes)}"
        )


def _check_boxes(boxes: Any, size: Any, critic: Any) -> None:
    patch = critic.patch_size
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


def _describe(values: Any) -> str:
    if not hasattr(values, "dtype"):
        return f"type {type(values).__name__}"
    return f"shape {_shape(values)}, {keras.backend.standardize_dtype(values.dtype)}"


def _shape(values: Any) -> Any:
    if getattr(values.shape, "rank", 0) is None:
        return None
    return tuple(values.shape)
