"""The plan of filling a photo: windows, one after the other, and their scale."""

from itertools import pairwise

from keras_inpaint.inpainting.connected_components import find_components, thickness, tight
from keras_inpaint.inpainting.window import Box, Window
from keras_inpaint.pictures.pixels import Holes

METHODS = ("whole", "crop", "resize")

# Pixels of the network. What is filled at once is no longer than this however thin it is,
# and has at least as many known pixels around it as this.
_LONGEST_HOLE = 256
_SMALLEST_MARGIN, _LARGEST_MARGIN = 128, 256
# The longest side of a photo seen as a whole, but for networks trained on larger ones.
_LARGEST_VIEW = 512


def choose_method(holes: Holes, image_size: int) -> str:
    """Chooses how a photo is filled from its size and that of its hole.

    Args:
        holes: bool array of shape `(height, width)`: True in the hole.
        image_size: int. Height and width of the images that the network was trained on.

    Returns:
        str: `"whole"` where the network can take the photo and the hole as they are,
        `"resize"` where the hole is so large a part of the photo that a crop of it with
        its surroundings would be the whole photo, else `"crop"`.
    """
    height, width = holes.shape
    if max(height, width) <= image_size:
        return "whole"
    thick = thickness(holes)
    is_familiar = thick <= image_size // 2
    if is_familiar:
        return "whole" if max(height, width) <= _view_limit(image_size) else "crop"
    return "resize" if 3 * thick >= min(height, width) else "crop"


def plan(method: str, holes: Holes, image_size: int, feather: int = 0) -> list[Window]:
    """Lists the windows by which a photo is filled, in their order.

    Args:
        method: One of `METHODS`.
        holes: bool array of shape `(height, width)`: True somewhere.
        image_size: int. Height and width of the images that the network was trained on.
        feather: int. Known pixels around the hole that change.

    Returns:
        List of `Window`, which hold all of the hole between them.
    """
    height, width = holes.shape
    everything = Box(0, 0, height, width)
    if method == "whole":
        return [Window(everything, everything, 1.0)]
    if method == "resize":
        scale = min(_scale(holes, image_size), _view_limit(image_size) / max(height, width))
        return [Window(everything, everything, scale)]
    # No two components are nearer to each other than this.
    cell = max(image_size // 4, 1)
    return [
        window
        for part in find_components(holes, cell)
        for window in _crops(holes, part, image_size, feather)
    ]


def _crops(holes: Holes, component: Box, image_size: int, feather: int) -> list[Window]:
    """Cuts a component into parts that the network can take, each with a margin."""
    scale = _scale(holes[component.slices], image_size)
    longest = int(_LONGEST_HOLE / scale)
    wanted = min(max(image_size // 2, _SMALLEST_MARGIN), _LARGEST_MARGIN)
    margin = max(round(wanted / scale), feather)
    parts = [
        tight(holes, part) for part in _divide(component, longest) if holes[part.slices].any()
    ]
    return [Window(part, part.grown(margin, *holes.shape), scale) for part in parts]


def _scale(holes: Holes, image_size: int) -> float:
    """Brings the hole down to half of an image, as thick as holes are in training."""
    return min(1.0, max(image_size // 2, 1) / max(thickness(holes), 1))


def _view_limit(image_size: int) -> int:
    return min(2 * image_size, max(image_size, _LARGEST_VIEW))


def _divide(box: Box, longest: int) -> list[Box]:
    """Divides a box into equal ones whose sides are at most `longest`."""
    rows, columns = _ends(box.height, longest), _ends(box.width, longest)
    return [
        Box(box.top + top, box.left + left, bottom - top, right - left)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    ]


def _ends(length: int, longest: int) -> list[int]:
    num = -(-length // longest)
    return [length * index // num for index in range(num + 1)]
