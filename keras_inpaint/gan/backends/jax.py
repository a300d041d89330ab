"""Taking gradients and applying them, on JAX."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import jax
import keras
from jax import numpy as jnp

from keras_inpaint.gan.backends import Loss, Variables
from keras_inpaint.gan.parts import Tensor, Tensors


class JaxBackend:
    """The `Backend` of JAX.

    JAX's functions are pure: Keras hands the values of all variables to a step and takes
    the new ones from it. Between the two they live in a `keras.StatelessScope`, in which
    reading and assigning variables works as ever.
    """

    num_devices = 1

    def __init__(self, gan: keras.Model) -> None:
        self._gan = gan
        self._is_built = False

    def call_step(self, step: Callable[[Any], Any], *arguments: Any) -> Any:
        state, data = arguments
        gan = self._gan
        # Of a training, an evaluation and a prediction.
        groups = {
            4: lambda: (
                gan.trainable_variables,
                gan.non_trainable_variables,
                gan.optimizer.variables,
                gan.metrics_variables,
            ),
            3: lambda: (
                gan.trainable_variables,
                gan.non_trainable_variables,
                gan.metrics_variables,
            ),
            2: lambda: (gan.trainable_variables, gan.non_trainable_variables),
        }[len(state)]()
        mapping = [
            pair
            for variables, values in zip(groups, state, strict=True)
            for pair in zip(variables, values, strict=True)
        ]
        with keras.StatelessScope(state_mapping=mapping):
            result = step(data)
            state = tuple([variable.value for variable in variables] for variables in groups)
        return result, state if len(state) > 2 else state[1]

    def update(self, optimizer: Any, variables: Variables, loss: Loss) -> Tensors:
        def total(values: Any) -> Any:
            terms, changes = self._run(variables, values, loss)
            return optimizer.scale_loss(_mean(terms)), (terms, changes)

        gradients, (terms, changes) = jax.grad(total, has_aux=True)(_values(variables))
        self._assign(changes)
        _apply(optimizer, gradients, variables)
        return dict(terms)

    def record(self, variables: Variables, call: Callable[[], Tensors]) -> tuple[Tensors, Any]:
        def outputs(values: Any) -> Any:
            outputs, changes = self._run(variables, values, call)
            differentiable, others = _split(outputs)
            return differentiable, (others, changes)

        differentiable, pull_back, (others, changes) = jax.vjp(
            outputs, _values(variables), has_aux=True
        )
        self._assign(changes)
        return differentiable | others, pull_back

    def update_recorded(
        self,
        optimizer: Any,
        variables: Variables,
        outputs: Tensors,
        record: Any,
        loss: Callable[[Tensors], Tensors],
    ) -> Tensors:
        differentiable, others = _split(outputs)

        def total(differentiable: Any) -> Any:
            terms, changes = self._run([], [], lambda: loss(differentiable | others))
            return optimizer.scale_loss(_mean(terms)), (terms, changes)

        gradients, (terms, changes) = jax.grad(total, has_aux=True)(differentiable)
        self._assign(changes)
        (gradients,) = record(gradients)
        _apply(optimizer, gradients, variables)
        return dict(terms)

    def input_gradients(self, function: Callable[[Tensors], Any], inputs: Tensors) -> Tensors:
        gradients: Tensors = input_gradients(function, inputs)
        return gradients

    def require(self, condition: Tensor, message: str, value: Tensor) -> None:
        def check(holds: Any, value: Any) -> None:
            if not holds:
                raise ValueError(f"{message}{value}")

        jax.debug.callback(check, condition, value)

    def after(self, value: Tensor) -> AbstractContextManager[Any]:
        return nullcontext()

    def _run(self, variables: Variables, values: Any, function: Callable[[], Any]) -> Any:
        """Calls `function` with `variables` set to `values`.

        Assignments made inside, as those of spectral vectors, are returned and not made:
        JAX's gradient would find its tracers outside of the function otherwise.
        """
        mapping = {id(v): (v, v.value) for v in self._gan.variables}
        for variable, value in zip(variables, values, strict=True):
            mapping[id(variable)] = (variable, value)
        with keras.StatelessScope(state_mapping=list(mapping.values())):
            result = function()
            changes = _values(self._gan.non_trainable_variables)
        return result, changes

    def _assign(self, changes: Any) -> None:
        for variable, value in zip(self._gan.non_trainable_variables, changes, strict=True):
            variable.assign(value)

    # ---- Several devices: with `keras.distribution`, one program sees the whole batch ----

    def scope(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def sum_over_devices(self, values: Tensor) -> Tensor:
        return values

    def image_indices(self, images: Tensor, num_micro_batches: int | None = None) -> Tensor:
        return jnp.arange(images.shape[0], dtype="int32")

    def fill(self, data: Any) -> tuple[Any, Tensor]:
        return data, jax.tree.leaves(data)[0].shape[0]

    def means(self, metrics: dict[str, Any]) -> Tensors:
        return {name: metric.result() for name, metric in metrics.items()}

    @contextmanager
    def running(
        self, has_known_sizes: bool, image_shape: tuple[int, ...] | None
    ) -> Iterator[None]:
        gan = self._gan
        if image_shape is not None and not self._is_built:
            # Else Keras takes a batch away, of a generator for good, to build those layers
            # without weights that were never called.
            masks = keras.KerasTensor((*image_shape[:-1], 1))
            gan({"images": keras.KerasTensor(image_shape), "masks": masks})
            self._is_built = True
        variables = [*gan.variables, *gan.metrics_variables]
        if gan.compiled:
            variables += gan.optimizer.variables
        values = [(variable, variable.value) for variable in variables]
        try:
            yield
        except BaseException:
            # Keras takes the values out of the model for the steps. What finished steps made
            # of them it gives back; where none did, they are still here.
            gan.jax_state_sync()
            for variable, value in values:
                if _is_empty(variable) and not value.is_deleted():
                    variable.assign(value)
            raise

    def check_compile(self, jit_compile: Any, steps_per_execution: int) -> None:
        pass

    def check_devices(
        self, data: Any = None, num_images: int | None = None, batch_size: int | None = None
    ) -> None:
        pass

    def check_single_batch(self, method: str, other: str) -> None:
        pass


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


def _is_empty(variable: keras.Variable) -> bool:
    try:
        return variable.value is None
    except TypeError:  # Without a value, Keras calls an initializer that it has dropped.
        return True


def _values(variables: Variables) -> list[Tensor]:
    return [variable.value for variable in variables]


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


def _apply(optimizer: Any, gradients: Any, variables: Variables) -> None:
    # Not `optimizer.apply`: scaled losses decide with JAX's own conditions, out of which
    # no assignment may leak.
    weights, state = optimizer.stateless_apply(
        _values(optimizer.variables), gradients, _values(variables)
    )
    for variable, value in zip(
        [*variables, *optimizer.variables], [*weights, *state], strict=True
    ):
        variable.assign(value)
