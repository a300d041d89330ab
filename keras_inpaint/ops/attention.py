"""Contextual attention as algebra (Yu et al., 2018, section 3.2).

The publication extracts every background patch, uses the patches as kernels of a
convolution, and pastes them back with a transposed convolution, one picture at a time.
Here the same numbers come from matrix products and sums of diagonally shifted score
matrices, for a whole batch, without a patch tensor:

    <patch_i, patch_j>   = sum over d in 3x3 of <f[i + d], b[j + d]>
    overlapping patches  = sum over s in 2x2 of attention[i - s, j - s] @ cells

`i` is a query (a position to be explained), `j` a key (a place to copy from), both on
the same grid of `height * width` positions. Score matrices are kept as
`(batch, height * width, height * width)`: one step down in the picture is a diagonal
shift by `width`, one step right a diagonal shift by 1.
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
    _, height, width, _ = ops.shape(queries)
    line = width + 1
    size = height * line
    # A zero at the end of every line separates it from the next, so that a shift by 1
    # sees zeros outside the picture. Above and below, the matrix itself ends.
    widen = ((0, 0), (0, 0), (0, 1), (0, 0))
    scores = _inner_products(ops.pad(queries, widen), ops.pad(keys, widen))
    scores = _sum_of_diagonal_shifts(scores, 1)
    scores = _sum_of_diagonal_shifts(scores, line)
    scores = ops.reshape(scores, (-1, height, line, height, line))
    scores = scores[:, :, :width, :, :width]
    return ops.reshape(scores, (-1, height * width, height * width))


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
    """Which 3x3 patches are known entirely, and may therefore be copied from.

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

    Two convolutions of the score matrix with a 3x3 identity kernel, that is two sums of
    three diagonal shifts: positions numbered row by row, then column by column. The
    numbering runs on from the end of one line to the beginning of the next, as in the
    published code.

    Args:
        scores: Tensor of shape `(batch, height * width, height * width)`.
        grid: pair of ints or scalar int tensors: height and width.

    Returns:
        Tensor like `scores`.

    Example:
    >>> scores = keras.ops.ones((1, 4, 4))
    >>> keras.ops.convert_to_numpy(keras_inpaint.ops.fuse_scores(scores, (2, 2)))[0, 0]
    array([4., 6., 6., 4.], dtype=float32)

    Reference:
    - [Yu et al., 2018](https://arxiv.org/abs/1801.07892), section 3.2, "Attention
      propagation"
    """
    scores = _sum_of_diagonal_shifts(scores, 1)
    return _sum_of_column_major_shifts(scores, *grid)


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
        rate: int, at least 1. Pixels a cell.

    Returns:
        Tensor like `features`.

    Example:
    >>> features = keras.ops.ones((1, 4, 4, 1))
    >>> copied = keras_inpaint.ops.paste_patches(keras.ops.eye(4)[None], features, (2, 2), 2)
    >>> float(copied[0, 1, 1, 0]), float(copied[0, 0, 0, 0])
    (1.0, 0.25)
    """
    attention = _sum_over_patch_cells(attention, grid)
    cells = ops.matmul(attention, _split_into_cells(features, grid, rate))
    return _join_cells(cells, features, grid, rate) / 4


def _inner_products(queries, keys):
    """All inner products between positions: `(batch, queries, keys)`."""
    channels = queries.shape[-1]
    queries = ops.reshape(queries, (ops.shape(queries)[0], -1, channels))
    keys = ops.reshape(keys, (ops.shape(keys)[0], -1, channels))
    return ops.matmul(queries, ops.transpose(keys, (0, 2, 1)))


def _sum_of_diagonal_shifts(scores, step):
    """`scores[i, j] + scores[i + step, j + step] + scores[i - step, j - step]`."""
    padded = ops.pad(scores, ((0, 0), (step, step), (step, step)))
    last = 2 * step
    return padded[:, :-last, :-last] + scores + padded[:, last:, last:]


def _sum_of_column_major_shifts(scores, height, width):
    """The sum of diagonal shifts by 1, were positions numbered column by column.

    Below the bottom of a column comes the top of the next one. So the picture is
    extended by its own first line, moved one to the left, below, and by its last line,
    moved one to the right, above; then one step down is again a shift by `width`.
    """
    extended = _extend_columns(scores, height, width, axis=1)
    extended = _extend_columns(extended, height, width, axis=2)
    last = 2 * width
    return extended[:, :-last, :-last] + scores + extended[:, last:, last:]


def _extend_columns(scores, height, width, axis):
    before = ((0, 0), (1, 0), (0, 0)) if axis == 1 else ((0, 0), (0, 0), (1, 0))
    after = ((0, 0), (0, 1), (0, 0)) if axis == 1 else ((0, 0), (0, 0), (0, 1))
    size = height * width
    last_line = _slice(scores, size - width, size - 1, axis)
    first_line = _slice(scores, 1, width, axis)
    return ops.concatenate(
        [ops.pad(last_line, before), scores, ops.pad(first_line, after)], axis=axis
    )


def _slice(scores, start, stop, axis):
    return scores[:, start:stop] if axis == 1 else scores[:, :, start:stop]


def _box_sum(values):
    """Sums over 3x3 neighbourhoods of `(batch, height, width)`, zero outside."""
    padded = ops.pad(values, ((0, 0), (1, 1), (1, 1)))
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]


def _sum_over_patch_cells(attention, grid):
    """Attention between cells: `sum over s in {0, 1}^2 of attention[i - s, j - s]`.

    Query i covers the cells i + s of a grid of `(height + 1) * (width + 1)`, key j
    brings the cells j + s; lines are one longer, so that the shift to the right stays
    inside a line.
    """
    height, width = grid
    line = width + 1
    size = height * line
    attention = _widen_lines(attention, height, width)
    attention = ops.reshape(attention, (ops.shape(attention)[0], size, size))
    # Right: into the zeros at the end of each line. Down: into one more line of zeros.
    wider = ops.pad(attention, ((0, 0), (1, line), (1, line)))
    attention = wider[:, 1:, 1:] + wider[:, :-1, :-1]
    lower = ops.pad(attention, ((0, 0), (line, 0), (line, 0)))
    return attention + lower[:, :-line, :-line]


def _widen_lines(scores, height, width):
    """Appends a zero position to every line of queries and of keys."""
    scores = ops.reshape(scores, (-1, height, width, height, width))
    return ops.pad(scores, ((0, 0), (0, 0), (0, 1), (0, 0), (0, 1)))


def _split_into_cells(features, grid, rate):
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


def _join_cells(cells, features, grid, rate):
    """The inverse of `_split_into_cells`."""
    (rows, columns), channels = (grid[0] + 1, grid[1] + 1), features.shape[-1]
    before = rate // 2
    cells = ops.reshape(cells, (-1, rows, columns, rate, rate * channels))
    cells = ops.transpose(cells, (0, 1, 3, 2, 4))
    joined = ops.reshape(cells, (-1, rows * rate, columns * rate, channels))
    height, width = grid[0] * rate, grid[1] * rate
    return joined[:, before : before + height, before : before + width]
