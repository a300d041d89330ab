"""A model as a preset, and what is in files of either kind: its parts by name."""

import inspect
import warnings
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from keras_inpaint.arguments import is_int
from keras_inpaint.presets import read_metadata, read_network, read_object, write_preset
from keras_inpaint.presets.reading import read_all

if TYPE_CHECKING:
    from keras_inpaint.gan.inpainting_gan import InpaintingGAN

# The arguments of `InpaintingGAN` that files describe.
PARTS = ("generator", "critic", "objective", "masks", "corruption", "sketch")


def read_part(name: str, config: Any) -> Any:
    """Makes a part of a model of its description in a file.

    Raises:
        ValueError: If Keras does not know its class, or this does not take the description.
    """
    try:
        return keras.saving.deserialize_keras_object(config)
    except Exception as error:
        described = config if isinstance(config, dict) else {}
        raise ValueError(
            f"`{name}` of the model cannot be read: {' '.join(str(error).split())} "
            "Register its class by `keras.saving.register_keras_serializable`, or pass it in "
            "`custom_objects`; see that its `get_config` holds what its construction needs. "
            f"Received: {name} of the class {described.get('class_name')!r}"
        ) from error


def warn_of_unknown_parts(gan: "InpaintingGAN") -> None:
    """Warns of parts that a file names, but that Keras cannot make again by that name."""
    unknown = [
        f"{name} ({getattr(part, '__name__', type(part).__name__)})"
        for name in reversed(PARTS)
        if not _is_known(part := getattr(gan, name))
    ]
    if unknown:
        warnings.warn(
            f"The file will not be read without help: {', '.join(unknown)} must be registered "
            "by `keras.saving.register_keras_serializable`, or be passed in `custom_objects` "
            "when it is loaded.",
            stacklevel=3,
        )


def _is_known(part: Any) -> bool:
    is_function = inspect.isroutine(part)
    kind = part if is_function else type(part)
    # Keras finds its own classes by their module.
    is_of_keras = not is_function and kind.__module__.partition(".")[0] == "keras"
    name = keras.saving.get_registered_name(kind)
    return part is None or is_of_keras or keras.saving.get_registered_object(name) is kind


def check_format(filepath: str | PathLike[str]) -> None:
    """Refuses the format of files that Keras had before its version 3.

    Raises:
        ValueError: If the name is one of such a file.
    """
    if Path(filepath).suffix.lower() in (".h5", ".hdf5"):
        raise ValueError(
            "Save to a file that ends in `.keras`, or weights alone by `save_weights` to one "
            f"that ends in `.weights.h5`. Received: filepath={str(filepath)!r}"
        )


def save_to_preset(
    gan: "InpaintingGAN",
    folder: str | PathLike[str],
    metadata: dict[str, Any] | None = None,
    card: str | None = None,
    dtype: str = "float32",
) -> None:
    """Saves both networks and what they are trained with, but no optimizer state.

    The generator is the average of its weights where there is one.

    Args:
        folder: str or path, see `keras_inpaint.presets.write_preset`, and so the
            other arguments.
        metadata: dict or `None`. What to say of the weights.
        card: str or `None`. The text of README.md.
        dtype: `"float32"` or `"float16"`.

    Raises:
        OSError: As `write_preset`, and so `ValueError`.
    """
    warn_of_unknown_parts(gan)
    if not gan.backend.is_chief:
        return
    known = {} if gan.image_size is None else {"image_size": gan.image_size}
    networks = {"model": gan.inpainter.generator, "critic": gan.critic}
    objects = {name: getattr(gan, name) for name in ("objective", "masks", "corruption")}
    if gan.sketch is not None:
        objects["sketch"] = gan.sketch
    with gan.backend.alone():
        write_preset(folder, networks, {**known, **(metadata or {})}, card, dtype, objects)


def from_preset(
    cls: type["InpaintingGAN"],
    preset: str | PathLike[str],
    seed: int = 0,
    ema_momentum: float | None = None,
) -> "InpaintingGAN":
    """Loads what `save_to_preset` saved, to train it further.

    Args:
        preset: str or path, see `keras_inpaint.Inpainter.from_preset`. A preset of
            a generator alone cannot be trained further without a critic.
        seed: int, see `InpaintingGAN`, and so `ema_momentum`.
        ema_momentum: float or `None`.

    Returns:
        `InpaintingGAN`, not compiled.

    Raises:
        FileNotFoundError: If the preset, or a file of it, is missing.
        OSError: If the hub refuses or does not answer.
        ValueError: If the preset is damaged, newer, or holds a generator alone.
    """

    def read(folder: Path) -> tuple[Any, ...]:
        networks = [read_network(folder, name)[0] for name in ("model", "critic")]
        objects = [read_object(folder, name) for name in ("objective", "masks")]
        # Early presets do not say.
        names = ("corruption", "sketch")
        objects += [read_object(folder, name, optional=True) for name in names]
        return *networks, *objects, read_metadata(folder).get("image_size")

    generator, critic, objective, masks, corruption, sketch, size = read_all(preset, read)
    image_size = size if is_int(size, at_least=1) else None
    networks = generator, critic
    return cls(*networks, objective, masks, seed, corruption, image_size, ema_momentum, sketch)
