"""Random numbers drawn by integer arithmetic: the same on every backend and device.

Not `keras.random`: its numbers differ between backends, and on TensorFlow between compiled
and other functions, and it takes no seed that is a tensor. Masks must be the same ones
wherever a run goes on.
"""

import numpy as np
from keras import backend, ops

from keras_inpaint.arguments import check_int, is_int

# The finalizer of MurmurHash3 (Appleby, 2011): every bit of the input flips
# about half of the bits of the output.
_FIRST_FACTOR = 0x85EBCA6B
_SECOND_FACTOR = 0xC2B2AE35
# The golden ratio in 32 bits: no word, 0 included, is mixed as it stands.
_GOLDEN_RATIO = 0x9E3779B9
# Seeds derived for another sampler never meet the numbers drawn from their parent.
_DERIVATION = 0x3C6EF372


def picture_seeds(seed, index, places):
    """Gives every picture of a batch its own seed, from integers alone.

    The seeds depend on the three integers and on nothing else: a resumed run
    draws the same ones, and two devices draw what one would.

    Args:
        seed: int, the seed of the run, of Python or NumPy. Counted modulo 2**64.
        index: int or scalar integer tensor, which draw of the run this is, such
            as the number of the update. Counted modulo 2**32.
        places: Integer tensor of shape `(batch,)`: the index of each picture in
            the global batch.

    Returns:
        Tensor of unsigned 32-bit integers, of shape `(batch,)`.

    Raises:
        ValueError: If `seed` is not an int, or another argument holds no integers.

    Example:
    >>> from keras_inpaint.ops.random import picture_seeds
    >>> picture_seeds(0, 7, keras.ops.arange(2)).shape[0]
    2
    """
    meaning = "does not change from call to call, as `index` does,"
    state, seed = 0, check_int("seed", seed, meaning)
    for word in (seed % 2**32, (seed >> 32) % 2**32):
        state = _mix_known(state ^ _mix_known((word + _GOLDEN_RATIO) % 2**32))
    return _fold(_fold(_words(state), index), places)


def as_seeds(seeds):
    """Brings seeds to unsigned 32-bit integers, whatever integers they are.

    Args:
        seeds: Tensor, array or list of integers, of shape `(batch,)`: one per picture.
            Counted modulo 2**64.

    Returns:
        Tensor of unsigned 32-bit integers, of shape `(batch,)`. Integers from 0 to
        2**32 - 1, such as those of `picture_seeds`, stay what they are. Others, negative or
        larger, are hashed; two of them may meet, as random numbers do.

    Raises:
        ValueError: If they are not integers, or not of that shape.

    Example:
    >>> from keras_inpaint.ops.random import as_seeds
    >>> keras.ops.convert_to_numpy(as_seeds([7, 2**32 - 1])).tolist()
    [7, 4294967295]
    """
    if not ops.is_tensor(seeds):
        seeds = _integers(seeds)
        _check_seeds(seeds, "integers")
        low, high = (
            ops.convert_to_tensor(half.astype("uint32"))
            for half in (seeds % np.uint64(2**32), seeds >> np.uint64(32))
        )
        return ops.where(high == 0, low, _fold(low, high))
    dtype = backend.standardize_dtype(seeds.dtype)
    _check_seeds(seeds, dtype)
    if dtype in ("int64", "uint64"):
        # The same bits: of uint64, Keras's operations would make uint32.
        seeds = ops.cast(seeds, "int64")
        half = ops.convert_to_tensor(2**32 - 1, dtype="int64")
        high = ops.right_shift(seeds, ops.convert_to_tensor(32, dtype="int64"))
        low, high = (ops.cast(ops.bitwise_and(word, half), "uint32") for word in (seeds, high))
    elif dtype.startswith("int"):
        low = ops.cast(ops.cast(seeds, "int32"), "uint32")
        # The upper half of a negative number of 64 bits.
        high = ops.where(seeds < 0, _words(2**32 - 1), _words(0))
    else:
        return ops.cast(seeds, "uint32")
    return ops.where(high == 0, low, _fold(low, high))


def derived_seeds(seeds, stream):
    """Gives every picture a further seed, independent of `seeds`.

    Args:
        seeds: Integers of shape `(batch,)`, from `picture_seeds` or of your own, see
            `as_seeds`.
        stream: int or scalar integer tensor: the derived seeds differ from others
            derived from the same `seeds`.

    Returns:
        Tensor like `seeds`.

    Example:
    >>> from keras_inpaint.ops.random import derived_seeds, picture_seeds
    >>> seeds = picture_seeds(0, 7, keras.ops.arange(2))
    >>> keras.backend.standardize_dtype(derived_seeds(seeds, 1).dtype)
    'uint32'
    """
    return _fold(ops.bitwise_xor(as_seeds(seeds), _words(_DERIVATION)), stream)


def uniform(seeds, num, stream=0):
    """Draws numbers spread evenly over `[0, 1)`.

    Args:
        seeds: Integers of shape `(batch,)`, from `picture_seeds` or of your own, see
            `as_seeds`.
        num: int, how many numbers each picture gets.
        stream: int that separates one use of `seeds` from another.

    Returns:
        float32 tensor of shape `(batch, num)`: multiples of 2**-24.

    Example:
    >>> from keras_inpaint.ops.random import picture_seeds, uniform
    >>> seeds = picture_seeds(0, 7, keras.ops.arange(2))
    >>> tuple(uniform(seeds, 3).shape)
    (2, 3)
    """
    bits = ops.right_shift(_bits(seeds, num, stream), _words(8))
    return ops.cast(bits, "float32") * 2.0**-24


