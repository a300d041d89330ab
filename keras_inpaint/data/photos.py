"""Photos on disk as batches of images."""

import os
from typing import Any

import tensorflow as tf

from keras_inpaint.data.decoding import CropDecoder
from keras_inpaint.data.skip_log import SkipLog
from keras_inpaint.data.sources import Source, find_photos
from keras_inpaint.data.windows import centred_window, random_window
from keras_inpaint.pictures import read_picture

# Photos in flight at once; enough for any number of cores met so far.
_NUM_IN_FLIGHT = 16


def photos(
    source: Source,
    image_size: int = 256,
    batch_size: int = 16,
    shuffle: bool = True,
    flip: bool = True,
    crop: str = "random",
    seed: int = 0,
    repeat: bool = False,
    drop_remainder: bool = True,
    min_scale: float | None = None,
    log: SkipLog | None = None,
) -> Any:
    """Streams square crops of photos on disk, ready for `fit`.

    Any file that `keras_inpaint.pictures.read_picture` reads will do; plain
    JPEG files are fastest. A file that cannot be decoded is skipped, named
    once in a warning and kept in `log`; another photo takes its place, so
    that every epoch has the same number of batches. Photos smaller than
    `image_size` are enlarged.

    The same seed gives the same batches, in another order and with other
    crops each epoch. For validation pass
    `crop="centre", shuffle=False, flip=False`: every pass is then the same.

    Args:
        source: A folder (with those below it), an iterable of paths, a
            pattern, or a text file that lists paths, relative to it, one a
            line. See `find_photos`.
        image_size: int. Height and width of the images, in pixels.
        batch_size: int. Images a batch.
        shuffle: bool. Whether to draw the photos in random order.
        flip: bool. Whether to mirror every second image, by chance, left to
            right.
        crop: `"random"`: a square whose side is drawn between `image_size`
            pixels and the photo's short side, anywhere in the photo.
            `"centre"`: the largest square in the middle.
        seed: int. Seed of order, crops and mirroring.
        repeat: bool. Whether the stream goes on for ever; `fit` then needs
            `steps_per_epoch`.
        drop_remainder: bool. Whether to leave out a last, smaller batch.
        min_scale: float in `(0, 1]` or None. For random crops: the smallest
            side as a share of the photo's short side. None for `image_size`
            pixels.
        log: `SkipLog` or None. Keeps the files that were skipped.

    Returns:
        `tf.data.Dataset` of float32 tensors `(batch, size, size, 3)`: RGB in
        `[-1, 1]`. Its cardinality is known.

    Raises:
        FileNotFoundError: If the source is missing.
        ValueError: If an argument is out of its bounds, the source holds no
            photo that can be decoded, or fewer than one batch where
            `drop_remainder`.

    Example:
    >>> import os, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> for name in ("a.png", "b.png"):
    ...     keras_inpaint.pictures.write_picture(
    ...         os.path.join(folder, name),
    ...         keras_inpaint.pictures.Picture(np.zeros((40, 60, 3), "uint8")))
    >>> dataset = keras_inpaint.data.photos(folder, image_size=32, batch_size=2)
    >>> [tuple(images.shape) for images in dataset]
    [(2, 32, 32, 3)]
    """
    _check(image_size, batch_size, crop, min_scale)
    log = SkipLog() if log is None else log
    paths = find_photos(source)
    if drop_remainder and len(paths) < batch_size:
        raise ValueError(
            "`source` must hold at least one batch of photos. Lower `batch_size`, add "
            "photos, or pass `drop_remainder=False`. "
            f"Received: {len(paths)} photos, batch_size={batch_size}"
        )
    _check_any_is_read(paths, log)

    window = centred_window if crop == "centre" else random_window(image_size, min_scale)
    decoder = CropDecoder(window, image_size, flip, len(paths), log)
    dataset = _ordered(paths, shuffle, seed).interleave(
        decoder.attempts,
        cycle_length=_NUM_IN_FLIGHT,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    dataset = dataset.filter(_is_read).map(_image)
    # The places of skipped photos are taken by the next ones, so that epochs
    # are of equal, known length: callbacks and schedules count on it.
    dataset = dataset.repeat().take(len(paths)).batch(batch_size, drop_remainder)
    num_batches = len(paths) // batch_size
    if not drop_remainder and len(paths) % batch_size:
        num_batches += 1
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(num_batches))
    if repeat:
        dataset = dataset.repeat()
    return dataset.with_options(_options()).prefetch(tf.data.AUTOTUNE)


def _ordered(paths: list[str], shuffle: bool, seed: int) -> Any:
    """Pairs each path with a seed of two numbers, other ones each epoch."""
    order = tf.data.Dataset.from_tensor_slices([os.fsencode(path) for path in paths])
    if shuffle:
        order = order.shuffle(len(paths), seed=seed, reshuffle_each_iteration=True)
    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2)
    return tf.data.Dataset.zip(order, seeds)


def _is_read(image: Any, is_read: Any) -> Any:
    del image
    return is_read


def _image(image: Any, is_read: Any) -> Any:
    del is_read
    return image


def _options() -> Any:
    options = tf.data.Options()
    options.deterministic = True
    # Under a strategy each worker takes its share of the elements: there is
    # no list of files that could be dealt out instead.
    policy = tf.data.experimental.AutoShardPolicy.DATA
    options.experimental_distribute.auto_shard_policy = policy
    return options


def _check(image_size: int, batch_size: int, crop: str, min_scale: float | None) -> None:
    for name, value in (("image_size", image_size), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
    if crop not in ("random", "centre"):
        raise ValueError(f'`crop` must be "random" or "centre". Received: crop={crop!r}')
    if min_scale is not None and not 0 < min_scale <= 1:
        raise ValueError(
            "`min_scale` is a share of the short side and must be above 0 and at most 1. "
            f"Received: min_scale={min_scale}"
        )


def _check_any_is_read(paths: list[str], log: SkipLog) -> None:
    for path in paths:
        try:
            read_picture(path)
        except (OSError, ValueError) as error:
            log.add(path, str(error))
        else:
            return
    raise ValueError(
        "`source` must hold photos that can be decoded, and none can. The first failed "
        f"with: {log.reasons[paths[0]]}. Received: {len(paths)} files"
    )
