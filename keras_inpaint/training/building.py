"""From settings to the model that trains, and the devices that it trains on."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import keras

from keras_inpaint.evaluation.features import load_features
from keras_inpaint.gan.architectures import v2_samplers
from keras_inpaint.gan.averaging import dtype_policy
from keras_inpaint.gan.freezing import freeze
from keras_inpaint.gan.inpainting_gan import InpaintingGAN
from keras_inpaint.gan.validation import BatchChecker, check_equal_parts
from keras_inpaint.losses import HingeObjective, WassersteinObjective
from keras_inpaint.masks import Mixture, Mosaic
from keras_inpaint.metrics import PerceptualDistance
from keras_inpaint.models import Generator, GlobalLocalCritic, PatchCritic
from keras_inpaint.presets import read_network, read_object
from keras_inpaint.training.settings import Settings

_LOG = logging.getLogger("keras_inpaint.training")


def build(settings: Settings, report: Callable[[str], None] = _LOG.warning) -> Any:
    """Makes the model that settings ask for: equal settings give equal weights.

    Args:
        settings: `keras_inpaint.training.settings.Settings`.
        report: Function. Called with each message.

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
    with dtype_policy(settings.precision or keras.config.dtype_policy()):
        gan = _make(settings, report)
    if settings.freeze:
        counts = freeze({"generator": gan.generator, "critic": gan.critic}, settings.freeze)
        found = [f"{count} weights of the {name}" for name, count in counts.items() if count]
        report(f"Frozen: {', '.join(found)}.")
    gan.compile(
        *learning_rate_schedules(settings),
        loss_weights=settings.loss_weights,
        critic_steps=settings.critic_steps,
        reconstruction_steps=settings.reconstruction_steps,
        critic_only_steps=settings.critic_only_steps,
        steps_per_execution=settings.steps_per_execution,
        global_clipnorm=settings.global_clipnorm,
        on_nonfinite=settings.on_nonfinite,
    )
    _check_image_size(gan, settings)
    return gan


def _check_image_size(gan: Any, settings: Settings) -> None:
    """Refuses images that `fit` would refuse, before a run writes anything."""
    size = settings.image_size
    shape = (settings.batch_size, size, size, settings.channels)
    images = keras.KerasTensor(shape, "float32")
    masks = keras.KerasTensor((settings.batch_size, size, size, 1), "float32")
    try:
        BatchChecker(gan, "fit").check_shapes({"images": images, "masks": masks})
    except ValueError as error:
        rule = str(error).partition(" Received: ")[0]
        raise ValueError(f"{rule} Received: image_size={size}") from error


def _make(settings: Settings, report: Callable[[str], None]) -> Any:
    options = {
        "width": settings.width,
        "critic_width": settings.critic_width,
        "channels": settings.channels,
        "guided": settings.guided or None,
        "objective": _objective(settings),
        "masks": None
        if settings.box_share is None
        else boxes_and_strokes(settings.image_size, settings.box_share),
    }
    corruption = None if settings.mosaic is None else Mosaic(settings.mosaic)
    if settings.preset is not None:
        generator, folder = read_network(settings.preset)
        options["generator"] = _generator_of_preset(generator, settings)
        options["critic"] = _critic_of_preset(folder, settings, report)
        corruption = corruption or read_object(folder, "corruption", optional=True)
        options["sketch"] = read_object(folder, "sketch", optional=True)
    options = {name: value for name, value in options.items() if value is not None}
    make = getattr(InpaintingGAN, settings.architecture)
    gan = make(
        image_size=settings.image_size,
        seed=settings.seed,
        ema_momentum=settings.ema_momentum,
        **options,
    )
    gan.corruption = corruption
    return gan


def _objective(settings: Settings) -> Any:
    """The architecture's objective; `None` for the default one."""
    options: dict[str, Any] = {}
    if settings.gamma is not None:
        options["gamma"] = settings.gamma
    if settings.perceptual_network is not None:
        network = load_features(settings.perceptual_network)
        options["perceptual"] = PerceptualDistance(network, settings.perceptual_layers)
    if not options:
        return None
    is_v1 = settings.architecture == "deepfill_v1"
    return (WassersteinObjective if is_v1 else HingeObjective)(**options)


