"""Photos on disk as a `keras.utils.PyDataset`, read by Pillow."""

import functools
import os
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_inpaint.data.photo_files import PhotoFiles, check_options
from keras_inpaint.data.skip_log import SkipLog
from keras_inpaint.data.sources import Source
from keras_inpaint.pictures import MAX_PIXELS
from keras_inpaint.pictures.pixels import Images, to_grey, to_images
from keras_inpaint.pictures.resizing import centre_square, downsample, upsample

Window = tuple[int, int, int]


class PictureDataset(keras.utils.PyDataset):
    """Streams square crops of photos on disk, without TensorFlow.

    What `keras_inpaint.data.photos` gives where TensorFlow is not installed: the same
    squares of the same photos, drawn in the same way, though not the very same draws.
    Worker threads read some batches ahead. Batches follow from the seed and their number
    alone, whichever thread is first.

    Args:
        source: As all others but the last, see `keras_inpaint.data.photos`; or the
            `PhotoFiles` of an earlier stream, which are not looked for again.
        workers: int or None. Threads that read; None for one per processor, at most 8.

    Raises:
        FileNotFoundError: If the source, or that of the masks, is missing.
        ValueError: If an argument is out of its bounds, there are too few photos, none
            can be decoded, or the masks do not fit them.

    Example:
    >>> import os, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> keras_inpaint.pictures.write_picture(
    ...     os.path.join(folder, "a.png"),
    ...     keras_inpaint.pictures.Picture(np.zeros((40, 60, 3), "uint8")))
    >>> dataset = keras_inpaint.data.PictureDataset(folder, image_size=32, batch_size=1)
    >>> dataset.num_batches, dataset[0].shape
    (1, (1, 32, 32, 3))
    """

    def __init__(
        self,
        source: Source | PhotoFiles,
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
        masks: Source | None = None,
        mask_choice: str = "paired",
        mask_options: dict[str, Any] | None = None,
        leave_out: Sequence[str | os.PathLike[str]] = (),
        max_pixels: int | None = MAX_PIXELS,
        memory_limit: int | None = None,
        part: tuple[int, int] = (0, 1),
        start: int = 0,
        max_skipped: float = 1.0,
        channels: int = 3,
        workers: int | None = None,
    ) -> None:
        check_options(image_size, batch_size, crop, min_scale, seed, start, repeat, channels)
        # Batches that wait take memory: a few are enough.
        super().__init__(workers or min(os.cpu_count() or 1, 8), max_queue_size=4)
        if not isinstance(source, PhotoFiles):
            source = PhotoFiles(
                source,
                batch_size,
                drop_remainder,
                masks,
                mask_choice,
                log,
                mask_options,
                leave_out,
                max_pixels,
                memory_limit,
                part,
                max_skipped,
            )
        self.files = source
        self.image_size = image_size
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.flip = flip
        self.crop = crop
        self.seed = int(seed) % 2**64
        self.repeat = repeat
        self.drop_remainder = drop_remainder
        self.min_scale = min_scale
        self.start = start
        self.channels = channels
        self._epoch = 0
        # Threads ask for batches of one epoch, and rarely of two.
        self._order = functools.lru_cache(maxsize=2)(self._drawn_order)

    @property
    def num_batches(self) -> int | None:
        """int: Batches an epoch; `None` where the stream goes on for ever."""
        return None if self.repeat else self._batches_an_epoch

    @property
    def _batches_an_epoch(self) -> int:
        return self.files.num_batches(self.batch_size, self.drop_remainder)

    def on_epoch_end(self) -> None:
        self._epoch += 1

    def __getitem__(self, index: int) -> Any:
        epoch = self._epoch
        if self.repeat:
            epoch, index = divmod(self.start + index, self._batches_an_epoch)
        order = self._order(epoch)
        size = self.batch_size * self.files.part[1]
        first = index * size
        own = self.files.own(self.batch_size, min(size, len(order) - first))
        pictures = [self._picture(order, epoch, first + position) for position in own]
        # Also of none, which a worker may be left in a last batch.
        shape = (len(pictures), self.image_size, self.image_size)
        images = np.reshape([image for image, _ in pictures], (*shape, self.channels))
        images = images.astype(np.float32)
        if self.files.masks is None:
            return images
        masks = np.reshape([mask for _, mask in pictures], (*shape, 1)).astype(np.float32)
        return images, masks

    def _drawn_order(self, epoch: int) -> NDArray[np.int_]:
        """Indices of all photos in the order of an epoch."""
        order = np.arange(len(self.files.paths))
        if self.shuffle:
            order = np.random.default_rng((self.seed, epoch)).permutation(order)
        return order

    def _picture(
        self, order: NDArray[np.int_], epoch: int, position: int
    ) -> tuple[Images, Any]:
        """The photo at a position of an epoch's order, or the next that can be read."""
        rng = np.random.default_rng((self.seed, epoch, position))
        while (picture := self._read(int(order[position % len(order)]), rng)) is None:
            self.files.check_enough_is_left()
            position += 1
        return picture

    def _read(self, index: int, rng: np.random.Generator) -> tuple[Images, Any] | None:
        path, masks = self.files.paths[index], self.files.masks
        pixels = self.files.read(path)
        if pixels is None:
            return None
        height, width, _ = pixels.shape
        top, left, side = self._window(height, width, rng)
        is_mirrored = self.flip and bool(rng.random() < 0.5)
        square = pixels[top : top + side, left : left + side]
        image = _resized(square, self.image_size, self.channels)
        image = image[:, ::-1] if is_mirrored else image
        if masks is None:
            return image, None
        chosen = index if masks.is_paired else int(rng.integers(len(masks.paths)))
        window = (top, left, side)
        mask = masks.cut(
            path, masks.paths[chosen], (height, width), window, self.image_size, is_mirrored
        )
        return None if mask is None else (image, mask)

    def _window(self, height: int, width: int, rng: np.random.Generator) -> Window:
        """Top, left and side of the square that is looked at."""
        short = min(height, width)
        if self.crop == "centre":
            return centre_square(height, width)
        smallest = min(short, self.image_size)
        if self.min_scale is not None:
            smallest = min(max(int(np.ceil(self.min_scale * short)), 1), short)
        side = int(rng.integers(smallest, short, endpoint=True))
        top = int(rng.integers(height - side, endpoint=True))
        left = int(rng.integers(width - side, endpoint=True))
        return top, left, side


def _resized(square: NDArray[np.uint8], image_size: int, channels: int) -> Images:
    """Bytes of a square as an image in `[-1, 1]`."""
    size = (image_size, image_size)
    # In floats: Pillow rounds bytes after each of two passes.
    levels = square.astype(np.float32)
    levels = to_grey(levels) if channels == 1 else levels
    # The mean over an area keeps fine patterns from aliasing; a larger square would repeat
    # pixels.
    if len(square) >= image_size:
        return to_images(downsample(levels, size))
    return to_images(upsample(levels, size, is_sharp=False))
