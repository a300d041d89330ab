"""Taking a gradient and applying it, on TensorFlow."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_inpaint.gan.replicas import Replicas


class Steps(Replicas):
    """What `InpaintingGAN` needs of its backend, for TensorFlow.

    Losses are functions that return terms, dicts of tensors of a value a picture; the
    mean of the first term is what is minimised.
    """

    def train_step(self, data: Any) -> Any:
        return self._train(data)

    def test_step(self, data: Any) -> Any:
        return self._test(data)

    def _require(self, condition: Any, message: str, value: Any) -> None:
        """Stops with a message and a value unless `condition`, a bool tensor, holds.

        XLA drops the check: where `jit_compile` is on, nothing stops.
        """
        tf.debugging.Assert(condition, [message, value])

    def _improve(self, network: Any, optimizer: Any, loss: Any) -> Any:
        """One update of `network`; returns the terms of its loss."""
        with tf.GradientTape() as tape:
            terms = loss()
            total = optimizer.scale_loss(self._mean(terms))
        variables = network.trainable_variables
        self._apply(optimizer, tape.gradient(total, variables), variables)
        return terms

    def _record(self, network: Any, inputs: Any) -> Any:
        """Runs `network` so that `_improve_recorded` can go on from its outputs."""
        with tf.GradientTape() as tape:
            outputs = network(inputs, training=True)
        return outputs, tape

    def _improve_recorded(
        self, network: Any, optimizer: Any, outputs: Any, tape: Any, loss: Any
    ) -> Any:
        """One update of `network`, whose run was recorded, by a loss of its outputs."""
        differentiable = {
            name: output for name, output in outputs.items() if output.dtype.is_floating
        }
        with tf.GradientTape() as second_tape:
            second_tape.watch(differentiable)
            terms = loss(outputs)
            total = optimizer.scale_loss(self._mean(terms))
        gradients = second_tape.gradient(total, differentiable, unconnected_gradients="zero")
        variables = network.trainable_variables
        gradients = tape.gradient(differentiable, variables, output_gradients=gradients)
        self._apply(optimizer, gradients, variables)
        return terms

    def _apply(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        is_scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        if is_scaled and self._replica()[1] > 1:
            # Keras leaves a step out where gradients overflow on the first replica alone.
            is_finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in gradients])
            num_spoilt = self._sum(1.0 - tf.cast(is_finite, tf.float32))
            gradients = [tf.where(num_spoilt > 0, np.nan, g) for g in gradients]
        optimizer.apply(gradients, variables)

    def _mean(self, terms: Any) -> Any:
        total = next(iter(terms.values()))
        # Optimizers sum gradients over replicas.
        return tf.reduce_mean(tf.cast(total, tf.float32)) / self._replica()[1]


def input_gradients(function: Any, inputs: Any) -> Any:
    """Gradients with respect to `inputs` of the sum of all that `function` returns.

    Args:
        function: function of a dict of tensors to a tensor, or a structure of tensors.
        inputs: dict of tensors.

    Returns:
        dict of tensors like `inputs`, differentiable themselves.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        outputs = tf.nest.flatten(function(inputs))
    return tape.gradient(outputs, inputs)
