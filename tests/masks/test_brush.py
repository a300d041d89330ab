import keras
import numpy as np
import pytest
from keras import ops

from keras_inpaint.masks.brush import integer_root, paint


def distances_to_segments(starts, ends, height, width):
    """Distance of every pixel to every segment in float64, in eighths of a pixel."""
    pixels = 8.0 * np.stack(np.mgrid[:height, :width], axis=-1)[:, :, None]
    steps = (ends - starts).astype("float64")
    squares = np.maximum((steps**2).sum(-1), 1e-9)
    shares = np.clip(((pixels - starts) * steps).sum(-1) / squares, 0, 1)
    return np.linalg.norm(pixels - starts - shares[..., None] * steps, axis=-1)


@pytest.fixture
def painted(quick):
    def painted(starts, ends, radii, height, width):
        arrays = [np.asarray(array, "int32") for array in (starts, ends, radii)]
        masks = quick(lambda *arrays: paint(*arrays, height, width))(*arrays)
        return ops.convert_to_numpy(masks)[..., 0]

    return painted


@pytest.mark.parametrize(("height", "width"), [(40, 56), (1, 30), (30, 1), (67, 23)])
def test_pixels_within_the_radius_are_painted_and_no_others(painted, height, width):
    rng = np.random.default_rng(0)
    starts, ends = rng.integers(-80, 8 * max(height, width) + 80, (2, 20, 2, 2))
    ends[:5, 0, 0], ends[2:8, 1, 1] = starts[:5, 0, 0], starts[2:8, 1, 1]
    radii = rng.integers(0, 120, (20, 2))
    masks = painted(starts, ends, radii, height, width)
    for picture in range(20):
        distances = distances_to_segments(starts[picture], ends[picture], height, width)
        # One eighth of a pixel on either side may go either way.
        assert np.all(masks[picture][(distances < radii[picture] - 1).any(-1)] == 1)
        assert np.all(masks[picture][(distances > radii[picture] + 1).all(-1)] == 0)


def test_a_point_paints_a_disc(painted):
    disc = painted([[[24, 24]]], [[[24, 24]]], [[16]], 7, 8)[0]
    rows, columns = np.mgrid[:7, :8]
    np.testing.assert_array_equal(disc, (rows - 3) ** 2 + (columns - 3) ** 2 <= 4)


@pytest.mark.parametrize("step", [(0, 48), (48, 0), (0, -48), (-48, 0)])
def test_a_straight_segment_paints_a_bar_with_round_ends(painted, step):
    start = np.array([80, 80])
    bar = painted([[start]], [[start + step]], [[8]], 24, 24)[0]
    distances = distances_to_segments(start[None], start[None] + step, 24, 24)[..., 0]
    np.testing.assert_array_equal(bar, distances <= 8)


def test_a_negative_radius_paints_nothing(painted):
    assert not painted([[[0, 0]]], [[[80, 80]]], [[-1]], 12, 12).any()


def test_a_segment_across_a_large_picture_does_not_overflow(painted):
    start, end, radius = np.array([[[16000, 14000]]]), np.array([[[18500, 11200]]]), 160
    masks = painted(start, end, [[radius]], 3000, 2500)[0, 1900:2400:7, 1300:1800:7]
    pixels = distances_to_segments(start[0] - [15200, 10400], end[0] - [15200, 10400], 500, 500)
    distances = pixels[::7, ::7, 0]
    assert np.all(masks[distances < radius - 1] == 1)
    assert np.all(masks[distances > radius + 1] == 0)


def test_integer_root_is_exact(quick):
    rng = np.random.default_rng(0)
    roots = np.concatenate([np.arange(1, 70), rng.integers(1, 2**15, 500), [2**15]])
    values = np.concatenate([[0], roots**2, roots**2 - 1])
    expected = np.concatenate([[0], roots, roots - 1])
    result = quick(integer_root)(ops.convert_to_tensor(values.astype("int32")))
    np.testing.assert_array_equal(ops.convert_to_numpy(result), expected)
    assert keras.backend.standardize_dtype(result.dtype) == "int32"
