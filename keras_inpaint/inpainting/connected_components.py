"""The connected components of a photo's hole, and how thick it is."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from keras_inpaint.inpainting.window import Box
from keras_inpaint.pictures.pixels import Holes

# A thickness is found to within twice the 1024th part of the hole's longer side: exactly
# up to 1024 pixels, and in no time for any photo.
_FINEST = 1024


def find_components(holes: Holes, cell: int) -> list[Box]:
    """Finds the parts of a hole that lie apart from each other.

    The photo is divided into square cells. Cells that hold a pixel of the hole and touch,
    at a corner or a side, are one component: so are pixels less than `cell` apart, and none
    that are `2 * cell` apart.

    Args:
        holes: bool array of shape `(height, width)`: True in the hole.
        cell: int. Side of a cell, in pixels.

    Returns:
        List of `Box`, each as small as its hole pixels allow, from the smallest to the
        largest.
    """
    labels, _ = ndimage.label(pool(holes, cell, np.logical_or), structure=np.ones((3, 3)))
    boxes = []
    for rows, columns in ndimage.find_objects(labels):
        top, left = rows.start * cell, columns.start * cell
        around = Box(top, left, rows.stop * cell - top, columns.stop * cell - left)
        boxes.append(tight(holes, around))
    return sorted(boxes, key=lambda box: (box.height * box.width, box))


def thin_components(holes: Holes, cell: int, limit: int) -> Holes:
    """Selects the connected components in which no square larger than a limit lies.

    Args:
        holes: bool array of shape `(height, width)`: True in the hole.
        cell: int. As `find_components` takes.
        limit: int. Thickness of the thickest of them, in pixels.

    Returns:
        bool array like `holes`: True in the hole where it belongs to such a component.
    """
    labels, _ = ndimage.label(pool(holes, cell, np.logical_or), structure=np.ones((3, 3)))
    thin = holes.copy()
    for label, cells in enumerate(ndimage.find_objects(labels), start=1):
        pixels = tuple(slice(side.start * cell, side.stop * cell) for side in cells)
        inside = thin[pixels]
        # Others may reach into the same rectangle.
        own = (labels[cells] == label).repeat(cell, axis=0).repeat(cell, axis=1)
        own = own[: inside.shape[0], : inside.shape[1]]
        if thickness(inside & own) > limit:
            inside[own] = False
    return thin


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
    full = pool(holes, step, np.logical_and)
    # By hand: distances to the nearest known pixel give odd sides only.
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


def pool(holes: Holes, cell: int, merge: np.ufunc) -> Holes:
    """Merges the pixels of each cell; those at the end may be smaller.

    Args:
        holes: bool array of shape `(height, width)`.
        cell: int. Side of a cell, in pixels.
        merge: `np.logical_or` or `np.logical_and`.

    Returns:
        bool array of a value per cell.
    """
    height, width = holes.shape
    rows = merge.reduceat(holes, np.arange(0, height, cell), axis=0)
    return np.asarray(merge.reduceat(rows, np.arange(0, width, cell), axis=1))
