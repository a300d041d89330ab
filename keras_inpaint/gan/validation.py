"""What data and settings must be like, checked before anything is trained on them."""

import os
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_inpaint.gan.parts import Critic, Generator, Objective, Tensor
from keras_inpaint.losses import LossWeights
from keras_inpaint.ops.local_patches import boxes_around_holes, boxes_hold_holes, hole_sizes

# Half precision rounds numbers near 1 to this.
_ROUNDING = 1e-3
# What Keras takes for a batch of arrays unless told.
_BATCH_SIZE = 32
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


def check_fit(
    gan: Any, x: Any, y: Any, batch_size: int | None, callbacks: Any, options: dict[str, Any]
) -> None:
    """Refuses what `fit` cannot train on or validate with.

    The first batch of arrays, of a `tf.data.Dataset` or of a `keras.utils.PyDataset` is
    looked at once. A generator's batch would be lost: of those, shapes and types are seen
    in the first step.

    Args:
        gan: `InpaintingGAN`, compiled.
        x: As the next two, what `fit` was given.
        y: Masks or `None`.
        batch_size: int or `None`.
        callbacks: What `fit` was given, or `None`.
        options: dict. Further arguments of `fit`.

    Raises:
        ValueError: If something is wrong.
    """
    _check_callbacks(gan, callbacks)
    batch = _check_first_batch(gan, (x, y, options.get("sample_weight")), batch_size)
    images, masks, boxes = batch or (None, None, None)
    if masks is not None:
        check_patches(masks, boxes, gan.critic)
    # Keras would split arrays first: of what is left the steps themselves see the size.
    is_split = bool(options.get("validation_split"))
    num_images = None if images is None else len(images)
    gan.backend.check_devices(x, num_images, None if is_split else batch_size or _BATCH_SIZE)
    validation = options.get("validation_data")
    if validation is not None:
        validation = keras.utils.unpack_x_y_sample_weight(validation)
        try:
            _check_first_batch(
                gan, validation, options.get("validation_batch_size") or batch_size
            )
        except ValueError as error:
            raise ValueError(f"In `validation_data`: {error}") from error


def check_evaluate(
    gan: Any, x: Any, y: Any, batch_size: int | None, options: dict[str, Any]
) -> None:
    """Refuses what `evaluate` cannot measure; see `check_fit`."""
    _check_first_batch(gan, (x, y, options.get("sample_weight")), batch_size)
    gan.backend.check_devices()


def check_predict(gan: Any, x: Any, batch_size: int | None) -> None:
    """Refuses what `predict` cannot fill; see `check_fit`."""


def _check_callbacks(gan: Any, callbacks: Any) -> None:
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


def _check_first_batch(gan: Any, data: Any, batch_size: int | None) -> Any:
    """Returns the first batch's images, masks and boxes, where they can be looked at."""
    batch = _first_batch(data, batch_size or _BATCH_SIZE)
    if batch is None:
        return None
    images, masks, boxes = unpack(batch)
    check_shapes(images, masks, boxes, gan.generator, gan.critic)
    check_values(images, masks, boxes, gan.critic)
    return images, masks, boxes


def _first_batch(data: Any, batch_size: int) -> Any:
    """The first batch of what `fit` was given; `None` where looking would take it away."""
    source = data[0]
    if isinstance(source, keras.utils.PyDataset):
        return source[0]
    if hasattr(source, "take") and hasattr(source, "element_spec"):
        return next(iter(source.take(1)), None)
    if hasattr(source, "shape") or isinstance(source, (tuple, list, dict)):
        return tuple(part[:batch_size] if hasattr(part, "shape") else part for part in data)
    return None


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


def unpack(data: Any) -> Any:
    """Reads `images`, `(images, masks)` or `(images, masks, boxes)`, or a dict by these names.

    Args:
        data: What `fit` hands to a step: one of those, possibly padded with `None`.

    Returns:
        tuple: images, masks or `None`, boxes or `None`.

    Raises:
        ValueError: If there are more than three parts, or boxes without masks.
    """
    parts = list(data) if isinstance(data, (tuple, list)) else [data]
    while parts and parts[-1] is None:
        parts.pop()
    if len(parts) == 1 and isinstance(parts[0], dict):
        parts = [parts[0].get(name) for name in ("images", "masks", "boxes")]
    elif len(parts) == 1 and isinstance(parts[0], tuple):
        parts = list(parts[0])
    while parts and parts[-1] is None:
        parts.pop()
    if not 1 <= len(parts) <= 3 or (len(parts) == 3 and parts[1] is None):
        raise ValueError(
            "A batch must be images, (images, masks) or (images, masks, boxes). "
            f"Received: {len(parts)} parts, of which "
            f"{sum(part is None for part in parts)} are None"
        )
    return tuple(parts + [None] * (3 - len(parts)))


def check_shapes(
    images: Tensor,
    masks: Tensor | None,
    boxes: Tensor | None,
    generator: Generator,
    critic: Critic,
) -> None:
    """Refuses a batch of other types or shapes, as far as they are known.

    Args:
        images: Tensor or array. What should be `(batch, height, width, channels)`.
        masks: Tensor or array, or `None`. What should be `(batch, height, width, 1)`.
        boxes: Tensor or array, or `None`. What should be `(batch, 4)`.
        generator: The network to train, with its `channels` and `size_multiple`.
        critic: What it is trained against.

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


def check_values(
    images: Tensor, masks: Tensor | None, boxes: Tensor | None, critic: Critic
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
    if boxes is not None:
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


def _shape(values: Any) -> Any:
    if getattr(values.shape, "rank", 0) is None:
        return None
    return tuple(values.shape)
