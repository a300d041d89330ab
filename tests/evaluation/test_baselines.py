"""Classical methods fill the hole, and nothing else."""

import sys

import numpy as np
import pytest

from keras_inpaint.evaluation import baselines


@pytest.fixture
def hole():
    holes = np.zeros((24, 24), bool)
    holes[9:14, 10:16] = True
    return holes


def test_mean_color_is_that_of_what_is_known(rng, hole):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    photo = rng.integers(0, 256, (24, 24, 3)).astype("uint8")
    filled = baselines()["mean colour"](photo, hole)
    np.testing.assert_array_equal(filled[11, 12], np.rint(photo[~hole].mean(axis=0)))
    np.testing.assert_array_equal(filled[~hole], photo[~hole])


@pytest.mark.parametrize("name", ["telea", "navier-stokes"])
def test_a_slope_is_continued_into_the_hole(name, hole):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    slope = np.repeat(np.arange(24, dtype="uint8")[:, None] * 8 + 20, 24, axis=1)
    photo = np.stack([slope, slope // 2, slope], axis=-1)
    blanked = np.where(hole[..., None], 255, photo).astype("uint8")
    filled = baselines()[name](blanked, hole)
    assert np.abs(filled.astype(int) - photo)[hole].max() <= 16
    np.testing.assert_array_equal(filled[~hole], photo[~hole])


def test_missing_opencv_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ValueError, match=r"pip install 'keras-inpaint\[baselines\]'"):
        baselines()
