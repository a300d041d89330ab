"""Masks on disk, for photos on disk."""

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_inpaint.arguments import check_choice
from keras_inpaint.data.skip_log import SkipLog
from keras_inpaint.data.sources import Source, find_photos
from keras_inpaint.pictures import read_mask
from keras_inpaint.pictures.resizing import centre_square, resize_holes


class MaskFiles:
    """The mask files of photos: each photo's own, or random ones.

    Args:
        source: Mask files, given as photos are to `find_photos`.
        photos: List of str. Paths of the photos.
        choice: `"paired"`: a photo's mask has its name but for folder and suffix.
            `"random"`: any mask goes with any photo.
        log: `SkipLog` that keeps what cannot be used.

    Attributes:
        paths: List of str. Of paired masks one per photo, in the photos' order.
        is_paired: bool.

    Raises:
        FileNotFoundError: If the source is missing.
        ValueError: If a photo has no mask, or more than one.
    """

    def __init__(self, source: Source, photos: list[str], choice: str, log: SkipLog) -> None:
        check_choice("mask_choice", choice, ("paired", "random"))
        self.is_paired = choice == "paired"
        self.paths = find_photos(source)
        if self.is_paired:
            self.paths = _paired(self.paths, photos)
        self.log = log

    def cut(
        self,
        path: str,
        size: tuple[int, int],
        window: tuple[int, int, int],
        image_size: int,
        is_mirrored: bool,
    ) -> NDArray[np.float32] | None:
        """Cuts out of a mask what was cut out of its photo.

        Of a mask that is not the photo's own, the largest square in the middle is taken.

        Args:
            path: str. One of `paths`.
            size: Height and width of the photo.
            window: Top, left and side of the photo's square.
            image_size: int. Side of the square that comes out.
            is_mirrored: bool. Whether the photo is mirrored left to right.

        Returns:
            float32 array of shape `(image_size, image_size, 1)`: 1 in the hole, else 0.
            `None` where the file is no such mask; it is named in the log.
        """
        mask = self._read(path, size)
        if mask is None:
            return None
        if not self.is_paired:
            window = centre_square(*mask.shape)
        top, left, side = window
        square = mask[top : top + side, left : left + side]
        if is_mirrored:
            square = square[:, ::-1]
        holes = resize_holes(square.astype(bool), (image_size, image_size))
        return holes[..., None].astype(np.float32)

    def _read(self, path: str, size: tuple[int, int]) -> NDArray[np.uint8] | None:
        if path in self.log:
            self._check_any_is_left(self.log.reasons[path])
            return None
        try:
            mask = read_mask(path)
            if self.is_paired and mask.shape != size:
                raise ValueError(
                    f"A mask must be of its photo's size, {size[1]} x {size[0]} pixels. "
                    f"Received: {mask.shape[1]} x {mask.shape[0]} pixels"
                )
        except (OSError, ValueError) as error:
            self.log.add(path, str(error))
            self._check_any_is_left(str(error))
            return None
        return mask

    def _check_any_is_left(self, reason: str) -> None:
        if all(path in self.log for path in self.paths):
            raise ValueError(
                f"None of the masks can be used. The last one failed with: {reason}. "
                f"Received: {len(self.paths)} masks"
            )


def masks_by_name(masks: list[str], photos: list[str]) -> list[str | None]:
    """Finds the mask of each photo: that of its name, but for folder and suffix.

    Args:
        masks: List of paths.
        photos: List of paths.

    Returns:
        List of paths like `photos`; `None` for a photo without a mask.

    Raises:
        ValueError: If two photos, or two masks, have one name.
    """
    for kind, paths in (("photos", photos), ("masks", masks)):
        counts = Counter(Path(path).stem for path in paths)
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            raise ValueError(
                f"The {kind} must differ in more than folder and suffix, or a photo's mask "
                f"is ambiguous. Rename some. Received: several named {twice[0]!r}"
            )
    mask_of = {Path(path).stem: path for path in masks}
    return [mask_of.get(Path(path).stem) for path in photos]


def _paired(masks: list[str], photos: list[str]) -> list[str]:
    own = masks_by_name(masks, photos)
    bare = [path for path, mask in zip(photos, own, strict=True) if mask is None]
    if bare:
        raise ValueError(
            "Each photo needs a mask of its name, but for folder and suffix; or choose "
            '`mask_choice="random"`. '
            f"Received: {len(bare)} photos without, the first one {bare[0]!r}"
        )
    return [mask for mask in own if mask is not None]
