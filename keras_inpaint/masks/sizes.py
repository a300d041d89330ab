"""The size of the pictures that masks are drawn for."""

import operator

from keras import ops


def picture_size(height, width):
    """Gives both sizes as ints where they can be known now, else as tensors.

    Args:
        height: int or scalar integer tensor. Height of the pictures, in pixels.
        width: int or scalar integer tensor. Width of the pictures, in pixels.

    Returns:
        Pair of ints or of scalar int32 tensors, each for itself.

    Raises:
        ValueError: If a size is no integer, or is known and less than 1.
    """
    return _size("height", height), _size("width", width)


def _size(name, size):
    try:
        size = operator.index(size)
    except TypeError:
        # What a compiled function computes has no value yet.
        if not ops.is_tensor(size) or "int" not in str(size.dtype):
            raise ValueError(
                f"`{name}` of the pictures must be an integer, in pixels. "
                f"Received: {name}={size!r}"
            ) from None
        return ops.cast(size, "int32")
    if size < 1:
        raise ValueError(
            f"`{name}` of the pictures must be at least 1 pixel. Received: {name}={size}"
        )
    return size
