"""An exponential moving average of a network's weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from keras_inpaint.gan.parts import Tensor

# Policies with weights in half precision, and those with the same computations in float32.
_FULL_POLICIES = {"bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def check_momentum(momentum: Any) -> None:
    """Refuses a momentum of an average that is none.

    Raises:
        ValueError: If it is neither `None` nor a number in `[0, 1)`.
    """
    is_number = isinstance(momentum, int | float) and not isinstance(momentum, bool)
    if momentum is not None and not (is_number and 0 <= momentum < 1):
        raise ValueError(
            "`ema_momentum` must be a number of at least 0 and below 1, such as 0.999, or "
            f"None for no average. Received: ema_momentum={momentum!r}"
        )


@contextmanager
def dtype_policy(policy: Any) -> Iterator[None]:
    """Makes a policy Keras's own within a context.

    Args:
        policy: Name of a policy, or a `keras.DTypePolicy`.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def make_average(network: Any) -> Any:
    """Makes the network that holds the average of another one's weights.

    Args:
        network: `keras.Model`, built.

    Returns:
        A copy of it, whose weights are not trainable and float32 at least: in half
        precision, small steps of an average would be lost.

    Raises:
        ValueError: If the network cannot be copied.
    """
    description = keras.saving.serialize_keras_object(network)
    policy = _FULL_POLICIES.get(keras.backend.standardize_dtype(network.variable_dtype))
    if policy is not None:
        description["config"]["dtype"] = policy
    with dtype_policy(policy or keras.config.dtype_policy()):
        average = keras.saving.deserialize_keras_object(description)
    if len(average.variables) != len(network.variables):
        raise ValueError(
            "An average needs a generator whose copy has all weights from its construction "
            f"on. Received: a copy of {type(network).__name__} with "
            f"{len(average.variables)} of {len(network.variables)} weights"
        )
    for mean, variable in zip(average.variables, network.variables, strict=True):
        if mean.dtype in _FULL_POLICIES:
            raise ValueError(
                "An average needs weights of float32: give the generator's layers the `dtype` "
                f"of the generator. Received: {mean.dtype} for {mean.path}"
            )
        # A copy of the values: on JAX, each variable gives its own away in a step.
        mean.assign(ops.convert_to_numpy(variable))
        # Not `average.trainable`, which would be saved with presets.
        mean.trainable = False
    return average


def next_average(average: Any, network: Any, momentum: float, num_updates: Tensor) -> Any:
    """Computes the average after another update of a network.

    The momentum is `min(momentum, n / (9 + n))` after `n` earlier updates, so that the
    average begins with the first weights and is none of those from before the training.

    Args:
        average: What `make_average` returned for the network.
        network: `keras.Model`.
        momentum: float in `[0, 1)`.
        num_updates: int scalar tensor. How many updates the average has seen.

    Returns:
        List of tensors, one for each of `average.variables`. What is not trained of the
        network, such as statistics, is taken as it is.

    Reference:
    - [tf.train.ExponentialMovingAverage](
        https://www.tensorflow.org/api_docs/python/tf/train/ExponentialMovingAverage),
        `num_updates`
    """
    num_updates = ops.cast(num_updates, "float32")
    weight = 1.0 - ops.minimum(momentum, num_updates / (9.0 + num_updates))

    def next_value(mean: Any, variable: Any) -> Tensor:
        value = ops.cast(variable, mean.dtype)
        if not variable.trainable:
            return value
        # Weights that do not change leave the average exactly as it is.
        return mean + ops.cast(weight, mean.dtype) * (value - mean)

    return [
        next_value(mean, variable)
        for mean, variable in zip(average.variables, network.variables, strict=True)
    ]
