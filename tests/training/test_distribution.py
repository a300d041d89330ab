"""Which devices a run is spread over; what they then learn is in test_replicas.py."""

import keras
import pytest

from keras_inpaint.training.building import devices_scope
from keras_inpaint.training.settings import Settings


def test_one_device_shares_with_none():
    lines = []
    for distribution in (None, "none"):
        settings = Settings("photos", "run", distribution=distribution)
        with devices_scope(settings, lines.append) as strategy:
            assert strategy is None
    assert lines == []


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow only")
def test_one_device_says_that_there_is_no_other():
    tf = pytest.importorskip("tensorflow")
    if len(tf.config.list_logical_devices("GPU")) > 1:
        pytest.skip("there are several GPUs")
    lines = []
    settings = Settings("photos", "run", distribution="mirrored")
    with devices_scope(settings, lines.append) as strategy:
        assert strategy is None
    assert lines == ["There is one device: it does not share with any."]


def test_mirrored_is_refused_on_jax(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    settings = Settings("photos", "run", distribution="mirrored")
    with pytest.raises(ValueError, match=r"DataParallel.*'mirrored' on the backend 'jax'"):
        devices_scope(settings)


def test_unknown_distributions_are_refused():
    with pytest.raises(ValueError, match=r"one of none, mirrored.*distribution='multiworker'"):
        Settings("photos", "run", distribution="multiworker")
