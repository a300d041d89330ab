"""Trains for a given time on one accelerator, with the photos in its memory.

    python recipes/train_on_device.py recipes/on_device/photos.json --prepared prepared/ \
        --output runs/photos --minutes 10

`prepare.py` makes `prepared/`. Needs JAX, Keras, NumPy and Pillow alone. Several steps are one
dispatch, in which photos are drawn, cut, scaled, mirrored and coloured on the device; the
program only sets the learning rates and reads the losses of the dispatch before. The output has
`log.csv`, `preset/` (the averaged weights) and `state.weights.h5`, from which the same command
goes on, also after Ctrl-C. `--profile` measures each part of a step first: run it, for a minute
or two, before a long training on a machine that is new.

XLA tries several programs for each convolution before it takes one, the longer the larger the
batch, and must be let: with `--xla_gpu_autotune_level=0`, a step of 64 images of 128 x 128
took 7 seconds on an H200. `--xla_gpu_dump_autotune_results_to=FILE` in `XLA_FLAGS` keeps what
it found, and `--xla_gpu_load_autotune_results_from=FILE` spares the search the next time.
"""

import argparse
import csv
import dataclasses
import io
import json
import os
import threading
import time
import zipfile
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np
from jax import numpy as jnp
from PIL import Image

import keras_inpaint as ki
from keras_inpaint.gan.warm_up import Phase
from keras_inpaint.losses import HingeObjective
from keras_inpaint.masks import Boxes, Mixture, Strokes
from keras_inpaint.metrics import PerceptualDistance
from keras_inpaint.models import EfficientNetLite
from keras_inpaint.ops.compositing import composite, corrupt
from keras_inpaint.training.building import build
from keras_inpaint.training.run import StopRequest

# Of the photos that `prepare.py` makes, in pixels.
SIDE = 320
# Dispatches under way while the numbers of an earlier one are read.
_AHEAD = 2
_SECONDS_BETWEEN_REPORTS = 10.0


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of a training, at one size of images.

    Args:
        image_size: int. Height and width of the images, in pixels.
        batch_size: int. Images per step.
        part: float. How much of the time it takes, in proportion to the other stages.
        trains: `"reconstruction"`: the generator alone, without the critic's opinion;
            `"critic"`: the critic alone; or `"both"`.
        steps_per_dispatch: int.
        least_zoom: float. Squares cut out of photos are at least so many times as large as
            the images, unless the photo is smaller.
        least_part: float, in `(0, 1]`. And at least this part of the photo's short side.
        colour: float. Largest change of contrast and brightness, on the scale of images.
    """

    image_size: int
    batch_size: int
    part: float = 1.0
    trains: str = "both"
    steps_per_dispatch: int = 20
    least_zoom: float = 1.0
    least_part: float = 0.6
    colour: float = 0.05


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a training is told: the JSON file's names are the arguments.

    Args:
        stages: list of dicts of the arguments of `Stage`.
        loss_weights: dict of arguments of `keras_inpaint.losses.LossWeights`.
        preset: str or `None`. What to start from; new networks unless given.
        width: int or `None`. Of a new generator, and `critic_width` of a new critic.
        network: str or `None`. The perceptual network's file in `prepared/`, without suffix.
        layer_weights: list of floats or `None`, see `PerceptualDistance`.
        learning_rate: float. At its highest.
        critic_factor: float. The critic's learning rate in proportion.
        warmup_steps: int. Steps in which the rates rise.
        hold: float, in `[0, 1)`. Part of the time before the rates fall, along half a cosine.
        ema_momentum: float, in `[0, 1)`. Of the average of the generator's weights.
        precision: str, see `keras.mixed_precision`.
        repeat: dict of ints by folder. Its photos are drawn so many times as often.
        seed: int.
    """

    stages: list[dict[str, Any]]
    loss_weights: dict[str, float]
    preset: str | None = None
    width: int | None = None
    critic_width: int | None = None
    network: str | None = None
    layer_weights: list[float] | None = None
    learning_rate: float = 3e-4
    critic_factor: float = 1.0
    warmup_steps: int = 300
    hold: float = 0.4
    ema_momentum: float = 0.999
    precision: str = "mixed_bfloat16"
    repeat: dict[str, int] = dataclasses.field(default_factory=dict)
    seed: int = 0

    def rate(self, progress: float, step: int) -> float:
        """The generator's learning rate, `progress` in `[0, 1]` into the time given."""
        # Time, not steps, is what is given: they fall by it, and rise by steps.
        fall = keras.optimizers.schedules.CosineDecay(
            self.learning_rate, decay_steps=1.0 - self.hold, alpha=0.02
        )
        rise = min(1.0, (step + 1) / max(1, self.warmup_steps))
        return float(fall(max(0.0, progress - self.hold))) * rise


