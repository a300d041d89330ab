"""What is done about a training step whose numbers are not finite.

It is decided on the device: nobody waits for a step to look at its numbers.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
from keras import ops

from keras_inpaint.arguments import check_choice
from keras_inpaint.gan.parts import Tensor, Tensors

if TYPE_CHECKING:
    from keras_inpaint.gan.backends import Backend
    from keras_inpaint.gan.paired_optimizer import PairedOptimizer

ACTIONS = ("stop", "skip")
GRADIENT_NORMS = ("critic_gradient_norm", "generator_gradient_norm")
_NONE = -1


class NonFiniteStep(NamedTuple):
    """The first step whose numbers were not finite.

    Attributes:
        step: int. How many steps were made before it.
        terms: dict of float. The terms of both losses, means over the batch, and the norms of
            both gradients; 0 for those that this step had not.
    """

    step: int
    terms: dict[str, float]

    @property
    def names(self) -> list[str]:
        """list of str: What was not finite."""
        return [name for name, value in self.terms.items() if not math.isfinite(value)]


class StepGuard:
    """Makes each training step whole or, where a loss or a gradient is not finite, not at all.

    After a step that was not made, all weights and the state of both optimizers are what they
    were before. The first such step is remembered with its terms until `reset`.

    Args:
        action: `"stop"`: the step is not counted, its losses are NaN in the logs, and in `fit`
            no later step is made either, until it ends. `"skip"`: the step is counted, left
            out of the logs, and the next batch is trained on.
        backend: The model's `Backend`.
        optimizer: `PairedOptimizer`, which carries the state of the guard too.
        names: Names of the terms of both losses.

    Raises:
        ValueError: If the action is another one.
    """

    def __init__(
        self,
        action: str,
        backend: "Backend",
        optimizer: "PairedOptimizer",
        names: Sequence[str],
    ) -> None:
        check_choice("on_nonfinite", action, ACTIONS)
        self.action = action
        self.skips = action == "skip"
        self._backend = backend
        self._optimizer = optimizer
        self._names = (*names, *GRADIENT_NORMS)

        def variable(shape: tuple[int, ...], value: float, dtype: str) -> keras.Variable:
            return keras.Variable(
                keras.initializers.Constant(value),
                shape=shape,
                dtype=dtype,
                trainable=False,
                aggregation="only_first_replica",
                name="step_guard",
            )

        # In `fit` nothing is made after a step that was not finite.
        self._holds = variable((), 0, "int32")
        self._step = variable((), _NONE, "int32")
        self._terms = variable((len(self._names),), 0.0, "float32")
        optimizer.guard_variables = [self._holds, self._step, self._terms]

    # ---- In a step -------------------------------------------------------------------

    def before(self, model_variables: list[keras.Variable]) -> list[tuple[Any, Tensor]]:
        """Returns variables with their values, to be given back by `settle`.

        Args:
            model_variables: What a step changes beside the optimizers' state.
        """
        # Of scaled losses, the scale is to change where gradients overflow.
        parts = [getattr(each, "inner_optimizer", each) for each in self._optimizer.optimizers]
        variables = [*model_variables, *(v for each in parts for v in each.variables)]
        return list(zip(variables, self._backend.values(variables), strict=True))

    def settle(
        self, before: list[tuple[Any, Tensor]], losses: list[Tensor], terms: Tensors
    ) -> Tensor:
        """Takes a step back unless all its numbers are finite.

        Args:
            before: What `before` returned.
            losses: Tensors of any shape, those of this device.
            terms: dict of tensors: those of both losses, and the norms of both gradients,
                which all devices know.

        Returns:
            bool tensor: Whether the step was made.
        """
        norms = [terms[name] for name in GRADIENT_NORMS if name in terms]
        checked = [*losses, *(norm for norm in norms if not self._may_overflow())]
        is_finite = [ops.all(ops.isfinite(each)) for each in checked]
        num_bad = ops.cast(ops.logical_not(ops.all(ops.stack(is_finite))), "float32")
        is_finite = ops.equal(self._backend.sum_over_devices(num_bad), 0)
        is_first = ops.less(self._step.value, 0)
        is_made = is_finite & (is_first | ops.equal(self._holds.value, 0))
        variables, values = [each for each, _ in before], [value for _, value in before]
        self._backend.assign_unless(is_made, variables, values)
        is_new = ops.logical_not(is_finite) & is_first
        step = ops.cast(self._optimizer.iterations.value, "int32")
        self._backend.assign(
            [self._step, self._terms],
            [
                ops.where(is_new, step, self._step.value),
                ops.where(is_new, self._means(terms), self._terms.value),
            ],
        )
        return is_made

    def _may_overflow(self) -> bool:
        # Those of scaled losses do, until their scale is right.
        scaled = keras.optimizers.LossScaleOptimizer
        return any(isinstance(each, scaled) for each in self._optimizer.optimizers)

    def _means(self, terms: Tensors) -> Tensor:
        """Means over the images of all devices, in the order of the names."""
        sums = [ops.sum(ops.cast(terms.get(name, 0.0), "float32")) for name in self._names]
        counts = [
            ops.cast(ops.size(terms[name]) if name in terms else 1, "float32")
            for name in self._names
        ]
        both = self._backend.sum_over_devices(ops.stack([*sums, *counts]))
        return both[: len(sums)] / both[len(sums) :]

    # ---- Between steps ---------------------------------------------------------------

    def begin(self) -> None:
        """Forgets what was found; in `"stop"`, no step is made after one that is found."""
        self._holds.assign(int(not self.skips))
        self.reset()

    def end(self) -> None:
        """Lets steps be made again."""
        self._holds.assign(0)

    def reset(self) -> None:
        """Forgets what was found."""
        self._step.assign(_NONE)

    def found(self) -> NonFiniteStep | None:
        """Returns the first step that was not finite, if there was one.

        It waits until the device has made the steps that it was given.
        """
        step = int(self._backend.read(self._step))
        if step == _NONE:
            return None
        values = self._backend.read(self._terms)
        terms = {name: float(each) for name, each in zip(self._names, values, strict=True)}
        return NonFiniteStep(step, terms)
