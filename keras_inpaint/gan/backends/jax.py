"""Taking gradients and applying them, on JAX."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import jax
import keras
from jax import numpy as jnp

from keras_inpaint.gan.backends import (
    Backend,
    Loss,
    Record,
    Variables,
    clip_by_norm,
    differentiable,
    global_norm,
    loss_scale,
    mean_loss,
)
from keras_inpaint.gan.parts import Tensor, Tensors

if TYPE_CHECKING:
    from keras_inpaint.gan.inpainting_gan import InpaintingGAN


def input_gradients(function: Callable[[Tensors], Any], inputs: Tensors) -> Tensors:
    """Gradients with respect to `inputs` of the sum of all that `function` returns.

    Args:
        function: function of a dict of tensors to a tensor, or a structure of tensors.
        inputs: dict of tensors.

    Returns:
        dict of tensors like `inputs`, differentiable themselves.
    """

    def total(inputs: Tensors) -> Tensor:
        return sum(jnp.sum(output) for output in jax.tree.leaves(function(inputs)))

    gradients: Tensors = jax.grad(total)(inputs)
    return gradients


class JaxBackend(Backend):
    """The `Backend` of JAX.

    JAX's functions are pure: Keras hands the values of all variables to a step and takes
    the new ones from it. Between the two they live in a `keras.StatelessScope`, in which
    reading and assigning variables works as ever.
    """

    def __init__(self, gan: "InpaintingGAN") -> None:
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

    def update(
        self,
        optimizer: keras.optimizers.Optimizer,
        variables: Variables,
        loss: Loss,
        clipnorm: float | None = None,
    ) -> tuple[Tensors, Tensor]:
        gradients, terms = self._gradients(
            optimizer, lambda values: self._run(variables, values, loss), _values(variables)
        )
        return terms, _apply(optimizer, gradients, variables, clipnorm)

    def record(
        self, variables: Variables, call: Callable[[], Tensors]
    ) -> tuple[Tensors, Record]:
        def run(values: list[Tensor]) -> tuple[Tensors, Any]:
            outputs, changes = self._run(variables, values, call)
            return differentiable(outputs), (outputs, changes)

        floats, pull_back, (outputs, changes) = jax.vjp(run, _values(variables), has_aux=True)
        self._assign(changes)
        return {**outputs, **floats}, pull_back

    def update_recorded(
        self,
        optimizer: keras.optimizers.Optimizer,
        variables: Variables,
        outputs: Tensors,
        record: Record,
        loss: Callable[[Tensors], Tensors],
        clipnorm: float | None = None,
    ) -> tuple[Tensors, Tensor]:
        gradients, terms = self._gradients(
            optimizer,
            lambda floats: self._run([], [], lambda: loss({**outputs, **floats})),
            differentiable(outputs),
        )
        (gradients,) = record(gradients)
        return terms, _apply(optimizer, gradients, variables, clipnorm)

    input_gradients = staticmethod(input_gradients)

    @property
    def is_chief(self) -> bool:
        return bool(jax.process_index() == 0)

    @contextmanager
    def alone(self) -> Iterator[None]:
        if jax.process_count() == 1:
            yield
            return
        # Under a distribution, all processes make each variable together, and as it saves
        # Keras makes some to look at.
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)

    def require(self, condition: Tensor, message: str, value: Tensor) -> None:
        def check(holds: Any, value: Any) -> None:
            if not holds:
                raise ValueError(f"{message}{value}")

        jax.debug.callback(check, condition, value)

    def _gradients(
        self, optimizer: keras.optimizers.Optimizer, run: Callable[[Any], Any], values: Any
    ) -> tuple[Any, Tensors]:
        """Gradients by `values` of the loss of which `run` returns the terms; these too."""

        def scaled(values: Any) -> tuple[Tensor, Any]:
            terms, changes = run(values)
            return optimizer.scale_loss(mean_loss(terms)), (terms, changes)

        gradients, (terms, changes) = jax.grad(scaled, has_aux=True)(values)
        self._assign(changes)
        return gradients, dict(terms)

    def _run(
        self, variables: Variables, values: Sequence[Tensor], function: Callable[[], Any]
    ) -> tuple[Any, list[Tensor]]:
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

    def _assign(self, changes: list[Tensor]) -> None:
        for variable, value in zip(self._gan.non_trainable_variables, changes, strict=True):
            variable.assign(value)

    def make_train_function(self, make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        """Makes one dispatch of the steps of an execution, where Keras makes one of each."""
        gan, num_steps = self._gan, self._gan.steps_per_execution
        is_compiled = gan.jit_compile and not gan.run_eagerly
        # Of several devices, Keras knows how the state is laid out.
        if num_steps == 1 or not is_compiled or keras.distribution.distribution() is not None:
            return make()

        def step(state: Any, data: Any) -> tuple[Any, Tensors]:
            logs, state = gan.train_step(state, data)
            return state, logs

        def steps(state: Any, batches: list[Any]) -> tuple[Tensors, Any]:
            stacked = jax.tree.map(lambda *parts: jnp.stack(parts), *batches)
            state, logs = jax.lax.scan(step, state, stacked)
            return {name: values[-1] for name, values in logs.items()}, state

        all_steps, one_step = jax.jit(steps, donate_argnums=0), jax.jit(step, donate_argnums=0)

        def execute(state: Any, iterator: Iterator[Any]) -> tuple[Tensors, Any]:
            batches = list(itertools.islice(iterator, num_steps))
            if not batches:
                raise StopIteration
            if len(batches) == num_steps and _have_one_shape(batches):
                logs, state = all_steps(state, batches)
                return logs, state
            for batch in batches:  # The last ones of an epoch.
                state, logs = one_step(state, batch)
            return logs, state

        return execute

    @contextmanager
    def running(
        self, has_known_sizes: bool, image_shape: tuple[int, ...] | None
    ) -> Iterator[None]:
        gan = self._gan
        if image_shape is not None and not self._is_built:
            # Else Keras takes a batch away, of a generator for good, to build those layers
            # without weights that were never called.
            masks = keras.KerasTensor((*image_shape[:-1], 1))
            for training in (False, True):  # An average, and the generator itself.
                inputs = {"images": keras.KerasTensor(image_shape), "masks": masks}
                gan(inputs, training=training)
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


def _have_one_shape(batches: list[Any]) -> bool:
    shapes = [[part.shape for part in jax.tree.leaves(batch)] for batch in batches]
    return all(each == shapes[0] for each in shapes)


def _is_empty(variable: keras.Variable) -> bool:
    try:
        return variable.value is None
    except TypeError:  # Without a value, Keras calls an initializer that it has dropped.
        return True


def _values(variables: Variables) -> list[Tensor]:
    return [variable.value for variable in variables]


def _apply(
    optimizer: keras.optimizers.Optimizer,
    gradients: list[Tensor],
    variables: Variables,
    clipnorm: float | None,
) -> Tensor:
    """Applies gradients; returns their global norm."""
    norm = global_norm(gradients) / loss_scale(optimizer)
    gradients = clip_by_norm(gradients, norm, clipnorm)
    # Not `optimizer.apply`: scaled losses decide with JAX's own conditions, out of which
    # no assignment may leak.
    weights, state = optimizer.stateless_apply(
        _values(optimizer.variables), gradients, _values(variables)
    )
    for variable, value in zip(
        [*variables, *optimizer.variables], [*weights, *state], strict=True
    ):
        variable.assign(value)
    return norm
