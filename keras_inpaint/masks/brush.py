"""Painting with a round brush, in whole numbers: no backend rounds them differently."""

from keras import ops

# Vertices and radii are counted in eighths of a pixel, from the centre of the first pixel.
GRID = 8
# The square of a longer segment, on the finer grid of its length, would not fit into int32.
MAX_LENGTH = 4000
# Beyond every picture, and far from overflow.
_FAR = 2**28


def paint(starts, ends, radii, height, width):
    """Paints the pixels within a brush's radius of segments.

    Each row of a picture meets each painted segment in one run of pixels. The
    runs are computed first, one or two numbers per row, and only then pixels: the
    memory is that of a few pictures, however many segments there are.

    Args:
        starts: int32 tensor of shape `(batch, segments, 2)`: row and column of
            where each segment starts, in eighths of a pixel.
        ends: int32 tensor like `starts`, at most 4000 away from them.
        radii: int32 tensor of shape `(batch, segments)`, in eighths of a
            pixel. A segment of negative radius is not painted.
        height: int or scalar integer tensor. Height of the pictures, in pixels.
        width: int or scalar integer tensor. Width of the pictures, in pixels.

    Returns:
        float32 tensor of shape `(batch, height, width, 1)`: 1 where painted.
    """
    rows = GRID * ops.cast(ops.arange(height), "int32")
    runs = _segment_runs(starts, ends, radii, rows)  # a pair of (batch, segments, height)
    first = ops.clip(-(-runs[0] // GRID), 0, width)
    beyond = ops.maximum(first, ops.clip(runs[1] // GRID + 1, 0, width))
    # One brush begins where a run begins and one ends behind it: the sum so far
    # counts the brushes that touch a pixel.
    changes = _count(first, width) - _count(beyond, width)
    return ops.cast(ops.cumsum(changes, axis=2) > 0.5, "float32")[:, :, :width, None]


def integer_root(values):
    """Gives the whole part of the square root of int32 values up to 2**30."""
    # The float's root may be off by one, by how much depends on the device.
    roots = ops.cast(ops.floor(ops.sqrt(ops.cast(values, "float32"))), "int32")
    roots = ops.where(roots * roots > values, roots - 1, roots)
    return ops.where((roots + 1) * (roots + 1) <= values, roots + 1, roots)


def _segment_runs(starts, ends, radii, rows):
    """Where rows meet discs at both ends of a segment and the strip between."""
    radii = radii[:, :, None]
    discs = [_disc_run(centres, radii, rows) for centres in (starts, ends)]
    first, last = _strip_run(starts, ends - starts, radii, rows)
    # The painted shape is convex: there are no gaps between the three.
    for disc_first, disc_last in discs:
        first, last = ops.minimum(first, disc_first), ops.maximum(last, disc_last)
    return _unless(radii < 0, first, last)


def _disc_run(centres, radii, rows):
    # No further than needed: the square of a large picture would overflow.
    gaps = ops.minimum(ops.abs(rows - centres[:, :, :1]), radii + 1)
    squares = radii * radii - gaps * gaps
    halves = integer_root(ops.maximum(squares, 0))
    columns = centres[:, :, 1:]
    return _unless(squares < 0, columns - halves, columns + halves)


def _strip_run(starts, steps, radii, rows):
    """Where the projection on the segment and the distance from its line both fit."""
    gaps = rows - starts[:, :, :1]
    down, right = steps[:, :, :1], steps[:, :, 1:]
    squares = down * down + right * right
    lengths = integer_root(GRID * GRID * squares)
    reach = radii * lengths // GRID
    along = _solve(-gaps * down, squares - gaps * down, right)
    across = _solve(gaps * right - reach, gaps * right + reach, down)
    first = ops.maximum(along[0], across[0]) + starts[:, :, 1:]
    last = ops.minimum(along[1], across[1]) + starts[:, :, 1:]
    return _unless((squares == 0) | (first > last), first, last)


def _solve(lower, upper, factor):
    """The first and last integer `x` with `lower <= factor * x <= upper`."""
    lower, upper = (
        ops.where(factor < 0, -upper, lower),
        ops.where(factor < 0, -lower, upper),
    )
    divisor = ops.maximum(ops.abs(factor), 1)
    first, last = -(-lower // divisor), upper // divisor
    anywhere = (factor == 0) & (lower <= 0) & (upper >= 0)
    first = ops.where(anywhere, -_FAR, first)
    last = ops.where(anywhere, _FAR, last)
    return _unless((factor == 0) & ~anywhere, first, last)


def _unless(conditions, first, last):
    return ops.where(conditions, _FAR, first), ops.where(conditions, -_FAR, last)


def _count(columns, width):
    """Number of segments at each column of each row: (batch, height, width + 1)."""
    batch, segments, height = ops.shape(columns)
    lines = ops.reshape(ops.arange(batch * height, dtype="int32"), (batch, 1, height))
    indices = ops.reshape(lines * (width + 1) + columns, (-1, 1))
    ones = ops.ones((batch * segments * height,), dtype="float32")
    counts = ops.scatter(indices, ones, (batch * height * (width + 1),))
    return ops.reshape(counts, (batch, height, width + 1))
