import numpy as np
import pytest
from keras import ops

from keras_inpaint.metrics import l1, l2, psnr

NAIVE = {
    l1: lambda difference: np.mean(np.abs(difference)),
    l2: lambda difference: np.mean(difference**2),
    psnr: lambda difference: 10 * np.log10(1 / np.mean(difference**2)),
}


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    images, completed = rng.uniform(-1, 1, (2, 3, 9, 7, 3)).astype("float32")
    masks = (rng.random((3, 9, 7, 1)) < 0.3).astype("float32")
    return images, completed, masks


@pytest.mark.parametrize("metric", NAIVE)
def test_the_whole_picture_counts_without_masks(metric, pictures):
    images, completed, _ = pictures
    expected = [NAIVE[metric](difference / 2) for difference in completed - images]
    values = ops.convert_to_numpy(metric(images, completed))
    np.testing.assert_allclose(values, expected, rtol=1e-6)


@pytest.mark.parametrize("metric", NAIVE)
def test_only_the_hole_counts_with_masks(metric, pictures):
    images, completed, masks = pictures
    expected = [
        NAIVE[metric](difference[mask[..., 0] == 1] / 2)
        for difference, mask in zip(completed - images, masks, strict=True)
    ]
    values = ops.convert_to_numpy(metric(images, np.where(masks, completed, np.nan), masks))
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_black_against_white_is_1():
    black, white = -np.ones((1, 2, 2, 3)), np.ones((1, 2, 2, 3))
    assert [float(metric(black, white)[0]) for metric in (l1, l2, psnr)] == [1, 1, 0]


def test_an_empty_hole_has_no_error(pictures):
    images, completed, masks = pictures
    masks[1] = 0
    values = [ops.convert_to_numpy(metric(images, completed, masks)) for metric in NAIVE]
    assert [value[1] for value in values] == [0, 0, np.inf]
    assert np.isfinite([value[0] for value in values]).all()
