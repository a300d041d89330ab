"""A batch: its parts by name, what shapes they must have, and how it is split.

Boxes are those of the patches that a local critic looks at.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np
from keras import ops

from keras_inpaint.gan.parts import (
    Critic,
    Generator,
    MaskSampler,
    Sketch,
    Tensor,
    Tensors,
    read_masks,
)
from keras_inpaint.inpainting.sketches import is_guided
from keras_inpaint.ops.local_patches import boxes_around_holes, boxes_hold_holes, hole_sizes

# What Keras takes for a batch of arrays unless told.
BATCH_SIZE = 32
NO_SAMPLER = (
    "Batches without masks need a sampler of them: pass `masks=` to `InpaintingGAN`, or "
    "batches of `(images, masks)`. Received: masks=None"
)
NO_SKETCHES = (
    "A guided generator learns what sketches mean: pass `sketch=` to `InpaintingGAN`, such as "
    '`keras_inpaint.masks.EdgeSketch()`, or batches of a dict with "sketches". '
    "Received: sketch=None"
)

# Sizes of which some may be unknown.
Shape: TypeAlias = tuple[int | None, ...]
# Stops with a message and a value unless a condition holds.
Require: TypeAlias = Callable[[Tensor, str, Tensor], None]


class Requirements(NamedTuple):
    """What two networks need of a batch.

    Attributes:
        channels: int. Channels of the images.
        guided: bool. Whether the generator takes sketches.
        size_multiple: int. What height and width must be multiples of.
        has_critic: bool. Whether a critic sees the images too.
        image_size: pair of ints or `None`. The one height and width that the critic takes.
        patch_size: pair of ints or `None`. Height and width of the local patch that the
            critic looks at.
    """

    channels: int
    guided: bool
    size_multiple: int
    has_critic: bool = False
    image_size: tuple[int, int] | None = None
    patch_size: tuple[int, int] | None = None

    @classmethod
    def of(cls, generator: Generator, critic: Critic | None = None) -> "Requirements":
        """Those of a generator, and of the critic that it is trained against, if any."""
        sizes = generator.channels, is_guided(generator), generator.size_multiple
        if critic is None:
            return cls(*sizes)
        return cls(*sizes, True, critic.image_size, critic.patch_size)


def read_batch(data: Any) -> Tensors:
    """Reads `images`, `(images, masks)`, `(images, masks, boxes)`, or a dict of them.

    Args:
        data: What `fit` was given or hands to a step: one of those, possibly as the only
            input, and possibly padded with `None`.

    Returns:
        dict of `"images"` and, where there are any, `"masks"`, `"boxes"`, `"sketches"` and
        `"indices"`, the numbers of the images in the whole of the data.

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
        unexpected = set(batch) - {"images", "masks", "boxes", "sketches", "indices"}
        is_complete = "images" in batch and ("boxes" not in batch or "masks" in batch)
        if unexpected or not is_complete:
            raise ValueError(
                'A dict must hold "images", and may hold "masks", with them "boxes", and, for '
                'a guided generator, "sketches". '
                f"Received: a dict of {', '.join(map(repr, parts[0])) or 'nothing'}"
            )
        return batch
    if not 1 <= len(parts) <= 3 or any(part is None for part in parts):
        raise ValueError(
            "A batch must be images, (images, masks) or (images, masks, boxes), each an array: "
            "of a list of them, `numpy.stack` makes one. "
            f"Received: {len(parts)} parts, of which "
            f"{sum(part is None for part in parts)} are None"
        )
    return dict(zip(("images", "masks", "boxes"), parts, strict=False))


