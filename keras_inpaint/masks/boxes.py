"""A box in each image."""

import itertools

import keras
from keras import ops

from keras_inpaint.arguments import check_int
from keras_inpaint.masks.sizes import picture_size
from keras_inpaint.ops.random import integers


@keras.saving.register_keras_serializable(package="keras_inpaint")
class Boxes:
    """Draws a hole in a box of fixed size, somewhere in each picture.

    The box is the local patch that a local critic looks at. The hole is the box
    moved in on each side by a few drawn pixels, so that the network cannot rely
    on the hole's size.

    Args:
        height: int. Height of the box, in pixels.
        width: int. Width of the box, in pixels.
        margin: int. Least distance, in pixels, from the box to the border of
            the picture.
        jitter: int or `None`. Each side of the hole lies 0 to `jitter` pixels
            inside the box, each number drawn as often, each side for itself. Unless
            given 16, as published for boxes of 128 pixels, or an eighth of a box in which
            that leaves nothing, of up to 32 pixels.

    Call arguments:
        seeds: Integers of shape `(batch,)`, one per picture: from
            `keras_inpaint.ops.picture_seeds`, or any others.
        height: int or scalar integer tensor. Height of the pictures, in pixels.
        width: int or scalar integer tensor. Width of the pictures, in pixels.

    Returns:
        Pair `(masks, boxes)`: float32 tensor of shape
        `(batch, height, width, 1)`, 1 in the hole; int32 tensor of shape
        `(batch, 4)`: top, left, height and width of the box.

    Raises:
        ValueError: If an argument is out of bounds or, when called, if the box
            and its margins do not fit into the picture. A size that is known
            only when a compiled function runs cannot be checked: there the box
            sticks out.

    Example:
    >>> from keras_inpaint.ops.random import picture_seeds
    >>> sampler = keras_inpaint.masks.Boxes(32, 32, jitter=4)
    >>> masks, boxes = sampler(picture_seeds(0, 0, keras.ops.arange(2)), 64, 96)
    >>> tuple(masks.shape), tuple(boxes.shape)
    ((2, 64, 96, 1), (2, 4))

    Reference:
    - [Yu et al., 2018](https://arxiv.org/abs/1801.07892), section 5
    """

    def __init__(self, height=128, width=128, margin=0, jitter=None):
        self.height = check_int("height", height, "of the box counts pixels", at_least=1)
        self.width = check_int("width", width, "of the box counts pixels", at_least=1)
        self.margin = check_int("margin", margin, "is a distance in pixels", at_least=0)
        if jitter is None:
            jitter = 16 if min(height, width) > 32 else min(height, width) // 8
        self.jitter = check_int("jitter", jitter, "counts pixels", at_least=0)
        if 2 * jitter >= min(height, width):
            raise ValueError(
                "`jitter` must be less than half of the box, or nothing is left of the hole. "
                f"Received: jitter={jitter}, height={height}, width={width}"
            )

    @classmethod
    def published(cls, height, width=None):
        """The published holes: each side of the box moved in by up to an eighth.

        The publications draw boxes of half of the image, 128 of 256 pixels.

        Args:
            height: int. Height of the box, in pixels.
            width: int or `None`. Width of the box; as high as wide unless given.

        Example:
        >>> keras_inpaint.masks.Boxes.published(128).jitter
        16
        """
        width = height if width is None else width
        return cls(height, width, jitter=min(height, width) // 8)

    def __call__(self, seeds, height, width):
        height, width = picture_size(height, width)
        self._check_fit(height, width)
        room = ops.stack([height - self.height, width - self.width]) - 2 * self.margin
        corners = self.margin + integers(seeds, 2, room + 1, stream=0)
        sizes = ops.full_like(corners, 1) * ops.convert_to_tensor([self.height, self.width])
        moved_in = integers(seeds, 4, self.jitter + 1, stream=1)
        starts = corners + moved_in[:, :2]
        ends = corners + sizes - moved_in[:, 2:]
        rows = _between(ops.arange(height), starts[:, 0], ends[:, 0])
        columns = _between(ops.arange(width), starts[:, 1], ends[:, 1])
        holes = ops.logical_and(rows[:, :, None, None], columns[:, None, :, None])
        return ops.cast(holes, "float32"), ops.concatenate([corners, sizes], axis=1)

    def areas(self, height, width):
        """Finds the areas that its holes can have.

        Args:
            height: int. Height of the pictures, in pixels.
            width: int. Width of the pictures, in pixels.

        Returns:
            List of pairs of ints: from and to how many pixels.

        Example:
        >>> keras_inpaint.masks.Boxes(4, 3, jitter=1).areas(64, 64)
        [(2, 2), (3, 3), (4, 4), (6, 6), (8, 8), (9, 9), (12, 12)]
        """
        del height, width  # A box that does not fit is refused when it is drawn.
        sides = (range(side - 2 * self.jitter, side + 1) for side in (self.height, self.width))
        areas = {rows * columns for rows, columns in itertools.product(*sides)}
        return [(area, area) for area in sorted(areas)]

    def get_config(self):
        return {
            "height": self.height,
            "width": self.width,
            "margin": self.margin,
            "jitter": self.jitter,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def _check_fit(self, height, width):
        needed = (self.height + 2 * self.margin, self.width + 2 * self.margin)
        for size, least in zip((height, width), needed, strict=True):
            if isinstance(size, int) and size < least:
                raise ValueError(
                    f"A box of {self.height} x {self.width} pixels with a margin of "
                    f"{self.margin} must fit into the picture. Draw smaller boxes or take "
                    f"larger pictures. Received: height={height}, width={width}"
                )


def _between(positions, starts, ends):
    positions = ops.cast(positions, "int32")[None, :]
    return ops.logical_and(positions >= starts[:, None], positions < ends[:, None])
