"""Trains on one device and on two, and prints what came of it as JSON.

Devices are divided before TensorFlow starts: this runs in a process of its own, as
`python two_devices.py PART KIND FOLDER`, KIND being that of the devices, CPU or GPU, with
`benchmarks/` in PYTHONPATH.
"""

import csv
import json
import sys
from contextlib import nullcontext
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from kills import make_small
from PIL import Image
from tiny import TinyGenerator, make_images, make_masks
from tiny import make_gan as make_tiny

from keras_inpaint.cli.main import main as command
from keras_inpaint.gan import InpaintingGAN, PictureSheets
from keras_inpaint.gan.freezing import freeze
from keras_inpaint.losses import HingeObjective, WassersteinObjective
from keras_inpaint.masks import Boxes
from keras_inpaint.models import Generator, GlobalLocalCritic, PatchCritic

SIZE = 32
STEPS = 3


def make(version, optimizer, critic_steps, strategy=None, **options):
    with nullcontext() if strategy is None else strategy.scope():
        if version == "v1":
            parts = Generator.deepfill_v1(width=4), GlobalLocalCritic(4, SIZE, 16)
            objective = WassersteinObjective()
        else:
            parts = Generator.deepfill_v2(width=4), PatchCritic(4)
            objective = HingeObjective()
        masks = Boxes(16, 16, jitter=2)
        gan = InpaintingGAN(*parts, objective, masks, seed=7, ema_momentum=0.5)
        gan.compile(
            optimizer(),
            optimizer(),
            loss_weights={"adversarial": 0.1},
            critic_steps=critic_steps,
            **options,
        )
    return gan


def sgd():
    return keras.optimizers.SGD(0.05)


def adam():
    return keras.optimizers.Adam(1e-4, beta_1=0.5)


def pictures(num, seed=0):
    shape = (num, SIZE, SIZE, 3)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def largest(ones, others):
    return max(float(np.abs(a - b).max()) for a, b in zip(ones, others, strict=True))


def run(gan, critic_steps, sizes=()):
    """Three steps of two pictures a critic update, then measures in batches of `sizes`."""
    batch_size = 2 * critic_steps
    images = pictures(STEPS * batch_size)
    history = gan.fit(images, batch_size=batch_size, shuffle=False, verbose=0).history
    measures = {
        size: gan.evaluate(pictures(7, 1), batch_size=size, verbose=0, return_dict=True)
        for size in sizes
    }
    return {name: values[0] for name, values in history.items()}, measures


def compare(strategy, version, optimizer, critic_steps, sizes=(), **options):
    """Both ways of training, from the same weights."""
    one = make(version, optimizer, critic_steps, **options)
    two = make(version, optimizer, critic_steps, strategy, **options)
    untrained = one.generator.get_weights()
    two.set_weights(one.get_weights())
    (logs, measures), (logs_of_two, measures_of_two) = (
        run(gan, critic_steps, sizes) for gan in (one, two)
    )
    return two, {
        "num_devices": two.distribute_strategy.num_replicas_in_sync,
        "learned": largest(one.generator.get_weights(), untrained),
        "weights": largest(one.get_weights(), two.get_weights()),
        "logs": [logs, logs_of_two],
        "measures": [measures, measures_of_two],
        # A power iteration's vector and an optimizer's state are the same on each device.
        "devices_differ": max(
            largest([copies[0]], [copy])
            for variable in [*two.variables, *two.optimizer.variables]
            for copies in [
                [np.array(v) for v in strategy.experimental_local_results(variable.value)]
            ]
            for copy in copies
        ),
    }


