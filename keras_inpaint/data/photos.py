"""Photos on disk as batches of images."""

import os
from collections.abc import Sequence
from typing import Any

from keras_inpaint.data.photo_files import PhotoFiles, check_options
from keras_inpaint.data.skip_log import SkipLog
from keras_inpaint.data.sources import Source
from keras_inpaint.pictures import MAX_PIXELS


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
) -> Any:
    """Streams square crops of photos on disk, ready for `fit`.

    Any file that `keras_inpaint.pictures.read_picture` reads will do; plain
    JPEG files are fastest. A file that cannot be decoded is skipped, named
    once in a warning and kept in `log`; another photo is read instead, so
    that every epoch has the same number of batches. Photos smaller than
    `image_size` are upsampled.

    The same seed gives the same batches, in another order and with other
    crops each epoch. For validation pass
    `crop="centre", shuffle=False, flip=False`: every pass is then the same.

    Args:
        source: A folder (with those below it), an iterable of paths, a
            pattern, or a text file that lists paths, relative to it, one
            per line. See `find_photos`.
        image_size: int. Height and width of the images, in pixels.
        batch_size: int. Images per batch, of several workers those of each.
        shuffle: bool. Whether to draw the photos in random order.
        flip: bool. Whether to mirror half of the images, at random, left to
            right.
        crop: `"random"`: a square whose side is drawn between `image_size`
            pixels and the photo's short side, anywhere in the photo.
            `"centre"`: the largest square in the middle.
        seed: int, of any size and sign. Order, crops and mirroring follow from it and
            from how often the stream was iterated before, and from no global seed.
        repeat: bool. Whether the stream goes on for ever; `fit` then needs
            `steps_per_epoch`.
        drop_remainder: bool. Whether to leave out a last, smaller batch.
        min_scale: float in `(0, 1]` or None. For random crops: the smallest
            side as a fraction of the photo's short side. None for `image_size`
            pixels.
        log: `SkipLog` or None. Keeps the files that were skipped.
        masks: None, or mask files, given as the photos are. What
            `keras_inpaint.pictures.read_mask` takes for the hole is 1.
        mask_choice: `"paired"`: a photo's mask is the one that
            `keras_inpaint.data.find_pairs` finds, and has its size; it is
            cropped and mirrored like it.
            `"random"`: any mask goes with any photo, another one each time;
            the largest square in its middle is taken.
        mask_options: dict or None. What masks mean: `invert`, `from_alpha` and
            `grow`, arguments of `keras_inpaint.pictures.read_mask`; `turn`: whether
            a photo's own mask is turned as EXIF turns the photo; `pattern`: what
            masks are called, an argument of `keras_inpaint.data.find_pairs`.
        leave_out: Sequence of paths of folders that are not searched, such as
            that of a run's output.
        max_pixels: int or None. Pixels of the largest photo or mask that is read;
            None for any number.
        memory_limit: int or None. Bytes that reading one of them may take; None
            for half of the machine's memory.
        part: Pair of ints: the index of this worker, from 0 on, and the number of workers.
            Of each batch of all workers together, each reads its own part, and decodes no
            other photos. Their parts, one after the other, are the batch that one process
            would read; from a damaged photo on, it would draw others.
        start: int. Batches to pass over, of a stream with `repeat`: nothing of them is
            read, and what follows is what would have come after them.
        max_skipped: float. The stream ends with an error once more than this fraction of
            the photos, or their own masks, turn out to be damaged.
        channels: `3`, or `1` for grey images: the brightness of the photos.

    Returns:
        `tf.data.Dataset` of float32 tensors `(batch, size, size, channels)`: RGB, or grey, in
        `[-1, 1]`; with masks, of pairs of them and of `(batch, size, size, 1)`:
        1 in the hole, else 0. Its cardinality is known. Where TensorFlow is
        not installed, a `keras_inpaint.data.PictureDataset`, which is slower.

    Raises:
        FileNotFoundError: If the source, or that of the masks, is missing.
        ValueError: If an argument is out of its bounds, the source holds no
            photo that can be decoded, or fewer than one batch where
            `drop_remainder`, or a photo's own mask is missing.

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
    check_options(image_size, batch_size, crop, min_scale, seed, start, repeat, channels)
    batches: dict[str, Any] = {"batch_size": batch_size, "drop_remainder": drop_remainder}
    options: dict[str, Any] = {
        **batches,
        "image_size": image_size,
        "shuffle": shuffle,
        "flip": flip,
        "crop": crop,
        "seed": seed,
        "repeat": repeat,
        "min_scale": min_scale,
        "start": start,
        "channels": channels,
    }
    reading: dict[str, Any] = {
        "masks": masks,
        "mask_choice": mask_choice,
        "log": log,
        "mask_options": mask_options,
        "leave_out": leave_out,
        "max_pixels": max_pixels,
        "memory_limit": memory_limit,
        "part": part,
        "max_skipped": max_skipped,
    }
    files = PhotoFiles(source, **batches, **reading)
    return stream(files, **options)


def stream(files: PhotoFiles, **options: Any) -> Any:
    """Streams photos that were found before.

    Args:
        files: `PhotoFiles`.
        **options: As `photos` has them, beside those of `PhotoFiles`.

    Returns:
        See `photos`.
    """
    try:
        # Late, so that the package can be imported where TensorFlow is not installed.
        from keras_inpaint.data.photo_stream import photo_stream
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            raise
        from keras_inpaint.data.picture_dataset import PictureDataset

        return PictureDataset(files, **options)
    return photo_stream(files, **options)