def main() -> None:
    begin = time.monotonic()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe", type=Path, help="JSON file")
    parser.add_argument("--prepared", type=Path, required=True, help="what prepare.py wrote")
    parser.add_argument("--output", type=Path, required=True, help="the run's folder")
    parser.add_argument("--minutes", type=float, default=10.0, help="time to take in all")
    parser.add_argument("--profile", action="store_true", help="measure the parts, and end")
    arguments = parser.parse_args()
    recipe = Recipe(**json.loads(arguments.recipe.read_text("utf-8")))
    arguments.output.mkdir(parents=True, exist_ok=True)
    run = Run(recipe, arguments.prepared, arguments.output, begin)
    if arguments.profile:
        run.profile()
    else:
        run.train(60 * arguments.minutes)


class Run:
    """A training on one device.

    Args:
        recipe: `Recipe`.
        prepared: Path of what `prepare.py` wrote.
        output: Path of the run's folder.
        begin: float. When the time given began, by `time.monotonic`.
    """

    def __init__(self, recipe: Recipe, prepared: Path, output: Path, begin: float) -> None:
        self.recipe, self.output, self.begin = recipe, output, begin
        self.stages = [Stage(**stage) for stage in recipe.stages]
        self.gan = make_model(recipe, prepared, self.stages[-1].image_size)
        self.checkpoint = output / "state.weights.h5"
        if self.checkpoint.exists():
            self.gan.load_weights(self.checkpoint)
            self.report(f"going on from step {self.gan.num_steps}")
        self.step = self.gan.num_steps
        photos, sizes = load_photos(prepared, recipe.repeat)
        self.photos = jax.device_put(photos), jax.device_put(sizes)
        self.report(f"{len(photos)} photos, {photos.nbytes / 2**20:.0f} MiB on the device")
        self.shapes = jax.tree.map(
            lambda value: jax.ShapeDtypeStruct(value.shape, value.dtype), state_of(self.gan)
        )
        self.compiled: dict[int, Any] = {}
        # One program for all variables: a copy of each would be a program for each.
        self.copy = jax.jit(lambda state: jax.tree.map(jnp.copy, state))

    def report(self, text: str) -> None:
        print(f"{time.monotonic() - self.begin:6.1f} s: {text}", flush=True)

    def train(self, seconds: float) -> None:
        """Trains through all stages, until so many seconds after the beginning."""
        self.compile(0)
        state = state_of(self.gan)
        start, end = time.monotonic(), self.begin + seconds
        parts = np.cumsum([stage.part for stage in self.stages])
        with StopRequest() as stop:
            self.train_stages(state, start, end, parts / parts[-1], stop)
        self.save_preset()
        self.report(f"{self.step} steps")

    def train_stages(
        self, state: Any, start: float, end: float, parts: Any, stop: StopRequest
    ) -> None:
        """Trains through the stages, which end at parts of the time, and saves after each."""
        for index in range(len(self.stages)):
            following = None
            if index + 1 < len(self.stages):  # Compiled while this one trains.
                following = threading.Thread(target=self.compile, args=(index + 1,))
                following.start()
            until = start + (end - start) * parts[index]
            state = self.train_stage(index, state, start, end, until, stop)
            set_state(self.gan, state)
            self.gan.save_weights(self.checkpoint)
            if following is not None:
                following.join()
            if stop.asked:
                break

    def compile(self, index: int) -> None:
        start = time.monotonic()
        dispatch = jax.jit(make_dispatch(self.gan, self.stages[index]), donate_argnums=0)
        number = jax.ShapeDtypeStruct((), "float32")
        lowered = dispatch.lower(self.shapes, *self.photos, np.int32(0), number, number)
        self.compiled[index] = lowered.compile()
        self.report(f"stage {index} compiled in {time.monotonic() - start:.1f} s")

    def train_stage(
        self,
        index: int,
        state: Any,
        start: float,
        end: float,
        until: float,
        stop: StopRequest,
    ) -> Any:
        """Makes dispatches until a time, one at least; returns the state."""
        stage, compiled = self.stages[index], self.compiled[index]
        good, pending = self.copy(state), deque[tuple[int, float, Any]]()
        first_step, first, slower = self.step, time.monotonic(), 1.0
        reported = first
        while self.step == first_step or (time.monotonic() < until and not stop.asked):
            progress = (time.monotonic() - start) / max(1e-3, end - start)
            rate = slower * self.recipe.rate(progress, self.step)
            state, logs = compiled(
                state,
                *self.photos,
                np.int32(self.step),
                np.float32(rate),
                np.float32(rate * self.recipe.critic_factor),
            )
            self.step += stage.steps_per_dispatch
            pending.append((self.step, rate, logs))
            if len(pending) <= _AHEAD:
                continue
            step, used_rate, logs = pending.popleft()
            losses = {name: float(value) for name, value in sorted(logs.items())}
            if not np.isfinite(list(losses.values())).all():
                self.report(f"not finite at step {step}, back to earlier weights: {losses}")
                state, slower = self.copy(good), slower / 2
                pending.clear()
                continue
            now = time.monotonic()
            if now - reported >= _SECONDS_BETWEEN_REPORTS:
                reported, good = now, self.copy(state)
                speed = (step - first_step) * stage.batch_size / (now - first)
                self.log({"step": step, "learning_rate": used_rate, **losses})
                shown = "  ".join(f"{name} {value:.4g}" for name, value in losses.items())
                self.report(f"step {step}, {speed:.0f} images a second  {shown}")
        jax.block_until_ready(state)
        images = (self.step - first_step) * stage.batch_size
        speed = images / max(1e-3, time.monotonic() - first)
        self.report(f"stage {index}: {speed:.0f} images a second")
        return state

    def log(self, row: dict[str, float]) -> None:
        with (self.output / "log.csv").open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(row)

    def save_preset(self) -> None:
        """Writes the average of the weights, with the critic as it is."""
        size = self.stages[-1].image_size
        self.gan.save_to_preset(
            self.output / "preset",
            {"image_size": size, "trained_on": f"{self.step} steps on one device"},
            dtype="float16",
        )

    def profile(self) -> None:
        """Compiles and times each part of a step by itself, smallest first."""
        stage = self.stages[0]
        images = jax.jit(lambda key: draw(key, *self.photos, stage))(jax.random.key(0))
        masks, _ = holes(stage.image_size)(
            jnp.arange(stage.batch_size, dtype="uint32"), *images.shape[1:3]
        )
        for name, function in parts_of_step(self.gan, self.photos, stage).items():
            start = time.monotonic()
            compiled = jax.jit(function).lower(images, masks).compile()
            compiling = time.monotonic() - start
            jax.block_until_ready(compiled(images, masks))
            start, count = time.monotonic(), 0
            while time.monotonic() - start < 1.0:
                jax.block_until_ready(compiled(images, masks))
                count += 1
            each = 1e3 * (time.monotonic() - start) / count
            self.report(f"{name}: {each:.2f} ms (compiled in {compiling:.1f} s)")
        self.compile(0)
        start = time.monotonic()
        rate = np.float32(0)
        dispatched = self.compiled[0](state_of(self.gan), *self.photos, np.int32(0), rate, rate)
        jax.block_until_ready(dispatched)
        each = 1e3 * (time.monotonic() - start) / stage.steps_per_dispatch
        self.report(f"a whole step: {each:.2f} ms")


