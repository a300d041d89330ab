"""Photos with their holes, one after the other."""

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inpaint.arguments import check_hole_area
from keras_inpaint.data import find_pairs, find_photos
from keras_inpaint.data.photo_files import Limits
from keras_inpaint.inpainting.pixels import check_photos
from keras_inpaint.masks import Boxes, Mixture, Strokes
from keras_inpaint.masks.nesting import check_areas
from keras_inpaint.ops.random import picture_seeds
from keras_inpaint.pictures import MAX_PIXELS, read_picture
from keras_inpaint.pictures.masks import MaskOptions, check_mask_size, stored_orientation
from keras_inpaint.pictures.pixels import Bytes, Holes, to_grey, to_images
from keras_inpaint.pictures.resizing import centre_square, downsample, resize_holes, upsample

Area = tuple[float, float]
# Of images, tensors of the backend, to their lines: 1 on a line, else 0.
Sketch = Callable[[Any], Any]
HOLE_KINDS = ("boxes", "strokes", "mixture")
"""The kinds of holes that `hole_sampler` and `keras-inpaint evaluate --holes` draw."""

# A hole outside of the bounds is drawn again at most so often.
_NUM_DRAWS = 64
_SMALLEST_SIDE = 8


def hole_sampler(kind: str, height: int, width: int, hole_area: Area | None = None) -> Any:
    """Makes the sampler of a kind of holes.

    Without `hole_area`, holes are as the publications draw them for 256 pixels,
    in proportion to the photo's short side: boxes of half of it, each side moved in by up
    to an eighth of that, and brush strokes.

    Args:
        kind: `"boxes"`, `"strokes"`, or `"mixture"`: each photo has either, as often.
        height: int. Height of the photo, at least 8 pixels.
        width: int. Width of the photo, at least 8 pixels.
        hole_area: Pair of floats or `None`. The least and the greatest fraction of the photo
            that the hole covers. Boxes then have the photo's proportions. Strokes that
            cover another fraction are drawn again, up to 64 times; the closest are kept.

    Returns:
        A sampler of `keras_inpaint.masks`.

    Raises:
        ValueError: If there is no such kind, the bounds are no such fractions, the photo
            is too small, or no hole in it can lie within the bounds.

    Example:
    >>> keras_inpaint.evaluation.hole_sampler("boxes", 256, 320).height
    128
    """
    check_holes(kind, hole_area)
    side = min(height, width)
    if side < _SMALLEST_SIDE:
        raise ValueError(
            f"Photos must be at least {_SMALLEST_SIDE} x {_SMALLEST_SIDE} pixels for holes to "
            f"be drawn. Received: height={height}, width={width}"
        )
    boxes, strokes = _boxes(height, width, hole_area), Strokes.published(side)
    least, most = hole_area or (0.0, 1.0)
    bounds = {"min_area": least, "max_area": most, "num_draws": _NUM_DRAWS}
    if hole_area is not None:
        used = {"boxes": [boxes], "strokes": [strokes], "mixture": [boxes, strokes]}[kind]
        check_areas(used, least, most, height, width)
    if kind == "boxes":
        return boxes
    if kind == "strokes":
        return Mixture([strokes], **bounds)
    return Mixture([boxes, strokes], **bounds)


def check_holes(kind: str, hole_area: Area | None) -> None:
    """Raises a ValueError for an unknown kind, or bounds that are no fractions."""
    if kind not in HOLE_KINDS:
        raise ValueError(
            f"Holes that are drawn are of one of the kinds {', '.join(HOLE_KINDS)}. "
            f"Received: {kind!r}"
        )
    check_hole_area(hole_area)


