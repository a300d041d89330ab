"""Parts of a photo that are filled at once."""

from dataclasses import dataclass
from typing import NamedTuple

# Pixels over which two windows of one hole blend into each other.
SEAM = 16


class Box(NamedTuple):
    """A rectangle of pixels; rows and columns count from the top left.

    Args:
        top: int. First row.
        left: int. First column.
        height: int, at least 1.
        width: int, at least 1.
    """

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """The first row below."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The first column to the right."""
        return self.left + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Slices that cut the rectangle out of an array `(height, width, ...)`."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def is_near(self, other: "Box", distance: int) -> bool:
        """Checks that a pixel of one is at most as many rows and columns from the other."""
        return (
            self.top < other.bottom + distance
            and other.top < self.bottom + distance
            and self.left < other.right + distance
            and other.left < self.right + distance
        )

    def grown(self, margin: int, height: int, width: int) -> "Box":
        """The rectangle with a margin, where a picture `height` by `width` has one."""
        top, left = max(self.top - margin, 0), max(self.left - margin, 0)
        bottom = min(self.bottom + margin, height)
        right = min(self.right + margin, width)
        return Box(top, left, bottom - top, right - left)

    def within(self, other: "Box") -> "Box":
        """The rectangle as counted from the top left of `other`, which holds it."""
        return self._replace(top=self.top - other.top, left=self.left - other.left)


@dataclass(frozen=True)
class Window:
    """A part of a photo that the network sees at once, its scale, and what is kept of it.

    Args:
        hole: Box. The hole's pixels in it are filled.
        view: Box. What the network is shown: `hole` and known pixels around it.
        scale: float, above 0 and at most 1. Pixels of the network for one of the photo.
        needs_detail: bool. Whether the filling is softer than the photo and large enough
            for that to be seen.
    """

    hole: Box
    view: Box
    scale: float
    needs_detail: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the view as the network is shown it."""
        height, width = (
            max(1, round(side * self.scale)) for side in (self.view.height, self.view.width)
        )
        return height, width

    def depends_on(self, other: "Window", reach: int) -> bool:
        """Checks that one sees what the other changes, so that their order matters.

        Args:
            other: Window.
            reach: int. Pixels around its hole that a window changes.
        """
        return self.view.is_near(other.hole, reach) or other.view.is_near(self.hole, reach)