def integers(seeds, num, bound, stream=0):
    """Draws integers spread evenly over `0, ..., bound - 1`.

    Args:
        seeds: Integers of shape `(batch,)`, from `picture_seeds` or of your own, see
            `as_seeds`.
        num: int, how many integers each picture gets.
        bound: int or integer tensor that broadcasts to `(batch, num)`: how many
            values there are, from 1 to 2**16.
        stream: int that separates one use of `seeds` from another.

    Returns:
        int32 tensor of shape `(batch, num)`.

    Example:
    >>> from keras_inpaint.ops.random import integers, picture_seeds
    >>> seeds = picture_seeds(0, 7, keras.ops.arange(2))
    >>> bool(keras.ops.all(integers(seeds, 3, bound=5) < 5))
    True
    """
    # One product, then its integer part: nothing that a compiler could fuse. The
    # largest number drawn is 1 - 2**-24, whose product never rounds up to `bound`.
    scaled = uniform(seeds, num, stream) * ops.cast(bound, "float32")
    return ops.cast(ops.floor(scaled), "int32")


def normal(seeds, num, stream=0):
    """Draws numbers of mean 0 and variance 1, nearly normal, within `[-6, 6]`.

    The sum of twelve uniform numbers, which needs no logarithm or cosine: those
    differ between backends in the last bit.

    Args:
        seeds: Integers of shape `(batch,)`, from `picture_seeds` or of your own, see
            `as_seeds`.
        num: int, how many numbers each picture gets.
        stream: int that separates one use of `seeds` from another.

    Returns:
        float32 tensor of shape `(batch, num)`: multiples of 2**-17.

    Example:
    >>> from keras_inpaint.ops.random import normal, picture_seeds
    >>> seeds = picture_seeds(0, 7, keras.ops.arange(2))
    >>> tuple(normal(seeds, 3).shape)
    (2, 3)
    """
    bits = ops.right_shift(_bits(seeds, 12 * num, stream), _words(16))
    # float32 holds every partial sum of 16-bit integers exactly, in any order.
    bits = ops.cast(bits, "float32")
    sums = ops.sum(ops.reshape(bits, (-1, num, 12)), axis=-1)
    return (2.0 * sums - 12.0 * 65535.0) * 2.0**-17


def _bits(seeds, num, stream):
    states = _fold(as_seeds(seeds), stream)
    return _fold(ops.expand_dims(states, 1), np.arange(num))


def _fold(states, words):
    # The words are mixed before they meet the states, so that neighbours among
    # the pictures of one draw are no neighbours among those of another.
    if ops.is_tensor(words):
        words = _mix(_words(words) + _words(_GOLDEN_RATIO))
    else:
        words = _integers(words) % np.uint64(2**32)
        words = _mix_known((words + np.uint64(_GOLDEN_RATIO)) % np.uint64(2**32))
        words = ops.convert_to_tensor(words.astype("uint32"))
    return _mix(ops.bitwise_xor(states, words))


def _mix_known(words):
    """`_mix` of an int, or an array of uint64, below 2**32: steps that no graph need hold."""
    words = words ^ (words >> 16)
    words = words * _FIRST_FACTOR % 2**32
    words = words ^ (words >> 13)
    words = words * _SECOND_FACTOR % 2**32
    return words ^ (words >> 16)


def _mix(words):
    words = ops.bitwise_xor(words, ops.right_shift(words, _words(16)))
    words = words * _words(_FIRST_FACTOR)
    words = ops.bitwise_xor(words, ops.right_shift(words, _words(13)))
    words = words * _words(_SECOND_FACTOR)
    return ops.bitwise_xor(words, ops.right_shift(words, _words(16)))


def _words(values):
    """Integers modulo 2**32 as a tensor."""
    if is_int(values):
        return ops.convert_to_tensor(int(values) % 2**32, dtype="uint32")
    if not ops.is_tensor(values):
        return ops.convert_to_tensor((_integers(values) % np.uint64(2**32)).astype("uint32"))
    dtype = backend.standardize_dtype(values.dtype)
    if "int" not in dtype:
        raise ValueError(f"Random numbers follow from integers. Received: a tensor of {dtype}")
    return ops.cast(values, "uint32")


def _integers(values):
    """Integers modulo 2**64 as an array of uint64."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        return values.astype("uint64")
    # As Python's own: NumPy makes floats of those that no type holds together.
    array = np.array(values, dtype=object)
    for value in array.ravel():
        if not is_int(value):
            raise ValueError(f"Random numbers follow from integers. Received: {value!r}")
    numbers = [int(value) % 2**64 for value in array.ravel()]
    return np.array(numbers, dtype="uint64").reshape(array.shape)


def _check_seeds(seeds, dtype):
    rank = len(seeds.shape) if getattr(seeds.shape, "rank", 0) is not None else 1
    if "int" not in dtype or rank != 1:
        raise ValueError(
            "`seeds` must be integers of shape (batch,), one per picture, such as those of "
            "`keras_inpaint.ops.picture_seeds`. "
            f"Received: {dtype} of shape {tuple(seeds.shape)}"
        )
