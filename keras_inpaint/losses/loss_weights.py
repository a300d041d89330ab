"""The weights of the terms of both losses."""

from dataclasses import asdict, dataclass, replace

import keras

from keras_inpaint.arguments import check_names


@keras.saving.register_keras_serializable(package="keras_inpaint")
@dataclass(frozen=True)
class LossWeights:
    """How much each term counts in the generator's and in the critic's loss.

    The defaults are those of the published v1; each objective has its own.

    Args:
        hole: float. Of the reconstruction of the hole, in the generator's loss.
        known: float. Of the reconstruction of the known part.
        adversarial: float. Of the critic's opinion.
        coarse: float. Of the coarse guess beside the refined one, in both
            reconstructions.
        global_critic: float. Of the global critic beside the local one.
        gradient_penalty: float. Of the penalty, in the critic's loss.
        perceptual: float. Of the objective's perceptual loss, in the generator's loss; it
            needs an objective with `perceptual=`.

    Raises:
        ValueError: If a weight is negative or not finite.

    Example:
    >>> keras_inpaint.losses.LossWeights(adversarial=0.01).hole
    1.2
    """

    hole: float = 1.2
    known: float = 1.2
    adversarial: float = 0.001
    coarse: float = 1.2
    global_critic: float = 1.0
    gradient_penalty: float = 10.0
    perceptual: float = 0.0

    def __post_init__(self):
        for name, weight in asdict(self).items():
            if not 0 <= weight < float("inf"):
                raise ValueError(
                    f"`{name}` must be a weight of at least 0. Received: {name}={weight}"
                )

    def replaced(self, weights):
        """These weights with some of them replaced.

        Args:
            weights: `LossWeights`, which replaces all; a dict of some; or `None`.

        Returns:
            `LossWeights`.

        Raises:
            ValueError: If the dict names others.

        Example:
        >>> weights = keras_inpaint.losses.LossWeights().replaced({"adversarial": 0.01})
        >>> weights.adversarial, weights.hole
        (0.01, 1.2)
        """
        if isinstance(weights, LossWeights):
            return weights
        check_names("Loss weights", weights or (), asdict(self))
        return replace(self, **(weights or {}))

    def get_config(self):
        return asdict(self)

    @classmethod
    def from_config(cls, config):
        return cls(**config)
