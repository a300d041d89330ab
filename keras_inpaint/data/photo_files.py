"""The files that a stream of photos reads."""

import numpy as np

from keras_inpaint.arguments import check_choice, check_int
from keras_inpaint.data.mask_files import MaskFiles
from keras_inpaint.data.skip_log import SkipLog
from keras_inpaint.data.sources import Source, find_photos
from keras_inpaint.pictures import read_picture


class PhotoFiles:
    """Photos on disk and, if asked for, their masks, seen to be there.

    Args:
        source: See `keras_inpaint.data.photos`, and so all others.
        batch_size: int.
        drop_remainder: bool.
        masks: Mask files, or None.
        mask_choice: `"paired"` or `"random"`.
        log: `SkipLog` or None.

    Attributes:
        paths: List of str.
        masks: `MaskFiles` or None.
        log: `SkipLog`.

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
    ) -> None:
        self.log = SkipLog() if log is None else log
        self.paths = find_photos(source)
        if drop_remainder and len(self.paths) < batch_size:
            raise ValueError(
                "`source` must hold at least one batch of photos. Lower `batch_size`, add "
                "photos, or pass `drop_remainder=False`. "
                f"Received: {len(self.paths)} photos, batch_size={batch_size}"
            )
        self.masks = None
        if masks is not None:
            self.masks = MaskFiles(masks, self.paths, mask_choice, self.log)
        self._check_any_is_read()

    def num_batches(self, batch_size: int, drop_remainder: bool) -> int:
        """Computes the number of batches per epoch."""
        if drop_remainder:
            return len(self.paths) // batch_size
        return -(-len(self.paths) // batch_size)

    def check_any_is_left(self) -> None:
        """Raises a ValueError if all photos, or their own masks, are in the log."""
        # Not a count: the log may be that of other streams too, and keeps masks.
        own = self.paths
        if self.masks is not None and self.masks.is_paired:
            own = self.masks.paths
        pairs = zip(self.paths, own, strict=True)
        if all(photo in self.log or mask in self.log for photo, mask in pairs):
            raise ValueError(
                "None of the photos can be decoded any more; is their folder still there? "
                f"Received: {len(self.paths)} photos, the first one {self.paths[0]!r}"
            )

    def _check_any_is_read(self) -> None:
        for index, path in enumerate(self.paths):
            try:
                height, width = read_picture(path).size
            except (OSError, ValueError) as error:
                self.log.add(path, str(error))
                continue
            masks = self.masks
            window = (0, 0, min(height, width))
            if masks is None or any(
                masks.cut(mask, (height, width), window, 1, False) is not None
                for mask in (masks.paths[index : index + 1] if masks.is_paired else masks.paths)
            ):
                return
        raise ValueError(
            "`source` must hold photos that can be decoded, and none can. The first failed "
            f"with: {next(iter(self.log.reasons.values()))}. Received: {len(self.paths)} files"
        )


def check_options(
    image_size: int, batch_size: int, crop: str, min_scale: float | None, seed: int = 0
) -> None:
    """Raises a ValueError for what no stream of photos can do."""
    check_int("image_size", image_size, "is the side of the images in pixels", at_least=1)
    check_int("batch_size", batch_size, "counts the images of a batch", at_least=1)
    check_int("seed", seed, "is what order and crops follow from")
    check_choice("crop", crop, ("random", "centre"))
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
