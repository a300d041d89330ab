"""The losses of v2."""

import keras
from keras import ops

from keras_inpaint.losses.generator_terms import generator_term_names, generator_terms
from keras_inpaint.losses.loss_weights import LossWeights
from keras_inpaint.losses.reconstruction import discounted_l1


@keras.saving.register_keras_serializable(package="keras_inpaint")
class HingeObjective:
    """Hinge losses for a patch critic, with a plain L1 loss on the whole picture.

    For any shape of hole: there is no local patch, no discount and no gradient penalty
    (the critic's spectral normalisation does its work). With the default weights the
    reconstruction is the mean absolute difference over all pixels, of the coarse and of
    the refined guess, as published; `hole` and `known` split it.

    Args:
        perceptual: function of images, completed pictures and masks to a tensor of shape
            `(batch,)`, such as `keras_inpaint.metrics.PerceptualDistance` of a trained
            network, or `None`. Another term of the generator's loss, with
            `LossWeights.perceptual`; it is not saved with the objective.

    Example:
    >>> objective = keras_inpaint.losses.HingeObjective()
    >>> objective.default_weights.adversarial
    1.0

    Reference:
    - [Yu et al., 2019](https://arxiv.org/abs/1806.03589), sections 3.3 and 3.4
    """

    default_weights = LossWeights(hole=1.0, known=1.0, adversarial=1.0, coarse=1.0)
    weight_names = ("hole", "known", "adversarial", "coarse")
    critic_term_names = ("critic_loss", "real_score", "fake_score")
    adam_betas = (0.5, 0.999)
    needs_patches = False

    def __init__(self, perceptual=None):
        self.perceptual = perceptual
        if perceptual is not None:
            self.weight_names = (*self.weight_names, "perceptual")

    def critic_terms(
        self,
        critic,
        images,
        completed,
        masks,
        weights,
        boxes=None,
        interpolation=None,
        input_gradients=None,
    ):
        """The critic's loss and its parts.

        Args:
            critic: function of a dict of `"images"` and `"masks"`, and of `training`,
                to scores of shape `(batch, scores)`: a `PatchCritic`.
            images: Tensor of shape `(batch, height, width, channels)`, the true
                pictures in `[-1, 1]`.
            completed: Tensor like `images`: the filled pictures.
            masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0.
            weights: `LossWeights`.
            boxes: Not used, and so `interpolation` and `input_gradients`: what
                `WassersteinObjective` needs besides.

        Returns:
            dict of tensors of shape `(batch,)`, one value per image: `"critic_loss"`,
            `"real_score"`, `"fake_score"`.
        """
        # One batch of both, as published: the power iteration steps once.
        inputs = {
            "images": ops.concatenate([images, completed], axis=0),
            "masks": ops.concatenate([masks, masks], axis=0),
        }
        scores = ops.cast(critic(inputs, training=True), images.dtype)
        real, fake = ops.split(scores, 2, axis=0)
        losses = 0.5 * (ops.relu(1.0 - real) + ops.relu(1.0 + fake))
        return {
            "critic_loss": ops.mean(losses, axis=1),
            "real_score": ops.mean(real, axis=1),
            "fake_score": ops.mean(fake, axis=1),
        }

    def generator_terms(self, critic, images, outputs, masks, weights, boxes=None):
        """The generator's loss and its parts.

        Args:
            critic: As in `critic_terms`.
            images: Tensor of shape `(batch, height, width, channels)`, the true
                pictures in `[-1, 1]`.
            outputs: dict of `"coarse"` and `"refined"`, tensors like `images`.
            masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0.
            weights: `LossWeights`.
            boxes: Not used.

        Returns:
            dict of tensors of shape `(batch,)`, one value per image: `"generator_loss"`
            and, before their weights, `"hole_loss"`, `"known_loss"`,
            `"adversarial_loss"`.
        """

        def adversarial_loss(completed):
            scores = critic({"images": completed, "masks": masks}, training=True)
            return -ops.mean(ops.cast(scores, images.dtype), axis=1)

        return generator_terms(
            weights,
            images,
            outputs,
            masks,
            hole_loss=lambda guess: discounted_l1(guess, images, masks),
            known_loss=lambda guess: discounted_l1(guess, images, 1.0 - masks),
            adversarial_loss=adversarial_loss,
            perceptual=self.perceptual,
        )

    @property
    def generator_term_names(self):
        """tuple of str: The names of what `generator_terms` returns, in their order."""
        return generator_term_names(self.perceptual)

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)
