"""A part of a photo that is filled at once."""

from dataclasses import dataclass

from keras_inpaint.inpainting.box import Box


@dataclass(frozen=True)
class Window:
    """What of a photo the network sees at once, how large, and what of it is kept.

    Args:
        hole: Box. The hole's pixels in it are filled.
        view: Box. What the network is shown: `hole` and known pixels around it.
        scale: float, above 0 and at most 1. Pixels of the network for one of the photo.
    """

    hole: Box
    view: Box
    scale: float

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the view as the network is shown it."""
        height, width = (
            max(1, round(side * self.scale)) for side in (self.view.height, self.view.width)
        )
        return height, width
