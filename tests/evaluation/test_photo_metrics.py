"""Measures of bytes are those that NumPy gives."""

import numpy as np
import pytest

from keras_inpaint.evaluation import measure
from keras_inpaint.evaluation.photo_metrics import in_batches, photo_metrics


def naive_total_variation(photo):
    levels = photo / 255
    down, right = np.abs(np.diff(levels, axis=0)), np.abs(np.diff(levels, axis=1))
    return down.mean() + right.mean()


def test_measures_are_those_of_numpy(rng):
    photo, filled = rng.integers(0, 256, (2, 16, 20, 3)).astype("uint8")
    holes = np.zeros((16, 20), bool)
    holes[4:9, 6:15] = True
    filled = np.where(holes[..., None], filled, photo)
    measures = measure(photo, filled, holes)
    errors = (filled.astype(float) - photo) / 255
    inside = errors[holes]
    expected = {
        "hole_l1": np.abs(inside).mean(),
        "hole_l2": (inside**2).mean(),
        "hole_psnr": -10 * np.log10((inside**2).mean()),
        "l1": np.abs(errors).mean(),
        "l2": (errors**2).mean(),
        "psnr": -10 * np.log10((errors**2).mean()),
        "relative_l1": np.abs(errors).sum() / (photo / 255).sum(),
        "relative_l2": (errors**2).sum() / ((photo / 255) ** 2).sum(),
        "total_variation": naive_total_variation(filled),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(measures[name], value, rtol=1e-5, err_msg=name)
    assert set(measures) == set(expected) | {"hole_ssim", "ssim", "hole_total_variation"}
    assert measures["hole_ssim"] < measures["ssim"] < 1


def test_black_photo_has_no_relative_error():
    black, holes = np.zeros((16, 16, 3), "uint8"), np.eye(16, dtype=bool)
    measures = measure(black, black, holes)
    assert np.isnan(measures["relative_l1"])
    assert measures["hole_psnr"] == np.inf
    assert measures["hole_l1"] == 0


def test_photo_smaller_than_a_window_is_refused():
    photo = np.zeros((8, 8, 3), "uint8")
    with pytest.raises(ValueError, match="height=8, width=8"):
        measure(photo, photo, np.eye(8, dtype=bool))


def test_large_photos_are_measured_one_by_one(rng, monkeypatch):
    photo, *fillings = rng.integers(0, 256, (4, 16, 16, 3)).astype("uint8")
    holes = np.eye(16, dtype=bool)
    together = photo_metrics(photo, fillings, holes)
    monkeypatch.setattr("keras_inpaint.evaluation.photo_metrics._MOST_PIXELS", 2 * 16 * 16)
    assert [len(batch) for batch in in_batches(fillings)] == [2, 1]
    for some, all_ in zip(photo_metrics(photo, fillings, holes), together, strict=True):
        assert some == pytest.approx(all_, rel=1e-5)