def learning_rate_schedules(settings: Settings) -> tuple[Any, Any]:
    """Makes the schedules of both learning rates: rising at first, then falling.

    Args:
        settings: `keras_inpaint.training.settings.Settings`.

    Returns:
        Pair of `keras.optimizers.schedules.LearningRateSchedule`, for the generator's and
        the critic's optimizer. Each counts the steps in which its network is trained.

    Example:
    >>> from keras_inpaint.training.building import learning_rate_schedules
    >>> settings = keras_inpaint.training.Settings(
    ...     "photos", "run", steps=60, warmup_steps=20, learning_rate=0.5
    ... )
    >>> [float(learning_rate_schedules(settings)[0](step)) for step in (0, 10, 20, 60)]
    [0.0, 0.25, 0.5, 0.5]
    """
    first, warmup_steps = settings.learning_rate, settings.warmup_steps
    final = settings.final_learning_rate
    # Of a rate that stays too: a run may go on with one that falls.
    alpha = 1.0 if final is None else final / first

    def schedule(rate: float, steps_without: int) -> Any:
        # A run may end before its warm-up, and go on later.
        steps = max(1, settings.steps - steps_without - warmup_steps)
        make = keras.optimizers.schedules.CosineDecay
        if not warmup_steps:
            return make(rate, steps, alpha)
        return make(0.0, steps, alpha, warmup_target=rate, warmup_steps=warmup_steps)

    return (
        schedule(first, settings.critic_only_steps),
        schedule(settings.critic_learning_rate or first, settings.reconstruction_steps),
    )


def boxes_and_strokes(image_size: int, box_share: float) -> Mixture:
    """Makes a sampler of the holes of v2, each of which is either a box or strokes.

    Args:
        image_size: int. Height and width of the images, in pixels.
        box_share: float, in `[0, 1]`. The fraction of boxes.

    Returns:
        `keras_inpaint.masks.Mixture`.
    """
    boxes, strokes = v2_samplers(image_size)
    return Mixture([boxes, strokes], [box_share, 1 - box_share])


def _generator_of_preset(generator: Any, settings: Settings) -> Any:
    """The preset's generator, whatever its arguments, if settings can train it."""
    if not isinstance(generator, Generator):
        raise ValueError(
            "`preset` must hold a `keras_inpaint.models.Generator`. Train other networks with "
            f"`keras_inpaint.InpaintingGAN`. Received: preset={settings.preset!r}, which holds "
            f"a {type(generator).__name__}"
        )
    architecture = "deepfill_v2" if generator.gated else "deepfill_v1"
    if settings.architecture != architecture:
        raise ValueError(
            f"`architecture` of this preset is {architecture!r}, as its convolutions are "
            f"{'gated' if generator.gated else 'not gated'}. "
            f"Received: architecture={settings.architecture!r}, preset={settings.preset!r}"
        )
    if settings.width not in (None, generator.width):
        raise ValueError(
            f"`width` of this preset is {generator.width}. Leave it out, or take another "
            f"preset. Received: width={settings.width}, preset={settings.preset!r}"
        )
    for name in ("channels", "guided"):
        if getattr(generator, name) != getattr(settings, name):
            raise ValueError(
                f"`{name}` of this preset is {getattr(generator, name)}. Set it so, or take "
                f"another preset. Received: {name}={getattr(settings, name)}, "
                f"preset={settings.preset!r}"
            )
    return _copy_of(generator)


def _critic_of_preset(folder: Path, settings: Settings, report: Callable[[str], None]) -> Any:
    """The preset's critic; `None` where it has none that settings can train."""
    if not (folder / "critic.weights.h5").exists():
        report("The preset has no critic: a new one is trained.")
        return None
    critic, _ = read_network(folder, "critic")
    difference = _difference(critic, settings)
    if difference:
        report(f"The preset's critic is another network ({difference}): a new one is trained.")
        return None
    return _copy_of(critic)


