"""What a mask means: which pixels of a file, or of an array, are the hole.

This is decided here alone, for the command line, Python, training, evaluation and servers; a
table of it stands in docs/masks.md.
"""

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from keras_inpaint.arguments import check_int
from keras_inpaint.pictures.metadata import orientation, upright_array
from keras_inpaint.pictures.opening import MAX_PIXELS, Source, is_deep, open_picture
from keras_inpaint.pictures.picture import Picture
from keras_inpaint.pictures.pixels import MASK_THRESHOLD, Holes
from keras_inpaint.pictures.reading import converted, grey16, low_bytes, read_deep, to_bytes

Values = NDArray[Any]
MaskSource = Source | NDArray[Any]

# Rows that are looked at together: whole pictures would take several times their memory.
_ROWS = 256
# The weights of ITU-R BT.601, in thousandths: grey keeps its value exactly.
_LUMINANCE = np.array([299, 587, 114], np.uint32)
# Of a file of many levels, a picture of this side at most is judged.
_JUDGED_SIDE = 512
# A file of up to so many levels is drawn. A photograph has more.
_FEW_LEVELS = 8
# A soft-edged or JPEG mask has two levels, each kept within so many of 255 by most pixels ...
_NEAR, _LEAST_AT_REST = 12, 0.5
# ... and, away from the edges, by all but a few. Of 743 photographs 726 do not.
_MOST_UNSETTLED = 0.15
# Or it is what blurring its own two areas by one of these makes of them, at this side at most:
# of 114 photographs, none correlates as much.
_BLURS, _BLURRED_SIDE, _LEAST_CORRELATION = (1.0, 2.0, 3.0, 4.0, 6.0), 256, 0.985
# Colours between two are on a line; of pixels between the levels, few are this far from it.
_OFF_LINE, _MOST_OFF_LINE = 32.0, 0.2


# In 95 % of 304 dithered photos, more of the neighbours in a row differ than this, half of them
# in the median; in a mask of 2000 specks of dust 2 %, of 20000 10 %, in a page of text 24 %.
_MOST_CHANGES, _LEAST_SIDE = 0.25, 32


@dataclass(frozen=True, eq=False)
class Mask:
    """The hole that a mask marks, and by what.

    Args:
        holes: bool array of shape `(height, width)`: True in the hole.
        seen: str. What the mask holds, in words: `"one value, 255"`.
        is_constant: bool. Whether all of it has one value, and so marks nothing.
        is_scattered: bool. Whether it has two values that alternate as in a dithered photo.
    """

    holes: Holes
    seen: str
    is_constant: bool = False
    is_scattered: bool = False


def read_mask(
    source: MaskSource,
    invert: bool = False,
    from_alpha: bool = False,
    grow: int = 0,
    turn_like: str | os.PathLike[str] | None = None,
    max_pixels: int | None = MAX_PIXELS,
    memory_limit: int | None = None,
) -> NDArray[np.uint8]:
    """Reads a mask: 1 in the hole, 0 where the picture is known.

    A mask of two values marks the hole by the brighter one, whatever the two
    are. One of more levels marks it by those above 127. One value alone marks
    nothing. What could mean several things, such as a photograph, is refused.

    Transparent pixels count as black; where all that can be seen has one
    colour, such as strokes on an empty layer, it is the hole.

    Args:
        source: str or path of a picture file, the bytes of one, a
            `PIL.Image.Image`, or an array of shape `(height, width)` or
            `(height, width, 1)`. Of bools, True is the hole. A uint8 array of shape
            `(height, width, 3)`, or 4 with alpha, is taken as such a file.
        invert: bool. Whether the mask marks the known pixels instead.
        from_alpha: bool. Whether what is transparent is the hole, whatever
            the colours are.
        grow: int. Pixels by which the hole is widened on all sides.
        turn_like: str, path or None. A photo whose EXIF data turn it, and on
            which the mask was drawn as it is stored: the mask is turned along.
        max_pixels: int or None. Pixels that it may have; None for any number.
        memory_limit: int or None. Bytes that reading it may take.

    Returns:
        uint8 array of shape `(height, width)`, upright, of zeros and ones.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or is ambiguous.

    Example:
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "mask.png")
    >>> pixels = np.zeros((2, 2, 3), "uint8")
    >>> pixels[0, 1] = 200
    >>> keras_inpaint.pictures.write_picture(
    ...     path, keras_inpaint.pictures.Picture(pixels))
    >>> keras_inpaint.pictures.read_mask(path).tolist()
    [[0, 1], [0, 0]]
    """
    mask = find_holes(source, invert, from_alpha, grow, turn_like, max_pixels, memory_limit)
    return mask.holes.astype(np.uint8)


