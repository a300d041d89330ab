"""Photos on disk as a `tf.data.Dataset`."""

import os
from typing import Any

import numpy as np
import tensorflow as tf

from keras_inpaint.data.decoding import CropDecoder, centred_window, random_window
from keras_inpaint.data.photo_files import PhotoFiles


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
    decoder = CropDecoder(window, image_size, flip, files)
    dataset = _ordered(files, shuffle, seed).map(
        decoder.decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    dataset = dataset.filter(lambda _, is_read: is_read).map(lambda picture, _: picture)
    dataset = dataset.batch(batch_size, drop_remainder=True)
    if repeat:
        length = tf.data.INFINITE_CARDINALITY
    else:
        # The next photos stand in for skipped ones, so that epochs
        # are of equal, known length: callbacks and schedules count on it.
        length = files.num_batches(batch_size, drop_remainder)
        dataset = dataset.take(length)
        last_size = len(files.paths) - (length - 1) * batch_size
        if last_size < batch_size:
            dataset = _with_last_cut(dataset, length, last_size)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(length))
    return dataset.with_options(_options()).prefetch(tf.data.AUTOTUNE)


def _ordered(files: PhotoFiles, shuffle: bool, seed: int) -> Any:
    """Gives, without end, each path a mask's path and a seed of two numbers."""
    names = tf.constant([os.fsencode(path) for path in files.paths])
    masks = files.masks
    # Without masks, or with any of them, a photo has none of its own.
    own = names
    if masks is not None:
        mask_names = tf.constant([os.fsencode(path) for path in masks.paths])
        own = mask_names if masks.is_paired else names

    def one_pass(iteration_seed: Any, number: Any) -> Any:
        # From the numbers of iteration and pass alone: how far a stream has read ahead
        # when it is given up must not be seen in the next one.
        pass_seed = tf.random.experimental.stateless_fold_in(iteration_seed, number)
        order = tf.range(len(files.paths))
        if shuffle:
            order = tf.random.experimental.stateless_shuffle(order, pass_seed)
        seeds = tf.random.stateless_uniform(
            (len(files.paths), 2),
            tf.random.experimental.stateless_fold_in(pass_seed, 1),
            minval=None,
            maxval=None,
            dtype=tf.int64,
        )
        return tf.data.Dataset.from_tensor_slices((order, seeds))

    passes = (
        _iteration_seeds(seed)
        .batch(2)
        .take(1)
        .flat_map(lambda seed: tf.data.Dataset.counter().map(lambda number: (seed, number)))
    )

    def name(index: Any, seed: Any) -> Any:
        if masks is None or masks.is_paired:
            return names[index], own[index], seed
        # Neither the window nor the mirror draws from this seed.
        mask_seed = tf.random.experimental.stateless_fold_in(seed, 2)
        drawn = tf.random.stateless_uniform((), mask_seed, 0, len(masks.paths), tf.int32)
        return names[index], mask_names[drawn], seed

    return passes.flat_map(one_pass).map(name)


def _iteration_seeds(seed: int) -> Any:
    """Random integers that differ from iteration to iteration, here and nowhere else."""
    # Not `Dataset.random`: it would keep 31 bits of the seed, and mix the global one in.
    words = np.random.SeedSequence(int(seed) % 2**64).generate_state(2, np.uint64)
    variant = tf.raw_ops.RandomDatasetV2(
        # Where both are 0, TensorFlow takes none.
        seed=tf.constant(int(words[0]) >> 1 | 1, tf.int64),
        seed2=tf.constant(int(words[1]) >> 1, tf.int64),
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        rerandomize_each_iteration=True,
        output_types=[tf.int64],
        output_shapes=[()],
    )
    return tf.data.experimental.from_variant(variant, tf.TensorSpec((), tf.int64))


def _with_last_cut(dataset: Any, length: int, last_size: int) -> Any:
    def cut(index: Any, images: Any) -> Any:
        size = tf.where(index == length - 1, last_size, tf.shape(tf.nest.flatten(images)[0])[0])
        return tf.nest.map_structure(lambda values: values[:size], images)

    return dataset.enumerate().map(cut)


def _options() -> Any:
    options = tf.data.Options()
    options.deterministic = True
    # Under a strategy each worker takes some of the elements: there is no list of
    # files that could be split instead.
    policy = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = policy
    return options