def message(function, *arguments, **options):
    try:
        function(*arguments, **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing was raised"


class Ragged(keras.utils.PyDataset):
    """A second batch that two devices cannot share."""

    @property
    def num_batches(self):
        return 2

    def __getitem__(self, index):
        return pictures([4, 3][index])


def refusals(strategy, gan):
    images, steps = pictures(8), gan.steps.numpy()
    dataset = tf.data.Dataset.from_tensor_slices(images)
    outside = make("v2", sgd, 2, run_eagerly=True)

    def fit_in(scope, gan):
        with scope:
            gan.fit(images, batch_size=4, verbose=0)

    with strategy.scope():
        mixed = InpaintingGAN(outside.generator, outside.critic, HingeObjective(), gan.masks)
    elsewhere = make("v2", sgd, 2, strategy, run_eagerly=True)
    elsewhere.compile(sgd(), sgd(), critic_steps=2)
    other = tf.distribute.MirroredStrategy(strategy.extended.worker_devices)
    told = {
        "share": message(gan.fit, images, batch_size=6, verbose=0),
        "dataset_share": message(gan.fit, dataset.batch(2, drop_remainder=True), verbose=0),
        "last": message(gan.fit, pictures(10), batch_size=8, verbose=0),
        "unknown_size": message(gan.fit, dataset.batch(4), verbose=0),
        "jit_compile": message(gan.compile, jit_compile=True),
        "steps_per_execution": message(gan.compile, steps_per_execution=4),
        "outside": message(fit_in, strategy.scope(), outside),
        "networks_outside": message(mixed.compile),
        "optimizers_outside": message(elsewhere.fit, images, batch_size=4, verbose=0),
        "other_strategy": message(fit_in, other.scope(), gan),
        "train_on_batch": message(gan.train_on_batch, images),
        "test_on_batch": message(gan.test_on_batch, images),
    }
    assert gan.steps.numpy() == steps
    told["in_a_step"] = message(gan.fit, Ragged(), shuffle=False, verbose=0)
    assert gan.steps.numpy() == steps + 1
    return told


def first(strategy, folder):
    gan, compared = compare(strategy, "v2", sgd, 2, sizes=(3,), run_eagerly=True)
    images = pictures(5, 2)
    inputs = {"images": images, "masks": (images[..., :1] > 0).astype("float32")}
    filled = gan.predict(inputs, batch_size=4, verbose=0)["completed"]
    expected = gan(inputs)["completed"].numpy()
    return {
        "sgd": compared,
        "predicted": largest([filled], [expected]),
        "refusals": refusals(strategy, gan),
    }


def compiled(strategy, folder):
    return {"sgd": compare(strategy, "v1", sgd, 2, sizes=(4, 3, 5))[1]}


def with_adam(strategy, folder):
    phases = {"reconstruction_steps": 1, "critic_only_steps": 1}
    return {
        "v1": compare(strategy, "v1", adam, 2, sizes=(4,), run_eagerly=True)[1],
        "v2": compare(strategy, "v2", adam, 1, sizes=(4,), run_eagerly=True, **phases)[1],
    }


def with_callbacks(strategy, folder):
    """Two epochs of a dataset, compiled, a stop in between, with what Keras offers beside."""
    dataset = tf.data.Dataset.from_tensor_slices(pictures(8)).batch(4, drop_remainder=True)
    validation = tf.data.Dataset.from_tensor_slices(pictures(3, 1)).batch(2)

    def callbacks():
        shown = pictures(2, 3)
        return [
            keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 / (1 + epoch)),
            keras.callbacks.ModelCheckpoint(
                folder / "epoch-{epoch}.weights.h5", save_weights_only=True
            ),
            keras.callbacks.BackupAndRestore(folder / "backup", delete_checkpoint=False),
            keras.callbacks.EarlyStopping("val_psnr", patience=5, mode="max"),
            PictureSheets(
                shown, (shown[..., :1] > 0).astype("float32"), folder / "sheets", every=2
            ),
        ]

    def make_compiled(**options):
        gan = make_small(4, 4, SIZE, 3, seed=7, ema_momentum=0.5)
        gan.compile(sgd(), sgd(), {"adversarial": 0.1}, **options)
        return gan

    with strategy.scope():
        gan = make_compiled()
    start = gan.get_weights()
    histories = [
        gan.fit(
            dataset, validation_data=validation, epochs=epochs, callbacks=callbacks(), verbose=0
        )
        for epochs in (1, 2)
    ]
    one = make_compiled(run_eagerly=True)
    one.set_weights(start)
    expected = one.fit(
        dataset, validation_data=validation, epochs=2, callbacks=callbacks()[:1], verbose=0
    ).history
    gan.save(folder / "gan.keras")
    alone = keras.saving.load_model(folder / "gan.keras")
    with strategy.scope():
        together = keras.saving.load_model(folder / "gan.keras")
    # Of the options of one device, what several cannot do is left out.
    one.compile(steps_per_execution=4)
    one.save(folder / "one.keras")
    with strategy.scope():
        spread = keras.saving.load_model(folder / "one.keras")
    return {
        "epochs": [history.epoch for history in histories],
        "history": [
            {
                name: histories[0].history[name] + histories[1].history[name]
                for name in expected
            },
            expected,
        ],
        "weights": largest(gan.get_weights(), one.get_weights()),
        "files": sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png")),
        "checkpoint": sorted(path.name for path in folder.glob("epoch-*")),
        "loaded": max(
            largest(gan.get_weights(), loaded.get_weights()) for loaded in (alone, together)
        ),
        "state": largest(
            [np.array(variable) for variable in gan.optimizer.variables],
            [np.array(variable) for variable in together.optimizer.variables],
        ),
        "goes_on": message(together.fit, dataset, verbose=0),
        "spread": [spread.steps_per_execution, spread.distribute_strategy.num_replicas_in_sync],
    }


