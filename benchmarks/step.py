"""How much of the machine's arithmetic the networks and a training step make use of.

    python benchmarks/step.py [--quick]

Every candidate runs in turn with a product of two large float32 matrices, the most that
the machine can do. Its share is the rate of its multiplications over the rate of that
product, in the same round. What counts are the multiplications of the networks as
published: nine for each pixel, channel and filter of a 3x3 convolution, enlarged pictures
included, where the package gets by with four; of the attention only the two matrix
products. The share of elapsed time is right on a machine that does nothing else; that of
the processors' time is disturbed less where something else runs.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from keras_inpaint import InpaintingGAN
from keras_inpaint.models import Generator

MATRIX = 2048


def generator_multiplications(generator, size):
    """Multiplications of a forward pass for one square picture."""
    refine, total = generator.refine_network, 0
    for chain, divisor in (
        (generator.coarse_network.body, 1),
        (refine.dilated_branch, 1),
        (refine.before_attention, 1),
        (refine.after_attention, 4),
        (refine.join, 4),
    ):
        total += sequence_multiplications(chain.steps, size // divisor)
    for head in (generator.coarse_network.head, refine.head):
        total += sequence_multiplications([head], size)
    positions = (size // (4 * refine.attention.rate)) ** 2
    channels = refine.after_attention.steps[0].compute_output_shape((1, 8, 8, 1))[-1]
    cell = refine.attention.rate**2 * channels
    return total + positions**2 * (channels + cell)


def critic_multiplications(critic):
    """Multiplications of a forward pass of both critics for one picture."""
    pairs = (
        (critic.global_critic, critic.image_size),
        (critic.local_critic, critic.patch_size),
    )
    return sum(
        sequence_multiplications([layer for layer in network.layers if layer.weights], size[0])
        for network, size in pairs
    )


def sequence_multiplications(layers, size):
    total = 0
    for layer in layers:
        kernel = getattr(layer, "conv", layer).kernel
        positions = 1
        if len(kernel.shape) == 4:
            size = layer.compute_output_shape((1, size, size, kernel.shape[2]))[1]
            positions = size * size
        total += positions * int(np.prod(kernel.shape))
    return total


def step_multiplications(gan, size):
    """Multiplications of one critic update and one generator update for one picture.

    A gradient with respect to weights and inputs takes twice the forward pass, one with
    respect to inputs alone as much as it. The critics run on real and made pictures and,
    for the penalty, on mixtures; the penalty's own gradient runs back through the pass
    and through its gradient.
    """
    generator = generator_multiplications(gan.generator, size)
    critic = critic_multiplications(gan.critic)
    passes = {
        "scores of real and made pictures, and gradients": 2 * 3,
        "penalty": 2,
        "gradients of the penalty": 2 * 2,
        "scores for the generator, and their gradient": 2,
    }
    return 3 * generator + sum(passes.values()) * critic


def forward(architecture, size):
    """A forward pass and its multiplications."""
    generator = getattr(Generator, architecture)()
    inputs = {
        "corrupted": tf.random.uniform((1, size, size, 3), -1.0, 1.0),
        "masks": tf.cast(tf.random.uniform((1, size, size, 1)) < 0.2, "float32"),
    }
    compiled = tf.function(generator)

    def run():
        compiled(inputs)["refined"].numpy()

    return run, generator_multiplications(generator, size)


def training_step(size, batch):
    """A training step of v1 and its multiplications."""
    gan = InpaintingGAN.deepfill_v1(image_size=size)
    gan.compile(critic_steps=1)
    images = np.random.default_rng(0).uniform(-1, 1, (batch, size, size, 3)).astype("float32")

    def run():
        gan.train_on_batch(images)

    return run, batch * step_multiplications(gan, size)


def peak():
    """The product of two matrices and its multiplications."""
    matrix = tf.random.normal((MATRIX, MATRIX))
    product = tf.function(lambda: tf.matmul(matrix, matrix))

    def run():
        product().numpy()

    return run, MATRIX**3


def rates(run, multiplications):
    """Multiplications a second, of elapsed and of the processors' time."""
    elapsed, processor = time.perf_counter(), time.process_time()
    run()
    elapsed, processor = time.perf_counter() - elapsed, time.process_time() - processor
    return multiplications / elapsed, multiplications / processor


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="256 pixels, few rounds")
    rounds = 5 if (options := parser.parse_args()).quick else 15
    candidates = {
        "v1 forward, 256": forward("deepfill_v1", 256),
        "v2 forward, 256": forward("deepfill_v2", 256),
        "v1 step, 256, batch 2": training_step(256, 2),
    }
    if not options.quick:
        candidates["v1 forward, 512"] = forward("deepfill_v1", 512)
        candidates["v2 forward, 512"] = forward("deepfill_v2", 512)
    reference = peak()
    print(f"{'':24} {'10^9 mult.':>10} {'elapsed':>11} {'of peak':>8} {'of processors':>14}")
    peaks = []
    for name, candidate in candidates.items():
        for run, _ in (candidate, reference):
            run()
        pairs = [(rates(*candidate), rates(*reference)) for _ in range(rounds)]
        peaks += [most[0] for _, most in pairs]
        seconds = candidate[1] / statistics.median(mine[0] for mine, _ in pairs)
        shares = [
            statistics.median(mine[clock] / most[clock] for mine, most in pairs)
            for clock in (0, 1)
        ]
        print(
            f"{name:24} {candidate[1] / 1e9:10.1f} {1000 * seconds:8.0f} ms "
            f"{shares[0]:8.0%} {shares[1]:14.0%}"
        )
    print(
        f"Peak: {max(peaks) / 1e9:.0f} x 10^9 multiplications and as many additions a second "
        f"(median {statistics.median(peaks) / 1e9:.0f})"
    )


if __name__ == "__main__":
    main()