def unpack(data: Any) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Reads a batch, see `read_batch`.

    Returns:
        tuple: images, masks or `None`, boxes or `None`.
    """
    batch = read_batch(data)
    return batch["images"], batch.get("masks"), batch.get("boxes")


def with_masks(
    batch: Tensors, sampler: MaskSampler | None, seeds: Tensor, dtype: str
) -> Tensors:
    """Draws the masks of a batch that brings none, and gives both the type to compute in.

    Args:
        batch: dict as `read_batch` returns it.
        sampler: What draws masks, or `None`.
        seeds: Integers of shape `(batch,)`, one per image.
        dtype: str. The type of images and masks.

    Returns:
        dict of `"images"`, `"masks"`, `"boxes"`, which may be `None`, and `"seeds"`.

    Raises:
        ValueError: If there are neither masks nor a sampler.
    """
    images, masks, boxes = unpack(batch)
    if masks is None:
        if sampler is None:
            raise ValueError(NO_SAMPLER)
        _, height, width, _ = ops.shape(images)
        masks, boxes = read_masks(sampler(seeds, height, width), images)
    return {
        "images": ops.cast(images, dtype),
        # Ones and zeros: the losses count with them.
        "masks": ops.cast(ops.cast(masks, "bool"), dtype),
        "boxes": boxes,
        "seeds": seeds,
    }


def add_sketches(batch: Tensors, given: Tensor, draw: Sketch | None) -> Tensors:
    """Adds what the hole of each image is to show, as a guided generator is shown it.

    Args:
        batch: dict as `with_masks` returns it.
        given: Tensor of shape `(batch, height, width, 1)`, or `None`.
        draw: function that draws sketches of images, where none are given; `None` to draw
            nothing.

    Returns:
        dict as `batch`, and `"sketches"`: 1 on the lines in the hole, else 0.
    """
    images, masks = batch["images"], batch["masks"]
    if given is None:
        given = ops.zeros_like(masks) if draw is None else draw(images)
    lines = ops.cast(ops.cast(given, "bool"), masks.dtype)
    return {**batch, "sketches": lines * masks}


def with_sketches(critic: Any, sketches: Tensor | None) -> Any:
    """A guided critic as a function of images and masks alone.

    Args:
        critic: `Critic`.
        sketches: Tensor of shape `(batch, height, width, 1)`, or `None`.

    Returns:
        Function like `critic`, which shows it the sketches beside every `batch` images;
        `critic` where it is not guided.
    """
    if sketches is None or not is_guided(critic):
        return critic

    def score(inputs: Tensors, training: bool = False) -> Tensor:
        # True and completed images may come in one batch.
        indices = ops.arange(ops.shape(inputs["images"])[0]) % ops.shape(sketches)[0]
        shown = ops.take(sketches, indices, axis=0)
        return critic({**inputs, "sketches": shown}, training=training)

    return score


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


def indivisible_batch(size: int, num_micro_batches: int) -> str:
    """The message about a batch that the updates of the critic cannot share."""
    needed = num_micro_batches * -(-size // num_micro_batches)
    return (
        f"A batch must hold images for each of the {num_micro_batches} critic updates: a "
        f"multiple of {num_micro_batches} images per device, say {needed}, the last batch too "
        f"(`drop_remainder=True`). Received: a batch of {size}"
    )


def local_boxes(
    masks: Tensor,
    boxes: Tensor | None,
    size: tuple[int, int] | None,
    require: Require | None = None,
) -> Tensor | None:
    """The boxes of the local patches, for a critic that looks at some.

    Args:
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0.
        boxes: int tensor of shape `(batch, 4)`, or `None` where the masks bring none.
        size: Height and width of the critic's patches; `None` if it looks at none.
        require: function of a bool tensor, a message and a tensor that completes it,
            which stops where the former is false; `None` to take what does not fit.

    Returns:
        int tensor of shape `(batch, 4)`, or `None` where none are needed.
    """
    if size is None:
        return None
    if boxes is None:
        boxes = boxes_around_holes(masks, size)
    elif require is not None:
        require(
            ops.all(ops.equal(boxes[:, 2:], size)),
            "Boxes must be as high and wide as the critic's `patch_size`, "
            f"{size[0]} x {size[1]} pixels. Make the sampler of masks with boxes of that size, "
            "or the critic with another `patch_size`. Received: a box of height and width ",
            boxes[0, 2:],
        )
    if require is not None:
        require(
            ops.all(boxes_hold_holes(boxes, masks, size)),
            f"A local patch of {size[0]} x {size[1]} pixels must lie in the image and hold its "
            "whole hole. Draw smaller holes, enlarge the critic's `patch_size`, or use a "
            "PatchCritic. Received: a largest hole, height and width, of ",
            ops.max(hole_sizes(masks), axis=0),
        )
    return boxes


def check_shapes(batch: Tensors, required: Requirements) -> None:
    """Refuses a batch of other types or shapes, as far as they are known.

    Args:
        batch: dict as `read_batch` returns it, of tensors, arrays or specifications of them.
        required: What the networks need.

    Raises:
        ValueError: If something does not fit.
    """
    shape = _check_images(batch["images"], required.channels)
    if shape is None:
        return
    _check_size(shape[1:3], required)
    if "masks" in batch:
        _check_fits("masks", batch["masks"], (*shape[:3], 1))
    if "sketches" in batch:
        if not required.guided:
            raise ValueError(
                "Sketches are for a guided generator, made with `guided=True`. Leave them out. "
                f"Received: sketches of {describe(batch['sketches'])}"
            )
        _check_fits("sketches", batch["sketches"], (*shape[:3], 1))
    if "boxes" in batch:
        _check_are_boxes(batch["boxes"], shape[0])


def _check_images(images: Tensor, channels: int) -> Shape | None:
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
            "Images must be floats within [-1, 1]. Of bytes, "
            "`keras_inpaint.pictures.to_images` makes them. "
            f"Received: images.dtype={dtype}{_range(images)}"
        )
    return shape


def _range(images: Tensor) -> str:
    """The values of an array, for a message; tensors of a graph have none."""
    if not hasattr(images, "__array__") or not all(images.shape):
        return ""
    try:
        values = np.asarray(images[:BATCH_SIZE])
    except Exception:  # Each backend has its own error for tensors without values.
        return ""
    return f", values from {values.min()} to {values.max()}"


def _check_size(size: Shape, required: Requirements) -> None:
    multiple = required.size_multiple
    if any(length is not None and length % multiple for length in size):
        raise ValueError(
            f"The images' height and width must be divisible by {multiple}, the stride of "
            "the generator. Crop or resize them first. "
            f"Received: height={size[0]}, width={size[1]}"
        )
    patch = required.patch_size or (0, 0)
    if any(length is not None and length < patch[axis] for axis, length in enumerate(size)):
        raise ValueError(
            f"Images must be at least as large as the local patch, {patch[0]} x {patch[1]} "
            "pixels. Take larger ones, make the critic's `patch_size` smaller, or use a "
            f"PatchCritic. Received: height={size[0]}, width={size[1]}"
        )
    expected = required.image_size or size
    if any(length not in (expected[axis], None) for axis, length in enumerate(size)):
        raise ValueError(
            f"Images must be of the size that the critic was made for, {expected[0]} x "
            f"{expected[1]} pixels. Crop or resize them, make the critic with "
            "another `image_size`, or use a PatchCritic, which takes any. "
            f"Received: height={size[0]}, width={size[1]}"
        )


def _check_fits(name: str, values: Tensor, expected: Shape) -> None:
    shape = _shape(values) if hasattr(values, "shape") else np.shape(values)
    if shape is None:
        return
    fits = len(shape) == len(expected) and all(
        length is None or wanted is None or length == wanted
        for length, wanted in zip(shape, expected, strict=True)
    )
    if not fits:
        way = " Labels have no place here: leave them out." if len(shape) < 2 else ""
        raise ValueError(
            f"`{name}` must be of shape {expected}, as the images are.{way} "
            f"Received: {name}.shape={shape}"
        )


def _check_are_boxes(boxes: Tensor, num_images: int | None) -> None:
    shape = _shape(boxes) if hasattr(boxes, "shape") else np.shape(boxes)
    if shape is None:
        return
    fits = len(shape) == 2 and shape[1] in (4, None)
    fits = fits and (shape[0] == num_images or None in (shape[0], num_images))
    if not fits or "int" not in keras.backend.standardize_dtype(boxes.dtype):
        raise ValueError(
            "The third part of a batch are boxes of whole numbers (top, left, height, width), "
            f"of shape {(num_images, 4)}, and no sample weights. "
            f"Received: {describe(boxes)}"
        )


def describe(values: object) -> str:
    """The shape and type of an array or tensor, for a message."""
    if not hasattr(values, "dtype"):
        return f"type {type(values).__name__}"
    return f"shape {_shape(values)}, {keras.backend.standardize_dtype(values.dtype)}"


def _shape(values: Tensor) -> Shape | None:
    if getattr(values.shape, "rank", 0) is None:
        return None
    return tuple(values.shape)
