"""Which devices a run is spread over; what they then learn is in test_replicas.py."""

import keras
import pytest

from keras_inpaint.training.building import devices_scope, shared_devices
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


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX only")
def test_devices_of_jax_share_batches_for_as_long_as_a_run_does():
    import jax

    lines = []
    settings = Settings("photos", "run", distribution="mirrored", batch_size=4)
    with shared_devices(settings, lines.append):
        is_shared = keras.distribution.distribution() is not None
    assert is_shared == (jax.device_count() > 1)
    assert len(lines) == 1
    assert keras.distribution.distribution() is None


def test_unknown_distributions_are_refused():
    words = r"one of none, mirrored, multiworker.*distribution='all'"
    with pytest.raises(ValueError, match=words):
        Settings("photos", "run", distribution="all")