def half_precision(strategy, folder):
    keras.config.set_dtype_policy("mixed_float16")

    def scaled():
        # So small a scale that the first step does not overflow and is not skipped.
        return keras.optimizers.LossScaleOptimizer(sgd(), initial_scale=8.0)

    gan, compared = compare(strategy, "v2", scaled, 1, run_eagerly=True)
    before = gan.generator.get_weights()
    images = pictures(4)
    images[3] = np.nan  # In the second device's part of the second batch.
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(2, drop_remainder=True)
    gan.fit(dataset, verbose=0)
    return {
        "sgd": compared,
        "is_finite": all(bool(np.isfinite(w).all()) for w in gan.get_weights()),
        "moved": largest(gan.generator.get_weights(), before),
        "scale": float(np.array(gan.optimizer.generator_optimizer.dynamic_scale)),
    }


def guarded(strategy, folder):
    """Clipping by norm, ours and Keras's, what is frozen, and a step that is not finite.

    One device alone finds that.
    """
    images, masks = make_images(12), make_masks(12)
    poisoned = images.copy()
    poisoned[7, 6, 6] = np.nan  # In the second device's part of the second batch.
    found, start = {}, None
    for name, data, clips, options in (
        ("ours", images, {}, {"global_clipnorm": 0.05}),
        ("of_keras", images, {"global_clipnorm": 0.05}, {}),
        ("frozen", images, {}, {}),
        ("stop", poisoned, {}, {}),
        ("skip", poisoned, {}, {"on_nonfinite": "skip"}),
    ):
        ends, moved, steps = [], [], []
        for scope in (nullcontext(), strategy.scope()):
            with scope:
                gan = make_tiny(seed=3)
                if name == "frozen":
                    networks = {"generator": gan.generator, "critic": gan.critic}
                    freeze(networks, ["generator/conv2d*", "critic"])
                    gan.generator.second.trainable = True
                gan.compile(keras.optimizers.SGD(0.5, **clips), run_eagerly=True, **options)
            start = start or gan.get_weights()
            gan.set_weights(start)
            gan.fit(data, masks, batch_size=4, shuffle=False, verbose=0)
            ends.append(gan.get_weights())
            changes = [largest([one], [two]) for one, two in zip(ends[-1], start, strict=True)]
            moved.append(changes if name == "frozen" else max(changes))
            steps.append(gan.num_steps)
        found[name] = {"weights": largest(*ends), "moved": moved, "steps": steps}
    return found