def _boxes(height: int, width: int, hole_area: Area | None) -> Boxes:
    if hole_area is None:
        boxes: Boxes = Boxes.published(min(height, width) // 2)
        return boxes
    least, most = (math.sqrt(fraction) for fraction in hole_area)
    sides = [max(1, math.floor(most * length)) for length in (height, width)]
    spare = [
        side - math.ceil(least * length)
        for side, length in zip(sides, (height, width), strict=True)
    ]
    jitter = min(max(0, min(spare)) // 2, (min(sides) - 1) // 2)
    return Boxes(sides[0], sides[1], jitter=jitter)


@dataclass(frozen=True, eq=False)
class Sample:
    """A photo, uint8 of shape `(height, width, 3)`, its holes, bool, and lines like these."""

    photo: Bytes
    holes: Holes
    lines: Holes | None = None


class Samples:
    """Photos and masks as `evaluate` takes them, seen to fit each other.

    Args:
        photos: See `keras_inpaint.evaluation.evaluate`, and so all others.
        masks: Kind of holes, sampler, mask files, or arrays.
        image_size: int or `None`.
        hole_area: Pair of floats or `None`.
        seed: int.
        mask_options: dict or `None`.
        limits: `keras_inpaint.data.photo_files.Limits` or `None`. What reading may take.
        is_grey: bool. Whether the photos are made grey.
        sketch: Function of images, in `[-1, 1]`, that returns lines of them, or `None`.

    Attributes:
        names: List of str. The path of each photo or, of arrays, its number; of a photo with
            several masks, which is used with each of them, also that of the mask.
        unpaired: dict of str: photos without a mask and masks without a photo, each with the
            reason.
        masks_name: str. What the masks are, in words.

    Raises:
        FileNotFoundError: If there is no such source.
        ValueError: If photos and masks do not fit each other.
    """

    def __init__(
        self,
        photos: Any,
        masks: Any,
        image_size: int | None = None,
        hole_area: Area | None = None,
        seed: int = 0,
        mask_options: dict[str, Any] | None = None,
        limits: Limits | None = None,
        is_grey: bool = False,
        sketch: Sketch | None = None,
    ) -> None:
        self._is_grey, self._sketch = is_grey, sketch
        self._image_size = image_size
        self._hole_area = hole_area
        self._seed = seed
        is_drawn = callable(masks) or (isinstance(masks, str) and masks in HOLE_KINDS)
        self._options = MaskOptions.of(mask_options, has_masks=not is_drawn)
        self._limits = limits or Limits.of(MAX_PIXELS, None)
        self._photos = _as_list(photos)
        self.unpaired: dict[str, str] = {}
        self._sampler: Any = None
        self._masks: list[Any] = []
        self.masks_name = self._take_masks(photos, masks)
        self.names = self._names()

    def _take_masks(self, photos: Any, masks: Any) -> str:
        if isinstance(masks, str) and masks in HOLE_KINDS:
            check_holes(masks, self._hole_area)
            self._sampler = masks
            return masks
        check_hole_area(self._hole_area, is_drawn=False)
        if callable(masks):
            self._sampler = masks
            return type(masks).__name__
        if _holds_arrays(masks) or _holds_arrays(self._photos):
            found = list(masks)
            if len(found) != len(self._photos):
                raise ValueError(
                    "Each photo needs a mask of its own. "
                    f"Received: {len(self._photos)} photos, {len(found)} masks"
                )
            self._masks = found
            return "arrays"
        is_source = isinstance(photos, str | os.PathLike)
        pattern = self._options.pattern
        paired = find_pairs(photos if is_source else self._photos, masks, pattern)
        self._photos = [pair.photo for pair in paired.pairs]
        self._masks = [pair.mask for pair in paired.pairs]
        self.unpaired = {**paired.without_mask, **paired.without_photo}
        return "files"

    def _names(self) -> list[str]:
        counts = Counter(photo for photo in self._photos if not _is_array(photo))
        names = []
        for number, photo in enumerate(self._photos):
            name = str(number) if _is_array(photo) else str(photo)
            if counts.get(name, 1) > 1 and self._masks:
                name += f" with {self._masks[number]}"
            names.append(name)
        return names

    def reads(self, path: str | os.PathLike[str]) -> bool:
        """Checks whether a file is one of the photos or masks."""
        files = [each for each in (*self._photos, *self._masks) if not _is_array(each)]
        return os.path.exists(path) and any(
            os.path.exists(each) and os.path.samefile(each, path) for each in files
        )

    def load(self, index: int) -> Sample:
        """Loads a photo and its holes.

        Raises:
            OSError: If a file cannot be read.
            ValueError: If they cannot be used, with the reason.
        """
        photo = self._photos[index]
        photo = (
            np.asarray(photo) if _is_array(photo) else read_picture(photo, *self._limits).pixels
        )
        check_photos(photo[None], 3)
        if self._is_grey:
            photo = np.repeat(to_grey(photo), 3, axis=-1)
        if self._sampler is None:
            holes = self._read_holes(index, photo)
            photo, holes = _squared(photo, self._image_size), _squared(holes, self._image_size)
        else:
            photo = _squared(photo, self._image_size)
            holes = self._draw(index, *photo.shape[:2])
        if not holes.any():
            raise ValueError("The mask has no hole: nothing is filled.")
        if holes.all():
            raise ValueError("The mask leaves nothing known: there is nothing to fill from.")
        return Sample(photo, holes, self._lines(photo))

    def _lines(self, photo: Bytes) -> Holes | None:
        if self._sketch is None:
            return None
        lines = keras.ops.convert_to_numpy(self._sketch(to_images(photo[None])))
        return np.asarray(lines[0, :, :, 0] > 0.5)

    def _read_holes(self, index: int, photo: Bytes) -> Holes:
        mask, path = self._masks[index], self._photos[index]
        path = None if _is_array(path) else path
        holes = self._options.find_holes(mask, path, *self._limits).holes
        if holes.shape != photo.shape[:2]:
            name = "a mask" if _is_array(mask) else repr(mask)
            turned = 1 if path is None else stored_orientation(path)
            check_mask_size(holes.shape, photo.shape[:2], name, turned)
        return holes

    def _draw(self, index: int, height: int, width: int) -> Holes:
        sampler = self._sampler
        if isinstance(sampler, str):
            sampler = hole_sampler(sampler, height, width, self._hole_area)
        # A photo's holes depend on its index, not on which others could be read.
        masks, _ = sampler(picture_seeds(self._seed, 0, np.array([index])), height, width)
        return np.asarray(keras.ops.convert_to_numpy(masks)[0, :, :, 0] > 0.5)


def _is_array(thing: Any) -> bool:
    return hasattr(thing, "shape")


def _holds_arrays(source: Any) -> bool:
    is_name = isinstance(source, str | os.PathLike)
    return not is_name and (_is_array(source) or any(map(_is_array, source)))


def _as_list(source: Any) -> list[Any]:
    """Arrays as they are, anything else as paths."""
    if _is_array(source):
        return list(source)
    if not isinstance(source, str | os.PathLike) and isinstance(source, Iterable):
        things = list(source)
        if things and _is_array(things[0]):
            return things
        source = things
    return list(find_photos(source))


def _squared(pixels: Any, image_size: int | None) -> Any:
    """The largest square in the middle, at another size."""
    if image_size is None:
        return pixels
    top, left, side = centre_square(*pixels.shape[:2])
    square = pixels[top : top + side, left : left + side]
    size = (image_size, image_size)
    if pixels.dtype == bool:
        return resize_holes(square, size)
    return downsample(square, size) if side >= image_size else upsample(square, size)
