"""Contextual attention a few lines of the picture at a time, in bounded memory.

The score matrix of the dense path has `(height * width) ** 2` entries: 1 GB for a picture
of 1024 x 1024. But the attention of some lines of queries depends on few other lines of
the score matrix: three above and three below, for the 3x3 patches and both fusions. So
one block of lines after the other is scored against all keys, fused, turned into
attention and pasted, and only what was pasted is kept. The numbers are those of
`keras_inpaint.ops.attention`, at every border too.

Lines wrap: with the positions numbered column by column, the bottom of a column is
followed by the top of the next one, so that the first block needs the picture's last
lines as well, and the last block the first ones. Patches do not wrap: what would reach
over an edge is zeroed.
"""

import keras
from keras import ops

from keras_inpaint.ops.attention import attend, join_cells, split_into_cells

# One line for the patches, one for the fusion along rows, one for that along columns.
HALO = 3
# Block-sized matrices alive at once: padded and unpadded scores, and sums under way.
_COPIES = 6
# Fitted to the peak memory of processes, see docs/large_pictures.md: what of the above is
# alive where TensorFlow fuses operations, and what blocks take beyond their budget.
_MEASURED_COPIES, _OVER_BUDGET = 4, 1.2


def fits_at_once(memory, grid, batch=1):
    """Checks that the whole score matrix and its copies stay within a memory budget.

    Args:
        memory: int, in bytes.
        grid: pair of ints or scalar int tensors: height and width.
        batch: int or scalar int tensor.

    Returns:
        bool, or a scalar bool tensor where a size is one.

    Example:
    >>> keras_inpaint.ops.fits_at_once(2**29, (64, 64))
    True
    """
    height, width = grid
    if all(isinstance(size, int) for size in (batch, height, width)):
        return 4 * _COPIES * batch * (height * width) ** 2 <= memory
    return _per_line(memory, grid, batch) >= ops.cast(height, "float32")


def lines_within(memory, grid, batch=1):
    """Computes how many lines of queries a block may have within a memory budget.

    Args:
        memory: int, in bytes.
        grid: pair of ints or scalar int tensors: height and width.
        batch: int or scalar int tensor.

    Returns:
        int or scalar int tensor, at least 1 and at most the height. One line is the
        least that can be done: seven of them, with the lines around it, are held.

    Example:
    >>> keras_inpaint.ops.lines_within(2**30, (128, 128))
    15
    """
    height, width = grid
    if all(isinstance(size, int) for size in (batch, height, width)):
        lines = memory // (4 * _COPIES * batch * width * width * height)
        return max(1, min(height, lines - 2 * HALO))
    lines = ops.cast(_per_line(memory, grid, batch), "int32")
    return ops.clip(lines - 2 * HALO, 1, height)


def attention_memory(grid, batch=1, budget=None):
    """Estimates how many bytes attention takes at most, in inference.

    Each of `N` positions is compared with each other one: a few matrices of `N` x `N`,
    unless a budget is given that blocks of lines keep to.

    Args:
        grid: pair of ints: height and width.
        batch: int. Pictures at once.
        budget: int or `None`. Bytes that the scores may take. Seven lines of queries are
            held at once at least, however little it is.

    Returns:
        int: bytes, as the peak memory of processes was measured.

    Example:
    >>> keras_inpaint.ops.attention_memory((32, 32))
    16777216
    >>> round(keras_inpaint.ops.attention_memory((128, 128), budget=2**29) / 2**29, 3)
    1.2
    """
    height, width = grid
    per_line = 4 * _MEASURED_COPIES * batch * height * width**2
    if budget is None:
        return height * per_line
    fewest_lines = 1 + 2 * HALO
    in_blocks = int(_OVER_BUDGET * max(budget, fewest_lines * per_line))
    return min(height * per_line, in_blocks)