def _difference(critic: Any, settings: Settings) -> str | None:
    """Describes how a critic differs from any that settings ask for."""
    kind = GlobalLocalCritic if settings.architecture == "deepfill_v1" else PatchCritic
    if not isinstance(critic, kind):
        return f"a {type(critic).__name__}, where {settings.architecture} has a {kind.__name__}"
    if settings.critic_width not in (None, critic.width):
        return f"width={critic.width}, where critic_width={settings.critic_width}"
    size = (settings.image_size, settings.image_size)
    if critic.image_size not in (None, size):
        return f"image_size={critic.image_size}, where image_size={settings.image_size}"
    if critic.channels != settings.channels:
        return f"channels={critic.channels}, where channels={settings.channels}"
    is_guided = getattr(critic, "guided", False)
    if is_guided != settings.guided:
        return f"guided={is_guided}, where guided={settings.guided}"
    return None


def _copy_of(network: Any) -> Any:
    """A copy in the current precision, instead of that which the preset was trained in."""
    # Which part of it is trained, the settings say.
    config = {**network.get_config(), "name": None, "dtype": None, "trainable": True}
    copy = type(network).from_config(config)
    copy.set_weights(network.get_weights())
    return copy


def devices_scope(
    settings: Settings, report: Callable[[str], None] = _LOG.info, strategy: Any = None
) -> AbstractContextManager[Any]:
    """Finds the devices that a run trains on with TensorFlow, and the scope for its model.

    Args:
        settings: `keras_inpaint.training.settings.Settings`.
        report: Function. Called with each message.
        strategy: The `tf.distribute.Strategy` of several processes, or `None`.

    Returns:
        The scope in which the model is to be made; of nothing on JAX, see `shared_devices`.

    Raises:
        ValueError: If a batch cannot be split between the devices.

    Example:
    >>> from keras_inpaint.training.building import devices_scope
    >>> with devices_scope(keras_inpaint.training.Settings("photos", "run")) as strategy:
    ...     strategy is None
    True
    """
    if keras.backend.backend() != "tensorflow" or settings.distribution == "none":
        return nullcontext()
    if strategy is None:
        # Late: on JAX, TensorFlow may not be installed.
        import tensorflow as tf

        # CPUs only on demand: several logical parts of one are no faster.
        kinds = ("GPU", "CPU") if settings.distribution == "mirrored" else ("GPU",)
        found = [tf.config.list_logical_devices(kind) for kind in kinds]
        names = tuple(device.name for device in next(filter(None, found), []))
        if not _shares(settings, len(names), report):
            return nullcontext()
        strategy = _strategy(names)
    else:
        _shares(settings, strategy.num_replicas_in_sync, report)
    scope: AbstractContextManager[Any] = strategy.scope()
    return scope


@contextmanager
def shared_devices(
    settings: Settings, report: Callable[[str], None] = _LOG.info
) -> Iterator[int]:
    """Lets the devices of JAX, of all processes, share each batch for as long as a run does.

    Args:
        settings: See `devices_scope`, and so the others and what is raised.
        report: Function.

    Returns:
        Context manager of an int: how many devices share each batch.

    Example:
    >>> from keras_inpaint.training.building import shared_devices
    >>> with shared_devices(keras_inpaint.training.Settings("photos", "run")) as num:
    ...     num
    1
    """
    if keras.backend.backend() != "jax" or settings.distribution == "none":
        yield 1
        return
    import jax

    # CPUs only on demand, as above.
    is_wanted = settings.distribution is not None or jax.default_backend() != "cpu"
    if not is_wanted or not _shares(settings, jax.device_count(), report):
        yield 1
        return
    before = keras.distribution.distribution()
    # Each process reads its own part already.
    parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
    keras.distribution.set_distribution(parallel)
    try:
        yield jax.device_count()
    finally:
        keras.distribution.set_distribution(before)


def _shares(settings: Settings, num: int, report: Callable[[str], None]) -> bool:
    """Checks that devices can share a batch; returns whether there are several."""
    if num < 2:
        if settings.distribution is not None:
            report("There is one device: it does not share with any.")
        return False
    try:
        check_equal_parts(settings.batch_size, num, max(1, settings.critic_steps))
    except ValueError as error:
        raise ValueError(f"{error}. On one device: distribution='none'") from error
    report(f"{num} devices share each batch.")
    return True


@cache
def _strategy(names: tuple[str, ...]) -> Any:
    # One per process, also for several runs: a model cannot change its strategy.
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(names)
