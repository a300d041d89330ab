"""Where the holes of a photo are, and how thick."""

import numpy as np
from numpy.typing import NDArray

from keras_inpaint.inpainting.box import Box
from keras_inpaint.pictures.pixels import Holes

# A thickness is found to within twice the 1024th part of the hole's longer side: exactly
# up to 1024 pixels, and in no time for any photo.
_FINEST = 1024


def find_groups(holes: Holes, cell: int) -> list[Box]:
    """Finds the groups of hole pixels that lie close to each other.

    The photo is divided into square cells. Cells that hold a pixel of the hole and touch,
    at a corner or a side, are one group: so are pixels less than `cell` apart, and none
    that are `2 * cell` apart.

    Args:
        holes: bool array of shape `(height, width)`: True in the hole.
        cell: int. Side of a cell, in pixels.

    Returns:
        List of `Box`, each as small as its hole pixels allow, from the smallest to the
        largest.
    """
    cells = _pool(holes, cell, np.logical_or)
    groups = []
    for members in _connected(cells):
        rows, columns = np.array(members).T
        around = Box(
            int(rows.min()) * cell,
            int(columns.min()) * cell,
            (int(np.ptp(rows)) + 1) * cell,
            (int(np.ptp(columns)) + 1) * cell,
        )
        groups.append(tight(holes, around))
    return sorted(groups, key=lambda box: (box.height * box.width, box))


def tight(holes: Holes, box: Box) -> Box:
    """Shrinks a box, which holds a pixel of the hole, to those that it holds."""
    inside = holes[box.slices]
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return Box(
        box.top + int(rows[0]),
        box.left + int(columns[0]),
        int(np.ptp(rows)) + 1,
        int(np.ptp(columns)) + 1,
    )


def thickness(holes: Holes) -> int:
    """The side of the largest square that lies in the hole.

    What makes a hole hard is how far its inside is from known pixels, not how long it is:
    a scratch across the photo is easy.

    Args:
        holes: bool array of shape `(height, width)`: True in the hole.

    Returns:
        int: pixels, 0 where there is no hole; rounded up where the hole is large.
    """
    step = -(-max(holes.shape) // _FINEST)
    full = _pool(holes, step, np.logical_and)
    # Sums over all rectangles that begin at the top left corner.
    sums = np.zeros((full.shape[0] + 1, full.shape[1] + 1), np.int32)
    sums[1:, 1:] = full.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
    fits, fails = 0, min(full.shape) + 1
    # A square that fits holds all smaller ones.
    while fails - fits > 1:
        side = (fits + fails) // 2
        if _holds_square(sums, side):
            fits = side
        else:
            fails = side
    if step == 1:
        return fits
    # What lies in no whole cell has been left out.
    return min((fits + 1) * step, *holes.shape) if holes.any() else 0


def _holds_square(sums: NDArray[np.int32], side: int) -> bool:
    squares = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side]
    return bool((squares + sums[:-side, :-side] == side * side).any())


def _pool(holes: Holes, cell: int, merge: np.ufunc) -> Holes:
    """Merges the pixels of each cell; those at the end may be smaller."""
    height, width = holes.shape
    rows = merge.reduceat(holes, np.arange(0, height, cell), axis=0)
    return np.asarray(merge.reduceat(rows, np.arange(0, width, cell), axis=1))


def _connected(cells: Holes) -> list[list[tuple[int, int]]]:
    """Lists, for each group of cells that touch, their rows and columns."""
    left = {(int(row), int(column)) for row, column in np.argwhere(cells)}
    groups = []
    while left:
        group = [left.pop()]
        # The list grows while it is read.
        for row, column in group:
            around = {(row + down, column + right) for down in _STEPS for right in _STEPS}
            found = around & left
            left -= found
            group.extend(found)
        groups.append(group)
    return groups


_STEPS = (-1, 0, 1)
