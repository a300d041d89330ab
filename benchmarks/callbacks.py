"""What a callback costs that looks at every batch.

    KERAS_BACKEND=jax python benchmarks/callbacks.py [--rounds 7] [--steps 50]

Trains a narrow v2 by `fit`, in turn without callbacks, with the package's own, and with one
that looks at the logs of every batch, for which Keras turns these into numbers, and says by
how much each is slower than the first.
"""

import argparse
import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from timing import interleaved, milliseconds, ratio

from keras_inpaint import InpaintingGAN
from keras_inpaint.gan import PictureSheets
from keras_inpaint.training.run import StopRequest


class LooksAtEveryBatch(keras.callbacks.Callback):
    """What many callbacks of users do."""

    def on_train_batch_end(self, batch, logs=None):
        self.loss = logs["loss"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--width", type=int, default=4)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=2)
    arguments = parser.parse_args()
    size, batch_size = arguments.image_size, arguments.batch_size
    gan = InpaintingGAN.deepfill_v2(arguments.width, size, critic_width=arguments.width)
    gan.compile()
    shape = (arguments.steps * batch_size, size, size, 3)
    images = np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")
    masks = np.zeros((1, size, size, 1), "float32")
    sheets = PictureSheets(images[:1], masks, tempfile.mkdtemp(), every=10**9)

    def fit(*callbacks):
        gan.fit(images, batch_size=batch_size, verbose=0, callbacks=list(callbacks))

    candidates = {
        "no callbacks": fit,
        "the package's own": lambda: fit(StopRequest(), sheets),
        "one that looks at every batch": lambda: fit(LooksAtEveryBatch()),
    }
    times = interleaved(candidates, arguments.rounds)
    print(f"{keras.backend.backend()}, v2 of width {arguments.width}, {size} pixels:")
    for name in candidates:
        each = milliseconds(times, name) / arguments.steps
        print(f"{name}: {each:.2f} ms a step, {ratio(times, name, 'no callbacks'):.3f}")


if __name__ == "__main__":
    main()
