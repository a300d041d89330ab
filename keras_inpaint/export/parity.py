"""Comparison of an exported model with the inpainter that it was made of."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_inpaint.inpainting.sketches import is_guided
from keras_inpaint.pictures.pixels import MASK_THRESHOLD, to_images

Bytes = NDArray[np.uint8]
# Of photos, masks and, of guided generators, sketches.
Fill = Callable[..., Bytes]
Size = tuple[int, int, int]

# Of 255: graphs are optimised by other rules, and a number may be rounded the other way.
TOLERANCE = 1
# Number, height and width: a size that divides, one that does not, one that is enlarged.
# The first two are one size to the network, which is compiled for each.
_SIZES = ((2, 80, 96), (2, 75, 90), (1, 40, 130))
_NO_LIMIT = 2**62


def check_filling(
    inpainter: Any, fills: Sequence[Fill], sizes: Iterable[Size] = _SIZES
) -> None:
    """Refuses functions of an exported model that fill other than its inpainter does.

    Args:
        inpainter: `keras_inpaint.Inpainter`.
        fills: Sequence of functions of photos `(num, height, width, 3)` and masks `(num,
            height, width, 1)`, and of sketches like these where the generator is guided,
            that return what is filled, all in bytes.
        sizes: Iterable of number, height and width of the pictures to compare.

    Raises:
        ValueError: If pictures differ by more than `TOLERANCE`, or known pixels at all.
    """
    for num, height, width in sizes:
        photos, masks, *sketches = _pictures(inpainter, num, height, width)
        drawn = {"sketches": sketches[0]} if sketches else {}
        expected = inpainter.inpaint_batch(photos, masks, memory_limit=_NO_LIMIT, **drawn)
        for fill in fills:
            _compare(fill(photos, masks, *sketches), expected, photos, masks)


def check_saved_model(inpainter: Any, folder: Path) -> None:
    """Refuses a SavedModel any signature of which differs from its inpainter.

    Args:
        inpainter: `keras_inpaint.Inpainter`.
        folder: Path of the SavedModel.

    Raises:
        ValueError: As `check_filling`; if `features` differ by more than a level.
    """
    # Kept: with it goes the graph.
    model = tf.saved_model.load(folder)
    signatures = model.signatures

    def fill(*pictures: Bytes) -> Bytes:
        names = ("images", "masks", "sketches")[: len(pictures)]
        tensors = dict(zip(names, map(tf.constant, pictures), strict=True))
        completed: Bytes = signatures["serving_default"](**tensors)["completed"].numpy()
        return completed

    def fill_files(*pictures: Bytes) -> Bytes:
        names = ("image_bytes", "mask_bytes", "sketch_bytes")[: len(pictures)]
        files = [tf.stack([tf.io.encode_png(one) for one in each]) for each in pictures]
        outputs = signatures["serving_bytes"](**dict(zip(names, files, strict=True)))
        return np.stack([tf.io.decode_png(file) for file in outputs["completed_bytes"]])

    check_filling(inpainter, [fill, fill_files])
    _check_features(inpainter, signatures["features"])


def _check_features(inpainter: Any, features: Any) -> None:
    """Refuses features of pictures, in `[-1, 1]`, that differ by more than a level."""
    photos, *marks = _pictures(inpainter, *_SIZES[0])
    names = ("masks", "sketches")[: len(marks)]
    inputs = {
        "corrupted": to_images(photos),
        **{
            name: (each > MASK_THRESHOLD).astype(np.float32)
            for name, each in zip(names, marks, strict=True)
        },
    }
    expected = inpainter.generator.predict_on_batch(inputs)
    found = features(**{name: tf.constant(array) for name, array in inputs.items()})
    for name in {"coarse", "refined"} & set(expected):
        # A generator made under a distribution strategy answers once a replica.
        difference = np.abs(found[name] - expected[name][: len(photos)]).max()
        if not difference <= TOLERANCE / 255:
            raise ValueError(
                "The exported generator must return what the generator does, to 1/255, and "
                f"was not kept. Received: a difference of {difference} in {name!r}"
            )


def _compare(found: Bytes, expected: Bytes, photos: Bytes, masks: Bytes) -> None:
    size = " x ".join(map(str, photos.shape))
    difference = int(np.abs(found.astype(int) - expected).max())
    if difference > TOLERANCE:
        raise ValueError(
            "The exported model must fill holes as the inpainter does, to one level of 255, "
            "and was not kept. Does the generator do other things in a graph than outside, "
            "or draw random numbers? "
            f"Received: a difference of {difference} levels in pictures of {size}"
        )
    if (found != photos)[masks[..., 0] <= MASK_THRESHOLD].any():
        raise ValueError(
            "The exported model must return known pixels bit for bit, and was not kept. "
            f"Received: other pixels in pictures of {size}"
        )


def _pictures(inpainter: Any, num: int, height: int, width: int) -> tuple[Bytes, ...]:
    """Photos of slopes and noise, each with a hole at its edge and one inside.

    Where the generator is guided, also sketches: a line in each of the holes, which goes on
    where the photo is known.
    """
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    slopes = np.stack([rows, columns, rows + columns], axis=-1) % 224
    photos = slopes + rng.integers(0, 32, (num, height, width, 3))
    masks = np.zeros((num, height, width, 1), np.uint8)
    for index in range(num):
        masks[index, height // 4 : height // 2, width // 3 : width // 2 + index] = 255
        masks[index, height - 9 :, : 5 + index] = 128
    pictures = photos.astype(np.uint8), masks
    if not is_guided(inpainter.generator):
        return pictures
    sketches = np.zeros_like(masks)
    sketches[:, height // 3] = 255
    sketches[:, :, 2] = 128
    return *pictures, sketches
