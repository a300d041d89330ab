"""From settings to the model that trains."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from keras_inpaint.inpainting import read_network
from keras_inpaint.losses import WassersteinObjective
from keras_inpaint.masks import Mixture, Mosaic
from keras_inpaint.training.architectures import v2_samplers
from keras_inpaint.training.inpainting_gan import InpaintingGAN
from keras_inpaint.training.settings import Settings


def build(settings: Settings, report: Callable[[str], None] = print) -> Any:
    """Makes the model that settings ask for: equal settings give equal weights.

    Args:
        settings: `keras_inpaint.training.settings.Settings`.
        report: Called with a line of text for each thing worth telling.

    Returns:
        `InpaintingGAN`, compiled.

    Raises:
        FileNotFoundError: If the preset is missing.
        OSError: If the preset cannot be fetched.
        ValueError: If the settings do not fit each other or the preset.

    Example:
    >>> from keras_inpaint.training.building import build
    >>> settings = keras_inpaint.training.Settings(
    ...     "photos", "run", width=4, critic_width=4, loss_weights={"hole": 2.0}
    ... )
    >>> build(settings).loss_weights.hole
    2.0
    """
    keras.utils.set_random_seed(settings.seed)
    width = settings.width
    start = None if settings.preset is None else read_network(settings.preset)
    if width is None and start is not None:
        width = start[0].width
    make = getattr(InpaintingGAN, settings.architecture)
    options = {
        "width": width,
        "critic_width": settings.critic_width,
        "objective": None
        if settings.gamma is None
        else WassersteinObjective(gamma=settings.gamma),
        "masks": None
        if settings.box_share is None
        else boxes_and_strokes(settings.image_size, settings.box_share),
    }
    options = {name: value for name, value in options.items() if value is not None}
    gan = make(image_size=settings.image_size, seed=settings.seed, **options)
    gan.corruption = None if settings.mosaic is None else Mosaic(settings.mosaic)
    if start is not None:
        _start_from(gan, settings, *start, report)
    gan.compile(critic_steps=settings.critic_steps, loss_weights=settings.loss_weights)
    set_learning_rates(gan, settings, step=0)
    return gan


def set_learning_rates(gan: Any, settings: Settings, step: int) -> None:
    """Sets what both optimizers learn at after `step` steps."""
    rate = settings.learning_rate_at(step)
    critic_rate = settings.critic_learning_rate or settings.learning_rate
    gan.optimizer.generator_optimizer.learning_rate = rate
    gan.optimizer.critic_optimizer.learning_rate = rate * critic_rate / settings.learning_rate


def boxes_and_strokes(image_size: int, box_share: float) -> Mixture:
    """The holes of v2, of which each is a box or strokes, but not both.

    Args:
        image_size: int. Height and width of the images, in pixels.
        box_share: float, in `[0, 1]`. The share of boxes.

    Returns:
        `keras_inpaint.masks.Mixture`.
    """
    boxes, strokes = v2_samplers(image_size)
    return Mixture([boxes, strokes], [box_share, 1 - box_share])


def _start_from(
    gan: Any, settings: Settings, generator: Any, folder: Path, report: Callable[[str], None]
) -> None:
    differing = _differing(gan.generator, generator)
    if differing:
        raise ValueError(
            "`preset` must hold the network that `architecture` and `width` ask for. Received: "
            f"preset={settings.preset!r}, which differs in {', '.join(differing)}"
        )
    gan.generator.set_weights(generator.get_weights())
    if not (folder / "critic.weights.h5").exists():
        report("The preset has no critic: a new one is trained.")
        return
    critic, _ = read_network(folder, "critic")
    if _differing(gan.critic, critic):
        report("The preset's critic is another network: a new one is trained.")
    else:
        gan.critic.set_weights(critic.get_weights())


def _differing(network: Any, other: Any) -> list[str]:
    """Arguments in which two networks differ; names and types are none."""
    if type(network) is not type(other):
        return ["class"]
    ours, theirs = network.get_config(), other.get_config()
    return sorted(
        name for name in ours if name not in ("name", "dtype") and ours[name] != theirs[name]
    )
