"""One optimizer that holds two."""

from typing import Any, Self, TypeAlias

import keras
from keras import ops

from keras_inpaint.gan.parts import Network

PART_NAMES = ("generator_optimizer", "critic_optimizer")
# What `compile` takes for an optimizer: one, its name, or a schedule for the published Adam.
OptimizerLike: TypeAlias = (
    keras.optimizers.Optimizer | str | keras.optimizers.schedules.LearningRateSchedule | None
)
# Of which type checkers know nothing.
Schedule: TypeAlias = Any


@keras.saving.register_keras_serializable(package="keras_inpaint")
class PerTrainingStep(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule for an optimizer that makes several updates in a training step.

    Args:
        schedule: `keras.optimizers.schedules.LearningRateSchedule` of the training step.
        updates: int. Updates in a step.

    Example:
    >>> from keras_inpaint.gan.paired_optimizer import PerTrainingStep
    >>> linear = keras.optimizers.schedules.PolynomialDecay(1.0, 10, 0.0)
    >>> schedule = PerTrainingStep(linear, updates=5)
    >>> [round(float(schedule(update)), 1) for update in (0, 4, 5, 10)]
    [1.0, 1.0, 0.9, 0.8]
    """

    def __init__(self, schedule: Schedule, updates: int) -> None:
        self.schedule = schedule
        self.updates = updates

    def __call__(self, step: Any) -> Any:
        return self.schedule(ops.floor_divide(step, self.updates))

    def get_config(self) -> dict[str, Any]:
        schedule = keras.optimizers.schedules.serialize(self.schedule)
        return {"schedule": schedule, "updates": self.updates}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        schedule = keras.optimizers.schedules.deserialize(config["schedule"])
        return cls(schedule, config["updates"])


@keras.saving.register_keras_serializable(package="keras_inpaint")
class PairedOptimizer(keras.optimizers.Optimizer):
    """The generator's and the critic's optimizer, as one for Keras to carry and to save.

    Keras's trainers and files know of one optimizer per model. This one never applies a
    gradient itself: `InpaintingGAN` applies them to its two parts. Callbacks find the two
    in `optimizers`, as those of `keras.optimizers.MultiOptimizer`, and steer each by its own
    learning rate; `learning_rate` is the generator's. Its `iterations` count the training
    steps. The two are named `generator_optimizer` and `critic_optimizer`.

    Args:
        generator_optimizer: keras.optimizers.Optimizer.
        critic_optimizer: keras.optimizers.Optimizer, another one.
        name: str. The name of the pair.

    Raises:
        ValueError: If both are the same object, whose state would be mixed up.

    Example:
    >>> adam, sgd = keras.optimizers.Adam(1e-4), keras.optimizers.SGD(1e-3)
    >>> pair = keras_inpaint.gan.PairedOptimizer(adam, sgd)
    >>> [optimizer.name for optimizer in pair.optimizers]
    ['generator_optimizer', 'critic_optimizer']
    """

    def __init__(
        self,
        generator_optimizer: keras.optimizers.Optimizer,
        critic_optimizer: keras.optimizers.Optimizer,
        name: str = "paired",
    ) -> None:
        if generator_optimizer is critic_optimizer:
            raise ValueError(
                "The generator and the critic need an optimizer each: one would mix up their "
                f"state. Received: the same {type(critic_optimizer).__name__} for both"
            )
        super().__init__(learning_rate=0.0, name=name)
        self.generator_optimizer = generator_optimizer
        self.critic_optimizer = critic_optimizer
        for optimizer, own_name in zip(self.optimizers, PART_NAMES, strict=True):
            optimizer.name = own_name
        # As in Keras, what is trained is settled by `compile`.
        self.generator_variables: list[keras.Variable] = []
        self.critic_variables: list[keras.Variable] = []
        # Not of Keras's optimizers, which have no variable of the rate where a schedule makes
        # it: checkpoints would fit the one or the other.
        self.schedules: tuple[Schedule | None, Schedule | None] = (None, None)
        self.critic_steps = 1
        # State of `StepGuard`, which is not saved.
        self.guard_variables: list[keras.Variable] = []

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """list of keras.optimizers.Optimizer: the generator's and the critic's."""
        return [self.generator_optimizer, self.critic_optimizer]

    def build_parts(
        self,
        generator_variables: list[keras.Variable],
        critic_variables: list[keras.Variable],
    ) -> None:
        """Builds each optimizer for the variables that it trains."""
        self.generator_variables = list(generator_variables)
        self.critic_variables = list(critic_variables)
        self.generator_optimizer.build(self.generator_variables)
        self.critic_optimizer.build(self.critic_variables)
        self.built = True

    def build(self, variables: list[keras.Variable]) -> None:
        """Nothing: `build_parts` builds each part for its own network."""
        self.built = True

    @property
    def variables(self) -> list[keras.Variable]:
        parts = [v for each in self.optimizers for v in each.variables]
        return [self.iterations, *parts, *self.guard_variables]

    @property
    def learning_rate(self) -> Any:
        return self.generator_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> Any:
        self.generator_optimizer.learning_rate = learning_rate

    def follow_schedules(self) -> None:
        """Sets the rates of a training step, of those that have a schedule here.

        A schedule counts the training steps in which its network was updated.
        """
        updates = (1, self.critic_steps)
        for optimizer, schedule, each in zip(
            self.optimizers, self.schedules, updates, strict=True
        ):
            if schedule is not None:
                step = ops.floor_divide(ops.convert_to_tensor(optimizer.iterations), each)
                optimizer.learning_rate = schedule(step)

    def compile_config(self) -> dict[str, Any]:
        """Returns what `InpaintingGAN.compile` makes the pair of, serialized, by name."""
        return {
            name: keras.optimizers.serialize(optimizer)
            if schedule is None
            else keras.optimizers.schedules.serialize(schedule)
            for name, optimizer, schedule in zip(
                PART_NAMES, self.optimizers, self.schedules, strict=True
            )
        }

    def finalize_variable_values(self, var_list: list[keras.Variable]) -> None:
        """Called at the end of training: averaged weights take the place of the last ones."""
        self.generator_optimizer.finalize_variable_values(self.generator_variables)
        self.critic_optimizer.finalize_variable_values(self.critic_variables)

    def save_own_variables(self, store: Any) -> None:
        store["iterations"] = self.iterations

    def load_own_variables(self, store: Any) -> None:
        self.iterations.assign(store["iterations"])

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            **{name: keras.optimizers.serialize(getattr(self, name)) for name in PART_NAMES},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        config = dict(config)
        for name in PART_NAMES:
            config[name] = keras.optimizers.deserialize(config[name], custom_objects)
        return cls(**config)


def pair_optimizers(
    generator_optimizer: OptimizerLike,
    critic_optimizer: OptimizerLike,
    adam_betas: tuple[float, float],
    networks: tuple[Network, Network],
    auto_scale_loss: bool = True,
    critic_steps: int = 1,
) -> PairedOptimizer:
    """Makes the pair that `InpaintingGAN.compile` was asked for.

    Args:
        generator_optimizer: What `compile` takes.
        critic_optimizer: What `compile` takes; `None` for a copy of the generator's where
            that is given.
        adam_betas: pair of floats. Of the published Adam, where nothing else is given.
        networks: The generator and the critic.
        auto_scale_loss: bool. Whether the losses of networks that compute in float16 are
            scaled.
        critic_steps: int, at least 1. Updates of the critic in a training step.

    Returns:
        `PairedOptimizer`, built for what is trainable of the networks.

    Raises:
        ValueError: If one is no optimizer, or the generator's cannot be copied.
    """
    generator_part = _optimizer("generator_optimizer", generator_optimizer, adam_betas)
    if critic_optimizer is None and _is_schedule(generator_optimizer):
        critic_optimizer = generator_optimizer
    if critic_optimizer is None and generator_optimizer is not None:
        critic_part = _copy(generator_part)
    else:
        critic_part = _optimizer("critic_optimizer", critic_optimizer, adam_betas)
    _count_steps(critic_part, critic_steps)
    # One for both is refused as it is given.
    if auto_scale_loss and generator_part is not critic_part:
        generator_part = _scaled(generator_part, networks[0])
        critic_part = _scaled(critic_part, networks[1])
    pair = PairedOptimizer(generator_part, critic_part)
    generator_schedule, critic_schedule = (
        given if _is_schedule(given) else None
        for given in (generator_optimizer, critic_optimizer)
    )
    pair.schedules, pair.critic_steps = (generator_schedule, critic_schedule), critic_steps
    pair.build_parts(*(network.trainable_variables for network in networks))
    return pair


def _scaled(optimizer: keras.optimizers.Optimizer, network: Network) -> Any:
    """An optimizer that scales the loss of a network that computes in float16."""
    wrap = keras.optimizers.LossScaleOptimizer
    is_half = network.dtype_policy.compute_dtype == "float16"
    return wrap(optimizer) if is_half and not isinstance(optimizer, wrap) else optimizer


def _optimizer(
    name: str, given: OptimizerLike, adam_betas: tuple[float, float]
) -> keras.optimizers.Optimizer:
    beta_1, beta_2 = adam_betas
    if given is None:
        return keras.optimizers.Adam(1e-4, beta_1=beta_1, beta_2=beta_2)
    if _is_schedule(given):
        schedule: Schedule = given
        rate = float(schedule(0))
        return keras.optimizers.Adam(rate, beta_1=beta_1, beta_2=beta_2)
    try:
        optimizer = keras.optimizers.get(given)
    except (TypeError, ValueError):
        optimizer = None
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ValueError(
            f"`{name}` must be a keras.optimizers.Optimizer, the name of one such as 'adam', "
            f"or a schedule for the published Adam. Received: {name}={given!r}"
        )
    return optimizer


def _copy(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    try:
        return type(optimizer).from_config(optimizer.get_config())
    except Exception as error:
        raise ValueError(
            "The critic's optimizer is a copy of the generator's unless it is given, and this "
            f"one cannot be copied ({error}). Pass `critic_optimizer=` too. "
            f"Received: generator_optimizer={optimizer!r}"
        ) from error


def _count_steps(optimizer: keras.optimizers.Optimizer, critic_steps: int) -> None:
    """Makes the schedule of an optimizer, if it has one, count training steps."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    # What Keras keeps of a rate is seen in the config alone.
    config = inner.get_config()["learning_rate"]
    if not isinstance(config, dict) or inner.built:
        return
    made = keras.saving.deserialize_keras_object(config)
    if not _is_schedule(made):
        return
    schedule = made.schedule if isinstance(made, PerTrainingStep) else made
    if critic_steps > 1 or schedule is not made:
        inner.learning_rate = PerTrainingStep(schedule, critic_steps)


def _is_schedule(given: Any) -> bool:
    return isinstance(given, keras.optimizers.schedules.LearningRateSchedule)
