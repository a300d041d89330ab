"""Nearest-neighbour resampling, in the two forms that published weights were trained with.

`keras.ops.image.resize(interpolation="nearest")` samples half-pixel centres, which is
neither of them: a network converted from a publication would look at other pixels.
"""

from keras import ops


def nearest_corners(images, size):
    """Nearest neighbours on a grid whose corners coincide with the picture's.

    Row `i` of `m` comes from row `floor(i * (n - 1) / (m - 1) + 1/2)` of `n`: halves go
    up. TensorFlow 1 calls this `align_corners=True`.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        size: pair of ints or scalar int tensors, at least 1. Height and width to produce.

    Returns:
        Tensor of shape `(batch, *size, channels)`.

    Example:
    >>> ramp = keras.ops.reshape(keras.ops.arange(6), (1, 6, 1, 1))
    >>> half = keras_inpaint.ops.nearest_corners(ramp, (3, 1))
    >>> keras.ops.convert_to_numpy(half).ravel().tolist()
    [0, 3, 5]
    """
    _, height, width, _ = ops.shape(images)
    images = ops.take(images, _corner_indices(height, size[0]), axis=1)
    return ops.take(images, _corner_indices(width, size[1]), axis=2)


def nearest_strided(images, size):
    """Nearest neighbours by picking every n-th row and column, beginning with the first.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        size: pair of ints or scalar int tensors that divide height and width.

    Returns:
        Tensor of shape `(batch, *size, channels)`.

    Example:
    >>> ramp = keras.ops.reshape(keras.ops.arange(6), (1, 6, 1, 1))
    >>> half = keras_inpaint.ops.nearest_strided(ramp, (3, 1))
    >>> keras.ops.convert_to_numpy(half).ravel().tolist()
    [0, 2, 4]
    """
    _, height, width, _ = ops.shape(images)
    rows = ops.arange(size[0], dtype="int32") * (height // size[0])
    columns = ops.arange(size[1], dtype="int32") * (width // size[1])
    return ops.take(ops.take(images, rows, axis=1), columns, axis=2)


def upsample_nearest(images, factor=2):
    """Repeats every pixel `factor` times in both directions.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        factor: int, at least 1.

    Returns:
        Tensor of shape `(batch, factor * height, factor * width, channels)`.

    Example:
    >>> tuple(keras_inpaint.ops.upsample_nearest(keras.ops.ones((1, 3, 4, 2))).shape)
    (1, 6, 8, 2)
    """
    return ops.repeat(ops.repeat(images, factor, axis=1), factor, axis=2)


def pad_by_reflection(images, margins):
    """Continues images by their reflection about the outermost rows and columns.

    Margins may be as large as the image, and larger: the reflection goes back and forth, for
    which `ops.pad(mode="reflect")` has no word.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        margins: pair of ints. Rows above and below, and columns left and right, to add.

    Returns:
        Tensor of shape `(batch, height + 2 * rows, width + 2 * columns, channels)`.

    Example:
    >>> from keras_inpaint.ops.resampling import pad_by_reflection
    >>> ramp = keras.ops.reshape(keras.ops.arange(3), (1, 1, 3, 1))
    >>> keras.ops.convert_to_numpy(pad_by_reflection(ramp, (0, 3))).ravel().tolist()
    [1, 2, 1, 0, 1, 2, 1, 0, 1]
    """
    sizes = zip(images.shape[1:3], margins, strict=True)
    if all(size is not None and margin < size for size, margin in sizes):
        return ops.pad(images, ((0, 0), *((each, each) for each in margins), (0, 0)), "reflect")
    for axis, margin in zip((1, 2), margins, strict=True):
        if margin:
            last = ops.shape(images)[axis] - 1
            period = ops.maximum(2 * last, 1)
            # Of distances: remainders of negative numbers are other ones in other runtimes.
            indices = ops.abs(ops.arange(-margin, last + 1 + margin, dtype="int32")) % period
            images = ops.take(images, last - ops.abs(last - indices), axis=axis)
    return images


def convolve_upsampled(images, kernel, bias, activation, is_reflected=False):
    """Convolves the images that `upsample_nearest` would give, without making them.

    A row of three taps meets two rows of the small picture: the tap alone and the sum of
    the other two. So four kernels of 2x2 taps on the small picture, one for each parity
    of row and column, do what nine taps do on the large one, in 4/9 of the time.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.
        kernel: Tensor of shape `(3, 3, channels, filters)`.
        bias: Tensor of shape `(filters,)`, or `None`.
        activation: function, number by number.
        is_reflected: bool. Whether the upsampled images are continued by their reflection,
            not by zeros.

    Returns:
        Tensor of shape `(batch, 2 * height, 2 * width, filters)`: the upsampled images,
        zero or reflected outside, convolved with `kernel`, plus `bias`, activated.

    Example:
    >>> from keras_inpaint.ops.resampling import convolve_upsampled
    >>> images, kernel = keras.ops.ones((1, 3, 4, 2)), keras.ops.ones((3, 3, 2, 5))
    >>> convolved = convolve_upsampled(images, kernel, None, keras.ops.relu)
    >>> tuple(convolved.shape), float(convolved[0, 0, 0, 0]), float(convolved[0, 1, 1, 0])
    ((1, 6, 8, 5), 8.0, 18.0)
    """
    batch, height, width, _ = ops.shape(images)
    filters = kernel.shape[-1]
    # (2, 2, channels, 4 * filters), as `depth_to_space` wants the four results.
    kernel = ops.concatenate(
        [taps for rows in _odd_and_even(kernel, 0) for taps in _odd_and_even(rows, 1)], axis=-1
    )
    # The reflection of the second of two equal rows is the first: the row itself again.
    mode = "symmetric" if is_reflected else "constant"
    images = ops.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode)
    results = ops.conv(images, kernel, padding="valid", data_format="channels_last")
    # Before the results are put in place, as TensorFlow makes all this one operation. To
    # that end it must be `ops.add`, which knows a bias, and not `+`.
    results = activation(results if bias is None else ops.add(results, ops.tile(bias, 4)))
    # The window between the small rows t - 1 and t gives the large rows 2t - 1 and 2t:
    # there is one too many on each side.
    upsampled = ops.depth_to_space(results, 2, data_format="channels_last")
    return ops.slice(upsampled, (0, 1, 1, 0), (batch, 2 * height, 2 * width, filters))


def _odd_and_even(kernel, axis):
    """The two taps on the small picture that give its odd and its even rows or columns."""
    before, here, after = ops.split(kernel, 3, axis=axis)
    return (
        ops.concatenate([before + here, after], axis=axis),
        ops.concatenate([before, here + after], axis=axis),
    )


def _corner_indices(size_from, size_to):
    # In integers, so that a half is exactly a half: in float32 some of them
    # would be rounded down.
    positions = ops.arange(size_to, dtype="int32")
    gaps = ops.maximum(ops.cast(size_to, "int32") - 1, 1)
    return (2 * positions * (size_from - 1) + gaps) // (2 * gaps)


def convolve_by_phases(inputs, kernel, rates):
    """A dilated convolution as a plain one of the pixels that it brings together.

    Pixels whose rows and columns leave the same remainder see each other and no others: each
    of these phases is a picture of its own. Accelerators are faster at it than at dilation.

    Args:
        inputs: Tensor of shape `(batch, height, width, channels)`, height and width known and
            multiples of the rates.
        kernel: Tensor of shape `(rows, columns, channels, filters)`.
        rates: pair of ints. Distance of the kernel's taps, in rows and in columns.

    Returns:
        Tensor of shape `(batch, height, width, filters)`: what
        `keras.ops.conv(padding="same", dilation_rate=rates)` returns.

    Example:
    >>> from keras_inpaint.ops.resampling import convolve_by_phases
    >>> inputs, kernel = keras.ops.ones((2, 8, 8, 3)), keras.ops.ones((3, 3, 3, 4))
    >>> tuple(convolve_by_phases(inputs, kernel, (2, 4)).shape)
    (2, 8, 8, 4)
    """
    _, height, width, channels = inputs.shape
    rows, columns = (size // rate for size, rate in zip((height, width), rates, strict=True))
    phases = ops.reshape(inputs, (-1, rows, rates[0], columns, rates[1], channels))
    phases = ops.transpose(phases, (0, 2, 4, 1, 3, 5))
    phases = ops.reshape(phases, (-1, rows, columns, channels))
    outputs = ops.conv(phases, kernel, padding="same", data_format="channels_last")
    outputs = ops.reshape(outputs, (-1, *rates, rows, columns, kernel.shape[-1]))
    outputs = ops.transpose(outputs, (0, 3, 1, 4, 2, 5))
    return ops.reshape(outputs, (-1, height, width, kernel.shape[-1]))