def make_model(recipe: Recipe, prepared: Path, image_size: int) -> Any:
    """The compiled model, which keeps an average of its generator."""
    settings = ki.training.Settings(
        "photos",
        "run",
        width=recipe.width,
        critic_width=recipe.critic_width,
        image_size=image_size,
        preset=recipe.preset,
        precision=recipe.precision,
        seed=recipe.seed,
    )
    parts = build(settings)
    perceptual = None
    if recipe.network is not None:
        dtype = "bfloat16" if recipe.precision == "mixed_bfloat16" else "float32"
        network = EfficientNetLite(prepared / f"{recipe.network}.npz", dtype)
        perceptual = PerceptualDistance(network, recipe.layer_weights)
    objective = HingeObjective(perceptual=perceptual)
    gan = ki.InpaintingGAN(
        parts.generator,
        parts.critic,
        objective,
        holes(image_size),
        recipe.seed,
        ema_momentum=recipe.ema_momentum,
    )
    gan.compile(
        loss_weights=recipe.loss_weights,
        critic_steps=1 if recipe.loss_weights.get("adversarial", 1) else 0,
    )
    return gan


def holes(size: int) -> Any:
    """The published boxes and strokes, one kind per image, and some smaller boxes."""
    half, quarter = size // 2, size // 4
    widths = max(1, 12 * size // 256), max(1, 40 * size // 256)
    samplers = [
        Boxes(half, half, jitter=half // 8),
        Strokes(widths=widths),
        Boxes(half, half, jitter=half // 4),
        Boxes(quarter, quarter, jitter=quarter // 8),
    ]
    return Mixture(samplers, [0.4, 0.45, 0.1, 0.05])


def variables_of(gan: Any) -> tuple[list[Any], ...]:
    """The groups of variables that Keras hands to a step on JAX."""
    return (
        gan.trainable_variables,
        gan.non_trainable_variables,
        gan.optimizer.variables,
        gan.metrics_variables,
    )


def state_of(gan: Any) -> Any:
    """The variables' values, copied: a dispatch overwrites what it is given."""
    values = [[np.asarray(v.value) for v in group] for group in variables_of(gan)]
    return jax.device_put(tuple(values))


def set_state(gan: Any, state: Any) -> None:
    for group, values in zip(variables_of(gan), jax.device_get(state), strict=True):
        for variable, value in zip(group, values, strict=True):
            variable.assign(value)


def make_dispatch(gan: Any, stage: Stage) -> Callable[..., Any]:
    """Several steps as one function: from the state, photos and rates to state and losses."""
    indices = {id(v): index for index, v in enumerate(gan.optimizer.variables)}
    rates = [indices[id(optimizer.learning_rate)] for optimizer in gan.optimizer.optimizers]
    masks = holes(stage.image_size)

    def dispatch(state, photos, sizes, first_step, rate, critic_rate):
        gan.masks, gan.phase = masks, Phase(stage.trains)
        optimizer_state = list(state[2])
        for index, value in zip(rates, (rate, critic_rate), strict=True):
            optimizer_state[index] = value
        # The losses are means since the dispatch began.
        metrics = [jnp.zeros_like(value) for value in state[3]]
        state = (state[0], state[1], optimizer_state, metrics)

        def step(state, index):
            images = draw(jax.random.fold_in(jax.random.key(17), index), photos, sizes, stage)
            logs, state = gan.train_step(state, (images,))
            return state, logs

        steps = first_step + jnp.arange(stage.steps_per_dispatch, dtype="int32")
        state, logs = jax.lax.scan(step, state, steps)
        return state, {name: values[-1] for name, values in logs.items()}

    return dispatch


def parts_of_step(gan: Any, photos: Any, stage: Stage) -> dict[str, Callable[..., Any]]:
    """The parts of a step, each a function of images and masks, by name."""
    values = [v.value for v in gan.generator.trainable_variables]

    def filled(values, images, masks):
        pairs = list(zip(gan.generator.trainable_variables, values, strict=True))
        with keras.StatelessScope(state_mapping=pairs):
            outputs = gan.generator({"corrupted": corrupt(images, masks), "masks": masks})
        return composite(images, outputs["refined"], masks)

    def score(completed, masks):
        with keras.StatelessScope():
            return gan.critic({"images": completed, "masks": masks}, training=True)

    parts = {
        "photos drawn": lambda images, masks: draw(jax.random.key(1), *photos, stage),
        "masks drawn": lambda images, masks: holes(stage.image_size)(
            jnp.arange(stage.batch_size, dtype="uint32"), *images.shape[1:3]
        )[0],
        "generator": lambda images, masks: filled(values, images, masks),
        "generator and its gradient": lambda images, masks: jax.grad(
            lambda values: jnp.sum(filled(values, images, masks))
        )(values),
        "critic": score,
        "critic and its input's gradient": lambda images, masks: jax.grad(
            lambda images: jnp.sum(score(images, masks))
        )(images),
    }
    distance = gan.objective.perceptual
    if distance is not None:
        parts["perceptual loss and its gradient"] = lambda images, masks: jax.grad(
            lambda completed: jnp.sum(distance(images, completed, masks))
        )(corrupt(images, masks))
    return parts


def draw(key: Any, photos: Any, sizes: Any, stage: Stage) -> Any:
    """Random squares of random photos: `(batch, size, size, 3)`, in `[-1, 1]`."""
    size, batch = stage.image_size, (stage.batch_size,)
    keys = jax.random.split(key, 7)
    chosen = jax.random.randint(keys[0], batch, 0, photos.shape[0])
    heights, widths = (sizes[chosen, axis].astype("float32") for axis in (0, 1))
    shortest = jnp.minimum(heights, widths)
    least = jnp.maximum(size * stage.least_zoom, stage.least_part * shortest)
    least = jnp.minimum(least, shortest)
    # As many squares of each octave of sizes.
    sides = least * (shortest / least) ** jax.random.uniform(keys[1], batch)
    tops, lefts = (
        jax.random.uniform(key, batch) * (lengths - sides)
        for key, lengths in ((keys[2], heights), (keys[3], widths))
    )

    def cut(photo, side, top, left):
        scale = size / side
        return jax.image.scale_and_translate(
            photo,
            (size, size, 3),
            (0, 1),
            jnp.stack([scale, scale]),
            -scale * jnp.stack([top, left]),
            method="linear",
            antialias=True,
        )

    squares = jnp.take(photos, chosen, axis=0).astype("float32")
    images = jax.vmap(cut)(squares, sides, tops, lefts) / 127.5 - 1.0
    is_mirrored = jax.random.bernoulli(keys[4], 0.5, (*batch, 1, 1, 1))
    images = jnp.where(is_mirrored, images[:, :, ::-1], images)
    contrast, brightness = (
        stage.colour * jax.random.uniform(key, (*batch, 1, 1, channels), minval=-1.0)
        for key, channels in ((keys[5], 3), (keys[6], 1))
    )
    return jnp.clip((1.0 + contrast) * images + brightness, -1.0, 1.0)


def load_photos(prepared: Path, repeat: dict[str, int]) -> tuple[Any, Any]:
    """All prepared photos in one array, each in its top left corner, and their sizes."""
    files = []
    for path in sorted(prepared.glob("photos-*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                files += [archive.read(name)] * repeat.get(name.split("/")[0], 1)
    if not files:
        raise SystemExit(f"`--prepared` must hold photos-00.zip. Received: {prepared}")
    photos = np.zeros((len(files), SIDE, SIDE, 3), "uint8")
    sizes = np.zeros((len(files), 2), "int32")

    def read(index):
        pixels = np.asarray(Image.open(io.BytesIO(files[index])).convert("RGB"))
        height, width = sizes[index] = pixels.shape[:2]
        photos[index, :height, :width] = pixels

    with ThreadPoolExecutor() as pool:
        list(pool.map(read, range(len(files))))
    return photos, sizes


if __name__ == "__main__":
    main()
