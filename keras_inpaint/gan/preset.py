"""A model as a preset: both networks and what they are trained with, but no optimizer state."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_inpaint.arguments import is_int
from keras_inpaint.presets import read_metadata, read_network, read_object, write_preset
from keras_inpaint.presets.reading import read_all

if TYPE_CHECKING:
    from keras_inpaint.gan.inpainting_gan import InpaintingGAN


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
    known = {} if gan.image_size is None else {"image_size": gan.image_size}
    networks = {"model": gan.inpainter.generator, "critic": gan.critic}
    objects = {name: getattr(gan, name) for name in ("objective", "masks", "corruption")}
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
        objects.append(read_object(folder, "corruption", optional=True))
        return *networks, *objects, read_metadata(folder).get("image_size")

    generator, critic, objective, masks, corruption, size = read_all(preset, read)
    image_size = size if is_int(size, at_least=1) else None
    networks = generator, critic
    return cls(*networks, objective, masks, seed, corruption, image_size, ema_momentum)
