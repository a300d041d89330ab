import numpy as np
import pytest

from keras_inpaint.metrics import frechet_distance


def published_distance(real, fake):
    """The formula with the covariance matrices themselves, by eigenvalues."""
    covariances = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    eigenvalues = np.linalg.eigvals(covariances[0] @ covariances[1])
    roots = np.sqrt(np.maximum(eigenvalues.real, 0)).sum()
    between = real.mean(axis=0) - fake.mean(axis=0)
    return between @ between + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * roots


def test_distance_is_that_of_the_published_formula():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6))
    fake = rng.normal(size=(90, 6)) @ rng.normal(size=(6, 6)) + rng.normal(size=6)
    np.testing.assert_allclose(
        frechet_distance(real, fake), published_distance(real, fake), rtol=1e-10
    )


def test_distance_between_lines_is_worked_out_by_hand():
    # Means 0 and 3, deviations sqrt(2) and 2 * sqrt(2): 9 + 2.
    assert frechet_distance([[-1.0], [1.0]], [[1.0], [5.0]]) == pytest.approx(11, rel=1e-12)


def test_more_dimensions_than_pictures_work():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(8, 40)), rng.normal(size=(50, 40))
    distance = frechet_distance(real, fake)
    np.testing.assert_allclose(distance, published_distance(real, fake), rtol=1e-6)
    # More directions, in which nothing differs, change nothing.
    wider = [
        np.concatenate([features, np.ones((len(features), 20))], 1) for features in (real, fake)
    ]
    np.testing.assert_allclose(frechet_distance(*wider), distance, rtol=1e-10)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-12)


def test_distance_is_symmetric():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(9, 5)), rng.normal(2, 3, size=(4, 5))
    assert frechet_distance(real, fake) == pytest.approx(
        frechet_distance(fake, real), rel=1e-12
    )


def test_features_of_other_shapes_are_refused():
    for real, fake in [((5, 3), (5, 4)), ((1, 3), (5, 3)), ((5, 3, 1), (5, 3))]:
        with pytest.raises(ValueError, match=r"\(num, dims\).*real_features\.shape=\("):
            frechet_distance(np.zeros(real), np.zeros(fake))


def test_features_that_are_not_finite_are_refused():
    features = np.zeros((5, 3))
    features[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"finite.*fake_features .* row 3"):
        frechet_distance(np.zeros((5, 3)), features)
