"""Contextual attention as algebra (Yu et al., 2018, section 3.2).

The publication extracts every background patch, uses the patches as kernels of a
convolution, and pastes them back with a transposed convolution, one picture at a time.
Here the same numbers come from matrix products and sums of diagonally shifted score
matrices, for a whole batch, without a patch tensor:

    <patch_i, patch_j>   = sum over d in 3x3 of <f[i + d], b[j + d]>
    overlapping patches  = sum over s in 2x2 of attention[i - s, j - s] @ cells

`i` is a query (a position to be explained), `j` a key (a position to copy from), both on
the same grid of `height * width` positions. Score matrices are kept as
`(batch, height * width, height * width)`: one step down in the picture is a diagonal
shift by `width`, one step right a diagonal shift by 1.

Time goes into passes over these matrices, so each sum along diagonals is one pass: a
matrix of `(size + 1, size)` numbers in memory, read as `(size, size + 1)`, has its
diagonals upright, where average pooling runs along them. And slices are `ops.slice`: the
gradient of `scores[:, 1:]` takes TensorFlow ten times as long.
"""

from keras import ops

PATCH_SIZE = 3


def patch_scores(queries, keys):
    """Inner products of all 3x3 patches of `queries` with all those of `keys`.

    Args:
        queries: Tensor of shape `(batch, height, width, channels)`.
        keys: Tensor like `queries`. Both count as zero outside the picture.

    Returns:
        Tensor of shape `(batch, height * width, height * width)`: queries down, keys
        across.

    Example:
    >>> features = keras.ops.ones((1, 4, 4, 1))
    >>> scores = keras_inpaint.ops.patch_scores(features, features)
    >>> tuple(scores.shape), float(scores[0, 5, 5]), float(scores[0, 0, 0])
    ((1, 16, 16), 9.0, 4.0)
    """
    batch, height, width, _ = ops.shape(queries)
    # A zero at the end of every line separates it from the next, and a line of zeros lies
    # above and below, so that shifts by 1 and by `line` see zeros outside the picture.
    line = width + 1
    size = (height + 2) * line + 2
    queries = _positions_among_zeros(PATCH_SIZE**2 * queries, line + 2)
    keys = _positions_among_zeros(keys, line + 1)
    scores = ops.matmul(queries, ops.transpose(keys, (0, 2, 1)))  # (batch, size + 1, size)

    scores = _mean_of_three(ops.reshape(scores, (batch, size, size + 1)), "valid")
    scores = ops.reshape(scores, (batch, height + 2, line * (size + 1)))
    scores = ops.reshape(_mean_of_three(scores, "valid"), (batch, -1))
    # Read with `size` columns again, the matrix begins at the first query and key.
    scores = _first(scores, (batch, height * line * size))
    scores = ops.reshape(scores, (batch, height, line, size))
    scores = _first(scores, (batch, height, width, height * line))
    scores = ops.reshape(scores, (batch, height, width, height, line))
    scores = _first(scores, (batch, height, width, height, width))
    return ops.reshape(scores, (batch, height * width, height * width))


def patch_norms(keys, norm="floor"):
    """Euclidean lengths of all 3x3 patches.

    Args:
        keys: Tensor of shape `(batch, height, width, channels)`, zero outside.
        norm: `"floor"`: at least 1e-4 (the published TensorFlow code). `"sum"`: 1e-4 is
            added to every square under the root (the PyTorch port).

    Returns:
        Tensor of shape `(batch, height * width)`, positive.

    Example:
    >>> norms = keras_inpaint.ops.patch_norms(keras.ops.ones((1, 3, 3, 4)))
    >>> [round(float(n), 4) for n in norms[0, 3:5]]
    [4.899, 6.0]
    """
    batch, height, width, channels = ops.shape(keys)
    squares = _box_sum(ops.sum(ops.square(keys), axis=-1))
    if norm == "floor":
        # Under the root: the same as max(norm, 1e-4), but with a finite gradient at 0.
        squares = ops.maximum(squares, 1e-8)
    else:
        squares = squares + 1e-4 * PATCH_SIZE**2 * channels
    return ops.reshape(ops.sqrt(squares), (batch, height * width))


