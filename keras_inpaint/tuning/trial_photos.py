"""The photos of a trial: the same in each."""

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_inpaint.data import find_photos
from keras_inpaint.data.photo_files import PhotoFiles
from keras_inpaint.gan.inpainting_gan import VALIDATION_INDEX
from keras_inpaint.ops.random import picture_seeds
from keras_inpaint.training.photo_streams import (
    Choice,
    learned,
    learning_stream,
    measured,
    measuring_stream,
)
from keras_inpaint.training.settings import Settings

# Every so manieth photo is measured on where the settings name none to measure on.
_HELD_OUT = 8


def check_photos(settings: Settings) -> None:
    """Looks for the photos, and the masks of files, of every trial.

    Raises:
        FileNotFoundError: If the photos are missing.
        ValueError: If there are too few, none can be decoded, or the masks do not fit them.
    """
    source, masks, choice = _learned(settings)
    PhotoFiles(source, settings.batch_size, True, masks, choice)
    source, masks, choice = _measured(settings)
    PhotoFiles(source, settings.batch_size, False, masks, choice)


def training_photos(settings: Settings, step: int) -> Any:
    """Streams the photos that a trial learns from, for ever.

    Args:
        settings: `Settings`. Without `validation`, every eighth photo is left out.
        step: int. The step that the stream begins at.

    Returns:
        What `keras_inpaint.data.photos` returns.
    """
    return learning_stream(settings, _learned(settings), step)


def measured_photos(settings: Settings, sampler: Any = None) -> Any:
    """Streams the photos that trials are measured on, always the same.

    Args:
        settings: `Settings`. Without `validation`, every eighth photo of `data` is taken.
        sampler: A sampler of `keras_inpaint.masks`, or `None`. What draws the masks where
            the trials' own samplers differ.

    Returns:
        What `keras_inpaint.data.photos` returns.
    """
    choice = _measured(settings)
    batches = measuring_stream(settings, choice)
    _, masks, _ = choice
    if sampler is None or masks is not None:
        return batches
    return _with_masks(batches, sampler, settings)


def _learned(settings: Settings) -> Choice:
    source, masks, choice = learned(settings)
    if settings.validation is None:
        source = _split(settings)[0]
    return source, masks, choice


def _measured(settings: Settings) -> Choice:
    source, masks, choice = measured(settings)
    if settings.validation is None:
        source = _split(settings)[1]
    return source, masks, choice


def _split(settings: Settings) -> tuple[list[str], list[str]]:
    """The photos to learn from, and those that are held out."""
    paths = find_photos(settings.data)
    held_out = paths[::_HELD_OUT]
    learned = [path for index, path in enumerate(paths) if index % _HELD_OUT]
    if not learned:
        raise ValueError(
            "Trials need photos to learn from and others to be measured on. Add photos, or "
            f"name others in `validation`. Received: {len(paths)} photo in {settings.data!r}"
        )
    return learned, held_out


def _with_masks(batches: Any, sampler: Any, settings: Settings) -> Any:
    import tensorflow as tf

    size = settings.image_size

    def draw(number: np.int64, num: np.int32) -> NDArray[np.float32]:
        places = int(number) * settings.batch_size + np.arange(int(num), dtype=np.int32)
        seeds = picture_seeds(settings.seed, VALIDATION_INDEX, places)
        return np.asarray(ops.convert_to_numpy(sampler(seeds, size, size)[0]))

    def add_masks(number: Any, images: Any) -> Any:
        # Outside of the graph, in which no other backend can draw.
        masks = tf.numpy_function(
            draw, [number, tf.shape(images)[0]], tf.float32, stateful=False
        )
        return images, tf.ensure_shape(masks, (images.shape[0], size, size, 1))

    return batches.enumerate().map(add_masks)
