"""The weights of the terms."""

import keras
import pytest

from keras_inpaint.losses import LossWeights


def test_the_defaults_are_the_published_ones():
    assert LossWeights().get_config() == {
        "hole": 1.2,
        "known": 1.2,
        "adversarial": 0.001,
        "coarse": 1.2,
        "global_critic": 1.0,
        "gradient_penalty": 10.0,
        "perceptual": 0.0,
    }


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(ValueError, match=r"`known`.*Received: known="):
        LossWeights(known=weight)


def test_weights_come_back_from_their_config():
    weights = LossWeights(hole=3.0, coarse=0.5)
    config = keras.saving.serialize_keras_object(weights)
    assert keras.saving.deserialize_keras_object(config) == weights
