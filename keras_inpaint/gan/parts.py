"""The parts of an `InpaintingGAN`: which attributes and methods each must have.

Any object that has them will do; `keras_inpaint.models`, `losses` and `masks` hold the
published ones.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import keras
from keras import ops

from keras_inpaint.arguments import check_int
from keras_inpaint.inpainting.sketches import is_guided
from keras_inpaint.losses import LossWeights

# A tensor of the backend, of which type checkers know nothing.
Tensor: TypeAlias = Any
Tensors: TypeAlias = dict[str, Tensor]
# A function of images and masks that returns what the generator sees.
Corruption: TypeAlias = Callable[[Tensor, Tensor], Tensor]
# A function of images that returns sketches of them: 1 on a line, else 0.
Sketch: TypeAlias = Callable[[Tensor], Tensor]
# A function of images, completed images and masks that returns one value per image.
Measure: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
# Of images that networks are built with, where no size is known.
_USUAL_SIDE = 64
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
    height and width must be multiples of `size_multiple`. If it has an attribute `guided`
    that is true, it also takes `"sketches"`.
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
    height and width of the local patch that it looks at, `None` if it looks at none. If it
    has an attribute `guided` that is true, it also takes `"sketches"`.
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
    generator: Generator,
    critic: Critic,
    objective: Objective,
    image_size: int | None = None,
    sketch: Sketch | None = None,
) -> None:
    """Refuses parts that lack something, or do not fit each other.

    Raises:
        ValueError: If one lacks an attribute, the objective is not one for the critic,
            `image_size` is no int of at least 1, or there is a sketch that no generator is
            shown.
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
    if not is_guided(generator) and (sketch is not None or is_guided(critic)):
        found = f"sketch={type(sketch).__name__}" if sketch else "critic.guided=True"
        raise ValueError(
            "Sketches are for a guided generator: make it with `guided=True`. "
            f"Received: generator.guided=False, {found}"
        )


def build_parts(generator: Any, critic: Any, needs_patches: bool, side: int | None) -> None:
    """Builds networks that were not called yet, as Keras builds those of one model.

    Their weights must be known: the optimizers, the average and files ask for them.

    Args:
        generator: `Generator`.
        critic: `Critic`.
        needs_patches: bool. Whether the critic sees local patches instead of masks.
        side: int or `None`. Height and width of the images, where these are known.

    Raises:
        ValueError: If a network cannot be called as it will be, or some of its layers are not
            built even then.
    """
    multiple = generator.size_multiple
    usual = -(-_USUAL_SIDE // multiple) * multiple
    height, width = critic.image_size or (side or usual, side or usual)
    images = {"images": (height, width, generator.channels)}
    masks = {"masks": (height, width, 1)}
    patches = {"patches": (*(critic.patch_size or ()), generator.channels)}
    inputs = {
        "generator": {"corrupted": images["images"], **masks},
        "critic": {**images, **(patches if needs_patches else masks)},
    }
    for name, network in (("generator", generator), ("critic", critic)):
        if is_guided(network):
            inputs[name]["sketches"] = masks["masks"]
    for name, network in (("generator", generator), ("critic", critic)):
        if not isinstance(network, keras.layers.Layer) or _is_built(network):
            continue
        described = f"a dict of {' and '.join(inputs[name])}"
        try:
            network({each: keras.Input(shape) for each, shape in inputs[name].items()})
        except Exception as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"`{name}` must take {described}, see `keras_inpaint.gan.parts."
                f"{name.capitalize()}`; called so, it fails with: {reason} "
                f"Received: {name}={type(network).__name__}"
            ) from error
        if not _is_built(network):
            raise ValueError(
                f"All layers of `{name}` must be used in its `call`, or be built. "
                f"Received: {name}={type(network).__name__}, whose layers are not all built"
            )


def _is_built(layer: Any) -> bool:
    return layer.built and all(_is_built(each) for each in getattr(layer, "layers", ()))


def read_guesses(outputs: Any, images: Tensor) -> Tensors:
    """Reads what a generator returned, and gives its guesses the type of the images.

    Args:
        outputs: dict of `"coarse"` and `"refined"`, tensors like `images`, and whatever else.
        images: Tensor of shape `(batch, height, width, channels)`.

    Raises:
        ValueError: If it is something else.
    """
    if not isinstance(outputs, dict) or not {"coarse", "refined"} <= set(outputs):
        found = f"a dict of {', '.join(map(str, outputs))}" if isinstance(outputs, dict) else ""
        raise ValueError(
            'The generator must return a dict of "coarse" and "refined", its first and its '
            "second guess (the same tensor twice, if it has only one). "
            f"Received: {found or type(outputs).__name__}"
        )
    guesses = {name: outputs[name] for name in ("coarse", "refined")}
    for name, guess in guesses.items():
        if not _may_be(guess.shape, images.shape):
            raise ValueError(
                f"The generator's {name!r} must be of the images' shape, "
                f"{tuple(images.shape)}. Received: {name}.shape={tuple(guess.shape)}"
            )
    cast = {name: ops.cast(guess, images.dtype) for name, guess in guesses.items()}
    return {**outputs, **cast}


def read_masks(drawn: Any, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """Reads what a sampler of masks returned for some images.

    Raises:
        ValueError: If it is no pair of masks, of shape `(batch, height, width, 1)`, and boxes.
    """
    if not isinstance(drawn, (tuple, list)) or len(drawn) != 2:
        raise ValueError(
            "A sampler must return a pair: masks of shape (batch, height, width, 1), 1 in the "
            "hole, and boxes of shape (batch, 4), or None for these. "
            f"Received: {type(drawn).__name__}"
        )
    masks, boxes = drawn
    expected = (*images.shape[:3], 1)
    if not _may_be(masks.shape, expected):
        raise ValueError(
            f"A sampler must return masks of shape {expected}, as the images are. "
            f"Received: masks.shape={tuple(masks.shape)}"
        )
    return masks, boxes


def _may_be(shape: Any, expected: Any) -> bool:
    """Whether shapes are the same, as far as they are known."""
    if getattr(shape, "rank", 0) is None or getattr(expected, "rank", 0) is None:
        return True
    return len(shape) == len(expected) and all(
        None in pair or pair[0] == pair[1] for pair in zip(shape, expected, strict=True)
    )


def square_side(critic: Critic) -> int | None:
    """The height and width of a critic's images, where it takes one square size."""
    height, width = critic.image_size or (None, None)
    return height if height == width else None
