"""What is trained, by which optimizers, and with which weights."""

from typing import Any

import keras
from keras import ops

from keras_inpaint.gan.paired_optimizer import PairedOptimizer


class Compiling(keras.Model):
    """The part of `InpaintingGAN` that is told how to train."""

    def compile(
        self,
        generator_optimizer: Any = None,
        critic_optimizer: Any = None,
        loss_weights: Any = None,
        critic_steps: int = 1,
        **kwargs: Any,
    ) -> None:
        """Configures the training.

        Args:
            generator_optimizer: keras.optimizers.Optimizer, or its name; Adam as
                published for this objective unless given.
            critic_optimizer: The same for the critic.
            loss_weights: `keras_inpaint.losses.LossWeights` or a dict of some of its
                arguments; the objective's own unless given.
            critic_steps: int, at least 0. Updates of the critic for one of the
                generator. The paper's v1 has 5; 0 leaves the critic out, to begin with
                reconstruction alone (`adversarial=0` among the weights).
            **kwargs: `run_eagerly`, `jit_compile`, `steps_per_execution`.

        Raises:
            ValueError: If a weight is out of bounds or none of the objective's,
                `critic_steps` is none, the two optimizers are one object, or what several
                devices share cannot be trained so.
        """
        if not isinstance(critic_steps, int) or critic_steps < 0:
            raise ValueError(
                "`critic_steps` counts the critic's updates for one of the generator's and "
                f"must be an int of at least 0. Received: critic_steps={critic_steps}"
            )
        loss_weights = self.objective.default_weights.replaced(loss_weights)
        _check_weights(loss_weights, self.objective)
        if critic_steps == 0 and loss_weights.adversarial:
            raise ValueError(
                "Without updates of the critic its opinion means nothing: set the weight "
                "`adversarial` to 0, or `critic_steps` to at least 1. Received: "
                f"critic_steps=0, adversarial={loss_weights.adversarial}"
            )
        self._check_options(**kwargs)
        self.critic_steps = critic_steps
        self.loss_weights = loss_weights
        with self._scope():
            pair = PairedOptimizer(
                self._optimizer(generator_optimizer, self.generator),
                self._optimizer(critic_optimizer, self.critic),
            )
            pair.generator_optimizer.build(self.generator.trainable_variables)
            pair.critic_optimizer.build(self.critic.trainable_variables)
            pair.build(self.trainable_variables)
            # Each part scales its own loss in half precision, the pair must not.
            super().compile(optimizer=pair, auto_scale_loss=False, **kwargs)

    def _optimizer(self, optimizer: Any, network: Any) -> Any:
        if optimizer is None:
            beta_1, beta_2 = self.objective.adam_betas
            optimizer = keras.optimizers.Adam(1e-4, beta_1=beta_1, beta_2=beta_2)
        optimizer = keras.optimizers.get(optimizer)
        is_scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        if network.dtype_policy.compute_dtype == "float16" and not is_scaled:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        return optimizer

    @property
    def steps(self) -> Any:
        """int variable: How many training steps were made."""
        return self.optimizer.iterations

    @property
    def num_steps(self) -> int:
        """int: The same as a number, between steps."""
        return int(ops.convert_to_numpy(self.steps.value))


def _check_weights(weights: Any, objective: Any) -> None:
    """Refuses a weight of a term that the objective has not."""
    usual = objective.default_weights.get_config()
    names = getattr(objective, "weight_names", tuple(usual))
    for name, weight in weights.get_config().items():
        if name not in names and weight != usual[name]:
            raise ValueError(
                f"{type(objective).__name__} has nothing that `{name}` could weigh, only "
                f"{', '.join(names)}. Leave it out. Received: {name}={weight}"
            )
