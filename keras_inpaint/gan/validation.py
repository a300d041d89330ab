"""What data and settings must be like, checked before anything is trained on them."""

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inpaint.arguments import check_int
from keras_inpaint.gan.batches import (
    NO_SAMPLER,
    NO_SKETCHES,
    Requirements,
    check_shapes,
    describe,
    indivisible_batch,
    local_boxes,
    read_batch,
    unpack,
)
from keras_inpaint.gan.paired_optimizer import PairedOptimizer
from keras_inpaint.gan.parts import MaskSampler, Objective, Tensor, Tensors, read_masks
from keras_inpaint.losses import LossWeights
from keras_inpaint.ops.random import picture_seeds

if TYPE_CHECKING:
    from keras_inpaint.gan.inpainting_gan import InpaintingGAN

# What a batch is for.
Purpose: TypeAlias = Literal["fit", "validation", "evaluate", "predict"]
# What Keras takes for callbacks.
Callbacks: TypeAlias = (
    keras.callbacks.Callback
    | keras.callbacks.CallbackList
    | list[keras.callbacks.Callback]
    | None
)
# Keras's callbacks that set learning rates.
_RATE_CALLBACKS = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
# Images for which masks are drawn to look at them.
_NUM_DRAWN = 4
# Half precision rounds numbers near 1 to this.
_ROUNDING = 1e-3
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
    objective: Objective, weights: LossWeights, critic_steps: int, others: dict[str, Any]
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
    meaning = "counts the critic's updates for one of the generator's"
    check_int("critic_steps", critic_steps, meaning, at_least=0)
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


def check_clipnorm(global_clipnorm: Any) -> None:
    """Refuses a largest norm of gradients that is none.

    Raises:
        ValueError: If it is neither `None` nor a number above 0.
    """
    is_number = isinstance(global_clipnorm, int | float) and not isinstance(
        global_clipnorm, bool
    )
    if global_clipnorm is not None and not (is_number and global_clipnorm > 0):
        raise ValueError(
            "`global_clipnorm` must be a number above 0, the largest norm of all gradients of "
            f"a network, or None. Received: global_clipnorm={global_clipnorm!r}"
        )


def check_phases(
    reconstruction_steps: Any, critic_only_steps: Any, critic_steps: int, per_execution: int
) -> None:
    """Refuses phases of a training that cannot be, see `InpaintingGAN.compile`.

    Raises:
        ValueError: If one is no int of at least 0, there is no critic to wait for, or a phase
            would end within an execution of several steps.
    """
    named = {
        "reconstruction_steps": reconstruction_steps,
        "critic_only_steps": critic_only_steps,
    }
    for name, steps in named.items():
        check_int(name, steps, "counts steps at the beginning of the training", at_least=0)
        if steps and not critic_steps:
            raise ValueError(
                f"`{name}` must be 0 without a critic: with `critic_steps=0`, every step is of "
                f"reconstruction alone. Received: {name}={steps}"
            )
        if steps % per_execution:
            raise ValueError(
                "The steps of an execution train the same: make it a multiple of "
                f"steps_per_execution={per_execution}. Received: {name}={steps}"
            )


