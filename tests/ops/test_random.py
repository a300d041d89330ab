import keras
import numpy as np
import pytest
from keras import ops

from keras_inpaint.ops.random import (
    as_seeds,
    derived_seeds,
    integers,
    normal,
    picture_seeds,
    uniform,
)

MODULUS = 2**32


def mix(word):
    word ^= word >> 16
    word = word * 0x85EBCA6B % MODULUS
    word ^= word >> 13
    word = word * 0xC2B2AE35 % MODULUS
    return word ^ word >> 16


def fold(state, *words):
    for word in words:
        state = mix(state ^ mix((word + 0x9E3779B9) % MODULUS))
    return state


def seeds_in_plain_integers(seed, index, places):
    return [fold(0, seed % MODULUS, (seed >> 32) % MODULUS, index, place) for place in places]


def array(tensor):
    return ops.convert_to_numpy(tensor)


def compiled(function):
    if keras.backend.backend() == "jax":
        import jax

        return [jax.jit(function)]
    import tensorflow as tf

    return [tf.function(function), tf.function(function, jit_compile=True)]


@pytest.mark.parametrize(
    ("seed", "index"), [(0, 0), (7, 2**20 + 3), (-1, 5), (2**40 + 17, 2**31 - 1)]
)
def test_seeds_are_those_of_plain_integers(seed, index):
    expected = seeds_in_plain_integers(seed, index, [0, 1, 2, 4095])
    places = ops.convert_to_tensor([0, 1, 2, 4095], dtype="int32")
    seeds = picture_seeds(seed, index, places)
    assert keras.backend.standardize_dtype(seeds.dtype) == "uint32"
    np.testing.assert_array_equal(array(seeds), expected)
    # A tensor for the index, and a compiler, change nothing.
    index = ops.convert_to_tensor(index, dtype="int32")
    for function in compiled(lambda index, places: picture_seeds(seed, index, places)):
        np.testing.assert_array_equal(array(function(index, places)), expected)


def test_seeds_are_pinned():
    seeds = array(picture_seeds(42, 1_500_000, ops.arange(3)))
    assert seeds.tolist() == [2798310060, 3204577061, 365404329]


def test_uniform_numbers_are_those_of_plain_integers():
    seeds = seeds_in_plain_integers(3, 9, range(4))
    expected = [[(fold(seed, 2, column) >> 8) / 2**24 for column in range(5)] for seed in seeds]

    def draw(places):
        return uniform(picture_seeds(3, 9, places), 5, stream=2)

    for function in [draw, *compiled(draw)]:
        drawn = array(function(ops.arange(4)))
        assert drawn.dtype == np.float32
        np.testing.assert_array_equal(drawn, expected)


def test_normal_numbers_are_those_of_plain_integers():
    seeds = seeds_in_plain_integers(3, 9, range(2))
    halves = [[fold(seed, 0, column) >> 16 for column in range(24)] for seed in seeds]
    expected = np.array(halves).reshape(2, 2, 12).sum(-1) / 2.0**16 - 6 * 65535 / 2.0**16

    def draw(places):
        return normal(picture_seeds(3, 9, places), 2)

    for function in [draw, *compiled(draw)]:
        np.testing.assert_array_equal(array(function(ops.arange(2))), expected)


def test_integers_reach_every_value_and_no_other():
    seeds = picture_seeds(0, 0, ops.arange(500))
    drawn = array(integers(seeds, 2, ops.convert_to_tensor([3, 17])))
    assert set(drawn[:, 0]) == set(range(3))
    assert set(drawn[:, 1]) == set(range(17))


def test_uniform_numbers_are_even():
    drawn = array(uniform(picture_seeds(1, 2, ops.arange(1000)), 100)).astype("float64")
    assert drawn.min() >= 0
    assert drawn.max() < 1
    # Bounds of five standard errors of 100,000 draws.
    assert abs(drawn.mean() - 0.5) < 5 * (1 / 12) ** 0.5 / 1e5**0.5
    assert abs(drawn.var() - 1 / 12) < 5 * (1 / 180) ** 0.5 / 1e5**0.5
    counts = np.histogram(drawn, bins=100, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 99 + 5 * (2 * 99) ** 0.5


def test_normal_numbers_have_mean_0_and_variance_1():
    drawn = array(normal(picture_seeds(1, 2, ops.arange(1000)), 20)).astype("float64")
    assert abs(drawn.mean()) < 5 / 2e4**0.5
    assert abs(drawn.var() - 1) < 5 * 2**0.5 / 2e4**0.5
    assert abs(np.mean(np.abs(drawn) < 1) - 0.6827) < 0.02


def test_places_indices_streams_and_columns_do_not_correlate():
    def draw(index, stream, seed=0, derived=None):
        seeds = picture_seeds(seed, index, ops.arange(20000))
        if derived is not None:
            seeds = derived_seeds(seeds, derived)
        return array(uniform(seeds, 2, stream=stream)).astype("float64")

    first = draw(0, 0)
    columns = [
        *first.T,
        np.roll(first[:, 0], 1),
        draw(1, 0)[:, 0],
        draw(0, 1)[:, 0],
        draw(0, 0, seed=1)[:, 0],
        draw(0, 0, seed=2**32)[:, 0],
        draw(0, 0, derived=0)[:, 0],
        draw(0, 0, derived=1)[:, 0],
    ]
    correlations = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlations).max() < 5 / 20000**0.5


