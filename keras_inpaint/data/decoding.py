"""From the path of a photo to a square of its pixels."""

import os
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_inpaint.data.skip_log import SkipLog
from keras_inpaint.data.windows import Window
from keras_inpaint.pictures import is_plain, read_picture

Tensor = Any
Dataset = Any


class CropDecoder:
    """Decodes squares of photos, fast where it can be and right everywhere.

    Plain JPEG and PNG files go through TensorFlow's decoders, of a JPEG only
    the rows of the square are decoded, and large ones at a half, a quarter or
    an eighth of their size where that is enough. What these decoders refuse,
    or would get wrong (turned, CMYK, 16 bits, other formats), goes through
    `keras_inpaint.pictures.read_picture`; what that refuses is skipped.

    Args:
        window: Function of height, width and seed that returns
            `(top, left, side)` of the square.
        image_size: int. Side of the square that comes out.
        flip: bool. Whether to mirror every second square, by chance.
        num_photos: int. Photos of the source: when all are skipped, there is
            nothing to go on with.
        log: `SkipLog` that keeps what is skipped.
    """

    def __init__(
        self, window: Window, image_size: int, flip: bool, num_photos: int, log: SkipLog
    ) -> None:
        self.window = window
        self.image_size = image_size
        self.flip = flip
        self.num_photos = num_photos
        self.log = log

    def attempts(self, path: Tensor, seed: Tensor) -> Dataset:
        """Returns a dataset of one pair: an image, and whether it was read."""
        photo = tf.data.Dataset.from_tensors((path, seed))
        # A graph has no `try`; datasets have: an element whose decoder fails
        # is dropped, and the next attempt takes its place.
        fast = photo.map(self._decode_fast).ignore_errors(log_warning=False)
        return fast.concatenate(photo.map(self._decode_slow)).take(1)

    def _decode_fast(self, path: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
        content = tf.io.read_file(path)
        is_jpeg = tf.strings.substr(content, 0, 2) == b"\xff\xd8"
        plain = tf.numpy_function(is_plain, [content], tf.bool, stateful=False)
        with tf.control_dependencies([tf.debugging.Assert(plain, ["not plain"])]):
            crop = tf.cond(
                is_jpeg,
                lambda: self._crop_jpeg(content, seed),
                lambda: self._crop(tf.image.decode_png(content, channels=3), seed),
            )
        return self._finish(crop, seed), tf.constant(True)

    def _decode_slow(self, path: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
        pixels, is_read = tf.numpy_function(
            self._read, [path], (tf.uint8, tf.bool), stateful=False
        )
        pixels.set_shape((None, None, 3))
        is_read.set_shape(())
        return self._finish(self._crop(pixels, seed), seed), is_read

    def _read(self, path: bytes) -> tuple[NDArray[np.uint8], np.bool]:
        name = os.fsdecode(path)
        if name not in self.log:
            try:
                return read_picture(name).pixels, np.True_
            except (OSError, ValueError) as error:
                self.log.add(name, str(error))
        if self.log.count >= self.num_photos:
            raise ValueError(
                "None of the photos can be decoded any more; is their folder still "
                f"there? Received: {self.num_photos} photos, the last one {name!r}"
            )
        return np.zeros((1, 1, 3), np.uint8), np.False_

    def _crop_jpeg(self, content: Tensor, seed: Tensor) -> Tensor:
        height, width, channels = tf.unstack(tf.io.extract_jpeg_shape(content), num=3)
        top, left, side = tf.unstack(self.window(height, width, seed), num=3)

        def decode(ratio: int) -> Tensor:
            return tf.raw_ops.DecodeAndCropJpeg(
                contents=content,
                crop_window=tf.stack([top, left, side, side]) // ratio,
                channels=3,
                ratio=ratio,
                dct_method="INTEGER_ACCURATE",
            )

        # CMYK has four channels, and needs its profile.
        with tf.control_dependencies([tf.debugging.assert_less(channels, 4)]):
            halvings = sum(
                tf.cast(side >= ratio * self.image_size, tf.int32) for ratio in (2, 4, 8)
            )
        return tf.switch_case(
            halvings, [lambda ratio=ratio: decode(ratio) for ratio in (1, 2, 4, 8)]
        )

    def _crop(self, pixels: Tensor, seed: Tensor) -> Tensor:
        shape = tf.shape(pixels)
        top, left, side = tf.unstack(self.window(shape[0], shape[1], seed), num=3)
        return pixels[top : top + side, left : left + side]

    def _finish(self, crop: Tensor, seed: Tensor) -> Tensor:
        """Turns bytes of a square into an image in `[-1, 1]`, perhaps mirrored."""
        size = (self.image_size, self.image_size)
        crop = tf.ensure_shape(crop, (None, None, 3))
        if self.flip:
            # The window draws from `seed` itself; the mirror must not follow it.
            mirror_seed = tf.random.experimental.stateless_fold_in(seed, 1)
            is_mirrored = tf.random.stateless_uniform((), mirror_seed) < 0.5
            crop = tf.cond(is_mirrored, lambda: tf.reverse(crop, [1]), lambda: crop)
        # The mean over an area keeps fine patterns from aliasing; for
        # enlarging it would repeat pixels.
        image = tf.cond(
            tf.shape(crop)[0] >= self.image_size,
            lambda: tf.image.resize(crop, size, method="area"),
            lambda: tf.image.resize(crop, size, method="bilinear"),
        )
        # The mean of many 255 can exceed 255 in float32.
        image = tf.minimum(image, 255.0) / 127.5 - 1.0
        return tf.ensure_shape(image, (*size, 3))
