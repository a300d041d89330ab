"""The plan of filling a photo: windows, one after the other, and their scale."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from keras_inpaint.inpainting.connected_components import (
    find_components,
    pool,
    thickness,
    thin_components,
    tight,
)
from keras_inpaint.inpainting.window import SEAM, Box, Window
from keras_inpaint.pictures.pixels import Holes

METHODS = ("whole", "crop", "resize")

# Pixels of the network. What is filled at once is no longer than this however thin it is,
# and has at least as many known pixels around it as this.
_LONGEST_HOLE = 256
_SMALLEST_MARGIN, _LARGEST_MARGIN = 128, 256
# Of a window that thin holes share: pixels, whatever the network was trained on.
_SMALLEST_SHARED, _LARGEST_SHARED = 128, 512
# Thin holes are up to this part of an image thick, and have as much of a window around them.
_THIN = 8
# Steps in which such windows are placed: a part of their side.
_STEPS = 32
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
        return [Window(everything, everything, scale, needs_detail=True)]
    # No two components are nearer to each other than this.
    cell = max(image_size // 4, 1)
    thin = _sharing(holes, cell, image_size, feather)
    # Not `& ~thin`, which would take another mask of the photo's size.
    thick = holes > thin
    crops = [
        window
        for part in find_components(thick, cell)
        for window in _crops(thick, part, image_size, feather)
    ]
    return _shared(thin, _shared_side(image_size), max(feather, SEAM)) + crops


def _shared_side(image_size: int) -> int:
    return min(max(image_size, _SMALLEST_SHARED), _LARGEST_SHARED)


def _sharing(holes: Holes, cell: int, image_size: int, feather: int) -> Holes:
    """Selects what is so thin, as dust and scratches are, that little context suffices."""
    if feather > _shared_side(image_size) // _THIN:
        return np.zeros_like(holes)
    return thin_components(holes, cell, max(image_size // _THIN, 1))


def _shared(thin: Holes, side: int, reach: int) -> list[Window]:
    """Covers thin holes with few windows of one size and of the photo's own scale.

    A window fills at most three quarters of its side, and sees at least an eighth around
    that. They are sorted so that those next to each other can be filled at once.
    """
    height, width = thin.shape
    windows = []
    for hole in _cover(thin, side - 2 * (side // _THIN), side // _STEPS):
        top, shown_height = _centred(hole.top, hole.height, side, height)
        left, shown_width = _centred(hole.left, hole.width, side, width)
        windows.append(Window(hole, Box(top, left, shown_height, shown_width), 1.0))
    return _apart(windows, reach)


def _centred(start: int, length: int, side: int, end: int) -> tuple[int, int]:
    """Start and length of `side` pixels around others, moved to where the photo has them."""
    side = min(side, end)
    return min(max(start + length // 2 - side // 2, 0), end - side), side


def _cover(holes: Holes, side: int, cell: int) -> list[Box]:
    """Covers all pixels of a hole with few squares, each shrunk to the pixels it adds.

    A greedy choice on a grid of cells: of the squares that have the topmost cell left to
    cover in their first row, the one that covers the most.
    """
    left, boxes = holes.copy(), []
    grid, steps = pool(holes, cell, np.logical_or), side // cell
    for row in range(len(grid)):
        while grid[row].any():
            first = int(grid[row].argmax())
            starts = range(first, max(first - steps, -1), -1)
            covered = grid[row : row + steps].sum(axis=0)
            start = max(starts, key=lambda at: covered[at : at + steps].sum())
            box = tight(left, Box(row * cell, start * cell, steps * cell, steps * cell))
            boxes.append(box)
            left[box.slices] = False
            grid[row : row + steps, start : start + steps] = False
    return boxes


def _apart(windows: list[Window], reach: int) -> list[Window]:
    """Sorts windows so that few depend on one next to them in the list.

    A greedy colouring of the graph of those that do, one colour after the other. What
    `Window.depends_on` finds of two windows is here found of one and many.
    """
    if not windows:
        return []
    holes = np.array([_edges(window.hole) for window in windows])
    views = np.array([_edges(window.view) for window in windows])
    reached = holes + np.array([-reach, -reach, reach, reach])
    colours = np.zeros(len(windows), int)
    for index in range(1, len(windows)):
        sees = _overlap(views[index], reached[:index])
        is_seen = _overlap(reached[index], views[:index])
        taken = set(colours[:index][sees | is_seen])
        colours[index] = next(colour for colour in range(index + 1) if colour not in taken)
    return [windows[index] for index in np.argsort(colours, kind="stable")]


def _edges(box: Box) -> tuple[int, int, int, int]:
    return box.top, box.left, box.bottom, box.right


def _overlap(box: NDArray[np.int_], others: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Of rectangles as top, left, bottom and right: which ones share a pixel with `box`."""
    return np.asarray((box[:2] < others[:, 2:]).all(1) & (others[:, :2] < box[2:]).all(1))


def _crops(holes: Holes, component: Box, image_size: int, feather: int) -> list[Window]:
    """Cuts a component into parts that the network can take, each with a margin."""
    scale = _scale(holes[component.slices], image_size)
    longest = int(_LONGEST_HOLE / scale)
    wanted = min(max(image_size // 2, _SMALLEST_MARGIN), _LARGEST_MARGIN)
    margin = max(round(wanted / scale), feather)
    parts = [
        tight(holes, part) for part in _divide(component, longest) if holes[part.slices].any()
    ]
    return [
        Window(part, part.grown(margin, *holes.shape), scale, needs_detail=True)
        for part in parts
    ]


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
