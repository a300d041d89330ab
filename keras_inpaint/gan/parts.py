"""The parts of an `InpaintingGAN`: which attributes and methods each must have.

Any object that has them will do; `keras_inpaint.models`, `losses` and `masks` hold the
published ones.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from keras_inpaint.arguments import check_int
from keras_inpaint.losses import LossWeights

# A tensor of the backend, of which type checkers know nothing.
Tensor: TypeAlias = Any
Tensors: TypeAlias = dict[str, Tensor]
# A function of images and masks that returns what the generator sees.
Corruption: TypeAlias = Callable[[Tensor, Tensor], Tensor]
# A function of images, completed images and masks that returns one value per image.
Measure: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
InputGradients: TypeAlias = Callable[[Callable[[Tensors], Any], Tensors], Tensors]


class Network(Protocol):
    """What both networks have, as every `keras.Model` has it."""

    @property
    def trainable_variables(self) -> list[Any]: ...
    @property
    def dtype_policy(self) -> Any: ...


@runtime_checkable
class Generator(Network, Protocol):
    """A `keras.Model` that fills holes, such as `keras_inpaint.models.Generator`.

    It takes a dict of `"corrupted"` and `"masks"` and returns a dict of `"coarse"` and
    `"refined"`, images, and whatever else. `channels` are those of its images, whose
    height and width must be multiples of `size_multiple`.
    """

    @property
    def channels(self) -> int: ...
    @property
    def size_multiple(self) -> int: ...
    def __call__(self, inputs: Tensors, training: bool = False) -> Tensors: ...


@runtime_checkable
class Critic(Network, Protocol):
    """A `keras.Model` that scores images, such as `keras_inpaint.models.PatchCritic`.

    `image_size` is the one height and width that it takes, `None` for any; `patch_size` the
    height and width of the local patch that it looks at, `None` if it looks at none.
    """

    @property
    def image_size(self) -> tuple[int, int] | None: ...
    @property
    def patch_size(self) -> tuple[int, int] | None: ...
    def __call__(self, inputs: Tensors, training: bool = False) -> Any: ...


@runtime_checkable
class Objective(Protocol):
    """The losses of both networks, such as `keras_inpaint.losses.HingeObjective`.

    Each function returns a dict of tensors of shape `(batch,)`, the loss to be minimised
    first and then its parts, under the names that the attributes list. `weight_names` are
    those of the `LossWeights` that it looks at; `needs_patches` says whether its critic
    must have a `patch_size`.
    """

    @property
    def default_weights(self) -> LossWeights: ...
    @property
    def weight_names(self) -> tuple[str, ...]: ...
    @property
    def critic_term_names(self) -> tuple[str, ...]: ...
    @property
    def generator_term_names(self) -> tuple[str, ...]: ...
    @property
    def adam_betas(self) -> tuple[float, float]: ...
    @property
    def needs_patches(self) -> bool: ...

    def critic_terms(
        self,
        critic: Critic,
        images: Tensor,
        completed: Tensor,
        masks: Tensor,
        weights: LossWeights,
        boxes: Tensor | None = None,
        interpolation: Tensor | None = None,
        input_gradients: InputGradients | None = None,
    ) -> Tensors: ...

    def generator_terms(
        self,
        critic: Critic,
        images: Tensor,
        outputs: Tensors,
        masks: Tensor,
        weights: LossWeights,
        boxes: Tensor | None = None,
    ) -> Tensors: ...


class MaskSampler(Protocol):
    """Draws masks from one seed per image, such as `keras_inpaint.masks.Boxes`.

    It returns masks of shape `(batch, height, width, 1)`, and boxes of shape `(batch, 4)`
    or `None`.
    """

    def __call__(self, seeds: Tensor, height: Any, width: Any) -> tuple[Tensor, Tensor]: ...


def check_parts(
    generator: Generator, critic: Critic, objective: Objective, image_size: int | None = None
) -> None:
    """Refuses parts that lack something, or do not fit each other.

    Raises:
        ValueError: If one lacks an attribute, the objective is not one for the critic, or
            `image_size` is no int of at least 1.
    """
    meaning = "is the height and width of the images"
    check_int("image_size", image_size, meaning, at_least=1, or_none="any size")
    attributes_of_objective = tuple(
        name for name, member in vars(Objective).items() if isinstance(member, property)
    )
    required: Sequence[tuple[str, object, tuple[str, ...]]] = (
        ("generator", generator, ("channels", "size_multiple", "trainable_variables")),
        ("critic", critic, ("image_size", "patch_size", "trainable_variables")),
        ("objective", objective, attributes_of_objective),
    )
    for name, part, attributes in required:
        missing = [attribute for attribute in attributes if not hasattr(part, attribute)]
        if missing:
            raise ValueError(
                f"`{name}` must have {', '.join(attributes)}, see "
                f"`keras_inpaint.gan.parts.{name.capitalize()}`. "
                f"Received: a {type(part).__name__} without {', '.join(missing)}"
            )
    if objective.needs_patches != (critic.patch_size is not None):
        raise ValueError(
            "A WassersteinObjective needs a GlobalLocalCritic, a HingeObjective a PatchCritic. "
            f"Received: objective={type(objective).__name__}, critic={type(critic).__name__}"
        )


def square_side(critic: Critic) -> int | None:
    """The height and width of a critic's images, where it takes one square size."""
    height, width = critic.image_size or (None, None)
    return height if height == width else None
