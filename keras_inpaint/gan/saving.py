"""What a training model writes to disk, and how it comes back."""

from pathlib import Path
from typing import Any, Self

import keras

from keras_inpaint.inpainting import Inpainter
from keras_inpaint.presets import read_network, read_object, write_preset
from keras_inpaint.presets.reading import read_all

_PARTS = ("generator", "critic", "objective", "masks", "corruption")
_OPTIMIZERS = ("generator_optimizer", "critic_optimizer")


class Saving(keras.Model):
    """The part of `InpaintingGAN` that saves and loads it.

    A `.keras` file holds everything, both optimizers included; a preset holds the
    networks and what they are trained with.
    """

    def save_to_preset(
        self,
        folder: Any,
        metadata: dict[str, Any] | None = None,
        card: str | None = None,
        dtype: str = "float32",
    ) -> None:
        """Saves both networks and what they are trained with, but no optimizer state.

        Args:
            folder: str or path, see `keras_inpaint.presets.write_preset`, and so the
                other arguments.
            metadata: dict or `None`. What to say of the weights.
            card: str or `None`. The text of README.md.
            dtype: `"float32"` or `"float16"`.

        Raises:
            OSError: As `write_preset`, and so `ValueError`.
        """
        networks = {"model": self.generator, "critic": self.critic}
        names = ("objective", "masks", "corruption")
        objects = {name: getattr(self, name) for name in names}
        write_preset(folder, networks, metadata, card, dtype, objects)

    def export(self, folder: Any) -> Any:
        """Writes the generator as it is now as the next version of a SavedModel.

        Args:
            folder: str or path, see `keras_inpaint.export_saved_model`. In place of
                Keras's own method of this name: what is exported fills photos of bytes.

        Returns:
            Path: the folder of the new version.

        Raises:
            OSError: As `keras_inpaint.export_saved_model`, and so `ValueError`.
        """
        return Inpainter(self.generator, corruption=self.corruption).export(folder)

    @classmethod
    def from_preset(cls, preset: Any, seed: int = 0) -> Self:
        """Loads what `save_to_preset` saved, to train it further.

        Args:
            preset: str or path, see `keras_inpaint.Inpainter.from_preset`. A preset of
                a generator alone cannot be trained further without a critic.
            seed: int, see `InpaintingGAN`.

        Returns:
            `InpaintingGAN`, not compiled.

        Raises:
            FileNotFoundError: If the preset, or a file of it, is missing.
            OSError: If the hub refuses or does not answer.
            ValueError: If the preset is damaged, written by a newer version, or holds a
                generator alone.
        """

        def read(folder: Path) -> tuple[Any, ...]:
            networks = [read_network(folder, name)[0] for name in ("model", "critic")]
            objects = [read_object(folder, name) for name in ("objective", "masks")]
            # Presets did not always tell.
            return *networks, *objects, read_object(folder, "corruption", optional=True)

        generator, critic, objective, masks, corruption = read_all(preset, read)
        return cls(generator, critic, objective, masks, seed, corruption)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **{
                name: keras.saving.serialize_keras_object(getattr(self, name))
                for name in _PARTS
            },
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        for name in _PARTS:
            config[name] = keras.saving.deserialize_keras_object(config.get(name))
        return cls(**config)

    def get_compile_config(self) -> dict[str, Any]:
        return {
            **{
                name: keras.optimizers.serialize(getattr(self.optimizer, name))
                for name in _OPTIMIZERS
            },
            "loss_weights": self.loss_weights.get_config(),
            "critic_steps": self.critic_steps,
            "run_eagerly": self.run_eagerly,
            "steps_per_execution": self.steps_per_execution,
            # Not what it was resolved to on the machine that saved.
            "jit_compile": "auto",
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        config = dict(config)
        for name in _OPTIMIZERS:
            with self._scope():
                config[name] = keras.optimizers.deserialize(config[name])
        if self._num_devices() > 1:
            config["steps_per_execution"] = 1
        self.compile(**config)
