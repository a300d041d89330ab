"""Sketches: what a guided generator is to draw into the hole, and which generators take one."""

from typing import Any

from keras_inpaint.pictures.masks import MaskSource, find_holes
from keras_inpaint.pictures.opening import MAX_PIXELS
from keras_inpaint.pictures.pixels import Holes


def find_lines(
    sketch: MaskSource,
    is_inverted: bool,
    size: tuple[int, ...],
    max_pixels: int | None = MAX_PIXELS,
    memory_limit: int | None = None,
) -> Holes:
    """Finds the lines of a sketch.

    Args:
        sketch: As `Inpainter.inpaint` takes.
        is_inverted: bool. Whether the lines are the darker ones.
        size: Height and width of the photo.
        max_pixels: As `memory_limit`, see `keras_inpaint.pictures.read_mask`.

    Returns:
        bool array of shape `size`: True on a line.

    Raises:
        OSError: If the sketch cannot be read.
        ValueError: If it is ambiguous, or of another size than the photo.
    """
    try:
        lines = find_holes(
            sketch, is_inverted, max_pixels=max_pixels, memory_limit=memory_limit
        ).holes
    except ValueError as error:
        raise ValueError(f"`sketch` is read as a mask is. {error}") from error
    check_sketch_size(lines.shape, size)
    return lines


def check_sketch_size(sketch_size: tuple[int, ...], photo_size: tuple[int, ...]) -> None:
    """Refuses a sketch of another height and width than its photo's.

    Raises:
        ValueError: If they differ.
    """
    if sketch_size == photo_size:
        return
    (height, width), (sketch_height, sketch_width) = photo_size, sketch_size
    raise ValueError(
        f"The sketch must be of the photo's size, {width} x {height} pixels. "
        f"Received: a sketch of {sketch_width} x {sketch_height}"
    )


def is_guided(network: Any) -> bool:
    """Whether a network takes sketches."""
    return bool(getattr(network, "guided", False))


def check_guided(inpainter: Any, name: str = "sketch") -> None:
    """Refuses an inpainter that has no place for a sketch.

    Args:
        inpainter: `keras_inpaint.Inpainter`, or what has its `name`.
        name: str. What the sketch was passed as.

    Raises:
        ValueError: If its generator was not made with `guided=True`.
    """
    if not is_guided(getattr(inpainter, "generator", None)):
        raise not_guided(f"{inpainter.name!r}, which is not guided", name)


def not_guided(received: str, name: str = "sketch") -> ValueError:
    """Returns the error of a sketch for a generator that has no place for one."""
    return ValueError(
        f"`{name}` is for guided generators, which were trained with `guided=True`. Leave it "
        f"out. Received: {name}, and {received}"
    )
