"""The losses of v1."""

import keras
from keras import ops

from keras_inpaint.arguments import check_choice
from keras_inpaint.losses.discounts import box_discounts, distance_discounts
from keras_inpaint.losses.generator_terms import generator_term_names, generator_terms
from keras_inpaint.losses.loss_weights import LossWeights
from keras_inpaint.losses.reconstruction import discounted_l1, known_l1
from keras_inpaint.ops.compositing import composite
from keras_inpaint.ops.local_patches import crop_patches

# What the paper and its two published programs disagree on.
_VARIANTS = {
    "paper": {
        "gamma": 0.99,
        "discount": "distance",
        "hole_of": "completed",
        "known_mean": "known",
        "penalty_in": "hole",
        "weighs_critics_alike": False,
    },
    "tensorflow": {
        "gamma": 0.9,
        "discount": "box",
        "hole_of": "raw",
        "known_mean": "known",
        "penalty_in": "hole",
        "weighs_critics_alike": True,
    },
    "pytorch": {
        "gamma": 0.9,
        "discount": "box",
        "hole_of": "completed",
        "known_mean": "picture",
        "penalty_in": "picture",
        "weighs_critics_alike": False,
    },
}
_CHOICES = {
    "discount": ("distance", "box"),
    "hole_of": ("completed", "raw"),
    "known_mean": ("known", "picture"),
    "penalty_in": ("hole", "picture"),
    "weighs_critics_alike": (False, True),
}


