"""The model that is trained, from its construction to its files."""

from os import PathLike
from typing import Any, Self

import keras
from keras import ops

from keras_inpaint.files import keras_draft
from keras_inpaint.gan import keras_methods
from keras_inpaint.gan.architectures import deepfill_v1, deepfill_v2
from keras_inpaint.gan.averaging import check_momentum, make_average, next_average
from keras_inpaint.gan.backends import Record, keras_step, make_backend
from keras_inpaint.gan.batches import (
    Requirements,
    add_sketches,
    check_shapes,
    local_boxes,
    read_batch,
    split_batch,
    with_masks,
    with_sketches,
)
from keras_inpaint.gan.freezing import freeze_layers, frozen_layers
from keras_inpaint.gan.paired_optimizer import PART_NAMES, OptimizerLike, pair_optimizers
from keras_inpaint.gan.parts import (
    Corruption,
    Critic,
    Generator,
    MaskSampler,
    Measure,
    Objective,
    Sketch,
    Tensor,
    Tensors,
    build_parts,
    check_parts,
    read_guesses,
    square_side,
)
from keras_inpaint.gan.preset import (
    PARTS,
    check_format,
    from_preset,
    read_part,
    save_to_preset,
    warn_of_unknown_parts,
)
from keras_inpaint.gan.step_guard import GRADIENT_NORMS, StepGuard
from keras_inpaint.gan.step_metrics import StepMetrics
from keras_inpaint.gan.validation import (
    check_average,
    check_clipnorm,
    check_compile,
    check_phases,
)
from keras_inpaint.gan.warm_up import Phase, phase_of
from keras_inpaint.inpainting import Inpainter
from keras_inpaint.inpainting.sketches import is_guided
from keras_inpaint.losses import LossWeights
from keras_inpaint.ops.compositing import composite, corrupt
from keras_inpaint.ops.random import picture_seeds, uniform