def test_a_variable_counts_the_draws():
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow only")
    for dtype in ("int32", "int64"):
        step = tf.Variable(2**21 + 1, dtype=dtype)

        def draw(step=step):
            return picture_seeds(5, step * 6 + 3, tf.range(2))

        expected = seeds_in_plain_integers(5, (2**21 + 1) * 6 + 3, range(2))
        for function in [draw, *compiled(draw)]:
            np.testing.assert_array_equal(array(function()), expected)


def test_a_seed_that_is_no_int_is_refused():
    with pytest.raises(ValueError, match=r"as `index` does.*seed=1\.5"):
        picture_seeds(1.5, 0, ops.arange(2))


LARGE_SEEDS = [-1, 2**32, 2**40 + 17, -(2**63), 2**63 - 1, -7]


def test_seeds_of_32_bits_stay_what_they_are():
    values = [0, 1, 2**31, 2**32 - 1]
    for seeds in (values, np.array(values), np.array(values, "uint64"), np.uint32(values)):
        np.testing.assert_array_equal(array(as_seeds(seeds)), values)


def test_other_seeds_are_hashed_from_both_their_halves():
    expected = [fold(seed % MODULUS, (seed >> 32) % MODULUS) for seed in LARGE_SEEDS]
    assert len(set(expected)) == len(expected)
    for seeds in (LARGE_SEEDS, np.array(LARGE_SEEDS), np.array(LARGE_SEEDS).astype("uint64")):
        np.testing.assert_array_equal(array(as_seeds(seeds)), expected)
    # No number is lost to a float on the way.
    mixed = [2**64 - 1, -1, 2**53 + 1]
    assert array(as_seeds(mixed)).tolist()[:2] == expected[:1] * 2
    assert array(as_seeds([2**53])).tolist() != array(as_seeds(mixed[2:])).tolist()


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
def test_a_seed_is_the_same_in_every_type(dtype):
    if keras.backend.backend() == "jax" and dtype == "int64":
        pytest.skip("JAX has no integers of 64 bits unless asked")
    expected = array(as_seeds([-5, -1, 0, 100]))
    seeds = ops.convert_to_tensor(np.array([-5, -1, 0, 100]), dtype=dtype)
    for function in [as_seeds, *compiled(as_seeds)]:
        np.testing.assert_array_equal(array(function(seeds)), expected)


def test_seeds_of_64_bits_are_the_same_as_tensors():
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow only")
    expected = array(as_seeds(LARGE_SEEDS))
    for dtype in ("int64", "uint64"):
        # Not by Keras, which makes int32 of them.
        seeds = tf.constant(np.array(LARGE_SEEDS).astype(dtype))
        for function in [as_seeds, *compiled(as_seeds)]:
            np.testing.assert_array_equal(array(function(seeds)), expected)


@pytest.mark.parametrize("draw", [uniform, normal, lambda seeds, num: integers(seeds, num, 9)])
def test_numbers_are_drawn_from_any_integers(draw):
    drawn = array(draw(LARGE_SEEDS, 8))
    np.testing.assert_array_equal(drawn, array(draw(as_seeds(LARGE_SEEDS), 8)))
    assert len({row.tobytes() for row in drawn}) == len(LARGE_SEEDS)
    np.testing.assert_array_equal(
        array(derived_seeds(LARGE_SEEDS, 3)), array(derived_seeds(as_seeds(LARGE_SEEDS), 3))
    )


def test_the_seed_of_a_run_may_be_any_integer():
    places = np.arange(3)
    for seed in (5, -(2**70) - 3, 2**64 + 1):
        expected = seeds_in_plain_integers(seed % 2**64, 9, places.tolist())
        np.testing.assert_array_equal(array(picture_seeds(seed, 9, places)), expected)
    expected = array(picture_seeds(5, 9, places))
    np.testing.assert_array_equal(
        array(picture_seeds(np.int64(5), np.int64(9), places)), expected
    )


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ([0.5], r"follow from integers.*Received: 0\.5"),
        ([True], r"follow from integers.*Received: True"),
        (["7"], r"follow from integers.*Received: '7'"),
        (7, r"shape \(batch,\).*of shape \(\)"),
        ([[1, 2]], r"shape \(batch,\).*of shape \(1, 2\)"),
        (ops.ones((2,)), r"integers of shape.*float32 of shape \(2,\)"),
        (ops.ones((2, 1), "int32"), r"one per picture.*int32 of shape \(2, 1\)"),
    ],
)
def test_what_is_no_seed_is_refused(seeds, message):
    for draw in (
        as_seeds,
        lambda seeds: uniform(seeds, 2),
        lambda seeds: derived_seeds(seeds, 1),
    ):
        with pytest.raises(ValueError, match=message):
            draw(seeds)


def test_places_that_are_no_integers_are_refused():
    with pytest.raises(ValueError, match=r"follow from integers.*float32"):
        picture_seeds(0, 0, ops.ones((2,)))
    with pytest.raises(ValueError, match=r"follow from integers.*Received: 1\.5"):
        picture_seeds(0, 1.5, [0])