def check_average(generator_optimizer: Any) -> None:
    """Refuses an optimizer that averages the weights which the model averages.

    Raises:
        ValueError: If it has `use_ema=True`.
    """
    inner = getattr(generator_optimizer, "inner_optimizer", generator_optimizer)
    if getattr(inner, "use_ema", False):
        raise ValueError(
            "Keep one average of the generator: leave out `use_ema` of its optimizer, or "
            "`ema_momentum` of the model. Received: use_ema=True beside `ema_momentum`"
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
            f"`(images, masks, boxes)`. Received: sample_weight of {describe(sample_weight)}"
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
        required: What the networks need of a batch.
        checks_all: Whether every batch is to be looked at.
        num_micro_batches: Equal parts that a batch must have.
        image_shape: Shape of the images of the first batch, once it was looked at.
        has_masks: Whether the first batch brings masks.
    """

    def __init__(self, gan: "InpaintingGAN", purpose: Purpose) -> None:
        # And not the networks: worker processes take it along.
        critic = None if purpose == "predict" else gan.critic
        self.required = Requirements.of(gan.generator, critic)
        self.is_training = purpose == "fit"
        self.num_devices = gan.backend.num_devices
        self.num_micro_batches = max(1, gan.critic_steps) if self.is_training else 1
        self.checks_all = gan.check_values
        self._has_sampler = gan.masks is not None
        # In prediction, there is nothing to draw from.
        self._can_draw = gan.sketch is not None or purpose == "predict"
        self._prefix = "In `validation_data`: " if purpose == "validation" else ""
        self._refusal: str | None = None
        self.image_shape: tuple[int, ...] | None = None
        self.has_masks = False

    def check_shapes(self, batch: Tensors) -> None:
        """Refuses a batch, or all of an array, of other types or shapes."""
        with self._refusing():
            batch = read_batch(batch)
            check_shapes(batch, self.required)
            if "masks" not in batch and not self._has_sampler:
                raise ValueError(NO_SAMPLER)
            if self.required.guided and "sketches" not in batch and not self._can_draw:
                raise ValueError(NO_SKETCHES)

    def check(self, batch: Tensors) -> None:
        """Refuses a batch of other types, shapes or values."""
        self.check_shapes(batch)
        images, masks, boxes = unpack(batch)
        with self._refusing():
            size = len(images)
            if self.num_devices == 1 and size % self.num_micro_batches:
                raise ValueError(indivisible_batch(size, self.num_micro_batches))
            check_values(images, masks, boxes, self.required)
            if "sketches" in batch:
                _check_binary("Sketches", "1 on a line and 0 elsewhere", batch["sketches"])
            if masks is not None and self.is_training:
                check_patches(masks, boxes, self.required.patch_size)

    def check_first(self, batch: Tensors) -> None:
        """Refuses the first batch, and warns of images that are probably of another range."""
        self.check(batch)
        images = np.asarray(batch["images"])
        self.image_shape, self.has_masks = images.shape, "masks" in batch
        if self.is_training and self.has_masks:
            _warn_of_extremes(batch["masks"], "The masks of the first batch", stacklevel=8)
        if self.is_training and images.min() >= 0:
            warnings.warn(
                "All images of the first batch lie within [0, 1]: they are probably not in "
                "[-1, 1], as they must be. Of images in [0, 1] take twice their values, less "
                f"1. Received: values from {images.min():g} to {images.max():g}",
                stacklevel=7,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None and self._refusal is not None and str(error) != self._refusal:
            raise ValueError(self._refusal) from None

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            self._refusal = f"{self._prefix}{error}"
            raise ValueError(self._refusal) from None


def check_callbacks(pair: PairedOptimizer, callbacks: Callbacks) -> None:
    """Refuses callbacks that Keras cannot run with the model's optimizers.

    Args:
        pair: The model's optimizers.
        callbacks: What `fit` was given: a callback, a list of them, or `None`.

    Raises:
        ValueError: If averages are to be swapped of optimizers that scale their loss, or
            rates be set that follow a schedule.
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = callbacks.callbacks
    elif isinstance(callbacks, keras.callbacks.Callback):
        callbacks = [callbacks]
    for each in callbacks or ():
        if any(pair.schedules) and isinstance(each, _RATE_CALLBACKS):
            raise ValueError(
                "The learning rate follows the schedule that `compile` was given. Leave out "
                "the callback, or compile with an optimizer and its first rate. Received: "
                f"{type(each).__name__}"
            )
    if not any(isinstance(each, keras.callbacks.SwapEMAWeights) for each in callbacks or ()):
        return
    is_scaled = [
        isinstance(each, keras.optimizers.LossScaleOptimizer) for each in pair.optimizers
    ]
    if any(is_scaled):
        raise ValueError(
            "SwapEMAWeights does not find the averages of optimizers that scale their loss for "
            "float16. Train in float32 or mixed_bfloat16, or leave it out: with `use_ema=True` "
            "the averages take the place of the weights at the end of `fit`. Received: "
            f"{', '.join(type(each).__name__ for each in pair.optimizers)}"
        )


# ---- Values of batches --------------------------------------------------------------


def check_values(
    images: Tensor, masks: Tensor | None, boxes: Tensor | None, required: Requirements
) -> None:
    """Refuses a batch of the right shapes whose numbers cannot be meant.

    Args:
        images: Tensor or array of shape `(batch, height, width, channels)`.
        masks: Tensor or array of shape `(batch, height, width, 1)`, or `None`.
        boxes: Tensor or array of shape `(batch, 4)`, or `None`.
        required: What the networks need.

    Raises:
        ValueError: If images are not within [-1, 1], masks not of 0 and 1, or boxes not
            those of patches inside of the images.
    """
    images = np.asarray(images, "float32")
    least, most = float(images.min()), float(images.max())
    if math.isnan(least):
        raise ValueError(
            f"Images must be numbers. Received: {int(np.isnan(images).sum())} NaN among them"
        )
    if not (least >= -1 - _ROUNDING and most <= 1 + _ROUNDING):
        raise ValueError(
            "Images must lie within [-1, 1]. Of bytes, `keras_inpaint.pictures.to_images` "
            "makes them; clip what filters overshoot. "
            f"Received: values from {least:g} to {most:g}"
        )
    if masks is not None:
        _check_binary("Masks", "1 in the hole and 0 where the image is known", masks)
    if boxes is not None and required.has_critic:
        _check_boxes(np.asarray(boxes), images.shape[1:3], required.patch_size)


def _check_binary(what: str, meaning: str, array: Tensor) -> None:
    values = np.unique(np.asarray(array, "float32"))
    if not np.isin(values, (0, 1)).all():
        raise ValueError(
            f"{what} must hold {meaning}, and nothing between: compare them with a threshold "
            f"first. Received: values from {values[0]:g} to {values[-1]:g}"
        )


def check_patches(
    masks: Tensor, boxes: Tensor | None, patch_size: tuple[int, int] | None
) -> None:
    """Refuses a batch whose holes do not lie in the local patches.

    Args:
        masks: Tensor or array of shape `(batch, height, width, 1)`: 1 in the hole, else 0.
        boxes: Tensor or array of shape `(batch, 4)`, or `None`.
        patch_size: Height and width of the critic's patches; `None` if it looks at none.

    Raises:
        ValueError: If a hole sticks out.
    """

    def require(condition: Tensor, message: str, value: Tensor) -> None:
        if not condition:
            raise ValueError(f"{message}{np.asarray(value).tolist()}")

    # Arrays, as the tensors may be those of another backend.
    boxes = None if boxes is None else np.asarray(boxes)
    local_boxes(np.asarray(masks, "float32"), boxes, patch_size, require)


def check_sampler(sampler: MaskSampler | None, checker: BatchChecker) -> None:
    """Refuses a sampler by the masks that it draws for a few images.

    Args:
        sampler: What draws the masks of batches that bring none.
        checker: `BatchChecker` that has looked at the first batch, where that was possible.

    Raises:
        ValueError: If they are no masks of 0 and 1, or their holes do not lie in the local
            patches.
    """
    shape, required = checker.image_shape, checker.required
    if sampler is None or shape is None or checker.has_masks:
        return
    images = np.zeros((_NUM_DRAWN, *shape[1:]), "float32")
    seeds = picture_seeds(0, 0, np.arange(_NUM_DRAWN, dtype="int32"))
    masks, boxes = read_masks(sampler(seeds, *shape[1:3]), images)
    masks = keras.ops.convert_to_numpy(masks)
    check_values(images, masks, None, required)
    check_patches(masks, boxes, required.patch_size)
    _warn_of_extremes(masks, f"The masks that {type(sampler).__name__} draws", stacklevel=6)


def _warn_of_extremes(masks: Tensor, what: str, stacklevel: int) -> None:
    """Warns of masks without a hole, and of those that are nothing else."""
    holes = np.asarray(masks, "float32") > 0
    if not holes.any():
        found = "have no hole, so that nothing is learned about filling one: 1 is the hole"
    elif holes.all():
        found = "leave nothing known: 1 is the hole, 0 what is known"
    else:
        return
    warnings.warn(f"{what} {found}.", stacklevel=stacklevel)


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


def _check_boxes(
    boxes: NDArray[Any], size: tuple[int, int], patch: tuple[int, int] | None
) -> None:
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


# ---- export ------------------------------------------------------------------------


def is_old_export(
    filepath: str | PathLike[str] | None, format: str, options: dict[str, Any]
) -> bool:
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
    folder = "" if filepath is None else os.fspath(filepath)
    if os.path.isdir(folder) and any(name.isdigit() for name in os.listdir(folder)):
        raise ValueError(
            "`filepath` holds versions for a server: write the next one with "
            "`keras_inpaint.export_saved_model(gan.inpainter, folder)`, or choose another one. "
            f"Received: filepath={str(filepath)!r}"
        )
    return False