@keras.saving.register_keras_serializable(package="keras_inpaint")
class WassersteinObjective:
    """WGAN-GP losses for a local and a global critic, with discounted reconstruction.

    Args:
        variant: `"paper"`, `"tensorflow"` or `"pytorch"`. Which source the arguments
            that are not given follow: the paper, the authors' code, or its PyTorch port.
        gamma: float, in `(0, 1]`. Discount a pixel of distance.
        discount: `"distance"` to the nearest known pixel, or `"box"`, see
            `box_discounts`.
        hole_of: `"completed"` or `"raw"`. Whether the hole's loss looks at the completed
            patch or at everything the network put there, known pixels included.
        known_mean: `"known"` or `"picture"`, see `known_l1`.
        penalty_in: `"hole"` or `"picture"`. Whether the gradient penalty looks at the
            hole's pixels alone.
        weighs_critics_alike: bool. Whether `global_critic` weighs the global critic in
            the generator's loss only, so that the critics are trained alike.
        perceptual: See `HingeObjective`.

    Raises:
        ValueError: If an argument is not one of those named.

    Example:
    >>> objective = keras_inpaint.losses.WassersteinObjective(variant="tensorflow")
    >>> objective.gamma, objective.discount
    (0.9, 'box')

    Reference:
    - [Yu et al., 2018](https://arxiv.org/abs/1801.07892), sections 3.1 and 3.2
    - [Gulrajani et al., 2017](https://arxiv.org/abs/1704.00028), section 4
    """

    default_weights = LossWeights()
    weight_names = tuple(name for name in LossWeights().get_config() if name != "perceptual")
    critic_term_names = ("critic_loss", "wasserstein_loss", "gradient_penalty")
    adam_betas = (0.5, 0.9)
    needs_patches = True

    def __init__(
        self,
        variant="paper",
        gamma=None,
        discount=None,
        hole_of=None,
        known_mean=None,
        penalty_in=None,
        weighs_critics_alike=None,
        perceptual=None,
    ):
        check_choice("variant", variant, _VARIANTS)
        given = {
            "gamma": gamma,
            "discount": discount,
            "hole_of": hole_of,
            "known_mean": known_mean,
            "penalty_in": penalty_in,
            "weighs_critics_alike": weighs_critics_alike,
        }
        given = {name: value for name, value in given.items() if value is not None}
        for name, value in (_VARIANTS[variant] | given).items():
            _check(name, value)
            setattr(self, name, value)
        self.variant = variant
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
        """The critics' loss and its parts.

        Args:
            critic: `GlobalLocalCritic`, or a function like one that has a `patch_size`.
            images: Tensor of shape `(batch, height, width, channels)`, the true
                pictures in `[-1, 1]`.
            completed: Tensor like `images`: the filled pictures.
            masks: Tensor of shape `(batch, height, width, 1)`: 1 in the hole, else 0.
            weights: `LossWeights`.
            boxes: int tensor of shape `(batch, 4)`: top, left, height and width of the
                local patches.
            interpolation: Tensor of shape `(batch, 2)`, in `[0, 1]`: where between true
                (0) and filled (1) the penalty is taken, for the local and for the
                global critic.
            input_gradients: function of a function and its input, a dict of tensors, to
                the gradients, a dict like it, of the sum of all that the function returns.

        Returns:
            dict of tensors of shape `(batch,)`, one value per image: `"critic_loss"` and,
            before its weight, `"wasserstein_loss"` and `"gradient_penalty"`.
        """
        real = _critic_inputs(images, boxes, critic.patch_size)
        fake = _critic_inputs(completed, boxes, critic.patch_size)
        both = {name: ops.concatenate([real[name], fake[name]], axis=0) for name in real}
        scores = _scores(critic, both)
        local, overall = (_fake_minus_real(scores[side]) for side in ("local", "global"))
        wasserstein = local
        wasserstein += overall * (1.0 if self.weighs_critics_alike else weights.global_critic)

        points = {
            "patches": _between(real["patches"], fake["patches"], interpolation[:, 0]),
            "images": _between(real["images"], fake["images"], interpolation[:, 1]),
        }
        gradients = input_gradients(lambda inputs: critic(inputs, training=True), points)
        counted = _critic_inputs(masks, boxes, critic.patch_size)
        penalty = sum(
            _penalty(gradients[name], counted[name] if self.penalty_in == "hole" else 1.0)
            for name in points
        )
        return {
            "critic_loss": wasserstein + weights.gradient_penalty * penalty,
            "wasserstein_loss": wasserstein,
            "gradient_penalty": penalty,
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
            boxes: int tensor of shape `(batch, 4)`, see `critic_terms`.

        Returns:
            dict of tensors of shape `(batch,)`, one value per image: `"generator_loss"`
            and, before their weights, `"hole_loss"`, `"known_loss"`,
            `"adversarial_loss"`.
        """
        size = critic.patch_size
        truth = crop_patches(images, boxes, size)
        discounts = self._discounts(masks, boxes, size)

        def hole_loss(guess):
            if self.hole_of == "completed":
                guess = composite(images, guess, masks)
            return discounted_l1(crop_patches(guess, boxes, size), truth, discounts)

        def adversarial_loss(completed):
            scores = _scores(critic, _critic_inputs(completed, boxes, size))
            return -scores["local"] - weights.global_critic * scores["global"]

        return generator_terms(
            weights,
            images,
            outputs,
            masks,
            hole_loss=hole_loss,
            known_loss=lambda guess: known_l1(guess, images, masks, self.known_mean),
            adversarial_loss=adversarial_loss,
            perceptual=self.perceptual,
        )

    @property
    def generator_term_names(self):
        """tuple of str: The names of what `generator_terms` returns, in their order."""
        return generator_term_names(self.perceptual)

    def _discounts(self, masks, boxes, size):
        if self.discount == "box":
            return box_discounts(size, self.gamma)
        # Distances in the whole picture: the patch's border is not the hole's.
        return crop_patches(distance_discounts(masks, self.gamma), boxes, size)

    def get_config(self):
        return {
            "variant": self.variant,
            **{name: getattr(self, name) for name in _VARIANTS["paper"]},
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _critic_inputs(images, boxes, size):
    return {"images": images, "patches": crop_patches(images, boxes, size)}


def _scores(critic, inputs):
    """A critic's scores in the type of its images, in which losses are computed."""
    dtype = inputs["images"].dtype
    return {
        side: ops.cast(scores, dtype) for side, scores in critic(inputs, training=True).items()
    }


def _fake_minus_real(scores):
    real, fake = ops.split(scores, 2, axis=0)
    return fake - real


def _between(real, fake, interpolation):
    # Not `*`: random numbers are of float32, whatever the images are.
    return real + ops.multiply(interpolation[:, None, None, None], fake - real)


def _penalty(gradients, counted):
    """How far the norm of each picture's gradient is from 1, squared."""
    squares = ops.sum(ops.square(gradients) * counted, axis=(1, 2, 3))
    # The root's own gradient is infinite where the gradient vanishes.
    return ops.square(ops.sqrt(ops.maximum(squares, 1e-24)) - 1.0)


def _check(name, value):
    if name == "gamma":
        if not 0 < value <= 1:
            raise ValueError(
                "`gamma` is a discount per pixel and must be in (0, 1]. "
                f"Received: gamma={value}"
            )
    else:
        check_choice(name, value, _CHOICES[name])