def valid_keys(masks):
    """Finds the 3x3 patches that are known entirely, and may be copied from.

    Args:
        masks: Tensor of shape `(batch, height, width, 1)` on the attention's grid, 1 in
            the hole. Outside the picture counts as known.

    Returns:
        Tensor of shape `(batch, height * width)`: 1 where the patch is known, else 0.

    Example:
    >>> masks = keras.ops.reshape(keras.ops.array([1.0, 0, 0, 0]), (1, 1, 4, 1))
    >>> keras.ops.convert_to_numpy(keras_inpaint.ops.valid_keys(masks)).tolist()
    [[0.0, 0.0, 1.0, 1.0]]
    """
    batch, height, width, _ = ops.shape(masks)
    holes = ops.cast(_box_sum(masks[..., 0]) > 0, masks.dtype)
    return ops.reshape(1 - holes, (batch, height * width))


def fuse_scores(scores, grid):
    """Rewards keys whose neighbours match the neighbours of the query.

    Two convolutions of the score matrix with a 3x3 identity kernel, that is two means of
    three diagonal neighbours: positions numbered row by row, then column by column. The
    numbering runs on from the end of one line to the beginning of the next, as in the
    published code.

    Args:
        scores: Tensor of shape `(batch, height * width, height * width)`.
        grid: pair of ints or scalar int tensors: height and width.

    Returns:
        Tensor like `scores`: means of nine scores, which count as zero outside the
        matrix. The published code has their sums.

    Example:
    >>> fused = keras_inpaint.ops.fuse_scores(9 * keras.ops.ones((1, 4, 4)), (2, 2))
    >>> [round(float(score)) for score in fused[0, 0]]
    [5, 4, 5, 1]

    Reference:
    - [Yu et al., 2018](https://arxiv.org/abs/1801.07892), section 3.2, "Attention
      propagation"
    """
    (height, width), batch = grid, ops.shape(scores)[0]
    size = height * width
    upright = (batch, size + 2, size + 3)
    scores = ops.pad(scores, ((0, 0), (1, 2), (1, 1)))
    scores = _mean_of_three(ops.reshape(scores, upright), "same")
    scores = ops.reshape(scores, (batch, size + 3, size + 2))
    scores = ops.slice(scores, (0, 1, 1), (batch, size, size))

    # Below the bottom of a column comes the top of the next one. So the picture is
    # extended by its own first line, moved one to the left, below, and by its last line,
    # moved one to the right, above; then one step down is again a shift by `width`.
    extended = size + 2 * width
    upright = (batch, height + 2, width * (extended + 1))
    scores = _extend_columns(scores, (batch, width - 1, size), axis=1)
    scores = _extend_columns(scores, (batch, extended, width - 1), axis=2)
    scores = ops.pad(scores, ((0, 0), (0, 1), (0, 0)))
    scores = _mean_of_three(ops.reshape(scores, upright), "same")
    scores = ops.reshape(scores, (batch, extended + 1, extended))
    return ops.slice(scores, (0, width, width), (batch, size, size))


def attend(scores, valid, scale):
    """Softmax over the keys that may be copied from.

    Args:
        scores: Tensor of shape `(batch, queries, keys)`.
        valid: Tensor of shape `(batch, keys)`: 1 where a key may be used, else 0.
        scale: float. Factor before the softmax: the larger, the sharper.

    Returns:
        Tensor like `scores`: 0 for keys that may not be used. Rows sum to less than 1
        there, since an unusable key takes part in the softmax with a score of 0, as in
        the published code.

    Example:
    >>> scores, valid = keras.ops.ones((1, 1, 4)), keras.ops.array([[1.0, 1.0, 0.0, 0.0]])
    >>> attention = keras_inpaint.ops.attend(scores, valid, scale=0.0)
    >>> keras.ops.convert_to_numpy(attention)[0, 0].tolist()
    [0.25, 0.25, 0.0, 0.0]
    """
    valid = valid[:, None, :]
    return ops.softmax(scores * (scale * valid), axis=-1) * valid


