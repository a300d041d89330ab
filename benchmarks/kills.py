"""Kills a run again and again, and compares its end with that of one that was not killed.

    KERAS_BACKEND=jax python benchmarks/kills.py [--kills 30] [--steps 12] [--width 4]

Networks of a few layers are trained on drawn photos, or those of DeepFill v2 with `--width`, a
checkpoint each step. Each process is killed (SIGKILL) up to two seconds after a random step has
begun, so that some are while they write, and the next one goes on. Where a run has ended and
kills are left, another one is begun. On JAX the processes have no TensorFlow. Prints a line per
kill, and as JSON how many runs ended with the arrays of the one that was not killed, bit for
bit. Exits with 1 where one has others.
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras import layers, ops
from PIL import Image

from keras_inpaint import InpaintingGAN
from keras_inpaint.layers import GatedConv2D, SpectralConv2D
from keras_inpaint.losses import HingeObjective
from keras_inpaint.masks import Boxes

# Seconds after a step: it may be a later one by then, or the checkpoint be written.
LATEST = 2.0
# Of a process, the one in which it is killed included: else runs would end before.
MOST_STEPS = 3


@keras.saving.register_keras_serializable(package="kills")
class SmallGenerator(keras.Model):
    """A first guess, and a second one made of it."""

    channels, size_multiple = 3, 1

    def __init__(self, width: int, **options: Any) -> None:
        super().__init__(**options)
        self.width = width
        self.first = GatedConv2D(width, 5)
        self.coarse = layers.Conv2D(3, 3, padding="same", activation="tanh")
        self.refined = layers.Conv2D(3, 3, padding="same", activation="tanh")
        for layer, channels in ((self.first, 4), (self.coarse, width), (self.refined, 4)):
            layer.build((None, None, None, channels))
        self.built = True

    def call(self, inputs: Any) -> Any:
        seen = ops.concatenate([inputs["corrupted"], inputs["masks"]], axis=-1)
        coarse = self.coarse(self.first(seen))
        refined = self.refined(ops.concatenate([coarse, inputs["masks"]], axis=-1))
        return {"coarse": coarse, "refined": refined}

    def get_config(self) -> Any:
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable(package="kills")
class SmallCritic(keras.Model):
    """Two layers, of which one has the state of a spectral norm."""

    image_size = patch_size = None

    def __init__(self, width: int, **options: Any) -> None:
        super().__init__(**options)
        self.width = width
        self.first = SpectralConv2D(width, 5, strides=4)
        self.scores = layers.Conv2D(1, 1)
        self.first.build((None, None, None, 4))
        self.scores.build((None, None, None, width))
        self.built = True

    def call(self, inputs: Any) -> Any:
        seen = ops.concatenate([inputs["images"], inputs["masks"]], axis=-1)
        return layers.Flatten()(self.scores(self.first(seen)))

    def get_config(self) -> Any:
        return {**super().get_config(), "width": self.width}


def make_small(
    width: int, critic_width: int, image_size: int, channels: int, **options: Any
) -> InpaintingGAN:
    """Makes networks of a few layers, which are compiled and saved in a moment."""
    networks = SmallGenerator(width), SmallCritic(critic_width)
    masks = Boxes(image_size // 2, image_size // 2, jitter=4)
    return InpaintingGAN(*networks, HingeObjective(), masks, **options)


class NoTensorFlow:
    """Finds no TensorFlow, whose import and streams of photos would take most of the time."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.split(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def draw_photos(folder: Path) -> None:
    """Writes photos of noise."""
    folder.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3))
        Image.fromarray(pixels.astype("uint8")).save(folder / f"{number}.png")