class Batches(keras.utils.PyDataset):
    """Batches in memory."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    @property
    def num_batches(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def kinds_of_data(strategy, folder):
    """An epoch and a validation with data of each kind, on one device and on two."""
    images, masks = make_images(8), make_masks(8)
    halves = [(images[part], masks[part]) for part in (slice(4), slice(4, 8))]
    rows = {
        "arrays": lambda: {"x": images, "batch_size": 4},
        "y": lambda: {"x": images, "y": masks, "batch_size": 4},
        "dict": lambda: {"x": {"images": images, "masks": masks}, "batch_size": 4},
        "split": lambda: {"x": images, "batch_size": 2, "validation_split": 0.25},
        "dataset": lambda: {
            "x": tf.data.Dataset.from_tensor_slices((images, masks)).batch(
                4, drop_remainder=True
            )
        },
        "py_dataset": lambda: {"x": Batches(halves)},
        "generator": lambda: {"x": iter(halves), "steps_per_epoch": 2},
        "loader": lambda: {"x": make_loader(images, masks)},
    }
    found = {}
    for name, make_row in rows.items():
        logs, ends, start = [], [], None
        for scope in (nullcontext(), strategy.scope()):
            with scope:
                gan = make_tiny(seed=3)
                gan.compile(sgd(), run_eagerly=True)
            start = start or gan.get_weights()
            gan.set_weights(start)
            row = make_row()
            if name != "split":
                row["validation_data"] = (images[:3], masks[:3])
            history = gan.fit(**row, shuffle=False, verbose=0).history
            logs.append({key: values[0] for key, values in history.items()})
            ends.append(gan.get_weights())
        found[name] = {
            "logs": logs,
            "weights": largest(*ends),
            "learned": largest(ends[0], start),
        }
    return found


def make_loader(images, masks):
    import torch

    data = torch.utils.data.TensorDataset(torch.from_numpy(images), torch.from_numpy(masks))
    return torch.utils.data.DataLoader(data, batch_size=4)


class TinyGuided(TinyGenerator):
    """Draws what it is shown into its first guess."""

    guided = True

    def __init__(self):
        super().__init__()
        self.draw = keras.layers.Conv2D(3, 3, padding="same")
        self.draw.build((None, None, None, 1))

    def call(self, inputs):
        coarse = super().call(inputs)["coarse"] + self.draw(inputs["sketches"])
        return {"coarse": coarse, "refined": self.second(coarse)}


def guided(strategy, folder):
    """Sketches of one's own, as a dataset of each library brings them."""
    import torch

    images, masks = pictures(8), np.zeros((8, SIZE, SIZE, 1), "float32")
    masks[:, 8:24, 8:24] = 1
    sketches = (pictures(8, seed=5)[..., :1] > 0.5).astype("float32")
    batch = {"images": images, "masks": masks, "sketches": sketches}
    items = [{name: array[index] for name, array in batch.items()} for index in range(8)]
    rows = {
        "dataset": lambda: tf.data.Dataset.from_tensor_slices(batch).batch(
            4, drop_remainder=True
        ),
        # A list is a dataset of PyTorch's too.
        "loader": lambda: torch.utils.data.DataLoader(items, batch_size=4),
        "blank": lambda: tf.data.Dataset.from_tensor_slices(
            {**batch, "sketches": 0 * sketches}
        ).batch(4, drop_remainder=True),
    }
    found, start = {}, None
    for name, make_row in rows.items():
        ends = []
        for scope in (nullcontext(), strategy.scope()):
            with scope:
                parts = TinyGuided(), PatchCritic(2, guided=True), HingeObjective()
                gan = InpaintingGAN(*parts, Boxes(16, 16, jitter=2))
                gan.compile(sgd(), run_eagerly=True)
            start = start or gan.get_weights()
            gan.set_weights(start)
            gan.fit(make_row(), verbose=0)
            ends.append(gan.get_weights())
        found[name] = {"weights": largest(*ends), "learned": largest(ends[0], start)}
        found.setdefault("first", ends[0])
        found[name]["beside_first"] = largest(ends[0], found["first"])
    del found["first"]
    return found


def command_line(folder):
    """The same run on one device and, begun anew and gone on with, on two."""
    photos = folder / "photos"
    photos.mkdir()
    for number in range(7):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3), "uint8")
        Image.fromarray(pixels).save(photos / f"{number}.png")
    # The photos are read compiled all the same.
    tf.config.run_functions_eagerly(True)
    InpaintingGAN.deepfill_v2 = lambda **options: make_small(
        **{"width": 8, "critic_width": 4} | options
    )

    def train(output, distribution, steps):
        words = ["--data", photos, "--validation", photos, "--output", folder / output]
        words += ["--width", 8, "--critic-width", 4, "--image-size", 32, "--batch-size", 4]
        words += ["--save-every", 2, "--sheets-every", 2, "--steps", steps]
        words += ["--learning-rate", 3e-3, "--distribution", distribution]
        code = command(["train", *map(str, words)])
        with (folder / output / "log.csv").open(newline="") as file:
            log = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        return code, log

    return {
        "one": train("one", "none", 4),
        "stopped": train("two", "mirrored", 2)[0],
        "two": train("two", "mirrored", 4),
        "sheets": [path.name for path in sorted((folder / "two" / "sheets").iterdir())],
        "preset": sorted(path.name for path in (folder / "two" / "preset").iterdir()),
        "odd": command(
            [
                *("train", "--data", str(photos), "--output", str(folder / "odd")),
                *("--batch-size", "3", "--distribution", "mirrored"),
            ]
        ),
        "is_written": (folder / "odd").exists(),
    }


PARTS = {
    function.__name__: function
    for function in (
        first,
        compiled,
        with_adam,
        with_callbacks,
        half_precision,
        guarded,
        kinds_of_data,
        guided,
    )
}


def main(part, kind, folder):
    if kind == "CPU":
        (cpu,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
        tf.config.set_logical_device_configuration(cpu, parts)
    if part == "command_line":
        print(json.dumps(command_line(Path(folder))))
        return
    keras.utils.set_random_seed(0)
    devices = [device.name for device in tf.config.list_logical_devices(kind)[:2]]
    strategy = tf.distribute.MirroredStrategy(devices)
    print(json.dumps(PARTS[part](strategy, Path(folder))))


if __name__ == "__main__":
    main(*sys.argv[1:])
