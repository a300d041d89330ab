"""Taking a gradient and applying it, on JAX."""

from contextlib import nullcontext
from typing import Any

import jax
import keras
from jax import numpy as jnp


class Steps(keras.Model):
    """What `InpaintingGAN` needs of its backend, for JAX.

    JAX's functions are pure: Keras hands all variables' values to a step and takes the
    new ones from it. Between the two they live in a `keras.StatelessScope`, in which
    reading and assigning variables works as ever.
    """

    def train_step(self, state: Any, data: Any) -> Any:
        variables = (
            self.trainable_variables,
            self.non_trainable_variables,
            self.optimizer.variables,
            self.metrics_variables,
        )
        return _in_scope(variables, state, lambda: self._train(data))

    def test_step(self, state: Any, data: Any) -> Any:
        variables = (
            self.trainable_variables,
            self.non_trainable_variables,
            self.metrics_variables,
        )
        return _in_scope(variables, state, lambda: self._test(data))

    def _sum(self, values: Any) -> Any:
        """Sums over devices: here one program sees the whole batch."""
        return values

    def _places(self, images: Any, num_shares: int | None = None) -> Any:
        """The places of pictures in the global batch; `deal` sees whether it divides."""
        del num_shares
        return jnp.arange(images.shape[0], dtype="int32")

    def _fill(self, data: Any) -> Any:
        """A batch and its size: none is empty."""
        return data, jax.tree.leaves(data)[0].shape[0]

    def _results(self, trackers: Any) -> Any:
        return {name: tracker.result() for name, tracker in trackers.items()}

    def _scope(self) -> Any:
        """In which variables are made: `keras.distribution` is the same everywhere."""
        return nullcontext()

    def _num_devices(self) -> int:
        """How many devices must be given equal parts of each batch."""
        return 1

    def _check_options(self, **options: Any) -> None:
        """Nothing that `compile` may be told stands in the way of several devices."""

    def _require(self, condition: Any, message: str, value: Any) -> None:
        """Stops with a message and a value unless `condition`, a bool tensor, holds."""

        def check(holds: Any, value: Any) -> None:
            if not holds:
                raise ValueError(f"{message}{value}")

        jax.debug.callback(check, condition, value)

    def _improve(self, network: Any, optimizer: Any, loss: Any) -> Any:
        """One update of `network`; returns the terms of its loss."""
        values = [variable.value for variable in network.trainable_variables]

        def total(values: Any) -> Any:
            terms, changes = self._run(network, values, loss)
            return optimizer.scale_loss(_mean(terms)), (terms, changes)

        gradients, (terms, changes) = jax.grad(total, has_aux=True)(values)
        self._assign(changes)
        _apply(optimizer, gradients, network)
        return terms

    def _record(self, network: Any, inputs: Any) -> Any:
        """Runs `network` so that `_improve_recorded` can go on from its outputs."""
        values = [variable.value for variable in network.trainable_variables]

        def outputs(values: Any) -> Any:
            outputs, changes = self._run(
                network, values, lambda: network(inputs, training=True)
            )
            differentiable, others = _split(outputs)
            return differentiable, (others, changes)

        differentiable, pull_back, (others, changes) = jax.vjp(outputs, values, has_aux=True)
        self._assign(changes)
        return differentiable | others, pull_back

    def _improve_recorded(
        self, network: Any, optimizer: Any, outputs: Any, pull_back: Any, loss: Any
    ) -> Any:
        """One update of `network`, whose run was recorded, by a loss of its outputs."""
        differentiable, others = _split(outputs)

        def total(differentiable: Any) -> Any:
            terms, changes = self._run(network, None, lambda: loss(differentiable | others))
            return optimizer.scale_loss(_mean(terms)), (terms, changes)

        gradients, (terms, changes) = jax.grad(total, has_aux=True)(differentiable)
        self._assign(changes)
        (gradients,) = pull_back(gradients)
        _apply(optimizer, gradients, network)
        return terms

    def _run(self, network: Any, values: Any, function: Any) -> Any:
        """Calls `function` with `network`'s weights set to `values`.

        Assignments made inside, as those of spectral vectors, are returned and not made:
        JAX's gradient would find its tracers outside of the function otherwise.
        """
        mapping = {id(v): (v, v.value) for v in self.variables}
        if values is not None:
            for variable, value in zip(network.trainable_variables, values, strict=True):
                mapping[id(variable)] = (variable, value)
        with keras.StatelessScope(state_mapping=list(mapping.values())):
            result = function()
            changes = [variable.value for variable in self.non_trainable_variables]
        return result, changes

    def _assign(self, changes: Any) -> None:
        for variable, value in zip(self.non_trainable_variables, changes, strict=True):
            variable.assign(value)


def input_gradients(function: Any, inputs: Any) -> Any:
    """Gradients with respect to `inputs` of the sum of all that `function` returns.

    Args:
        function: function of a dict of tensors to a tensor, or a structure of tensors.
        inputs: dict of tensors.

    Returns:
        dict of tensors like `inputs`, differentiable themselves.
    """

    def total(inputs: Any) -> Any:
        return sum(jnp.sum(output) for output in jax.tree.leaves(function(inputs)))

    return jax.grad(total)(inputs)


def _in_scope(variables: Any, state: Any, step: Any) -> Any:
    """Runs `step` on the values of `state`; returns its logs and the new values."""
    mapping = [
        pair
        for group, values in zip(variables, state, strict=True)
        for pair in zip(group, values, strict=True)
    ]
    with keras.StatelessScope(state_mapping=mapping):
        logs = step()
        state = tuple([variable.value for variable in group] for group in variables)
    return logs, state


def _split(outputs: Any) -> Any:
    """Outputs that a gradient can flow through, and the others."""
    floats = {
        name for name, output in outputs.items() if jnp.issubdtype(output.dtype, jnp.floating)
    }
    return (
        {name: output for name, output in outputs.items() if name in floats},
        {name: output for name, output in outputs.items() if name not in floats},
    )


def _mean(terms: Any) -> Any:
    return jnp.mean(next(iter(terms.values())).astype("float32"))


def _apply(optimizer: Any, gradients: Any, network: Any) -> None:
    # Not `optimizer.apply`: scaled losses decide with JAX's own conditions, out of which
    # no assignment may leak.
    weights, state = optimizer.stateless_apply(
        [variable.value for variable in optimizer.variables],
        gradients,
        [variable.value for variable in network.trainable_variables],
    )
    for variable, value in zip(optimizer.variables, state, strict=True):
        variable.assign(value)
    for variable, value in zip(network.trainable_variables, weights, strict=True):
        variable.assign(value)
