"""One optimizer that holds two."""

from typing import Any, Self

import keras


@keras.saving.register_keras_serializable(package="keras_inpaint")
class PairedOptimizer(keras.optimizers.Optimizer):
    """The generator's and the critic's optimizer, as one for Keras to carry and to save.

    Keras's trainers, callbacks and files know of one optimizer a model. This one never
    applies a gradient itself: `InpaintingGAN` applies them to its two parts. Its learning
    rate is the generator's, so that callbacks steer that; its `iterations` count the
    training steps.

    Args:
        generator_optimizer: keras.optimizers.Optimizer.
        critic_optimizer: keras.optimizers.Optimizer, another one.

    Raises:
        ValueError: If both are the same object, whose state would be mixed up.

    Example:
    >>> adam, sgd = keras.optimizers.Adam(1e-4), keras.optimizers.SGD(1e-3)
    >>> pair = keras_inpaint.gan.PairedOptimizer(adam, sgd)
    >>> round(float(pair.learning_rate), 6)
    0.0001
    """

    def __init__(
        self,
        generator_optimizer: Any,
        critic_optimizer: Any,
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

    def build(self, variables: Any) -> None:
        """Nothing: each part is built by `InpaintingGAN.compile`, for its own network."""
        self.built = True

    @property
    def variables(self) -> Any:
        return [
            self.iterations,
            *self.generator_optimizer.variables,
            *self.critic_optimizer.variables,
        ]

    @property
    def learning_rate(self) -> Any:
        return self.generator_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> Any:
        self.generator_optimizer.learning_rate = learning_rate

    def finalize_variable_values(self, var_list: Any) -> None:
        """Called at the end of training: averaged weights take the place of the last ones."""
        for optimizer in (self.generator_optimizer, self.critic_optimizer):
            own = {id(variable) for variable in optimizer._trainable_variables}
            optimizer.finalize_variable_values([v for v in var_list if id(v) in own])

    def save_own_variables(self, store: Any) -> None:
        store["iterations"] = self.iterations

    def load_own_variables(self, store: Any) -> None:
        self.iterations.assign(store["iterations"])

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "generator_optimizer": keras.optimizers.serialize(self.generator_optimizer),
            "critic_optimizer": keras.optimizers.serialize(self.critic_optimizer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        config = dict(config)
        for part in ("generator_optimizer", "critic_optimizer"):
            config[part] = keras.optimizers.deserialize(config[part], custom_objects)
        return cls(**config)
