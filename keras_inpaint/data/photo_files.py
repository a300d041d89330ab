"""The files that a stream of photos reads: photos and, if asked for, their masks."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from keras_inpaint.arguments import check_choice, check_int, check_memory_limit, is_int
from keras_inpaint.data.pairs import apart, find_pairs
from keras_inpaint.data.skip_log import SkipLog
from keras_inpaint.data.sources import Source, find_files
from keras_inpaint.pictures import MAX_PIXELS, read_picture
from keras_inpaint.pictures.masks import MaskOptions, check_mask_size, stored_orientation
from keras_inpaint.pictures.opening import default_memory_limit, pixels_within
from keras_inpaint.pictures.pixels import Bytes, Holes
from keras_inpaint.pictures.resizing import centre_square, resize_holes


class Limits(NamedTuple):
    """What reading one photo or mask may take: pixels, and bytes of memory."""

    max_pixels: int | None
    memory_limit: int

    @classmethod
    def of(cls, max_pixels: int | None, memory_limit: int | None) -> Self:
        """Checks limits that a user gave, see `keras_inpaint.data.photos`."""
        check_int("max_pixels", max_pixels, "counts pixels", at_least=1, or_none="any")
        check_memory_limit(memory_limit)
        return cls(max_pixels, memory_limit or default_memory_limit())


class PhotoFiles:
    """Photos on disk and, if asked for, their masks, seen to be there.

    Args:
        source: See `keras_inpaint.data.photos`, and so all others.
        batch_size: int.
        drop_remainder: bool.
        masks: Mask files, or None.
        mask_choice: `"paired"` or `"random"`.
        log: `SkipLog` or None.
        mask_options: dict or None.
        leave_out: Sequence of paths.
        max_pixels: int or None.
        memory_limit: int or None.
        part: Pair of ints.
        max_skipped: float.
        names: Pair of str. What the caller calls `source` and `masks`, for errors.

    Attributes:
        paths: List of str.
        masks: `MaskFiles` or None.
        log: `SkipLog`.
        part: Pair of ints: index and number of the parts that workers read.
        max_plain: int. Pixels of the largest photo that any decoder may read.

    Raises:
        FileNotFoundError: If the source, or that of the masks, is missing.
        ValueError: If there are too few photos, none can be decoded, or the masks do not
            fit them.
    """

    def __init__(
        self,
        source: Source,
        batch_size: int,
        drop_remainder: bool = True,
        masks: Source | None = None,
        mask_choice: str = "paired",
        log: SkipLog | None = None,
        mask_options: dict[str, Any] | None = None,
        leave_out: Sequence[str | os.PathLike[str]] = (),
        max_pixels: int | None = MAX_PIXELS,
        memory_limit: int | None = None,
        part: tuple[int, int] = (0, 1),
        max_skipped: float = 1.0,
        names: tuple[str, str] = ("source", "masks"),
    ) -> None:
        check_choice("mask_choice", mask_choice, ("paired", "random"))
        _check_part(part)
        if not 0 <= max_skipped <= 1:
            raise ValueError(
                "`max_skipped` is a fraction of the photos and must be at least 0 and at most "
                f"1. Received: max_skipped={max_skipped}"
            )
        options = MaskOptions.of(mask_options, has_masks=masks is not None)
        self._limits = Limits.of(max_pixels, memory_limit)
        self.max_plain = min(max_pixels or MAX_PIXELS, pixels_within(self._limits.memory_limit))
        self.log = SkipLog() if log is None else log
        self.masks = None
        self.part = part
        self.max_skipped = max_skipped
        self._names = names
        self._num_counted = 0
        if masks is not None and mask_choice == "paired":
            self.paths, own = self._paired(source, masks, options.pattern, leave_out)
            self.masks = MaskFiles(own, True, self.log, options, self._limits)
        elif masks is not None:
            self.paths = self._found(source, names[0], [*leave_out, *apart(masks, source)])
            others = self._found(masks, names[1], leave_out, are_masks=True)
            self.masks = MaskFiles(others, False, self.log, options, self._limits)
        else:
            self.paths = self._found(source, names[0], leave_out)
        if len(self.paths) < (batch_size * part[1] if drop_remainder else 1):
            parts = "" if part[1] == 1 else f" for {part[1]} workers"
            raise ValueError(
                f"`{names[0]}` must hold at least one batch of photos. Lower `batch_size`, add "
                "photos, or pass `drop_remainder=False`. "
                f"Received: {len(self.paths)} photos{parts}, batch_size={batch_size}"
            )
        self._check_any_is_read()

    def _found(
        self,
        source: Source,
        name: str,
        leave_out: Sequence[str | os.PathLike[str]],
        are_masks: bool = False,
    ) -> list[str]:
        found = find_files(source, leave_out, name, are_masks)
        self.log.leave_out(found.left_out)
        return found.paths

    def _paired(
        self,
        source: Source,
        masks: Source,
        pattern: str | None,
        leave_out: Sequence[str | os.PathLike[str]],
    ) -> tuple[list[str], list[str]]:
        found = find_pairs(source, masks, pattern, leave_out, self._names)
        self.log.leave_out(found.left_out)
        if found.without_mask:
            path, reason = next(iter(found.without_mask.items()))
            raise ValueError(
                "Each photo needs a mask of its own: of its name, or that and `_mask`, or as "
                '`pattern` says; or choose `mask_choice="random"`. Received: '
                f"{len(found.without_mask)} photos without, the first one {path!r}: {reason}"
            )
        return [pair.photo for pair in found.pairs], [pair.mask for pair in found.pairs]

    def read(self, path: str) -> Bytes | None:
        """Reads a photo; of one that cannot be read, the log has the reason."""
        if path in self.log:
            return None
        try:
            return read_picture(path, *self._limits).pixels
        except (OSError, ValueError) as error:
            self.log.add(path, str(error))
            return None

    def num_batches(self, batch_size: int, drop_remainder: bool) -> int:
        """Computes the number of batches per epoch, the same for each worker."""
        whole, rest = divmod(len(self.paths), batch_size * self.part[1])
        return whole if drop_remainder or not rest else whole + 1

    def own(self, batch_size: int, size: int | None = None) -> range:
        """Finds the images of a batch of all workers together that this one reads.

        Args:
            batch_size: int. Images of each worker.
            size: int or `None`. Images of all workers, where it is a last, smaller batch.
        """
        index, num_parts = self.part
        size = batch_size * num_parts if size is None else size
        return range(min(index * batch_size, size), min((index + 1) * batch_size, size))

    def check_enough_is_left(self) -> None:
        """Raises a ValueError if too many photos, or their own masks, are in the log."""
        allowed = min(int(self.max_skipped * len(self.paths)), len(self.paths) - 1)
        # The log may be that of other streams too, and keeps masks: what it has in all is
        # soon looked up, what it has of these photos not.
        count = self.log.count
        if count <= max(allowed, self._num_counted):
            return
        own = self.paths
        if self.masks is not None and self.masks.is_paired:
            own = self.masks.paths
        pairs = zip(self.paths, own, strict=True)
        num_skipped = sum(photo in self.log or mask in self.log for photo, mask in pairs)
        if num_skipped == len(self.paths):
            raise ValueError(
                "None of the photos can be decoded any more; is their folder still there? "
                f"Received: {len(self.paths)} photos, the first one {self.paths[0]!r}"
            )
        if num_skipped > allowed:
            raise ValueError(
                f"More than a fraction of {self.max_skipped:g} of the photos cannot be used. "
                "Look at where they are, or raise `max_skipped`. The last one failed with: "
                f"{self.log.last_reason}. Received: {num_skipped} of {len(self.paths)} photos"
            )
        self._num_counted = count

    def _check_any_is_read(self) -> None:
        for index, path in enumerate(self.paths):
            pixels = self.read(path)
            if pixels is None:
                continue
            height, width, _ = pixels.shape
            masks = self.masks
            window = (0, 0, min(height, width))
            if masks is None or any(
                masks.cut(path, mask, (height, width), window, 1, False) is not None
                for mask in (masks.paths[index : index + 1] if masks.is_paired else masks.paths)
            ):
                return
        raise ValueError(
            f"`{self._names[0]}` must hold photos that can be decoded, and none can. The first "
            f"failed with: {next(iter(self.log.reasons.values()))}. "
            f"Received: {len(self.paths)} files"
        )


class MaskFiles:
    """The mask files of photos: each photo's own, or random ones.

    Args:
        paths: List of str. Mask files: of paired ones one per photo, in the photos' order.
        is_paired: bool. Whether they are the photos' own.
        log: `SkipLog` that keeps what cannot be used.
        options: `MaskOptions`.
        limits: `Limits`.
    """

    def __init__(
        self,
        paths: list[str],
        is_paired: bool,
        log: SkipLog,
        options: MaskOptions,
        limits: Limits,
    ) -> None:
        self.paths = paths
        self.is_paired = is_paired
        self.log = log
        self.options = options
        self.limits = limits

    def cut(
        self,
        photo: str,
        path: str,
        size: tuple[int, int],
        window: tuple[int, int, int],
        image_size: int,
        is_mirrored: bool,
    ) -> NDArray[np.float32] | None:
        """Cuts out of a mask what was cut out of its photo.

        Of a mask that is not the photo's own, the largest square in the middle is taken.

        Args:
            photo: str. The photo's path.
            path: str. One of `paths`.
            size: Height and width of the photo.
            window: Top, left and side of the photo's square.
            image_size: int. Side of the square that comes out.
            is_mirrored: bool. Whether the photo is mirrored left to right.

        Returns:
            float32 array of shape `(image_size, image_size, 1)`: 1 in the hole, else 0.
            `None` where the file is no such mask; it is named in the log.
        """
        mask = self._read(photo, path, size)
        if mask is None:
            return None
        if not self.is_paired:
            window = centre_square(*mask.shape)
        top, left, side = window
        square = mask[top : top + side, left : left + side]
        if is_mirrored:
            square = square[:, ::-1]
        holes = resize_holes(square, (image_size, image_size))
        return holes[..., None].astype(np.float32)

    def _read(self, photo: str, path: str, size: tuple[int, int]) -> Holes | None:
        if path in self.log:
            self._check_any_is_left(self.log.reasons[path])
            return None
        try:
            own = photo if self.is_paired else None
            mask = self.options.find_holes(path, own, *self.limits)
            if own is not None and mask.holes.shape != size:
                check_mask_size(mask.holes.shape, size, repr(path), stored_orientation(own))
        except (OSError, ValueError) as error:
            self.log.add(path, str(error))
            self._check_any_is_left(str(error))
            return None
        if mask.is_constant:
            self.log.note(path, f"has no hole: it holds {mask.seen}")
        return mask.holes

    def _check_any_is_left(self, reason: str) -> None:
        if all(path in self.log for path in self.paths):
            raise ValueError(
                f"None of the masks can be used. The last one failed with: {reason}. "
                f"Received: {len(self.paths)} masks"
            )


def _check_part(part: tuple[int, int]) -> None:
    fits = isinstance(part, tuple | list) and len(part) == 2 and all(map(is_int, part))
    if not fits or not 0 <= part[0] < part[1]:
        raise ValueError(
            "`part` is the index of a worker, from 0 on, and their number. "
            f"Received: part={part!r}"
        )


def check_options(
    image_size: int,
    batch_size: int,
    crop: str,
    min_scale: float | None,
    seed: int = 0,
    start: int = 0,
    repeat: bool = True,
    channels: int = 3,
) -> None:
    """Raises a ValueError for what no stream of photos can do."""
    check_int("image_size", image_size, "is the side of the images in pixels", at_least=1)
    check_int("batch_size", batch_size, "counts the images of a batch", at_least=1)
    check_int("seed", seed, "is what order and crops follow from")
    check_int("start", start, "counts the batches that come before", at_least=0)
    if start and not repeat:
        raise ValueError(
            "`start` is for streams that go on for ever: pass `repeat=True`. "
            f"Received: start={start}"
        )
    check_choice("crop", crop, ("random", "centre"))
    if channels not in (1, 3):
        raise ValueError(
            "`channels` of photos are 3, red, green and blue, or 1, grey. Images of other "
            f"channels are passed to `fit` in arrays. Received: channels={channels!r}"
        )
    if min_scale is not None and not 0 < min_scale <= 1:
        raise ValueError(
            "`min_scale` is a fraction of the short side and must be above 0 and at most 1. "
            f"Received: min_scale={min_scale}"
        )


def seed_at_step(seed: int, step: int) -> int:
    """Makes the seed of the stream that a run begins at one of its steps.

    By a hash: were it the sum of both, a run would see at a step what one of the next seed
    saw a step before.

    Args:
        seed: int. The seed of the run.
        step: int. The step.

    Returns:
        int: at least 0, below 2**64.

    Example:
    >>> from keras_inpaint.data.photo_files import seed_at_step
    >>> seed_at_step(1, 2) == seed_at_step(2, 1)
    False
    """
    words = np.random.SeedSequence((int(seed) % 2**64, int(step) % 2**64)).generate_state(
        1, np.uint64
    )
    return int(words[0])