def attend_by_lines(keys, norms, valid, features, rate, scale, fuse, best_only, num_lines):
    """Scores, attention and pasting, a block of lines of queries at a time.

    Args:
        keys: Tensor of shape `(batch, height, width, channels)`: features on the grid.
        norms: Tensor of shape `(batch, height * width)`, from `patch_norms`.
        valid: Tensor of shape `(batch, height * width)`, from `valid_keys`.
        features: Tensor of shape `(batch, height * rate, width * rate, channels)`.
        rate: int. Pixels of `features` per position.
        scale: float. Factor before the softmax.
        fuse: bool. Whether neighbouring scores are summed along rows and columns.
        best_only: bool. Whether the best patch alone is pasted.
        num_lines: int or scalar int tensor, at least 1. Lines per block.

    Returns:
        tuple: tensor like `features`, rebuilt; int32 tensor of shape `(batch, height *
        width)`, the best key of each query.

    Reference:
    - [Yu et al., 2018](https://arxiv.org/abs/1801.07892), section 3.2
    """
    batch, height, width, _ = ops.shape(keys)
    grid = (height, width)
    # In a branch of `ops.cond`, TensorFlow's gradient of the loop below does not find what
    # the branch itself was handed, only what was computed in it.
    keys, norms, valid = ops.copy(keys), ops.copy(norms), ops.copy(valid)
    tensors = (keys, _widen(keys), norms, valid, split_into_cells(features, grid, rate))

    # What goes in and out of `work` is float32, which numbers up to 4096 x 4096 positions
    # exactly: in a branch of `ops.cond`, TensorFlow's `recompute_grad` fails on the gradient
    # of integers that come out, and warns of those that go in.
    def work(first, keys, widened, norms, valid, cells):
        first = ops.cast(first, "int32")
        scores = _scores_of_lines(keys, widened, norms, first, num_lines, fuse)
        attention = attend(scores, valid, scale)
        best = ops.top_k(attention, 1)[1][..., 0]
        if best_only:
            attention = ops.one_hot(best, height * width, dtype=attention.dtype)
            attention = attention * valid[:, None, :]
        # Lines beyond the bottom, of the last block, are nobody's.
        lines = first + ops.arange(num_lines, dtype="int32")
        inside = ops.cast(ops.repeat(lines < height, width), attention.dtype)
        attention = ops.cast(attention * inside[None, :, None], cells.dtype)
        return _paste_lines(attention, cells, grid, num_lines), ops.cast(best, "float32")

    # The gradient takes one block after the other as well, and computes each again
    # instead of keeping it. TensorFlow sees no gradient of what is not an argument.
    work = keras.remat(work)
    num_blocks = -(-height // num_lines)
    firsts = ops.arange(num_blocks, dtype="int32") * num_lines
    pasted, best = _one_by_one(
        lambda first: work(first, *tensors),
        ops.cast(firsts, "float32"),
        shapes=[
            (batch, num_lines + 1, width + 1, tensors[-1].shape[-1]),
            (batch, num_lines * width),
        ],
        dtypes=[features.dtype, "float32"],
    )
    best = ops.cast(best, "int32")
    best = ops.reshape(ops.transpose(best, (1, 0, 2)), (batch, -1))[:, : height * width]
    pasted = _stack_overlapping(pasted, height)
    return join_cells(pasted, features, grid, rate) / 4, best


def _one_by_one(work, firsts, shapes, dtypes):
    """`ops.map` that keeps to the order: TensorFlow's begins ten at once, each in memory."""
    nothing = [ops.zeros(*output) for output in zip(shapes, dtypes, strict=True)]

    def step(previous, first):
        del previous
        outputs = list(work(first))
        return outputs, outputs

    return ops.scan(step, nothing, firsts)[1]


def _scores_of_lines(keys, widened, norms, first, num_lines, fuse):
    """Normalised, fused scores of some lines of queries with all keys."""
    batch, height, width, _ = ops.shape(keys)
    total = num_lines + 2 * HALO
    lines = (first - HALO + ops.arange(total, dtype="int32")) % height
    queries = ops.take(widened, lines, axis=1)
    flat = (batch, -1, keys.shape[-1])
    scores = ops.matmul(
        ops.reshape(queries, flat), ops.transpose(ops.reshape(widened, flat), (0, 2, 1))
    )  # (batch, total * (width + 1), height * (width + 1))

    # Patches: along rows into the zeros at the end of each line, then along columns.
    scores = _sum_along_diagonals(scores, 1, ends="padded")
    at_top, at_bottom = lines[1:-1] == 0, lines[1:-1] == height - 1
    line = width + 1
    scores = _sum_along_diagonals(
        scores, line, ~_spread(at_top, line), ~_spread(at_bottom, line)
    )
    scores = ops.reshape(scores, (batch, total - 2, line, height, line))[
        :, :, :width, :, :width
    ]
    scores = ops.reshape(scores, (batch, (total - 2) * width, height * width))
    scores = scores / norms[:, None, :]
    if not fuse:
        return scores[:, 2 * width : -2 * width]

    # Row by row, the first position has nothing before it and the last nothing after.
    columns = ops.arange(width, dtype="int32")
    is_first = ops.reshape(at_top[:, None] & (columns == 0), (-1,))[width:-width]
    is_last = ops.reshape(at_bottom[:, None] & (columns == width - 1), (-1,))[width:-width]
    end = width - 1
    middle = scores[:, end : ops.shape(scores)[1] - end]
    scores = _sum_along_diagonals(middle, 1, ~is_first, ~is_last)
    return _sum_along_columns(scores, lines[2:-2], height, width)


def _sum_along_diagonals(scores, step, has_previous=None, has_next=None, ends="cut"):
    """`scores[i, j] + scores[i - step, j - step] + scores[i + step, j + step]`.

    Keys count as zero outside; queries too if the ends are padded, else the first and
    the last `step` of them have served as neighbours and are cut.
    """
    rows = (step, step) if ends == "padded" else (0, 0)
    scores = ops.pad(scores, ((0, 0), rows, (step, step)))
    last = 2 * step
    previous, following = scores[:, :-last, :-last], scores[:, last:, last:]
    if has_previous is not None:
        previous = previous * ops.cast(has_previous, scores.dtype)[None, :, None]
        following = following * ops.cast(has_next, scores.dtype)[None, :, None]
    return previous + scores[:, step:-step, step:-step] + following


def _sum_along_columns(scores, lines, height, width):
    """The same sum with positions numbered column by column; first and last line cut."""
    # Below the bottom of a column comes the top of the next one, one to the right.
    count = ops.shape(scores)[1] - 2 * width
    positions = ops.arange(count, dtype="int32") + width
    columns = positions % width
    line = lines[1:-1]
    at_top, at_bottom = (ops.repeat(line == edge, width) for edge in (0, height - 1))
    before = positions - width - ops.cast(at_top, "int32")
    after = positions + width + ops.cast(at_bottom, "int32")
    has_previous = ~(at_top & (columns == 0))
    has_next = ~(at_bottom & (columns == width - 1))

    last_line = ops.pad(scores[:, :, -width:-1], ((0, 0), (0, 0), (1, 0)))
    first_line = ops.pad(scores[:, :, 1:width], ((0, 0), (0, 0), (0, 1)))
    extended = ops.concatenate([last_line, scores, first_line], axis=2)
    size = height * width
    previous = ops.take(extended[:, :, :size], ops.maximum(before, 0), axis=1)
    limit = ops.shape(scores)[1] - 1
    following = ops.take(extended[:, :, 2 * width :], ops.minimum(after, limit), axis=1)
    previous = previous * ops.cast(has_previous, scores.dtype)[None, :, None]
    following = following * ops.cast(has_next, scores.dtype)[None, :, None]
    return previous + scores[:, width:-width] + following


def _paste_lines(attention, cells, grid, num_lines):
    """What some lines of queries paste into one line of cells more than they are."""
    (height, width), line = grid, grid[1] + 1
    attention = ops.reshape(attention, (-1, num_lines, width, height, width))
    attention = ops.pad(attention, ((0, 0), (0, 1), (0, 1), (0, 1), (0, 1)))
    attention = ops.reshape(attention, (-1, (num_lines + 1) * line, (height + 1) * line))
    # Zero are the last line and column: what rolls over the edge adds nothing.
    attention = attention + ops.roll(attention, (1, 1), axis=(1, 2))
    attention = attention + ops.roll(attention, (line, line), axis=(1, 2))
    pasted = ops.matmul(attention, cells)
    return ops.reshape(pasted, (-1, num_lines + 1, line, ops.shape(cells)[-1]))


def _stack_overlapping(pasted, height):
    """Puts blocks one below the other; the last line of each adds to the next one's first."""
    num_blocks, batch, lines, line, depth = ops.shape(pasted)
    carried = ops.pad(pasted[:-1, :, -1:], ((1, 0), (0, 0), (0, lines - 2), (0, 0), (0, 0)))
    whole = ops.transpose(pasted[:, :, :-1] + carried, (1, 0, 2, 3, 4))
    whole = ops.reshape(whole, (batch, num_blocks * (lines - 1), line, depth))
    whole = ops.concatenate([whole, pasted[-1, :, -1:]], axis=1)[:, : height + 1]
    return ops.reshape(whole, (batch, (height + 1) * line, pasted.shape[-1]))


def _widen(features):
    """Appends a zero position to every line."""
    return ops.pad(features, ((0, 0), (0, 0), (0, 1), (0, 0)))


def _spread(lines, width):
    """From one value per line to one value per position."""
    return ops.repeat(lines, width)


def _per_line(memory, grid, batch):
    """How many lines' scores the memory holds, where sizes are tensors."""
    # As quotients of floats: the product of the sizes overflows int32.
    lines = memory / (4 * _COPIES)
    for size in (batch, grid[1], grid[1], grid[0]):
        lines = lines / ops.cast(size, "float32")
    return lines