# Masks for validation are drawn as no training step draws them.
VALIDATION_INDEX = 2**32 - 1
# No sampler of masks draws from this stream.
_INTERPOLATION_STREAM = 0x6970
_CRITIC_NORM, _GENERATOR_NORM = GRADIENT_NORMS
_NETWORKS = ("generator", "critic")


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
        ema_momentum: float in `[0, 1)`, or `None`. Momentum of an exponential moving
            average of the generator's weights, such as 0.999, kept in `ema_generator`.
            Whatever is not training then uses the average: validation, `predict`, calls,
            `inpainter`, presets and exports.
        sketch: Function of images that returns the lines which a guided generator is shown
            of them, such as `keras_inpaint.masks.EdgeSketch`. `fit` and `evaluate` use it
            for batches that bring no sketches.

    Call arguments:
        inputs: dict of `"images"`, a tensor of shape `(batch, height, width, channels)`
            in `[-1, 1]`, and `"masks"`, a tensor of shape `(batch, height, width, 1)`: 1
            in the hole, else 0; or a pair of the two. Of guided generators, the dict may
            hold `"sketches"`, a tensor like the masks: 1 on a line. What lies in the hole
            is not looked at, unless by `corruption`.

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
    >>> images = np.full((4, 64, 64, 3), -0.5, "float32")
    >>> history = gan.fit(images, batch_size=2, verbose=0)
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
        ema_momentum: float | None = None,
        sketch: Sketch | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_parts(generator, critic, objective, image_size, sketch)
        check_momentum(ema_momentum)
        self.backend = make_backend(self)
        with self.backend.scope():
            build_parts(generator, critic, objective.needs_patches, image_size)
        self.generator = generator
        self.critic = critic
        self.objective = objective
        self.masks = masks
        self.seed = seed
        self.corruption = corruption
        self.sketch = sketch
        self.image_size = image_size or square_side(critic)
        term_names = (*objective.critic_term_names, *objective.generator_term_names)
        self.step_metrics = StepMetrics(self.backend, term_names)
        self.ema_momentum = ema_momentum
        self.ema_generator: Any = None
        if ema_momentum is not None:
            with self.backend.scope():
                self.ema_generator = make_average(generator)
                self.ema_updates = self.add_weight(
                    shape=(),
                    initializer="zeros",
                    dtype="int",
                    trainable=False,
                    aggregation="only_first_replica",
                    name="ema_updates",
                )
        self.built = True

    # Until `compile` says otherwise.
    critic_steps = 1
    train_function: Any
    reconstruction_steps = critic_only_steps = 0
    phase = Phase.BOTH
    check_values = False
    global_clipnorm: float | None = None
    guard: StepGuard
    jit_compile_asked: bool | str = "auto"

    deepfill_v1 = classmethod(deepfill_v1)
    deepfill_v2 = classmethod(deepfill_v2)
    from_preset = classmethod(from_preset)
    save_to_preset = save_to_preset

    # Keras's own, which take data of every kind here.
    fit = keras_methods.fit
    evaluate = keras_methods.evaluate
    predict = keras_methods.predict
    train_on_batch = keras_methods.train_on_batch
    test_on_batch = keras_methods.test_on_batch
    predict_on_batch = keras_methods.predict_on_batch
    export = keras_methods.export

    # ---- Compiling -------------------------------------------------------------------

    def compile(
        self,
        generator_optimizer: OptimizerLike = None,
        critic_optimizer: OptimizerLike = None,
        loss_weights: LossWeights | dict[str, float] | None = None,
        critic_steps: int = 1,
        *,
        reconstruction_steps: int = 0,
        critic_only_steps: int = 0,
        global_clipnorm: float | None = None,
        on_nonfinite: str = "stop",
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
                that is given, else the published Adam. Schedules of both count the steps in
                which their network is trained, however many updates a step has.
            loss_weights: `keras_inpaint.losses.LossWeights` or a dict of some of its
                arguments; the objective's own unless given.
            critic_steps: int, at least 0. Updates of the critic for one of the
                generator. The paper's v1 has 5; 0 leaves the critic out, to begin with
                reconstruction alone (`adversarial=0` among the weights).
            reconstruction_steps: int. First steps of the training, in which the generator
                alone is trained, by reconstruction.
            critic_only_steps: int. Steps after these in which the critic alone is trained,
                such as a new one of a generator that was trained before.
            global_clipnorm: float or `None`. The largest norm of all gradients of a network
                together, over which they are scaled down to it. Unlike that of a Keras
                optimizer, which clips on each device, it is the same on any number of them.
            on_nonfinite: `"stop"` or `"skip"`. A step in which a loss or a gradient is not
                finite leaves all weights as they were. In `"stop"` its losses are NaN and
                `fit` ends, see `TerminateOnNonFinite`; in `"skip"` it is left out of the
                losses, and the next batch is trained on.
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
        check_clipnorm(global_clipnorm)
        check_phases(reconstruction_steps, critic_only_steps, critic_steps, steps_per_execution)
        if self.ema_generator is not None:
            check_average(generator_optimizer)
        self.backend.check_compile(jit_compile, steps_per_execution)
        with self.backend.scope():
            super().compile(
                optimizer=pair_optimizers(
                    generator_optimizer,
                    critic_optimizer,
                    self.objective.adam_betas,
                    (self.generator, self.critic),
                    auto_scale_loss,
                    max(1, critic_steps),
                ),
                run_eagerly=run_eagerly,
                jit_compile=jit_compile,
                steps_per_execution=steps_per_execution,
                # Each part scales its own loss in half precision, the pair must not.
                auto_scale_loss=False,
            )
            self.guard = StepGuard(
                on_nonfinite, self.backend, self.optimizer, self.step_metrics.term_names
            )
        self.global_clipnorm = global_clipnorm
        self.critic_steps = int(critic_steps)
        self.reconstruction_steps = int(reconstruction_steps)
        self.critic_only_steps = int(critic_only_steps)
        self.phase = phase_of(0, self.reconstruction_steps, self.critic_only_steps)
        self.check_values = check_values
        self.loss_weights = weights
        # As asked for, not what it is resolved to on this machine.
        self.jit_compile_asked = jit_compile

    def get_compile_config(self) -> dict[str, Any]:
        if not self.compiled:
            return {}
        return {
            **self.optimizer.compile_config(),
            "loss_weights": self.loss_weights.get_config(),
            "critic_steps": self.critic_steps,
            "reconstruction_steps": self.reconstruction_steps,
            "critic_only_steps": self.critic_only_steps,
            "global_clipnorm": self.global_clipnorm,
            "on_nonfinite": self.guard.action,
            "check_values": self.check_values,
            "run_eagerly": self.run_eagerly,
            "steps_per_execution": self.steps_per_execution,
            "jit_compile": self.jit_compile_asked,
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        config = dict(config)
        for name in PART_NAMES:
            with self.backend.scope():
                config[name] = keras.saving.deserialize_keras_object(config[name])
        if self.backend.num_devices > 1:
            config |= {"steps_per_execution": 1, "jit_compile": "auto"}
        self.compile(**config)

    @property
    def steps(self) -> Any:
        """int variable: How many training steps were made."""
        return self.optimizer.iterations

    @property
    def num_steps(self) -> int:
        """int: How many training steps were made, as a number of Python."""
        return int(self.backend.read(self.steps))

    # ---- Training --------------------------------------------------------------------

    def enter_phase_of(self, step: int) -> None:
        """Makes the training what it is in a step; `fit` and `train_on_batch` call it.

        Args:
            step: int. How many steps were made before.
        """
        phase = phase_of(step, self.reconstruction_steps, self.critic_only_steps)
        if phase is not self.phase:
            self.phase = phase
            # Compiled for the other one.
            self.train_function = None
            self.make_train_function()

    def make_train_function(self, force: bool = False) -> None:
        """Makes the function that runs an execution, see `keras.Model`."""

        def make() -> Any:
            super(InpaintingGAN, self).make_train_function(force=True)
            return self.train_function

        if force or self.train_function is None:
            self.train_function = self.backend.make_train_function(make)

    @keras_step
    def train_step(self, data: Any) -> Tensors:
        before = self.guard.before(self.variables)
        self.optimizer.follow_schedules()
        micro_batches = split_batch(self._draw_for_training(data), max(1, self.critic_steps))
        trains_critic = self.critic_steps > 0 and self.phase is not Phase.RECONSTRUCTION
        updates = []
        for micro_batch in micro_batches[:-1] if trains_critic else []:
            outputs = self._guess(self.generator, micro_batch, training=True)
            updates.append(self._update_critic(micro_batch, outputs))
        # The last one serves both: the generator runs once, the critic learns from what
        # it made, and then the generator from the critic.
        micro_batch, terms = micro_batches[-1], {}
        outputs, record = self.backend.record(
            self.optimizer.generator_variables,
            lambda: self._guess(self.generator, micro_batch, training=True),
        )
        if trains_critic:
            updates.append(self._update_critic(micro_batch, outputs))
            terms = {**updates[-1], _CRITIC_NORM: _mean_norm(updates)}
        if self.phase is Phase.CRITIC:
            terms |= self._generator_terms(micro_batch, outputs)
        else:
            terms |= self._update_generator(micro_batch, outputs, record)
        loss = terms[self.objective.generator_term_names[0]]
        losses = [each[self.objective.critic_term_names[0]] for each in updates]
        with self.backend.after(loss):
            is_made = self.guard.settle(before, [*losses, loss], terms)
            is_counted = ops.logical_or(is_made, self.guard.skips)
            self.steps.assign_add(ops.cast(is_counted, self.steps.dtype))
            # The rate that is seen is that of the next step, as of Keras's optimizers.
            self.optimizer.follow_schedules()
        names = (
            (*self.objective.critic_term_names, *GRADIENT_NORMS) if self.critic_steps else ()
        )
        return self.step_metrics.report_terms(loss, terms, names, is_made, self.guard.skips)

    def _update_critic(self, batch: Tensors, outputs: Tensors) -> Tensors:
        completed = ops.stop_gradient(
            composite(batch["images"], outputs["refined"], batch["masks"])
        )
        terms, norm = self.backend.update(
            self.optimizer.critic_optimizer,
            self.optimizer.critic_variables,
            lambda: self.objective.critic_terms(
                with_sketches(self.critic, batch["sketches"]),
                batch["images"],
                completed,
                batch["masks"],
                self.loss_weights,
                boxes=batch["boxes"],
                interpolation=batch["interpolation"],
                input_gradients=self.backend.input_gradients,
            ),
            self.global_clipnorm,
        )
        return {**terms, _CRITIC_NORM: norm}

    def _update_generator(self, batch: Tensors, outputs: Tensors, record: Record) -> Tensors:
        terms, norm = self.backend.update_recorded(
            self.optimizer.generator_optimizer,
            self.optimizer.generator_variables,
            outputs,
            record,
            lambda outputs: self._generator_terms(batch, outputs),
            self.global_clipnorm,
        )
        if self.ema_momentum is not None:
            loss = terms[self.objective.generator_term_names[0]]
            self._update_average(loss, self.ema_momentum)
        return {**terms, _GENERATOR_NORM: norm}

    def _generator_terms(
        self, batch: Tensors, outputs: Tensors, asks_critic: bool = True
    ) -> Tensors:
        weights = self.loss_weights
        if not asks_critic or self.phase is Phase.RECONSTRUCTION:
            weights = weights.replaced({"adversarial": 0.0})
        critic = with_sketches(self.critic, batch["sketches"])
        return self.objective.generator_terms(
            critic, batch["images"], outputs, batch["masks"], weights, batch["boxes"]
        )

    def _update_average(self, loss: Tensor, momentum: float) -> None:
        average, updates = self.ema_generator, self.ema_updates
        with self.backend.after(loss):
            values = next_average(average, self.generator, momentum, updates)
            self.backend.assign(average.variables, values)
            updates.assign_add(1)

    # ---- What the networks see -------------------------------------------------------

    def drawn_batch(self, data: Any, step: int) -> dict[str, Any]:
        """Returns a batch as a step of the training sees it, in arrays.

        Args:
            data: What `fit` takes as a batch.
            step: int. How many steps were made before.

        Returns:
            dict: `"images"`, `"masks"`, where the critic looks at them `"boxes"` of the local
            patches, and where the generator is guided `"sketches"`.
        """
        batch = self._draw_for_training(data, step)
        return {
            name: ops.convert_to_numpy(batch[name])
            for name in ("images", "masks", "boxes", "sketches")
            if batch[name] is not None
        }

    def _draw_for_training(self, data: Any, step: Tensor = None) -> Tensors:
        """A batch with its masks, local patches and points of the penalty."""
        step = self.steps.value if step is None else step
        batch = self._draw(data, step, num_micro_batches=max(1, self.critic_steps))
        size, require = self.critic.patch_size, self.backend.require
        boxes = local_boxes(batch["masks"], batch["boxes"], size, require)
        interpolation = uniform(batch.pop("seeds"), 2, stream=_INTERPOLATION_STREAM)
        return {**batch, "boxes": boxes, "interpolation": interpolation}

    def _draw(
        self,
        data: Any,
        index: Tensor,
        first: Tensor = 0,
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
        batch = read_batch(data)
        given = batch.get("sketches")
        critic = self.critic if is_trained else None
        check_shapes(batch, Requirements.of(self.generator, critic))
        indices = batch.get("indices")
        if indices is None:
            indices = first + self.backend.image_indices(batch["images"], num_micro_batches)
        seeds = picture_seeds(self.seed, index, indices)
        batch = with_masks(batch, self.masks, seeds, self.variable_dtype)
        if not is_guided(self.generator):
            return {**batch, "sketches": None}
        # What is to be predicted is not known: nothing can be drawn of it.
        return add_sketches(batch, given, self.sketch if is_trained else None)

    def _corrupt(self, batch: Tensors) -> Tensors:
        images, masks, sketches = batch["images"], batch["masks"], batch.get("sketches")
        shown = {"corrupted": (self.corruption or corrupt)(images, masks), "masks": masks}
        return shown if sketches is None else {**shown, "sketches": sketches}

    def _guess(self, generator: Any, batch: Tensors, training: bool) -> Tensors:
        return read_guesses(generator(self._corrupt(batch), training=training), batch["images"])

    @property
    def _inference_generator(self) -> Any:
        """The network for all that is not training: the average, where there is one."""
        return self.generator if self.ema_generator is None else self.ema_generator

    def call(self, inputs: Any, training: bool = False) -> Tensors:
        batch = read_batch(inputs)
        if "masks" not in batch:
            raise ValueError(
                "A call needs images and masks, `gan((images, masks))`; `predict` draws masks "
                "for images alone. Received: no masks"
            )
        generator = self.generator if training else self._inference_generator
        outputs = self._guess(generator, batch, training)
        completed = composite(batch["images"], outputs["refined"], batch["masks"])
        return {"completed": completed, **outputs}

    # ---- Evaluation ------------------------------------------------------------------

    @keras_step
    def test_step(self, data: Any) -> Tensors:
        data, size = self.backend.fill(data)
        batch = self._draw(data, VALIDATION_INDEX, first=self.step_metrics.count(size))
        images, masks = batch["images"], batch["masks"]
        outputs = self._guess(self._inference_generator, batch, training=False)
        completed = composite(images, outputs["refined"], masks)
        measured = self.step_metrics.measure(images, completed, masks)
        boxes = local_boxes(masks, batch["boxes"], self.critic.patch_size)
        terms = self._generator_terms({**batch, "boxes": boxes}, outputs, asks_critic=False)
        loss = terms[self.objective.generator_term_names[0]]
        measured = {name: values[:size] for name, values in measured.items()}
        return self.step_metrics.report_measured(loss[:size], measured)

    def add_measure(self, name: str, measure: Measure) -> None:
        """Measures one more thing in validation; it is not saved with the model.

        Args:
            name: str. Its name in what `evaluate` returns; `fit` puts `val_` before it.
            measure: function of images, filled images and masks to a tensor of shape
                `(batch,)`, such as a `keras_inpaint.metrics.PerceptualDistance`.

        Raises:
            ValueError: If something is measured under that name already.
        """
        self.step_metrics.add_measure(name, measure)
        # Compiled without it.
        self.test_function = None

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return self.step_metrics.all

    @property
    def metrics_names(self) -> list[str]:
        """list of str: what `evaluate` returns, in its order."""
        return self.step_metrics.evaluated_names

    # ---- Prediction ------------------------------------------------------------------

    @keras_step
    def predict_step(self, data: Any) -> Tensors:
        data, size = self.backend.fill(data)
        batch = self._draw(data, VALIDATION_INDEX, is_trained=False)
        shown = {name: batch[name] for name in ("images", "masks", "sketches")}
        outputs = self({n: each for n, each in shown.items() if each is not None})
        return {name: output[:size] for name, output in outputs.items()}

    @property
    def inpainter(self) -> Inpainter:
        """`keras_inpaint.Inpainter`: What ships, with the generator, or average, of now."""
        generator = self._inference_generator
        return Inpainter(generator, image_size=self.image_size, corruption=self.corruption)

    # ---- Files: a `.keras` file holds everything, a preset all but the optimizers ------

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **{
                name: keras.saving.serialize_keras_object(getattr(self, name)) for name in PARTS
            },
            "seed": self.seed,
            "image_size": self.image_size,
            "ema_momentum": self.ema_momentum,
            # Of networks whose layers are made by their arguments, nothing else says so.
            "frozen": {name: frozen_layers(getattr(self, name)) for name in _NETWORKS},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        parts = {name: read_part(name, config.get(name)) for name in PARTS}
        # Files of version 0.1.0 do not say.
        frozen = config.get("frozen", {})
        others = {name: value for name, value in config.items() if name != "frozen"}
        gan = cls(**{**others, **parts})
        for name, indices in frozen.items():
            freeze_layers(getattr(gan, name), indices)
        return gan

    def save(
        self,
        filepath: str | PathLike[str],
        overwrite: bool = True,
        zipped: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Saves everything, whole or not at all, see `keras.Model.save`.

        Of processes that train together, the chief alone writes; so do `save_weights` and
        `save_to_preset`.
        """
        check_format(filepath)
        if not self.backend.is_chief:
            return
        warn_of_unknown_parts(self)
        is_whole = overwrite and zipped is not False
        with self.backend.alone(), keras_draft(filepath, self, is_whole) as draft:
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
        if not self.backend.is_chief:
            return
        is_whole = overwrite and max_shard_size is None
        with self.backend.alone(), keras_draft(filepath, self, is_whole) as draft:
            super().save_weights(draft, overwrite, max_shard_size)


def _mean_norm(updates: list[Tensors]) -> Tensor:
    return ops.mean(ops.stack([each[_CRITIC_NORM] for each in updates]))