def find_holes(
    source: MaskSource,
    invert: bool = False,
    from_alpha: bool = False,
    grow: int = 0,
    turn_like: str | os.PathLike[str] | None = None,
    max_pixels: int | None = MAX_PIXELS,
    memory_limit: int | None = None,
) -> Mask:
    """Finds the hole that a mask marks: the one function that decides what masks mean.

    Args:
        source: As all others, see `read_mask`.

    Returns:
        `Mask`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or is ambiguous.
    """
    check_int("grow", grow, "counts pixels", at_least=0)
    mask = _marked(source, invert, from_alpha, max_pixels, memory_limit)
    turned = 1 if turn_like is None else stored_orientation(turn_like)
    return dataclasses.replace(mask, holes=upright_array(grown(mask.holes, grow), turned))


def _marked(
    source: MaskSource,
    invert: bool,
    from_alpha: bool,
    max_pixels: int | None,
    memory_limit: int | None,
) -> Mask:
    """The hole as it is marked, not widened."""
    values, alpha, received = _decoded(source, max_pixels, memory_limit)
    if values.dtype == bool:
        # Of a program, which says what it means.
        return Mask(values != invert, "bools")
    if from_alpha:
        if alpha is None:
            raise ValueError(
                "The hole can be taken from the transparency of a mask that has some. Leave "
                f"out from_alpha (--mask-from-alpha). Received: {received}, without alpha"
            )
        values, alpha = np.iinfo(alpha.dtype).max - alpha, None
    layers = values if alpha is None else _visible(values, alpha)
    distinct = _distinct(layers, 3)
    if len(distinct) == 1:
        holes = np.zeros(layers.shape[:2], bool)
        return Mask(holes, f"one value, {_written(distinct[0])}", is_constant=True)
    if len(distinct) == 2:
        brighter, darker = _ordered(distinct, received)
        holes = _equals(layers, brighter)
        seen = f"two values, {_written(darker)} and {_written(brighter)}"
        is_scattered = _is_scattered(holes)
    else:
        is_scattered = False
        layers = _of_bytes(layers)
        levels = _levels(layers, received)
        _check_is_mask(levels, layers, received, has_alpha=alpha is not None)
        holes, seen = levels > MASK_THRESHOLD, f"levels from {levels.min()} to {levels.max()}"
    if invert:
        np.logical_not(holes, out=holes)
    return Mask(holes, seen, is_scattered=is_scattered)


@dataclass(frozen=True)
class MaskOptions:
    """What mask files mean, and what they are called: as `mask_options` of functions.

    Args:
        invert: As `from_alpha` and `grow`, see `read_mask`.
        turn: bool. Whether masks are turned as EXIF turns the photos that they belong to.
        pattern: str or None. See `keras_inpaint.data.find_pairs`.

    Raises:
        ValueError: If one is unknown, or out of its bounds.
    """

    invert: bool = False
    from_alpha: bool = False
    grow: int = 0
    turn: bool = False
    pattern: str | None = None

    def __post_init__(self) -> None:
        check_int("grow", self.grow, "counts pixels", at_least=0)

    @classmethod
    def of(cls, options: dict[str, Any] | None, has_masks: bool = True) -> Self:
        """Makes them of a dict that a user gave; without masks, it must ask for nothing."""
        names = [field.name for field in dataclasses.fields(cls)]
        if unknown := sorted(set(options or {}) - set(names)):
            raise ValueError(
                f"`mask_options` may hold {', '.join(names)}. "
                f"Received: mask_options with {', '.join(map(repr, unknown))}"
            )
        made = cls(**options or {})
        if not has_masks and made != cls():
            raise ValueError(
                "`mask_options` (--grow, --invert-mask and the like) say what given masks "
                f"mean. Give masks, or leave them out. Received: mask_options={options}"
            )
        return made

    def find_holes(
        self,
        mask: MaskSource,
        photo: str | os.PathLike[str] | None,
        max_pixels: int | None = MAX_PIXELS,
        memory_limit: int | None = None,
    ) -> Mask:
        """Finds the hole of a mask.

        Args:
            mask: See `read_mask`.
            photo: Path of the photo that it belongs to, or None.
            max_pixels: As `memory_limit`, see `read_mask`.
        """
        turn_like = photo if self.turn else None
        return find_holes(
            mask, self.invert, self.from_alpha, self.grow, turn_like, max_pixels, memory_limit
        )


