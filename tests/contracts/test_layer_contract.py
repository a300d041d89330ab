"""The contract is itself tested: on a good layer, and on one broken in each way."""

import keras
import numpy as np
import pytest
from keras import ops


class Scaled(keras.layers.Layer):
    """Features times a learned factor a channel, plus an offset, where the mask is 0."""

    def __init__(self, offset=0.0, **kwargs):
        super().__init__(**kwargs)
        self.offset = offset

    def build(self, features_shape, masks_shape=None):
        self.factor = self.add_weight(shape=(features_shape[-1],), name="factor")

    def call(self, features, masks=None):
        scaled = features * self.factor + self.offset
        return scaled if masks is None else {"scaled": scaled * (1 - masks), "masks": masks}

    def get_config(self):
        return {**super().get_config(), "offset": self.offset}


class Forgetful(Scaled):
    """Does not write its argument down."""

    def get_config(self):
        return keras.layers.Layer.get_config(self)


class Liar(Scaled):
    """Writes its argument down, with another value."""

    def get_config(self):
        return {**super().get_config(), "offset": 0.0}


class Severed(Scaled):
    """Lets no gradient through to its weight."""

    def call(self, features, masks=None):
        return features * ops.stop_gradient(self.factor)


class Blocked(keras.layers.Layer):
    """Has no weights, and lets no gradient through to its input."""

    def call(self, features):
        return ops.stop_gradient(features)


class Upcast(Scaled):
    """Computes in float32 whatever was asked for."""

    def call(self, features, masks=None):
        return ops.cast(features, "float32") * ops.cast(self.factor, "float32")


class Misjudged(Scaled):
    """Foretells another shape than comes."""

    def compute_output_shape(self, features_shape, masks_shape=None):
        return (*features_shape[:-1], 2 * features_shape[-1])

    def compute_output_spec(self, features, masks=None):
        return keras.KerasTensor(self.compute_output_shape(features.shape))


class Frozen(Scaled):
    """Computes something else when it is compiled: the size it saw when it was built."""

    def call(self, features, masks=None):
        known = features.shape[1] is not None
        return features * self.factor + (self.offset if known else 1.0)


class Lost(Scaled):
    """Its weight is not in the file."""

    def save_own_variables(self, store):
        store["0"] = np.zeros(self.factor.shape)


@pytest.fixture
def features(rng):
    return rng.normal(size=(2, 4, 5, 3)).astype("float32")


def test_good_layer_passes(check_layer, features):
    layer = check_layer(Scaled(offset=0.5), features)
    assert layer.built


def test_function_that_makes_a_layer_is_taken_too(check_layer, features):
    assert isinstance(check_layer(lambda: Scaled(offset=0.5), features), Scaled)


def test_several_inputs_and_a_dictionary_of_outputs_are_taken(check_layer, features, rng):
    masks = rng.integers(0, 2, size=(2, 4, 5, 1)).astype("float32")
    check_layer(Scaled(offset=0.5), (features, masks))


def test_layer_without_weights_must_pass_a_gradient_to_its_input(check_layer, features):
    check_layer(keras.layers.Activation("tanh"), features)
    with pytest.raises(AssertionError, match="first input"):
        check_layer(Blocked(), features)


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (Forgetful, r"must hold every constructor argument.*missing=\['offset'\]"),
        (Liar, "rebuilt from its JSON"),
        (Misjudged, "must foretell the shape"),
        (Severed, "(No gradient reaches|gradient of).*factor"),
        (Upcast, "at least one output must be float16"),
        (Lost, "loaded from a file"),
    ],
)
def test_broken_layer_is_caught(check_layer, features, broken, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_layer(broken(offset=0.5), features)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="JAX compiles for known sizes"
)
def test_layer_that_depends_on_known_sizes_is_caught(check_layer, features):
    with pytest.raises(AssertionError, match=r"in a tf\.function"):
        check_layer(Frozen(offset=0.5), features)
