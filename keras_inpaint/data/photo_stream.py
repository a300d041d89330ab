"""Photos on disk as a `tf.data.Dataset`: decoded, and squares cut out of them."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_inpaint.data.photo_files import PhotoFiles
from keras_inpaint.files import read_source
from keras_inpaint.pictures import is_plain
from keras_inpaint.pictures.pixels import LUMA

Tensor = Any
# From height and width of a photo and a seed to top, left and side of a square.
Window = Callable[[Tensor, Tensor, Tensor], Tensor]
# Pixels of a square, the photo's height and width, and whether it was read.
Crop = tuple[Tensor, Tensor, Tensor]

# What a photo goes through: `read_picture`, or one of TensorFlow's decoders.
_SLOW, _JPEG, _PNG = range(3)

# Larger ones are read by `read_picture`, which needs not all of a file at once.
_LARGEST_FILE = 2**28

# Hashes of contents that a fast decoder was seen to take: it does so in any stream.
_SOUND: set[int] = set()


class CropDecoder:
    """Decodes squares of photos, fast where it can be and right everywhere.

    Plain JPEG and PNG files go through TensorFlow's decoders, of a JPEG only
    the rows of the square are decoded, and large ones at a half, a quarter or
    an eighth of their size where that is enough. What these decoders refuse
    (each file is tried as a whole the first time), or would get wrong
    (turned, CMYK, 16 bits, other formats), goes through
    `keras_inpaint.pictures.read_picture`; what that refuses is skipped.

    Args:
        window: Function of height, width and seed that returns
            `(top, left, side)` of the square.
        image_size: int. Side of the square that comes out.
        flip: bool. Whether to mirror half of the squares, at random.
        files: `PhotoFiles`: what is read, and the log of what is skipped.
        channels: `3`, or `1` for grey.
    """

    def __init__(
        self, window: Window, image_size: int, flip: bool, files: PhotoFiles, channels: int = 3
    ) -> None:
        self.window = window
        self.image_size = image_size
        self.flip = flip
        self.files = files
        self.channels = channels

    def decode(self, path: Tensor, mask_path: Tensor, seed: Tensor) -> tuple[Any, Tensor]:
        """Returns the image of a photo, and whether it was read.

        With masks, a pair of image and mask instead of the image.

        Args:
            path: str scalar.
            mask_path: str scalar.
            seed: int64 tensor of shape `(2,)`.
        """
        content, way = tf.numpy_function(
            self._look, [path], (tf.string, tf.int32), stateful=False
        )
        content.set_shape(())
        way.set_shape(())
        crop, size, is_read = tf.switch_case(
            way,
            {
                _SLOW: lambda: self._crop_slow(path, seed),
                _JPEG: lambda: self._crop_jpeg(content, seed),
                _PNG: lambda: self._crop_png(content, seed),
            },
        )
        return self._finish(crop, size, path, mask_path, seed, is_read)

    def _look(self, path: bytes) -> tuple[bytes, np.int32]:
        """The content of a file that a fast decoder takes, and which one."""
        name = os.fsdecode(path)
        try:
            content = b"" if name in self.files.log else read_source(name, _LARGEST_FILE)
        except (OSError, ValueError):  # `read_picture` puts it into words.
            content = b""
        if not (is_plain(content, self.files.max_plain) and _is_sound(content)):
            return b"", np.int32(_SLOW)
        return content, np.int32(_JPEG if content.startswith(b"\xff\xd8") else _PNG)

    def _read(self, path: bytes) -> tuple[NDArray[np.uint8], np.bool]:
        pixels = self.files.read(os.fsdecode(path))
        if pixels is not None:
            return pixels, np.True_
        self.files.check_enough_is_left()
        return np.zeros((1, 1, 3), np.uint8), np.False_

    def _crop_slow(self, path: Tensor, seed: Tensor) -> Crop:
        pixels, is_read = tf.numpy_function(
            self._read, [path], (tf.uint8, tf.bool), stateful=False
        )
        pixels.set_shape((None, None, 3))
        is_read.set_shape(())
        return self._crop(pixels, seed, is_read)

    def _crop_jpeg(self, content: Tensor, seed: Tensor) -> Crop:
        height, width, _ = tf.unstack(tf.io.extract_jpeg_shape(content), num=3)
        top, left, side = tf.unstack(self.window(height, width, seed), num=3)

        def decode(ratio: int) -> Tensor:
            return tf.raw_ops.DecodeAndCropJpeg(
                contents=content,
                crop_window=tf.stack([top, left, side, side]) // ratio,
                channels=3,
                ratio=ratio,
                dct_method="INTEGER_ACCURATE",
            )

        halvings = sum(
            tf.cast(side >= ratio * self.image_size, tf.int32) for ratio in (2, 4, 8)
        )
        crop = tf.switch_case(
            halvings, [lambda ratio=ratio: decode(ratio) for ratio in (1, 2, 4, 8)]
        )
        return crop, tf.stack([height, width]), tf.constant(True)

    def _crop_png(self, content: Tensor, seed: Tensor) -> Crop:
        pixels = tf.image.decode_png(content, channels=3)
        return self._crop(pixels, seed, tf.constant(True))

    def _crop(self, pixels: Tensor, seed: Tensor, is_read: Tensor) -> Crop:
        size = tf.shape(pixels)[:2]
        top, left, side = tf.unstack(self.window(size[0], size[1], seed), num=3)
        return pixels[top : top + side, left : left + side], size, is_read

    def _finish(
        self,
        crop: Tensor,
        size: Tensor,
        path: Tensor,
        mask_path: Tensor,
        seed: Tensor,
        is_read: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """From bytes of a square to an image and whether it was read."""
        # The window follows from all of the seed's bits by a hash, not from this one.
        is_mirrored = (
            tf.bitwise.bitwise_and(seed[0], 1) == 1 if self.flip else tf.constant(False)
        )
        image = self._image(crop, is_mirrored)
        if self.files.masks is None:
            return image, is_read
        window = self.window(size[0], size[1], seed)
        mask, has_mask = tf.numpy_function(
            self._cut_mask,
            [path, mask_path, size, window, is_mirrored, is_read],
            (tf.float32, tf.bool),
            stateful=False,
        )
        has_mask.set_shape(())
        return (image, tf.ensure_shape(mask, (self.image_size, self.image_size, 1))), has_mask

    def _cut_mask(
        self,
        path: bytes,
        mask_path: bytes,
        size: NDArray[np.int32],
        window: NDArray[np.int32],
        is_mirrored: bool,
        is_read: bool,
    ) -> tuple[NDArray[np.float32], np.bool]:
        mask = None
        if is_read and self.files.masks is not None:
            height, width = map(int, size)
            top, left, side = map(int, window)
            mask = self.files.masks.cut(
                os.fsdecode(path),
                os.fsdecode(mask_path),
                (height, width),
                (top, left, side),
                self.image_size,
                bool(is_mirrored),
            )
        if mask is None:
            return np.zeros((self.image_size, self.image_size, 1), np.float32), np.False_
        return mask, np.True_

    def _image(self, crop: Tensor, is_mirrored: Tensor) -> Tensor:
        """Turns bytes of a square into an image in `[-1, 1]`, perhaps mirrored."""
        size = (self.image_size, self.image_size)
        crop = tf.ensure_shape(crop, (None, None, 3))
        crop = tf.cond(is_mirrored, lambda: tf.reverse(crop, [1]), lambda: crop)
        # The mean over an area keeps fine patterns from aliasing; for
        # upsampling it would repeat pixels.
        image = tf.cond(
            tf.shape(crop)[0] >= self.image_size,
            lambda: tf.image.resize(crop, size, method="area"),
            lambda: tf.image.resize(crop, size, method="bilinear"),
        )
        # The mean of many 255 can exceed 255 in float32.
        image = tf.minimum(image, 255.0) / 127.5 - 1.0
        if self.channels == 1:
            image = tf.tensordot(image, tf.constant(LUMA)[:, None], 1)
        return tf.ensure_shape(image, (*size, self.channels))


def _is_sound(content: bytes) -> bool:
    """Checks that a fast decoder takes a file: each content is tried once."""
    # A graph has no `try`: what fails there ends the stream.
    if hash(content) not in _SOUND:
        try:
            tf.io.decode_image(content, channels=3)
        except tf.errors.InvalidArgumentError:
            return False
        _SOUND.add(hash(content))
    return True


def random_window(image_size: int, min_scale: float | None) -> Window:
    """Makes the function that draws a random square of a photo.

    Its side is uniform between a smallest one and the photo's short side, its
    position uniform over the photo.

    Args:
        image_size: int. Side the square is resized to.
        min_scale: float or None. Smallest side, as a fraction of the short
            side; None for `image_size` pixels, so that nothing is upsampled
            that need not be.

    Returns:
        Function of height, width (int32 scalars) and seed (two int64) that
        returns int32 `(top, left, side)`.
    """

    def draw(height: Tensor, width: Tensor, seed: Tensor) -> Tensor:
        short = tf.minimum(height, width)
        if min_scale is None:
            smallest = tf.minimum(short, image_size)
        else:
            scaled = tf.cast(tf.math.ceil(min_scale * tf.cast(short, tf.float32)), tf.int32)
            smallest = tf.clip_by_value(scaled, 1, short)
        drawn = tf.random.stateless_uniform((3,), seed)
        side = smallest + _scaled(drawn[0], short - smallest)
        top = _scaled(drawn[1], height - side)
        left = _scaled(drawn[2], width - side)
        return tf.stack([top, left, side])

    return draw


def centred_window(height: Tensor, width: Tensor, seed: Tensor) -> Tensor:
    """Returns `(top, left, side)` of the largest square in the middle."""
    del seed  # Nothing is drawn; random and centred windows are called alike.
    side = tf.minimum(height, width)
    return tf.stack([(height - side) // 2, (width - side) // 2, side])


def _scaled(drawn: Tensor, largest: Tensor) -> Tensor:
    """Turns a number in `[0, 1)` into an integer from 0 to `largest`."""
    value = tf.cast(drawn * tf.cast(largest + 1, tf.float32), tf.int32)
    # In float32 the product can round up to `largest + 1`.
    return tf.minimum(value, largest)


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
    start: int = 0,
    channels: int = 3,
) -> Any:
    """Streams square crops of photos on disk through TensorFlow's decoders.

    Args:
        files: `PhotoFiles`: what is read.
        image_size: As all others, see `keras_inpaint.data.photos`.

    Returns:
        `tf.data.Dataset`, see there.
    """
    window = centred_window if crop == "centre" else random_window(image_size, min_scale)
    decoder = CropDecoder(window, image_size, flip, files, channels)
    size = batch_size * files.part[1]
    dataset = _ordered(files, shuffle, seed, start * size)
    dataset = _part(dataset, files.own(batch_size), size).map(
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
        last_size = len(files.own(batch_size, len(files.paths) - (length - 1) * size))
        if last_size < batch_size:
            dataset = _with_last_cut(dataset, length, last_size)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(length))
    return dataset.with_options(_options()).prefetch(tf.data.AUTOTUNE)


def _ordered(files: PhotoFiles, shuffle: bool, seed: int, start: int) -> Any:
    """Gives, without end, each path a mask's path and a seed of two numbers.

    The first `start` are passed over: what comes at a place follows from its number alone.
    """
    first_pass, passed_over = divmod(start, len(files.paths))
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
        skipped = tf.where(number == first_pass, passed_over, 0)
        return tf.data.Dataset.from_tensor_slices((order[skipped:], seeds[skipped:]))

    passes = (
        _iteration_seeds(seed)
        .batch(2)
        .take(1)
        .flat_map(
            lambda seed: tf.data.Dataset.counter(first_pass).map(lambda number: (seed, number))
        )
    )

    def name(index: Any, seed: Any) -> Any:
        if masks is None or masks.is_paired:
            return names[index], own[index], seed
        # Neither the window nor the mirror draws from this seed.
        mask_seed = tf.random.experimental.stateless_fold_in(seed, 2)
        drawn = tf.random.stateless_uniform((), mask_seed, 0, len(masks.paths), tf.int32)
        return names[index], mask_names[drawn], seed

    return passes.flat_map(one_pass).map(name)


def _part(dataset: Any, own: range, size: int) -> Any:
    """Of each batch of `size`, those images alone that this worker reads."""
    if len(own) == size:
        return dataset

    def is_own(number: Any, element: Any) -> Any:
        return (number % size >= own.start) & (number % size < own.stop)

    return dataset.enumerate().filter(is_own).map(lambda _, element: element)


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
