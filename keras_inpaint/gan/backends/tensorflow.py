"""Taking gradients and applying them, on TensorFlow, and on several devices there."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from keras_inpaint.gan.backends import (
    Backend,
    Batch,
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
from keras_inpaint.gan.validation import check_equal_parts

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
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        outputs = tf.nest.flatten(function(inputs))
    gradients: Tensors = tape.gradient(outputs, inputs)
    return gradients


class TensorFlowBackend(Backend):
    """The `Backend` of TensorFlow, which knows of `tf.distribute` strategies.

    Each device holds a replica of the networks and a contiguous part of the global batch.
    Optimizers sum gradients over the replicas; what else a step needs of the other
    replicas is asked for here.
    """

    def __init__(self, gan: "InpaintingGAN") -> None:
        self._gan = gan
        # Under a strategy, Keras takes a batch away, of a generator for good, to build the
        # model; this one is built. There is no public way to say so.
        gan._maybe_symbolic_build = _do_nothing

    def call_step(self, step: Callable[[Any], Any], *arguments: Any) -> Any:
        results = step(*arguments)
        if self._num_processes == 1:
            return results
        # Of several processes, Keras takes the mean over the first axis, also of a number.
        return tf.nest.map_structure(lambda x: x[None] if x.shape.rank == 0 else x, results)

    @contextmanager
    def running(
        self, has_known_sizes: bool, image_shape: tuple[int, ...] | None
    ) -> Iterator[None]:
        gan = self._gan
        if gan.jit_compile and not has_known_sizes:
            # XLA compiles neither the attention's choice by size nor `require`.
            if gan.jit_compile_asked is True:
                raise ValueError(
                    "XLA needs batches of one known size: leave out a smaller last batch "
                    "(`drop_remainder=True`), or leave `jit_compile` to 'auto'. Received: "
                    "jit_compile=True for batches of unknown size"
                )
            gan.jit_compile = False
            gan.train_function = gan.test_function = gan.predict_function = None
        yield

    def update(
        self,
        optimizer: keras.optimizers.Optimizer,
        variables: Variables,
        loss: Loss,
        clipnorm: float | None = None,
    ) -> tuple[Tensors, Tensor]:
        with tf.GradientTape() as tape:
            terms = loss()
            total = self._scaled(optimizer, terms)
        gradients = tape.gradient(total, variables)
        return terms, self._apply(optimizer, total, gradients, variables, clipnorm)

    def record(
        self, variables: Variables, call: Callable[[], Tensors]
    ) -> tuple[Tensors, Record]:
        with tf.GradientTape() as tape:
            outputs = call()
        return outputs, tape

    def update_recorded(
        self,
        optimizer: keras.optimizers.Optimizer,
        variables: Variables,
        outputs: Tensors,
        record: Record,
        loss: Callable[[Tensors], Tensors],
        clipnorm: float | None = None,
    ) -> tuple[Tensors, Tensor]:
        floats = differentiable(outputs)
        with tf.GradientTape() as tape:
            tape.watch(floats)
            terms = loss(outputs)
            total = self._scaled(optimizer, terms)
        gradients = tape.gradient(total, floats, unconnected_gradients="zero")
        gradients = record.gradient(floats, variables, output_gradients=gradients)
        return terms, self._apply(optimizer, total, gradients, variables, clipnorm)

    input_gradients = staticmethod(input_gradients)

    def require(self, condition: Tensor, message: str, value: Tensor) -> None:
        # XLA drops the check: where `jit_compile` is on, nothing stops.
        tf.debugging.Assert(condition, [message, value])

    def assign(self, variables: Variables, values: list[Tensor]) -> None:
        context = tf.distribute.get_replica_context()
        if _replica()[1] == 1:
            super().assign(variables, values)
            return

        def update(strategy: tf.distribute.Strategy, values: list[Tensor]) -> None:
            for variable, value in zip(variables, values, strict=True):
                strategy.extended.update(variable.value, _assign, args=(value,), group=False)

        # Not `assign` alone: these variables are made by layers, which do not say how the
        # values of several devices become one.
        context.merge_call(update, args=(values,))

    def values(self, variables: Variables) -> list[Tensor]:
        # Copied only once the variable changes.
        return [tf.identity(variable.value) for variable in variables]

    def read(self, variable: Any) -> Any:
        # NumPy warns of what `ops.convert_to_numpy` does with the variables of TensorFlow.
        return variable.value.numpy()

    def assign_unless(
        self, condition: Tensor, variables: Variables, values: list[Tensor]
    ) -> None:
        if tf.distribute.has_strategy():
            # Where devices meet, also a single one with itself, there are no conditions.
            super().assign_unless(condition, variables, values)
            return

        def assign() -> Tensor:
            self.assign(variables, values)
            return tf.constant(False)

        tf.cond(condition, lambda: tf.constant(True), assign)

    def after(self, value: Tensor) -> AbstractContextManager[None]:
        dependencies: AbstractContextManager[None] = tf.control_dependencies([value])
        return dependencies

    def _scaled(self, optimizer: keras.optimizers.Optimizer, terms: Tensors) -> Tensor:
        # Optimizers sum gradients over replicas.
        return optimizer.scale_loss(mean_loss(terms) / _replica()[1])

    def _apply(
        self,
        optimizer: keras.optimizers.Optimizer,
        total: Tensor,
        gradients: list[Tensor],
        variables: Variables,
        clipnorm: float | None,
    ) -> Tensor:
        """Applies gradients; returns the global norm of those of all devices together."""
        is_scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        with self.after(total):
            norm = global_norm(self._sums_over_devices(gradients)) / loss_scale(optimizer)
            # The sum of what all devices have scaled alike is the sum, scaled.
            gradients = clip_by_norm(gradients, norm, clipnorm)
            if is_scaled and _replica()[1] > 1:
                # Keras leaves a step out where gradients overflow on the first replica alone.
                is_finite = [tf.reduce_all(tf.math.is_finite(each)) for each in gradients]
                is_finite = tf.cast(tf.reduce_all(is_finite), tf.float32)
                num_overflown = self.sum_over_devices(1.0 - is_finite)
                gradients = [tf.where(num_overflown > 0, np.nan, each) for each in gradients]
            optimizer.apply(gradients, variables)
        return norm

    # ---- Several devices -------------------------------------------------------------

    @property
    def num_devices(self) -> int:
        return int(self._gan.distribute_strategy.num_replicas_in_sync)

    @property
    def _num_processes(self) -> int:
        """How many processes train together: 1 of a strategy for one machine."""
        strategy = self._gan.distribute_strategy
        # Others may have read TF_CONFIG too, and train alone.
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            return 1
        return max(1, len(_tasks(strategy.cluster_resolver)))

    @property
    def is_chief(self) -> bool:
        if self._num_processes == 1:
            return True
        resolver = self._gan.distribute_strategy.cluster_resolver
        # A cluster without a `chief` has the first worker for one.
        return bool(_tasks(resolver)[0] == (resolver.task_type, resolver.task_id))

    def scope(self) -> AbstractContextManager[None]:
        scope: AbstractContextManager[None] = self._gan.distribute_strategy.scope()
        return scope

    def sum_over_devices(self, values: Tensor) -> Tensor:
        if _replica()[1] == 1:
            return values
        # A copy: what is read of a variable has no device, which sums over processes need.
        values = tf.identity(values)
        return tf.distribute.get_replica_context().all_reduce("SUM", values)

    def _sums_over_devices(self, gradients: list[Tensor]) -> list[Tensor]:
        present = [each for each in gradients if each is not None]
        # TensorFlow cannot sum none, which a frozen network has.
        if _replica()[1] == 1 or not present:
            return present
        # All at once, in few messages.
        sums: list[Tensor] = tf.distribute.get_replica_context().all_reduce("SUM", present)
        return sums

    def image_indices(self, images: Tensor, num_micro_batches: int | None = None) -> Tensor:
        size = tf.shape(images)[0]
        index, count = _replica()
        # Not in integers, which GPUs do not sum over devices.
        sizes = self.sum_over_devices(tf.one_hot(index, count) * tf.cast(size, tf.float32))
        sizes = tf.cast(sizes, tf.int32)  # (count,)
        # Sizes that are known beforehand `split_batch` checks.
        if num_micro_batches is not None and (count > 1 or images.shape[0] is None):
            self.require(
                tf.reduce_all((sizes == sizes[0]) & (sizes % num_micro_batches == 0)),
                "All devices need equally many images of a batch, a multiple of "
                f"critic_steps={num_micro_batches}, of the last batch too "
                "(`drop_remainder=True`). Received: this many per device: ",
                sizes,
            )
        before = tf.reduce_sum(tf.where(tf.range(count) < index, sizes, 0))
        return before + tf.range(size)

    def fill(self, data: Batch) -> tuple[Batch, Tensor]:
        data, size = super().fill(data)
        if _replica()[1] == 1:
            return data, size
        missing = tf.cast(size == 0, tf.int32)

        def fill(values: Tensor | None) -> Tensor | None:
            if values is None:
                return None
            padding = [[0, missing]] + [[0, 0]] * (len(values.shape) - 1)
            return tf.ensure_shape(tf.pad(values, padding), (None, *values.shape[1:]))

        return tf.nest.map_structure(fill, data), size

    # ---- What is refused before the first step ---------------------------------------

    def check_compile(self, jit_compile: bool | str, steps_per_execution: int) -> None:
        _check_scope(self._gan.distribute_strategy, self._gan.variables)
        if self.num_devices > 1 and jit_compile is True:
            raise ValueError(
                "XLA cannot exchange gradients between devices here: leave `jit_compile` to "
                f"'auto'. Received: jit_compile=True for {self.num_devices} devices"
            )
        if self.num_devices > 1 and steps_per_execution != 1:
            raise ValueError(
                "Several devices meet after each step, so that each is an execution of its "
                "own: compile with `steps_per_execution=1`. Received: "
                f"steps_per_execution={steps_per_execution} for {self.num_devices} devices"
            )

    def check_devices(
        self, data: Any = None, num_images: int | None = None, batch_size: int | None = None
    ) -> None:
        gan, num_devices = self._gan, self.num_devices
        _check_scope(gan.distribute_strategy, [*gan.variables, *gan.optimizer.variables])
        if num_devices == 1 or data is None:
            return
        num_micro_batches = max(1, gan.critic_steps)
        if hasattr(data, "element_spec"):
            shape = getattr(tf.nest.flatten(data.element_spec)[0], "shape", None)
            if shape is not None and (shape.rank is None or shape[0] is None):
                raise ValueError(
                    f"The {num_devices} devices must have equal parts of every batch, the last "
                    "one too: make batches of a known size, `dataset.batch(size, "
                    f"drop_remainder=True)`. Received: a dataset of images of shape {shape}"
                )
        elif hasattr(data, "shape") and batch_size is not None:
            check_equal_parts(min(len(data), batch_size), num_devices, num_micro_batches)
            if len(data) > batch_size:
                check_equal_parts(len(data) % batch_size, num_devices, num_micro_batches)
        if num_images is not None:
            check_equal_parts(num_images, num_devices, num_micro_batches)


def _tasks(resolver: Any) -> list[tuple[str, int]]:
    """The processes of a cluster that train, by kind and number, the chief first."""
    spec = resolver.cluster_spec()
    return [
        (kind, index)
        for kind in ("chief", "worker")
        for index in (spec.task_indices(kind) if kind in spec.jobs else [])
    ]


def _do_nothing(*arguments: Any, **options: Any) -> None:
    pass


def _assign(variable: Any, value: Tensor) -> Any:
    return variable.assign(value)


def _replica() -> tuple[Tensor, int]:
    """This replica's index, and how many there are."""
    context = tf.distribute.get_replica_context()
    if context is None:  # A plain call outside of `fit`.
        return 0, 1
    return context.replica_id_in_sync_group, context.num_replicas_in_sync


def _check_scope(strategy: tf.distribute.Strategy, variables: Variables) -> None:
    """Refuses another strategy than the model's, and variables that were made outside."""
    active = tf.distribute.get_strategy()
    if not tf.distribute.has_strategy() and active is strategy:
        return
    # Outside of all scopes, a model goes by the strategy that it was made under.
    if tf.distribute.has_strategy() and active is not strategy:
        raise ValueError(
            "A model is trained under the strategy that it was made under. Make one strategy "
            "a process and keep it, or make the model anew under the other one. Received: "
            f"{_described(active)} for a model of {_described(strategy)}, another object"
        )
    for variable in variables:
        if not strategy.extended.variable_created_in_scope(variable.value):
            raise ValueError(
                "Networks, model and optimizers must be made inside of the `with "
                "strategy.scope():` that they are trained under. Received: "
                f"{variable.path!r}, made outside of {_described(strategy)}"
            )


def _described(strategy: tf.distribute.Strategy) -> str:
    return f"a {type(strategy).__name__} of {strategy.num_replicas_in_sync} devices"
