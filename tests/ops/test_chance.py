import keras
import numpy as np
import pytest
from keras import ops

from keras_inpaint.ops.chance import derived_seeds, integers, normal, picture_seeds, uniform

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
    with pytest.raises(ValueError, match=r"what changes .* is `index`.*seed=1\.5"):
        picture_seeds(1.5, 0, ops.arange(2))