def grown(holes: Holes, num_pixels: int) -> Holes:
    """Widens a hole by all pixels that are no farther from it than a distance.

    Args:
        holes: bool array of shape `(height, width)`: True in the hole.
        num_pixels: int, at least 0. The distance.

    Returns:
        bool array like `holes`.

    Example:
    >>> from keras_inpaint.pictures.masks import grown
    >>> grown(np.array([[True, False, False, False]]), 2).tolist()
    [[True, True, True, False]]
    """
    if not num_pixels or not holes.any():
        return holes
    wider = holes.copy()
    # Band by band: distances of a whole photo take 16 times the memory of its mask.
    height = max(_ROWS, 2 * num_pixels)
    for top in range(0, len(holes), height):
        start, end = max(top - num_pixels, 0), top + height + num_pixels
        columns = np.flatnonzero(holes[start:end].any(axis=0))
        if not len(columns):
            continue
        near = slice(max(columns[0] - num_pixels, 0), columns[-1] + num_pixels + 1)
        distances = ndimage.distance_transform_edt(~holes[start:end, near])
        wider[top : top + height, near] = distances[top - start :][:height] <= num_pixels
    return wider


def stored_orientation(photo: Source) -> int:
    """Returns how a photo is turned by its EXIF data, from 1 (not at all) to 8."""
    with open_picture(photo, max_pixels=None) as image:
        return orientation(image)


def check_mask_size(
    mask_size: tuple[int, ...],
    photo_size: tuple[int, ...],
    mask: object = "a mask",
    photo_orientation: int = 1,
) -> None:
    """Refuses a mask of another size than its photo's, and says what may be the matter.

    Args:
        mask_size: Height and width of the mask.
        photo_size: Height and width of the photo, upright.
        mask: What the mask is called in the message.
        photo_orientation: int. What `stored_orientation` says of the photo.

    Raises:
        ValueError: If the sizes differ.
    """
    if mask_size == photo_size:
        return
    (height, width), (mask_height, mask_width) = photo_size, mask_size
    advice = "Resize it."
    if mask_size == photo_size[::-1]:
        advice = "It has the photo's size turned by 90 degrees: a matter of orientation. " + (
            "EXIF turns the photo; if the mask was drawn on the photo as it is stored, turn "
            "it along by --turn-mask (in Python, `turn_like`)."
            if photo_orientation > 4
            else "The photo's file names no orientation: turn the mask."
        )
    raise ValueError(
        f"The mask must be of the photo's size, {width} x {height} pixels. {advice} "
        f"Received: {mask} of {mask_width} x {mask_height}"
    )


def _decoded(
    source: MaskSource, max_pixels: int | None, memory_limit: int | None
) -> tuple[Values, Values | None, str]:
    """The values of a mask as they are stored, its alpha, and what to call it."""
    if isinstance(source, str | os.PathLike | bytes | Image.Image):
        received = f"{len(source)} bytes" if isinstance(source, bytes) else str(source)
        with open_picture(source, max_pixels, memory_limit) as image:
            lower = low_bytes(image) if is_deep(image) else None
            image.load()
            if lower:
                deep = read_deep(image, orientation(image), lower, source)
                return deep[..., :3], deep[..., 3] if deep.shape[-1] == 4 else None, received
            return *_values_and_alpha(image, orientation(image)), received
    values = np.asarray(source)
    if values.dtype.kind not in "buif":
        raise ValueError(
            "`mask` must hold bools, zeros and ones, or uint8 grey levels. "
            f"Received: mask.dtype={values.dtype}"
        )
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.dtype == np.uint8 and values.ndim == 3 and values.shape[-1] in (3, 4):
        picture = Picture.of(values, "mask")
        return picture.pixels, picture.alpha, "an array of colours"
    if values.ndim != 2 or not values.size:
        raise ValueError(
            "`mask` must be of shape (height, width) or (height, width, 1), one value per "
            "pixel, or of colours as uint8, (height, width, 3 or 4). "
            f"Received: mask.shape={np.shape(source)}"
        )
    if values.dtype != np.uint8 and (values == 1).all():
        # Numbers of a program, not the bytes of a file: all of it is meant.
        values = values.astype(bool)
    return values, None, f"an array of {values.dtype}"


