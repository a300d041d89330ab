"""The model that is trained, from its construction to its files."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Self

import keras
from keras import ops

from keras_inpaint.files import atomic_write, weights_size
from keras_inpaint.gan.architectures import deepfill_v1, deepfill_v2
from keras_inpaint.gan.backends import keras_step, make_backend
from keras_inpaint.gan.data_adapters import (
    adapted_batch,
    adapted_for_evaluate,
    adapted_for_fit,
    adapted_for_predict,
    with_arguments_of,
)
from keras_inpaint.gan.paired_optimizer import pair_optimizers
from keras_inpaint.gan.parts import (
    Corruption,
    Critic,
    Generator,
    MaskSampler,
    Measure,
    Objective,
    Tensor,
    Tensors,
    check_parts,
)
from keras_inpaint.gan.validation import (
    NO_SAMPLER,
    USUAL_FORMAT,
    check_compile,
    check_shapes,
    is_old_export,
    local_boxes,
    read_batch,
    split_batch,
)
from keras_inpaint.inpainting import Inpainter
from keras_inpaint.losses import LossWeights
from keras_inpaint.metrics import l1, psnr, ssim
from keras_inpaint.models.exporting import export_signature
from keras_inpaint.ops.compositing import composite, corrupt
from keras_inpaint.ops.random import picture_seeds, uniform
from keras_inpaint.presets import read_metadata, read_network, read_object, write_preset
from keras_inpaint.presets.reading import read_all

# Masks for validation are drawn as no training step draws them.
VALIDATION_INDEX = 2**32 - 1
# No sampler of masks draws from this stream.
_INTERPOLATION_STREAM = 0x6970
_MEASURES: dict[str, Measure] = {
    "hole_l1": l1,
    "l1": lambda images, completed, masks: l1(images, completed),
    "psnr": lambda images, completed, masks: psnr(images, completed),
    "ssim": lambda images, completed, masks: ssim(images, completed),
}
_PARTS = ("generator", "critic", "objective", "masks", "corruption")
_OPTIMIZERS = ("generator_optimizer", "critic_optimizer")


@keras.saving.register_keras_serializable(package="keras_inpaint")
class InpaintingGAN(keras.Model):
    """Trains a generator against a critic to fill holes in images.

    Args:
        generator: `keras_inpaint.models.Generator`.
        critic: `keras_inpaint.models.GlobalLocalCritic` or `PatchCritic`.
        objective: `keras_inpaint.losses.WassersteinObjective` for the former,
            `HingeObjective` for the latter.
        masks: A sampler of `keras_inpaint.masks`, for batches that bring no masks.
        seed: int. Masks and the points of the gradient penalty follow from it, from the
            index of the step and of the image in the batch: a run that was resumed, or
            spread over devices, draws the same ones.
        corruption: Function of images and masks that returns the images as the generator
            sees them, such as `keras_inpaint.masks.Mosaic`; the hole is blanked unless
            given.
        image_size: int or `None`. Height and width of the images, which presets, exports
            and `inpainter` then know; that of the critic unless given.

    Call arguments:
        inputs: dict of `"images"`, a tensor of shape `(batch, height, width, channels)`
            in `[-1, 1]`, and `"masks"`, a tensor of shape `(batch, height, width, 1)`: 1
            in the hole, else 0. What lies in the hole is not looked at, unless by
            `corruption`.

    Returns:
        dict of `"completed"`, tensors like `images` whose holes are filled, and what the
        generator returns.

    Raises:
        ValueError: If a part lacks something, the objective is not one for the critic, or
            Keras runs on a backend other than TensorFlow and JAX.

    `fit` takes batches of `images`, of `(images, masks)` or of `(images, masks, boxes)`.
    A batch holds `critic_steps` micro-batches: image `i` belongs to the critic's update
    `i mod critic_steps`, and the generator's update is made on the last one.

    Example:
    >>> gan = keras_inpaint.InpaintingGAN.deepfill_v2(width=8, image_size=64, critic_width=8)
    >>> gan.compile()
    >>> history = gan.fit(np.zeros((4, 64, 64, 3), "float32"), batch_size=2, verbose=0)
    >>> "loss" in history.history, gan.metrics_names[0]
    (True, 'loss')

    Reference:
    - [Yu et al., 2018](https://arxiv.org/abs/1801.07892), algorithm 1
    - [Yu et al., 2019](https://arxiv.org/abs/1806.03589), section 3
    """

    def __init__(
        self,
        generator: Generator,
        critic: Critic,
        objective: Objective,
        masks: MaskSampler | None = None,
        seed: int = 0,
        corruption: Corruption | None = None,
        image_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_parts(generator, critic, objective, image_size)
        self.backend = make_backend(self)
        self.generator = generator
        self.critic = critic
        self.objective = objective
        self.masks = masks
        self.seed = seed
        self.corruption = corruption
        self.image_size = image_size or _square_side(critic.image_size)
        self.loss_metric = keras.metrics.Mean(name="loss")
        self.trackers = {
            name: keras.metrics.Mean(name=name)
            for name in (*objective.critic_term_names, *objective.generator_term_names)
        }
        self.measures = {name: keras.metrics.Mean(name=name) for name in _MEASURES}
        self._measured = dict(_MEASURES)
        self.pictures_seen = keras.metrics.Sum(name="pictures_seen", dtype="float32")
        self.built = True

    # Until `compile` says otherwise.
    critic_steps = 1
    check_values = False
    jit_compile_asked: bool | str = "auto"

    deepfill_v1 = classmethod(deepfill_v1)
    deepfill_v2 = classmethod(deepfill_v2)

    # ---- Compiling -------------------------------------------------------------------

    def compile(
        self,
        generator_optimizer: Any = None,
        critic_optimizer: Any = None,
        loss_weights: LossWeights | dict[str, float] | None = None,
        critic_steps: int = 1,
        *,
        check_values: bool = False,
        run_eagerly: bool = False,
        jit_compile: bool | str = "auto",
        steps_per_execution: int = 1,
        auto_scale_loss: bool = True,
        **others: Any,
    ) -> None:
        """Configures the training.

        Args:
            generator_optimizer: keras.optimizers.Optimizer, its name, or a schedule for the
                learning rate of the published Adam, which is taken unless given.
            critic_optimizer: The same for the critic; a fresh copy of the generator's where
                that is given, else the published Adam.
            loss_weights: `keras_inpaint.losses.LossWeights` or a dict of some of its
                arguments; the objective's own unless given.
            critic_steps: int, at least 0. Updates of the critic for one of the
                generator. The paper's v1 has 5; 0 leaves the critic out, to begin with
                reconstruction alone (`adversarial=0` among the weights).
            check_values: bool. Whether `fit`, `evaluate` and `predict` look at the values of
                every batch, and not only of the first one.
            run_eagerly: bool, see `keras.Model.compile`, and so the next three.
            jit_compile: bool or `"auto"`.
            steps_per_execution: int.
            auto_scale_loss: bool.
            **others: Refused: what `keras.Model.compile` takes, and has no meaning here.

        Raises:
            ValueError: If a weight is out of bounds or none of the objective's,
                `critic_steps` is none, an optimizer is none or both are one object, an
                argument is refused, or several devices cannot be trained so.
        """
        weights = self.objective.default_weights.replaced(loss_weights)
        check_compile(self.objective, weights, critic_steps, others)
        self.backend.check_compile(jit_compile, steps_per_execution)
        networks = (self.generator, self.critic)
        with self.backend.scope():
            pair = pair_optimizers(
                generator_optimizer, critic_optimizer, self.objective.adam_betas
            )
            if auto_scale_loss:
                pair = pair.scaled_for(*networks)
            pair.build_parts(*(network.trainable_variables for network in networks))
            super().compile(
                optimizer=pair,
                run_eagerly=run_eagerly,
                jit_compile=jit_compile,
                steps_per_execution=steps_per_execution,
                # Each part scales its own loss in half precision, the pair must not.
                auto_scale_loss=False,
            )
        self.critic_steps = critic_steps
        self.check_values = check_values
        self.loss_weights = weights
        # As asked for, not what it is resolved to on this machine.
        self.jit_compile_asked = jit_compile

    def get_compile_config(self) -> dict[str, Any]:
        if not self.compiled or _is_cloning():
            return {}
        return {
            **{
                name: keras.optimizers.serialize(getattr(self.optimizer, name))
                for name in _OPTIMIZERS
            },
            "loss_weights": self.loss_weights.get_config(),
            "critic_steps": self.critic_steps,
            "check_values": self.check_values,
            "run_eagerly": self.run_eagerly,
            "steps_per_execution": self.steps_per_execution,
            "jit_compile": self.jit_compile_asked,
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        config = dict(config)
        for name in _OPTIMIZERS:
            with self.backend.scope():
                config[name] = keras.optimizers.deserialize(config[name])
        if self.backend.num_devices > 1:
            config |= {"steps_per_execution": 1, "jit_compile": "auto"}
        self.compile(**config)

    @property
    def steps(self) -> Any:
        """int variable: How many training steps were made."""
        return self.optimizer.iterations

    @property
    def num_steps(self) -> int:
        """int: The same as a number, between steps."""
        return int(ops.convert_to_numpy(self.steps.value))

    # ---- Training --------------------------------------------------------------------

    @with_arguments_of(keras.Model.fit)
    def fit(self, **arguments: Any) -> Any:
        """Trains, see `keras.Model.fit`, whose arguments it has.

        `x` may be images, `(images, masks)`, `(images, masks, boxes)` or a dict of them, in
        arrays; or a `tf.data.Dataset`, a `keras.utils.PyDataset`, a PyTorch `DataLoader` or a
        generator of batches of them, and so may `validation_data`. `y` holds masks where `x`
        are images in an array.

        Raises:
            ValueError: If something cannot be trained on: of the first batch before the
                first step, and of every batch with `check_values=True`.
        """
        with adapted_for_fit(self, arguments) as adapted:
            return super().fit(**adapted)

    @keras_step
    def train_step(self, data: Any) -> Tensors:
        batch = self._draw_for_training(data)
        micro_batches = split_batch(batch, max(1, self.critic_steps))
        for micro_batch in micro_batches[:-1]:
            outputs = self.generator(self._corrupt(micro_batch), training=True)
            self._update_critic(micro_batch, outputs)
        # The last one serves both: the generator runs once, the critic learns from what
        # it made, and then the generator from the critic.
        micro_batch, terms = micro_batches[-1], {}
        outputs, record = self.backend.record(
            self.optimizer.generator_variables,
            lambda: self.generator(self._corrupt(micro_batch), training=True),
        )
        if self.critic_steps:
            terms = self._update_critic(micro_batch, outputs)
        terms |= self._update_generator(micro_batch, outputs, record)
        loss = terms[self.objective.generator_term_names[0]]
        with self.backend.after(loss):
            self.steps.assign_add(1)
        return self._update_metrics(self.trackers, loss, terms)

    def _update_critic(self, batch: Tensors, outputs: Tensors) -> Tensors:
        completed = ops.stop_gradient(
            composite(batch["images"], outputs["refined"], batch["masks"])
        )
        return self.backend.update(
            self.optimizer.critic_optimizer,
            self.optimizer.critic_variables,
            lambda: self.objective.critic_terms(
                self.critic,
                batch["images"],
                completed,
                batch["masks"],
                self.loss_weights,
                boxes=batch["boxes"],
                interpolation=batch["interpolation"],
                input_gradients=self.backend.input_gradients,
            ),
        )

    def _update_generator(self, batch: Tensors, outputs: Tensors, record: Any) -> Tensors:
        return self.backend.update_recorded(
            self.optimizer.generator_optimizer,
            self.optimizer.generator_variables,
            outputs,
            record,
            lambda outputs: self.objective.generator_terms(
                self.critic,
                batch["images"],
                outputs,
                batch["masks"],
                self.loss_weights,
                boxes=batch["boxes"],
            ),
        )

    @with_arguments_of(keras.Model.train_on_batch)
    def train_on_batch(self, **arguments: Any) -> Any:
        """Makes one step, see `keras.Model.train_on_batch`; on one device only."""
        self.backend.check_single_batch("train_on_batch", "fit")
        with adapted_batch(self, arguments, "fit") as adapted:
            return super().train_on_batch(**adapted)

    # ---- What the networks see -------------------------------------------------------

    def _draw_for_training(self, data: Any) -> Tensors:
        """A batch with its masks, local patches and points of the penalty."""
        batch = self._draw(data, self.steps.value, num_micro_batches=max(1, self.critic_steps))
        boxes = local_boxes(batch["masks"], batch["boxes"], self.critic, self.backend.require)
        interpolation = uniform(batch.pop("seeds"), 2, stream=_INTERPOLATION_STREAM)
        return {**batch, "boxes": boxes, "interpolation": interpolation}

    def _draw(
        self,
        data: Any,
        index: Any,
        first: Any = 0,
        num_micro_batches: int | None = None,
        is_trained: bool = True,
    ) -> Tensors:
        """A batch with its masks, drawn where it brings none.

        Args:
            data: What Keras passes to a step.
            index: int. Masks are drawn from it, such as that of the step.
            first: int. Index of the first image.
            num_micro_batches: int or `None`, see `Backend.image_indices`.
            is_trained: bool. Whether the critic sees the images too.
        """
        parts = read_batch(data)
        images, masks, boxes = (parts.get(name) for name in ("images", "masks", "boxes"))
        critic = self.critic if is_trained else None
        check_shapes(images, masks, boxes, self.generator, critic)
        _, height, width, _ = ops.shape(images)
        indices = parts.get("indices")
        if indices is None:
            indices = first + self.backend.image_indices(images, num_micro_batches)
        seeds = picture_seeds(self.seed, index, indices)
        if masks is None:
            if self.masks is None:
                raise ValueError(NO_SAMPLER)
            masks, boxes = self.masks(seeds, height, width)
        return {
            "images": ops.cast(images, self.variable_dtype),
            # Ones and zeros: the losses count with them.
            "masks": ops.cast(ops.cast(masks, "bool"), self.variable_dtype),
            "boxes": boxes,
            "seeds": seeds,
        }

    def _corrupt(self, batch: Tensors) -> Tensors:
        images, masks = batch["images"], batch["masks"]
        return {"corrupted": (self.corruption or corrupt)(images, masks), "masks": masks}

    def call(self, inputs: Tensors, training: bool = False) -> Tensors:
        outputs = self.generator(self._corrupt(inputs), training=training)
        completed = composite(inputs["images"], outputs["refined"], inputs["masks"])
        return {"completed": completed, **outputs}

    # ---- Evaluation ------------------------------------------------------------------

    @with_arguments_of(keras.Model.evaluate)
    def evaluate(self, **arguments: Any) -> Any:
        """Measures, see `keras.Model.evaluate`, whose arguments it has.

        Takes what `fit` takes. Where batches bring no masks, an image's follows from its
        index in the whole of the data, whatever the size of the batches and the number of
        devices. `loss` is the weighted reconstruction, which does not depend on the critic.
        """
        with adapted_for_evaluate(self, arguments) as adapted:
            return super().evaluate(**adapted)

    @keras_step
    def test_step(self, data: Any) -> Tensors:
        data, size = self.backend.fill(data)
        batch = self._draw(data, VALIDATION_INDEX, first=self._count_images(size))
        images, masks = batch["images"], batch["masks"]
        outputs = self.generator(self._corrupt(batch), training=False)
        completed = composite(images, outputs["refined"], masks)
        values = {name: of(images, completed, masks) for name, of in self._measured.items()}
        loss = self._reconstruction_loss(batch, outputs)
        values = {name: value[:size] for name, value in values.items()}
        return self._update_metrics(self.measures, loss[:size], values)

    def _reconstruction_loss(self, batch: Tensors, outputs: Tensors) -> Tensor:
        boxes = local_boxes(batch["masks"], batch["boxes"], self.critic)
        weights = self.loss_weights.replaced({"adversarial": 0.0})
        terms = self.objective.generator_terms(
            self.critic, batch["images"], outputs, batch["masks"], weights, boxes=boxes
        )
        return terms[self.objective.generator_term_names[0]]

    def _count_images(self, size: Tensor) -> Tensor:
        """Counts this batch's images; returns how many came before, on all devices."""
        seen = self.backend.sum_over_devices(self.pictures_seen.result())
        self.pictures_seen.update_state(ops.cast(size, "float32"))
        return ops.cast(seen, "int32")

    @with_arguments_of(keras.Model.test_on_batch)
    def test_on_batch(self, **arguments: Any) -> Any:
        """Measures a batch, see `keras.Model.test_on_batch`; on one device only."""
        self.backend.check_single_batch("test_on_batch", "evaluate")
        with adapted_batch(self, arguments, "evaluate") as adapted:
            return super().test_on_batch(**adapted)

    def add_measure(self, name: str, measure: Measure) -> None:
        """Measures one more thing in validation; it is not saved with the model.

        Args:
            name: str. Its name in what `evaluate` returns; `fit` puts `val_` before it.
            measure: function of images, filled images and masks to a tensor of shape
                `(batch,)`, such as a `keras_inpaint.metrics.PerceptualDistance`.

        Raises:
            ValueError: If something is measured under that name already.
        """
        if name in ("loss", *self._measured):
            raise ValueError(
                f"Each measure needs a name of its own beside {', '.join(self._measured)}. "
                f"Received: name={name!r}"
            )
        self.measures[name] = keras.metrics.Mean(name=name)
        self._measured[name] = measure
        # Compiled without it.
        self.test_function = None

    def _update_metrics(self, metrics: Any, loss: Tensor, values: Tensors) -> Tensors:
        updated = {"loss": self.loss_metric, **{name: metrics[name] for name in values}}
        with self.backend.after(loss):
            for metric, value in zip(updated.values(), (loss, *values.values()), strict=True):
                metric.update_state(value)
        return self.backend.means(updated)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        trackers, measures = self.trackers.values(), self.measures.values()
        return [self.loss_metric, *trackers, *measures, self.pictures_seen]

    @property
    def metrics_names(self) -> list[str]:
        """list of str: what `evaluate` returns, in its order."""
        return ["loss", *self.measures]

    # ---- Prediction ------------------------------------------------------------------

    @with_arguments_of(keras.Model.predict)
    def predict(self, **arguments: Any) -> Any:
        """Fills holes, see `keras.Model.predict`, whose arguments it has.

        Takes what `fit` takes as `x`, in any size that the generator takes. Without masks it
        draws them as `evaluate` does.
        """
        with adapted_for_predict(self, arguments) as adapted:
            return super().predict(**adapted)

    @with_arguments_of(keras.Model.predict_on_batch)
    def predict_on_batch(self, **arguments: Any) -> Any:
        """Fills the holes of a batch, see `keras.Model.predict_on_batch`."""
        with adapted_batch(self, arguments, "predict") as adapted:
            return super().predict_on_batch(**adapted)

    @keras_step
    def predict_step(self, data: Any) -> Tensors:
        data, size = self.backend.fill(data)
        batch = self._draw(data, VALIDATION_INDEX, is_trained=False)
        outputs = self({name: batch[name] for name in ("images", "masks")}, training=False)
        return {name: output[:size] for name, output in outputs.items()}

    @property
    def inpainter(self) -> Inpainter:
        """`keras_inpaint.Inpainter`: What ships, with the generator as it is now."""
        return Inpainter(self.generator, image_size=self.image_size, corruption=self.corruption)

    # ---- Files: a `.keras` file holds everything, a preset all but the optimizers ------

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **{
                name: keras.saving.serialize_keras_object(getattr(self, name))
                for name in _PARTS
            },
            "seed": self.seed,
            "image_size": self.image_size,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        config = dict(config)
        for name in _PARTS:
            config[name] = keras.saving.deserialize_keras_object(config.get(name))
        return cls(**config)

    def save(
        self,
        filepath: str | PathLike[str],
        overwrite: bool = True,
        zipped: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Saves everything, whole or not at all, see `keras.Model.save`."""
        with self._draft(filepath, is_plain=overwrite and zipped is not False) as draft:
            super().save(draft, overwrite, zipped, **kwargs)

    def save_weights(
        self,
        filepath: str | PathLike[str],
        overwrite: bool = True,
        max_shard_size: float | None = None,
    ) -> None:
        """Saves weights and optimizers, see `keras.Model.save_weights`.

        The file appears whole or not at all, and room is made sure of before: HDF5 ends the
        process where a disk is full.
        """
        with self._draft(filepath, is_plain=overwrite and max_shard_size is None) as draft:
            super().save_weights(draft, overwrite, max_shard_size)

    @contextmanager
    def _draft(self, filepath: str | PathLike[str], is_plain: bool) -> Iterator[Any]:
        """Where to write a file first; itself if on a remote disk, or no plain file."""
        if not is_plain or "://" in str(filepath):
            yield filepath
            return
        optimizer = getattr(self, "optimizer", None)
        variables = [] if optimizer is None else optimizer.variables
        size = weights_size([*self.variables, *variables])
        with atomic_write(filepath, size=size) as draft:
            yield draft

    def save_to_preset(
        self,
        folder: str | PathLike[str],
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
        known = {} if self.image_size is None else {"image_size": self.image_size}
        networks = {"model": self.generator, "critic": self.critic}
        objects = {name: getattr(self, name) for name in ("objective", "masks", "corruption")}
        write_preset(folder, networks, {**known, **(metadata or {})}, card, dtype, objects)

    @classmethod
    def from_preset(cls, preset: str | PathLike[str], seed: int = 0) -> Self:
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
            ValueError: If the preset is damaged, newer, or holds a generator alone.
        """

        def read(folder: Path) -> tuple[Any, ...]:
            networks = [read_network(folder, name)[0] for name in ("model", "critic")]
            objects = [read_object(folder, name) for name in ("objective", "masks")]
            # Early presets do not say.
            objects.append(read_object(folder, "corruption", optional=True))
            return *networks, *objects, read_metadata(folder).get("image_size")

        generator, critic, objective, masks, corruption, size = read_all(preset, read)
        image_size = size if isinstance(size, int) and size > 0 else None
        return cls(generator, critic, objective, masks, seed, corruption, image_size)

    def export(
        self,
        filepath: str | PathLike[str] | None = None,
        format: str = USUAL_FORMAT,
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Writes the model for inference, see `keras.Model.export`.

        It takes what a call takes, by default any number of images of any size. What fills
        photos of bytes, and writes versions for a server, is `export_saved_model`.

        Raises:
            ValueError: If the folder holds versions for a server, or sizes are unknown on
                JAX.
        """
        if is_old_export(filepath, format, kwargs):
            return self.inpainter.export(kwargs["folder"])
        channels = {"images": self.generator.channels, "masks": 1}
        input_signature = export_signature(input_signature, channels)
        return super().export(filepath, format, verbose, input_signature, **kwargs)


def _is_cloning() -> bool:
    """Tells whether `clone_model` asks, which would compile its copy of a subclass."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code is not keras.models.clone_model.__code__:
        frame = frame.f_back
    return frame is not None


def _square_side(size: tuple[int, int] | None) -> int | None:
    return size[0] if size is not None and size[0] == size[1] else None
