"""Detail of a filling, copied from the known part of the same photo.

A network that sees a photo smaller than it is leaves a hole soft, and softer than the photo
even where it sees it as it is. So its filling is split into a low band, which is kept, and a
high band, which is replaced: around each position of the hole by what the photo has above
its own low band, at the known position whose low band looks most alike.

That the residual of the known part is carried into the hole is contextual residual
aggregation. There the attention's scores say from where to where; here, small patches of
the low band are compared, which was measured to be better (docs/large_pictures.md) and asks
nothing of the network.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from keras_inpaint.pictures.pixels import Bytes, Holes
from keras_inpaint.pictures.resizing import downsample, resize_holes, upsample

Positions = NDArray[np.int_]
Patches = NDArray[np.float32]

DETAILS = ("copy", "none")

# How the network sees what detail is added to: the part of a window's size, and the step along
# lines, -1 where it is mirrored. Networks know small holes better than large ones, and what
# they paint by chance differs between views: the mean of all is nearer to the photo, in less
# time than one filling at full size. It is softer, too, which detail makes good. Measured.
VIEWS = ((0.6, 1), (0.5, -1), (0.35, 1))

# In pixels of the network: those that one sample of the low band covers, how far the patches
# that are compared reach, and from one copy to the next. Measured: with 2, 5 and 8, fillings
# are as good and less rough.
_BAND, _REACH, _STEP = 4, 8, 12
# The part of a step over which copies blend into each other. With less, edges of copies show;
# with more, they average each other out.
_SEAM = 0.8
# Network's pixels over which a filling's colours move towards those of known pixels near it.
_EDGE = 2
# Known positions that are looked at, and pairs of positions that are compared at once.
_MOST_KEYS, _MOST_PAIRS = 2**14, 2**20


def add_detail(pixels: Bytes, holes: Holes, filled: Bytes, is_painted: Holes) -> Bytes:
    """Makes a filling as large as the photo, with detail from its known part.

    Args:
        pixels: uint8 array of shape `(height, width, channels)`: a part of a photo.
        holes: bool array of shape `(height, width)`: True where nothing is copied from.
        filled: uint8 array of shape `(height', width', channels)`: the same part as the
            network saw it, and filled.
        is_painted: bool array of shape `(height', width')`: where detail is wanted.

    Returns:
        uint8 array like `pixels`: the filling, of use where `is_painted`.

    Reference:
    - [Yi et al., 2020](https://arxiv.org/abs/2005.09704), section 3.2, for the residual
    - [Hertzmann et al., 2001](https://doi.org/10.1145/383259.383295), section 3, for
      examples that are found by their low band
    """
    size = filled.shape[:2]
    soft = downsample(filled, (-(-size[0] // _BAND), -(-size[1] // _BAND)))
    is_unknown = resize_holes(holes, size)
    targets, sources = _targets(is_painted), _sources(is_unknown)
    if not len(sources):
        return upsample(filled, pixels.shape[:2])
    low = upsample(soft, size).astype(np.float32)
    nearest = sources[_nearest(_patches(low, targets), _patches(low, sources))]
    detailed = upsample(soft, pixels.shape[:2])
    _add_residual(detailed, pixels, targets, nearest, size)
    _meet_known(detailed, filled, is_unknown, is_painted)
    return detailed


def view_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Height and width of a view of a window of that size."""
    height, width = (max(round(scale * side), 1) for side in size)
    return height, width


def _targets(is_painted: Holes) -> Positions:
    """Positions of a grid whose copies reach a painted pixel: `(num, 2)`."""
    height, width = is_painted.shape
    is_reached = ndimage.maximum_filter(is_painted, 2 * _STEP + 1)
    # The last one at the edge, so that nothing is left between.
    rows, columns = ([*range(0, side, _STEP), side - 1] for side in (height, width))
    grid = np.zeros_like(is_painted)
    grid[np.ix_(rows, columns)] = True
    return np.argwhere(grid & is_reached)


def _sources(is_unknown: Holes) -> Positions:
    """Positions around which all that is compared or copied is known: `(num, 2)`."""
    reach = max(_REACH, _STEP)
    is_barred = ndimage.maximum_filter(is_unknown, 2 * reach + 1, mode="constant", cval=True)
    positions = np.argwhere(~is_barred)
    # Every n-th along the lines: at all phases of a regular texture.
    return positions[:: max(-(-len(positions) // _MOST_KEYS), 1)]


def _patches(low: Patches, positions: Positions) -> Patches:
    """The patches around positions, mirrored at the edges: `(num, samples * channels)`."""
    side = 2 * _REACH + 1
    padded = np.pad(low, ((_REACH, _REACH), (_REACH, _REACH), (0, 0)), "symmetric")
    patches = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))
    # The low band does not change between samples that are as far apart as it is coarse.
    samples = patches[..., ::_BAND, ::_BAND]
    return samples[positions[:, 0], positions[:, 1]].reshape(len(positions), -1)


def _nearest(patches: Patches, others: Patches) -> Positions:
    """Indices of those of the others that differ least from each patch, by squares."""
    squares = np.square(others).sum(axis=1)
    num = max(_MOST_PAIRS // len(others), 1)
    parts = [
        (squares - 2 * patches[first : first + num] @ others.T).argmin(axis=1)
        for first in range(0, len(patches), num)
    ]
    return np.concatenate(parts)


def _add_residual(
    low: Bytes, pixels: Bytes, targets: Positions, sources: Positions, size: tuple[int, int]
) -> None:
    """Adds to the low band around each target what the photo has above it at its source."""
    sides = pixels.shape[:2]
    scale = np.divide(sides, size)
    reach = np.rint(_STEP * scale).astype(int)
    to, origin = (np.rint((each + 0.5) * scale).astype(int) for each in (targets, sources))
    origin = origin.clip(reach, sides - reach)
    # All that is copied to, which may go beyond the edges.
    first, last = to.min(axis=0) - reach, to.max(axis=0) + reach
    sums = np.zeros((*(last - first), pixels.shape[2]), np.float32)
    weight, weights = _weights(reach), np.zeros((*sums.shape[:2], 1), np.float32)
    for there, here in zip(_squares(to - first, reach), _squares(origin, reach), strict=True):
        sums[there] += weight * (pixels[here].astype(np.float32) - low[here])
        weights[there] += weight
    sums /= np.maximum(weights, np.finfo(np.float32).tiny)
    bounds = list(zip(np.maximum(first, 0), np.minimum(last, sides), strict=True))
    inside = tuple(slice(start, end) for start, end in bounds)
    sums = sums[tuple(slice(s - f, e - f) for (s, e), f in zip(bounds, first, strict=True))]
    # In place: of a large photo, these are the largest arrays.
    sums += low[inside]
    low[inside] = np.rint(np.clip(sums, 0, 255, out=sums), out=sums)


def _meet_known(detailed: Bytes, filled: Bytes, is_unknown: Holes, is_painted: Holes) -> None:
    """Moves colours near the edge of a filling by what they are wrong just outside of it.

    There, the low band is a mean of known and filled pixels, and the residual is not theirs.
    """
    size = is_unknown.shape
    errors = filled.astype(np.float32) - downsample(detailed, size)
    known = ~is_unknown[..., None]
    errors, nearness = (
        ndimage.gaussian_filter(each.astype(np.float32), (_EDGE, _EDGE, 0), truncate=3)
        for each in (errors * known, known)
    )
    # Half of what is near the edge is known.
    moves = errors / np.maximum(nearness, 0.5)
    # As bytes, for at the photo's size they are many.
    large = upsample(
        (np.rint(moves).clip(-128, 127) + 128).astype(np.uint8), detailed.shape[:2], False
    )
    scale = np.divide(detailed.shape[:2], size)
    rows, columns = (np.flatnonzero(is_painted.any(axis=axis)) for axis in (1, 0))
    inside = tuple(
        slice(int(side[0] * by), int(np.ceil((side[-1] + 1) * by)))
        for side, by in zip((rows, columns), scale, strict=True)
    )
    moved = detailed[inside].astype(np.int16) + large[inside] - 128
    detailed[inside] = moved.clip(0, 255)


def _squares(centres: Positions, reach: Positions) -> Iterator[tuple[slice, slice]]:
    height, width = reach
    for row, column in centres:
        yield slice(row - height, row + height), slice(column - width, column + width)


def _weights(reach: Positions) -> Patches:
    """The weight of a copy: 1 in its middle; with those around it, 1 everywhere."""
    ramps = [
        np.clip((0.5 - np.abs(np.arange(-by, by) + 0.5) / by) / _SEAM + 0.5, 0, 1)
        for by in reach
    ]
    weights: Patches = np.outer(*ramps)[..., None].astype(np.float32)
    return weights
