"""The model that trains: its schedule, read from top to bottom."""

import importlib
from typing import Any

import keras
from keras import ops

from keras_inpaint.gan.architectures import Architectures
from keras_inpaint.gan.batches import deal, local_boxes, unpack
from keras_inpaint.gan.checking import Checking
from keras_inpaint.gan.compiling import Compiling
from keras_inpaint.gan.measuring import Measuring
from keras_inpaint.gan.saving import Saving
from keras_inpaint.gan.validation import check_shapes
from keras_inpaint.inpainting import Inpainter
from keras_inpaint.ops.chance import picture_seeds, uniform
from keras_inpaint.ops.compositing import composite, corrupt

# The algorithm stands here; taking a gradient and applying it differs by backend.
_steps: Any = importlib.import_module(f"keras_inpaint.gan.{keras.backend.backend()}_steps")
# No sampler of masks draws from this stream.
_INTERPOLATION_STREAM = 0x6970


@keras.saving.register_keras_serializable(package="keras_inpaint")
class InpaintingGAN(_steps.Steps, Architectures, Checking, Compiling, Measuring, Saving):
    """Trains a generator against a critic to fill holes in pictures.

    Args:
        generator: `keras_inpaint.models.Generator`.
        critic: `keras_inpaint.models.GlobalLocalCritic` or `PatchCritic`.
        objective: `keras_inpaint.losses.WassersteinObjective` for the former,
            `HingeObjective` for the latter.
        masks: A sampler of `keras_inpaint.masks`, for batches that bring no masks.
        seed: int. Masks and the points of the gradient penalty follow from it, from the
            number of the step and from the picture's place in the batch: a run that was
            resumed, or spread over devices, draws the same ones.
        corruption: Function of images and masks that returns the images as the generator
            sees them, such as `keras_inpaint.masks.Mosaic`; the hole is blanked unless
            given.

    Call arguments:
        inputs: dict of `"images"`, a tensor of shape `(batch, height, width, channels)`
            in `[-1, 1]`, and `"masks"`, a tensor of shape `(batch, height, width, 1)`: 1
            in the hole, else 0. What lies in the hole is not looked at, unless by
            `corruption`.

    Returns:
        dict of `"completed"`, tensors like `images` whose holes are filled, and what the
        generator returns.

    Raises:
        ValueError: If the objective is not one for the critic.

    `fit` takes batches of `images`, of `(images, masks)` or of `(images, masks, boxes)`.
    A batch holds `critic_steps` shares: picture `p` belongs to the critic's update
    `p mod critic_steps`, and the generator's update is made on the last share.

    Example:
    >>> gan = keras_inpaint.InpaintingGAN.deepfill_v2(width=8, image_size=64, critic_width=8)
    >>> gan.compile()
    >>> history = gan.fit(np.zeros((4, 64, 64, 3), "float32"), batch_size=2, verbose=0)
    >>> sorted(history.history)[:4]
    ['adversarial_loss', 'critic_loss', 'fake_score', 'generator_loss']

    Reference:
    - [Yu et al., 2018](https://arxiv.org/abs/1801.07892), algorithm 1
    - [Yu et al., 2019](https://arxiv.org/abs/1806.03589), section 3
    """

    def __init__(
        self,
        generator: Any,
        critic: Any,
        objective: Any,
        masks: Any = None,
        seed: int = 0,
        corruption: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_parts(generator, critic, objective)
        self.generator = generator
        self.critic = critic
        self.objective = objective
        self.masks = masks
        self.seed = seed
        self.corruption = corruption
        self.trackers = {
            name: keras.metrics.Mean(name=name)
            for name in (*objective.critic_term_names, *objective.generator_term_names)
        }
        self._make_measures()
        self.built = True

    # ---- The algorithm ---------------------------------------------------------------

    def _train(self, data: Any) -> Any:
        shares = deal(self._draw_for_training(data), max(1, self.critic_steps))
        for share in shares[:-1]:
            completed = self._complete(
                share, self.generator(self._corrupt(share), training=True)
            )
            self._improve_critic(share, completed)
        # The last share serves both: the generator runs once, the critic learns from
        # what it made, and then the generator from the critic.
        share = shares[-1]
        outputs, record = self._record(self.generator, self._corrupt(share))
        critic_terms = {}
        if self.critic_steps:
            critic_terms = self._improve_critic(share, self._complete(share, outputs))
        generator_terms = self._improve_recorded(
            self.generator,
            self.optimizer.generator_optimizer,
            outputs,
            record,
            lambda outputs: self.objective.generator_terms(
                self.critic,
                share["images"],
                outputs,
                share["masks"],
                self.loss_weights,
                boxes=share["boxes"],
            ),
        )
        self.steps.assign_add(1)
        return self._track(self.trackers, critic_terms | generator_terms)

    def _improve_critic(self, share: Any, completed: Any) -> Any:
        return self._improve(
            self.critic,
            self.optimizer.critic_optimizer,
            lambda: self.objective.critic_terms(
                self.critic,
                share["images"],
                completed,
                share["masks"],
                self.loss_weights,
                boxes=share["boxes"],
                interpolation=share["interpolation"],
                input_gradients=_steps.input_gradients,
            ),
        )

    def _corrupt(self, share: Any) -> Any:
        """What the generator sees of pictures."""
        images, masks = share["images"], share["masks"]
        return {"corrupted": (self.corruption or corrupt)(images, masks), "masks": masks}

    def _complete(self, share: Any, outputs: Any) -> Any:
        completed = composite(share["images"], outputs["refined"], share["masks"])
        return ops.stop_gradient(completed)

    def _draw_for_training(self, data: Any) -> Any:
        """A batch with its masks, local patches and points of the penalty."""
        batch = self._draw(data, self.steps.value, num_shares=max(1, self.critic_steps))
        seeds = batch.pop("seeds")
        boxes = local_boxes(batch["masks"], batch["boxes"], self.critic, self._require)
        interpolation = uniform(seeds, 2, stream=_INTERPOLATION_STREAM)
        return {**batch, "boxes": boxes, "interpolation": interpolation}

    def _draw(
        self, data: Any, index: Any, first: Any = 0, num_shares: int | None = None
    ) -> Any:
        """A batch with its masks, drawn where it brings none."""
        images, masks, boxes = unpack(data)
        check_shapes(images, masks, boxes, self.generator, self.critic)
        _, height, width, _ = ops.shape(images)
        seeds = picture_seeds(self.seed, index, first + self._places(images, num_shares))
        if masks is None:
            masks, boxes = self._sampler()(seeds, height, width)
        return {
            "images": ops.cast(images, self.variable_dtype),
            # Ones and zeros: the losses count with them.
            "masks": ops.cast(ops.cast(masks, "bool"), self.variable_dtype),
            "boxes": boxes,
            "seeds": seeds,
        }

    def _sampler(self) -> Any:
        if self.masks is None:
            raise ValueError(
                "Batches without masks need a sampler of them: pass `masks=` to "
                "`InpaintingGAN`, or batches of `(images, masks)`. Received: masks=None"
            )
        return self.masks

    # ---- What it tells, and what it is used for --------------------------------------

    @property
    def inpainter(self) -> Any:
        """`keras_inpaint.Inpainter`: What ships, with the generator as it is now."""
        return Inpainter(self.generator, corruption=self.corruption)

    def _track(self, trackers: Any, terms: Any) -> Any:
        for name, values in terms.items():
            trackers[name].update_state(values)
        return self._results({name: trackers[name] for name in terms})

    def call(self, inputs: Any, training: bool = False) -> Any:
        outputs = self.generator(self._corrupt(inputs), training=training)
        completed = composite(inputs["images"], outputs["refined"], inputs["masks"])
        return {"completed": completed, **outputs}


def _check_parts(generator: Any, critic: Any, objective: Any) -> None:
    has_patches = hasattr(critic, "patch_size")
    if getattr(objective, "needs_patches", has_patches) != has_patches:
        raise ValueError(
            "A WassersteinObjective needs a GlobalLocalCritic, a HingeObjective a PatchCritic. "
            f"Received: objective={type(objective).__name__}, critic={type(critic).__name__}"
        )