def _values_and_alpha(image: Any, turned: int) -> tuple[Values, Values | None]:
    """The values of a loaded image, upright, and its alpha, if any."""
    if image.mode.startswith("I;16"):
        levels, transparent = grey16(image, turned)[..., 0], image.info.get("transparency")
        alpha = (levels != transparent).astype(np.uint8) * 255
        return levels, alpha if isinstance(transparent, int) else None
    if image.has_transparency_data:
        pixels, alpha = converted(image, turned, lambda part: part.convert("RGBA"), [3, 1])
        return pixels, alpha[..., 0]
    if image.mode in ("1", "L", "I", "F"):
        dtype = {"I": np.int32, "F": np.float32}.get(image.mode, np.uint8)
        (values,) = converted(image, turned, _grey, [1], dtype)
        return values[..., 0], None
    (pixels,) = converted(image, turned, lambda part: part.convert("RGB"), [3])
    return pixels, None


def _grey(part: Any) -> Values:
    return np.asarray(part.convert("L") if part.mode == "1" else part)[..., None]


def _visible(values: Values, alpha: Values) -> Values:
    """One layer of colours and their alpha: what of them is to be seen, on black."""
    if len(_distinct(alpha, 2)) == 1:
        # The same everywhere: it says nothing.
        return values
    # Of colours, an axis more: their channels must not be taken for pixels.
    if len(_distinct(values[alpha > 0][None], 2)) == 1:
        return alpha
    seen = np.empty_like(values)
    for rows in _rows(alpha):
        opacity = alpha[rows].reshape(*alpha[rows].shape, *[1] * (values.ndim - 2))
        seen[rows] = values[rows].astype(np.uint32) * opacity // np.iinfo(alpha.dtype).max
    return seen


def _distinct(values: Values, limit: int) -> list[Values]:
    """The first so many different values of an array, or colours of one with channels."""
    found: list[Values] = []
    pixels = values.reshape(-1, values.shape[-1]) if values.ndim == 3 else values.reshape(-1)
    step = _ROWS * 1024
    for start in range(0, len(pixels), step):
        rest = pixels[start : start + step]
        for value in found:
            rest = rest[~_equals(rest, value)]
        while len(rest) and len(found) < limit:
            found.append(rest[0])
            rest = rest[~_equals(rest, found[-1])]
        if len(found) == limit:
            break
    return found


def _equals(values: Values, value: Values) -> Holes:
    is_equal = np.asarray(values == value)
    return np.asarray(is_equal.all(axis=-1)) if np.ndim(value) else is_equal


def _ordered(distinct: list[Values], received: str) -> tuple[Values, Values]:
    """The brighter of two values, and the other."""
    first, second = distinct
    keys = [
        float(np.sum(value * _LUMINANCE)) if np.ndim(value) else float(value)
        for value in distinct
    ]
    if not keys[0] != keys[1] or np.isnan(keys).any():
        raise ValueError(
            "A mask of two values must have one that is brighter: the hole. Make it white. "
            f"Received: {received} of {_written(first)} and {_written(second)}"
        )
    return (first, second) if keys[0] > keys[1] else (second, first)


def _written(value: Values) -> str:
    return str(value.tolist() if np.ndim(value) == 0 else tuple(value.tolist()))


def _rows(values: Values) -> Iterator[slice]:
    for top in range(0, len(values), _ROWS):
        yield slice(top, top + _ROWS)


def _luminance(colours: Values) -> Values:
    """Luminance of colours of bytes; of grey, itself."""
    if colours.ndim < 3:
        return colours.astype(np.uint32)
    return (colours.astype(np.uint32) @ _LUMINANCE + 500) // 1000


def _of_bytes(layers: Values) -> Values:
    """Colours of 16 bits as those of 8; all else as it is."""
    if layers.ndim < 3 or layers.dtype != np.uint16:
        return layers
    colours = np.empty(layers.shape, np.uint8)
    for rows in _rows(layers):
        colours[rows] = to_bytes(layers[rows])
    return colours


def _levels(values: Values, received: str) -> NDArray[np.uint8]:
    """Values as grey levels of 8 bits."""
    if values.ndim == 3:
        levels = np.empty(values.shape[:2], np.uint8)
        for rows in _rows(values):
            levels[rows] = _luminance(values[rows])
        return levels
    if values.dtype == np.uint8:
        return values
    least, most = values.min(), values.max()
    if values.dtype.kind == "f" or least < 0 or most > 65535:
        raise ValueError(
            "`mask` of more than two values must be of grey levels whose white is known: of "
            "uint8, or a picture of 8 or 16 bits. Make two values of it, zeros and ones (1 = "
            f"hole). Received: {received}, values from {least} to {most}"
        )
    if values.dtype.itemsize > 2 and most < 256:
        return values.astype(np.uint8)
    levels = np.empty(values.shape, np.uint8)
    for rows in _rows(values):
        levels[rows] = to_bytes(values[rows])
    return levels


