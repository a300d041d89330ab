"""Photos on disk as a `tf.data.Dataset`."""

import os
from typing import Any

import tensorflow as tf

from keras_inpaint.data.decoding import CropDecoder
from keras_inpaint.data.photo_files import PhotoFiles
from keras_inpaint.data.windows import centred_window, random_window

# Photos that a core decodes in one go: starting on them takes as long as reading one.
_LARGEST_SHARE = 16


def photo_stream(
    files: PhotoFiles,
    image_size: int,
    batch_size: int,
    shuffle: bool,
    flip: bool,
    crop: str,
    seed: int,
    repeat: bool,
    drop_remainder: bool,
    min_scale: float | None,
) -> Any:
    """Streams square crops of photos on disk through TensorFlow's decoders.

    Args:
        files: `PhotoFiles`: what is read.
        image_size: As all others, see `keras_inpaint.data.photos`.

    Returns:
        `tf.data.Dataset`, see there.
    """
    window = centred_window if crop == "centre" else random_window(image_size, min_scale)
    num_photos = len(files.paths)
    decoder = CropDecoder(window, image_size, flip, num_photos, files.log, files.masks)
    # The places of skipped photos are taken by the next ones, so that epochs
    # are of equal, known length: callbacks and schedules count on it.
    dataset = _ordered(files, shuffle, seed).repeat().batch(min(batch_size, _LARGEST_SHARE))
    dataset = dataset.interleave(
        decoder.decode,
        cycle_length=os.cpu_count() or 1,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    dataset = dataset.map(_read_ones).rebatch(batch_size, drop_remainder=True)
    num_batches = files.num_batches(batch_size, drop_remainder)
    dataset = dataset.take(num_batches)
    remainder = num_photos % batch_size
    if remainder and not drop_remainder:

        def cut_last(index: Any, images: Any) -> Any:
            size = tf.where(index == num_batches - 1, remainder, batch_size)
            return tf.nest.map_structure(lambda values: values[:size], images)

        dataset = dataset.enumerate().map(cut_last)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(num_batches))
    if repeat:
        dataset = dataset.repeat()
    return dataset.with_options(_options()).prefetch(tf.data.AUTOTUNE)


def _ordered(files: PhotoFiles, shuffle: bool, seed: int) -> Any:
    """Gives each path a mask's path and a seed of two numbers, other ones each epoch."""
    paths = [os.fsencode(path) for path in files.paths]
    masks = files.masks
    # Without masks, or with any of them, a photo has none of its own.
    own = [os.fsencode(path) for path in masks.paths] if masks and masks.is_paired else paths
    order = tf.data.Dataset.from_tensor_slices((paths, own))
    if shuffle:
        order = order.shuffle(len(paths), seed=seed, reshuffle_each_iteration=True)
    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)
    order = tf.data.Dataset.zip(order, seeds)
    order = order.map(lambda photo, seed: (*photo, seed))
    if masks is None or masks.is_paired:
        return order
    names = tf.constant([os.fsencode(path) for path in masks.paths])

    def draw_mask(path: Any, own: Any, seed: Any) -> Any:
        # Neither the window nor the mirror draws from this seed.
        mask_seed = tf.random.experimental.stateless_fold_in(seed, 2)
        index = tf.random.stateless_uniform((), mask_seed, 0, len(masks.paths), tf.int32)
        return path, names[index], seed

    return order.map(draw_mask)


def _read_ones(images: Any, is_read: Any) -> Any:
    """The images, and masks if there are any, of the photos that were read."""
    return tf.cond(
        tf.reduce_all(is_read),
        lambda: images,
        lambda: tf.nest.map_structure(lambda values: values[is_read], images),
    )


def _options() -> Any:
    options = tf.data.Options()
    options.deterministic = True
    # Under a strategy each worker takes its share of the elements: there is
    # no list of files that could be dealt out instead.
    policy = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = policy
    return options
