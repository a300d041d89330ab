"""Distance of the hole's pixels to the known ones.

By array operations, for losses compute it on the device, in a compiled step; on the host,
`scipy.ndimage.distance_transform_edt` does the same.
"""

from keras import ops


def distance_to_known(masks):
    """Computes the distance of each pixel of the hole to the known pixels.

    The exact Euclidean distance to the nearest known pixel of the same picture,
    which the spatially discounted loss turns into a weight. No gradient flows
    through it.

    Args:
        masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, 0
            where the picture is known.

    Returns:
        float32 tensor like `masks`: distances in pixels, 0 where the picture
        is known. In a compiled function, where values cannot be looked at, the
        distances of a picture without known pixels are infinite.

    Raises:
        ValueError: If a picture has no known pixel.

    Example:
    >>> from keras_inpaint.ops.distance import distance_to_known
    >>> masks = np.reshape([0.0, 1.0, 1.0, 1.0], (1, 1, 4, 1))
    >>> keras.ops.convert_to_numpy(distance_to_known(masks)).ravel().tolist()
    [0.0, 1.0, 2.0, 3.0]

    Reference:
    - [Felzenszwalb and Huttenlocher, 2012](
      https://cs.brown.edu/people/pfelzens/papers/dt-final.pdf): the squared
      distance splits into one pass along columns and one along rows
    """
    holes = ops.cast(ops.stop_gradient(ops.convert_to_tensor(masks)), "bool")[..., 0]
    _check_known_pixels(holes)
    gaps = _gaps_in_columns(holes)
    squares = _least_squares_in_rows(gaps * gaps)
    return ops.sqrt(squares)[..., None]


def _gaps_in_columns(holes):
    """The distance to the nearest known pixel of the same column, or infinity."""
    height = ops.shape(holes)[1]
    gaps = ops.cast(ops.where(holes, float("inf"), 0.0), "float32")  # (batch, height, width)

    def is_within_the_picture(shift, gaps):
        return shift < height

    def look_further(shift, gaps):
        # Each round has seen twice as far as the last one.
        nearest = _nearer_neighbour(_surrounded(gaps, 1), shift, 1)
        return 2 * shift, ops.minimum(gaps, nearest + ops.cast(shift, gaps.dtype))

    first = ops.convert_to_tensor(1, dtype="int32")
    return ops.while_loop(is_within_the_picture, look_further, (first, gaps))[1]


def _least_squares_in_rows(squares):
    """The least `squares[column + shift] + shift**2` over all shifts."""
    width = ops.shape(squares)[2]
    surrounded = _surrounded(squares, 2)

    def may_improve(shift, nearest):
        # A shift longer than the longest distance so far helps no pixel.
        longest = ops.max(nearest)
        return (shift < width) & (ops.cast(shift * shift, longest.dtype) < longest)

    def look_further(shift, nearest):
        length = ops.cast(shift * shift, nearest.dtype)
        beside = _nearer_neighbour(surrounded, shift, 2)
        return shift + 1, ops.minimum(nearest, beside + length)

    first = ops.convert_to_tensor(1, dtype="int32")
    return ops.while_loop(may_improve, look_further, (first, squares))[1]


def _surrounded(values, axis):
    """`values` between infinities of the same size."""
    outside = ops.full_like(values, float("inf"))
    return ops.concatenate([outside, values, outside], axis=axis)


def _nearer_neighbour(surrounded, shift, axis):
    """The lesser of the values that lie `shift` before and behind each position."""
    shape = list(ops.shape(surrounded))
    shape[axis] = shape[axis] // 3

    def moved(shift):
        start = [0, 0, 0]
        start[axis] = shape[axis] + shift
        return ops.slice(surrounded, start, shape)

    return ops.minimum(moved(-shift), moved(shift))


def _check_known_pixels(holes):
    try:
        are_blank = ops.convert_to_numpy(ops.all(holes, axis=(1, 2)))
    except (AttributeError, NotImplementedError, TypeError):
        # What a compiled function computes has no value yet.
        return
    if are_blank.any():
        raise ValueError(
            "Every picture must have a known pixel, or there is no distance to compute. "
            "Leave out the pictures that are all hole. "
            f"Received: masks of 1 only at indices {are_blank.nonzero()[0].tolist()} "
            "of the batch"
        )