def _check_is_mask(
    levels: NDArray[np.uint8], values: Values, received: str, has_alpha: bool
) -> None:
    """Refuses what has many levels, unless they are those of two areas and soft edges.

    Raises:
        ValueError: If there are no such areas, or none above 127.
    """
    step = max(1, -(-max(levels.shape) // _JUDGED_SIDE))
    reason = _why_ambiguous(levels[::step, ::step], values[::step, ::step])
    if levels.min() > MASK_THRESHOLD or levels.max() <= MASK_THRESHOLD:
        side = "above" if levels.min() > MASK_THRESHOLD else "at or below"
        reason = f"all of them {side} {MASK_THRESHOLD}"
    if reason is None:
        return
    alpha = " If its transparency marks the hole, add --mask-from-alpha." if has_alpha else ""
    raise ValueError(
        "A mask must be of two values, or of grey levels above "
        f"{MASK_THRESHOLD} in the hole and below elsewhere; what this one means is unclear. "
        "Paint white on a black picture of the photo's size, or on a page that "
        f"`keras-inpaint serve` shows.{alpha} Received: {received}, levels from "
        f"{levels.min()} to {levels.max()}, {reason}"
    )


def _is_scattered(holes: Holes) -> bool:
    """Whether two values alternate from pixel to pixel, as where a photo was dithered."""
    if min(holes.shape) < _LEAST_SIDE:
        return False
    rows = holes[:: max(1, len(holes) // _JUDGED_SIDE)]
    return bool(np.mean(rows[:, 1:] != rows[:, :-1]) > _MOST_CHANGES)


def _why_ambiguous(levels: NDArray[np.uint8], values: Values) -> str | None:
    counts = np.bincount(levels.ravel(), minlength=256)
    split = MASK_THRESHOLD + 1
    if not counts[:split].any() or not counts[split:].any():
        return None
    dark, bright = int(counts[:split].argmax()), split + int(counts[split:].argmax())
    distance = np.abs(np.arange(256) - dark)
    distance = np.minimum(distance, np.abs(np.arange(256) - bright))[levels]
    at_rest = distance <= _NEAR
    if values.ndim == 3 and _has_other_colours(values, levels, dark, bright, at_rest):
        return "in many colours, as a photograph has"
    if np.count_nonzero(counts) <= _FEW_LEVELS:
        return None
    is_bright = (levels > MASK_THRESHOLD).astype(np.uint8)
    window = 2 * (2 + min(levels.shape) // 64) + 1
    inside = ndimage.maximum_filter(is_bright, window) == ndimage.minimum_filter(
        is_bright, window
    )
    unsettled = 1.0 if not inside.any() else float(np.mean(~at_rest[inside]))
    is_settled = at_rest.mean() >= _LEAST_AT_REST and unsettled <= _MOST_UNSETTLED
    if not is_settled and not _is_blurred(levels):
        share = round(100 * float(1 - at_rest.mean()))
        return (
            f"{share} % of the pixels between the commonest two ({dark} and {bright}), as in "
            "a photograph"
        )
    return None


def _is_blurred(levels: NDArray[np.uint8]) -> bool:
    """Whether levels are those of two areas, split at 127, that were blurred."""
    step = max(1, -(-max(levels.shape) // _BLURRED_SIDE))
    small = levels[::step, ::step].astype(np.float32)
    areas = (small > MASK_THRESHOLD).astype(np.float32)
    if np.ptp(areas) == 0:
        return False
    return any(
        np.corrcoef(ndimage.gaussian_filter(areas, sigma).ravel(), small.ravel())[0, 1]
        > _LEAST_CORRELATION
        for sigma in _BLURS
        if sigma <= min(small.shape) / 8
    )


def _has_other_colours(
    values: Values, levels: NDArray[np.uint8], dark: int, bright: int, at_rest: Holes
) -> bool:
    """Whether colours between two levels are others than those between their two colours."""
    between = values[~at_rest].astype(np.float32)
    if not len(between):
        return False
    first, second = (
        np.median(values[levels == level].astype(np.float32), axis=0)
        for level in (dark, bright)
    )
    line = second - first
    places = np.clip((between - first) @ line / (line @ line), 0, 1)
    distances = np.linalg.norm(between - first - places[:, None] * line, axis=-1)
    return bool(np.mean(distances > _OFF_LINE) > _MOST_OFF_LINE)