def paste_patches(attention, features, grid, rate):
    """Rebuilds `features` from its own patches, weighted by `attention`.

    Every key owns the patch of `2 * rate` pixels squared around its position, every
    query receives the attention-weighted mean of all patches, and where the patches of
    neighbouring queries overlap, their mean is taken. Four patches meet in each cell
    of `rate` x `rate` pixels; the sum is divided by 4 at the border too, where fewer do.

    Args:
        attention: Tensor of shape `(batch, height * width, height * width)`.
        features: Tensor of shape `(batch, height * rate, width * rate, channels)`.
        grid: pair of ints or scalar int tensors: height and width.
        rate: int, at least 1. Pixels per cell, in both directions.

    Returns:
        Tensor like `features`.

    Example:
    >>> features = keras.ops.ones((1, 4, 4, 1))
    >>> copied = keras_inpaint.ops.paste_patches(keras.ops.eye(4)[None], features, (2, 2), 2)
    >>> float(copied[0, 1, 1, 0]), float(copied[0, 0, 0, 0])
    (1.0, 0.25)
    """
    (height, width), line = grid, grid[1] + 1
    size = (height + 1) * line
    # Query i covers the cells i + s, key j brings the cells j + s, s in {0, 1}^2, of a
    # grid of `size` cells. Its last line and column are zero before the sums, so that
    # what rolls over the edge is zero.
    attention = ops.reshape(attention, (-1, height, width, height, width))
    attention = ops.pad(attention, ((0, 0), (0, 1), (0, 1), (0, 1), (0, 1)))
    attention = ops.reshape(attention, (-1, size, size))
    attention = attention + ops.roll(attention, (1, 1), axis=(1, 2))
    attention = attention + ops.roll(attention, (line, line), axis=(1, 2))
    cells = ops.matmul(attention, split_into_cells(features, grid, rate))
    return join_cells(cells, features, grid, rate) / 4


def _positions_among_zeros(features, after):
    """Features as `(batch, positions, channels)`, with zeros around every line."""
    batch, height, width, channels = ops.shape(features)
    line = width + 1
    features = ops.pad(features, ((0, 0), (0, 0), (0, 1), (0, 0)))
    features = ops.reshape(features, (batch, height * line, channels))
    return ops.pad(features, ((0, 0), (line + 1, after), (0, 0)))


def _mean_of_three(upright, padding):
    """Means of neighbours along axis 1. `"same"` spoils the first and last, not used."""
    return ops.average_pool(upright, 3, strides=1, padding=padding, data_format="channels_last")


def _first(scores, shape):
    return ops.slice(scores, (0,) * len(shape), shape)


def _extend_columns(scores, line, axis):
    """The last line, moved right, before the first one; the first, moved left, after."""
    last = [0, 0, 0]
    last[axis] = ops.shape(scores)[axis] - line[axis] - 1
    first = [0, 0, 0]
    first[axis] = 1
    before, after = [[0, 0]] * 3, [[0, 0]] * 3
    before[axis], after[axis] = [1, 0], [0, 1]
    return ops.concatenate(
        [
            ops.pad(ops.slice(scores, last, line), before),
            scores,
            ops.pad(ops.slice(scores, first, line), after),
        ],
        axis=axis,
    )


def _box_sum(values):
    """Sums over 3x3 neighbourhoods of `(batch, height, width)`, zero outside."""
    padded = ops.pad(values, ((0, 0), (1, 1), (1, 1)))
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]


def split_into_cells(features, grid, rate):
    """Cells of `rate` x `rate` pixels: `(batch, cells, rate * rate * channels)`.

    The grid of cells lies half a cell above and to the left of the picture, as TensorFlow
    places windows of `2 * rate` pixels with stride `rate` under SAME padding.
    """
    (rows, columns), channels = (grid[0] + 1, grid[1] + 1), features.shape[-1]
    before, after = rate // 2, rate - rate // 2
    features = ops.pad(features, ((0, 0), (before, after), (before, after), (0, 0)))
    cells = ops.reshape(features, (-1, rows, rate, columns, rate * channels))
    cells = ops.transpose(cells, (0, 1, 3, 2, 4))
    return ops.reshape(cells, (-1, rows * columns, rate * rate * channels))


def join_cells(cells, features, grid, rate):
    """The inverse of `split_into_cells`."""
    (rows, columns), channels = (grid[0] + 1, grid[1] + 1), features.shape[-1]
    before = rate // 2
    cells = ops.reshape(cells, (-1, rows, columns, rate, rate * channels))
    cells = ops.transpose(cells, (0, 1, 3, 2, 4))
    joined = ops.reshape(cells, (-1, rows * rate, columns * rate, channels))
    shape = (ops.shape(cells)[0], grid[0] * rate, grid[1] * rate, channels)
    return ops.slice(joined, (0, before, before, 0), shape)