def run(
    folder: Path,
    name: str,
    steps: int,
    kill_after: tuple[int, float] | None,
    width: int | None = None,
) -> None:
    """Trains, in a process of its own; `kill_after` so many steps of it and seconds."""
    from keras_inpaint.training import Settings, train
    from keras_inpaint.training.run import StopRequest

    if width is None:
        InpaintingGAN.deepfill_v2 = make_small
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Compiling would take most of the time.
        tf.config.run_functions_eagerly(True)
    else:
        sys.meta_path.insert(0, NoTensorFlow())

    class Killed(StopRequest):
        """Dies some time after a step."""

        num_begun = 0

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            super().on_train_batch_begin(batch, logs)
            self.num_begun += 1
            if kill_after is not None and self.num_begun == kill_after[0]:
                threading.Thread(target=self.die, daemon=True).start()

        def die(self) -> None:
            time.sleep(kill_after[1])
            os.kill(os.getpid(), signal.SIGKILL)

    sys.modules["keras_inpaint.training.run"].StopRequest = Killed
    train(
        Settings(
            folder / "photos",
            folder / name,
            width=width or 4,
            critic_width=4,
            image_size=32,
            batch_size=2,
            steps=steps,
            save_every=1,
            sheets_every=0,
            keep_last=1,
            ema_momentum=0.5,
        ),
        report=str,
    )


def start(folder: Path, *arguments: Any) -> bool:
    """Runs a process to its end; returns whether it was killed."""
    processes = multiprocessing.get_context("forkserver")
    # Each process finds them imported. None of them computes anything before.
    processes.set_forkserver_preload(["keras_inpaint.training.run"])
    process = processes.Process(target=run, args=(folder, *arguments))
    process.start()
    process.join()
    if process.exitcode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"A run ended with {process.exitcode}.")
    return process.exitcode != 0


def arrays_of(checkpoint: Path) -> dict[str, np.ndarray]:
    """Every array of a checkpoint: networks, average, both optimizers, step."""
    arrays = {}
    with h5py.File(checkpoint / "training.weights.h5") as file:
        file.visititems(
            lambda name, item: arrays.update({name: item[()]} if hasattr(item, "dtype") else {})
        )
    return arrays


def differing(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> list[str]:
    """Names of the arrays of which a bit differs."""
    return sorted(
        name
        for name in found.keys() | expected.keys()
        if name not in found
        or name not in expected
        or found[name].tobytes() != expected[name].tobytes()
    )


def kill_runs(
    folder: Path, num_kills: int, steps: int, seed: int, width: int | None = None
) -> list[list[str]]:
    """Returns for each run that was killed which arrays are not those of one that was not."""
    draw_photos(folder / "photos")
    start(folder, "unbroken", steps, None, width)
    last, rng = Path("checkpoint", f"step-{steps:09d}"), random.Random(seed)
    expected = arrays_of(folder / "unbroken" / last)
    runs, num_killed = [], 0
    while num_killed < num_kills:
        output = folder / f"run-{len(runs)}"
        while not (output / last).exists():
            whole = sorted(path.name for path in output.glob("checkpoint/step-*"))
            left = steps - int(whole[-1].removeprefix("step-")) if whole else steps
            after = (rng.randint(1, min(left, MOST_STEPS)), rng.uniform(0, LATEST))
            # Not the last step again and again, where a run lasts longer than it lives.
            is_killed = num_killed < num_kills and left > 1
            if start(folder, output.name, steps, after if is_killed else None, width):
                num_killed += 1
                num_drafts = len([*output.rglob("*.unfinished")])
                print(
                    f"kill {num_killed}: {output.name}, from {whole[-1] if whole else 'anew'}, "
                    f"{after[1]:.2f} s after {after[0]} steps; {num_drafts} unfinished",
                    flush=True,
                )
        runs.append(differing(arrays_of(output / last), expected))
    return runs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, help="of DeepFill v2, in place of small networks")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # What JAX has compiled for one process serves the next.
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(folder, "compiled"))
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        options = (arguments.kills, arguments.steps, arguments.seed, arguments.width)
        runs = kill_runs(Path(folder), *options)
    result = {
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
        "kills": arguments.kills,
        "runs": len(runs),
        "equal": sum(not names for names in runs),
        "differing": sorted({name for names in runs for name in names}),
    }
    print(json.dumps(result))
    return int(any(runs))


if __name__ == "__main__":
    sys.exit(main())
