"""Contextual attention: the algebra of this package against the published operator.

    python benchmarks/attention.py [--quick | --large]

The published operator takes every patch of a picture as a kernel of a convolution and of
a transposed convolution, one picture at a time. Both run as a `tf.function`, in turn.

`--large` is for features of 256 x 256 x 128, whose score matrix alone has 1 GB: seconds,
and the process's peak memory, of the attention that works block by block.
"""

import argparse
import functools

import numpy as np
import tensorflow as tf
from memory import peak_memory
from timing import interleaved, milliseconds, ratio

from keras_inpaint.layers import ContextualAttention
from keras_inpaint.ops.resampling import nearest_corners

CASES = [(64, 96), (64, 128), (64, 192), (128, 96), (128, 128), (128, 192)]


def published(features, masks):
    """The features and the best keys, as the publications compute them."""
    size = tf.shape(features)[1:3]
    coarse = nearest_corners(features, size // 2)
    masks = nearest_corners(nearest_corners(masks, size), size // 2)
    pictures = [
        published_picture(features[i : i + 1], coarse[i : i + 1], masks[i : i + 1])
        for i in range(features.shape[0])
    ]
    return tuple(tf.concat(outputs, axis=0) for outputs in zip(*pictures, strict=True))


def published_picture(features, coarse, mask):
    channels = features.shape[-1]
    height, width = coarse.shape[1:3]
    size = height * width

    kernels = tf.reshape(extract(coarse, 3, 1), (size, 3, 3, channels))
    kernels = tf.transpose(kernels, (1, 2, 3, 0))
    norms = tf.sqrt(tf.reduce_sum(tf.square(kernels), axis=(0, 1, 2)))
    scores = tf.nn.conv2d(coarse, kernels / tf.maximum(norms, 1e-4), 1, "SAME")

    identity = tf.reshape(tf.eye(3), (3, 3, 1, 1))
    scores = tf.nn.conv2d(tf.reshape(scores, (1, size, size, 1)), identity, 1, "SAME")
    scores = tf.reshape(scores, (1, height, width, height, width))
    scores = tf.reshape(tf.transpose(scores, (0, 2, 1, 4, 3)), (1, size, size, 1))
    scores = tf.nn.conv2d(scores, identity, 1, "SAME")
    scores = tf.reshape(scores, (1, width, height, width, height))
    scores = tf.reshape(tf.transpose(scores, (0, 2, 1, 4, 3)), (1, height, width, size))

    holes = tf.reduce_mean(extract(mask, 3, 1), axis=-1)
    valid = tf.cast(tf.reshape(holes, (1, 1, 1, size)) == 0, "float32")
    attention = tf.nn.softmax(scores * valid * 10.0) * valid
    best = tf.argmax(attention, axis=-1, output_type="int32")

    patches = tf.reshape(extract(features, 4, 2), (size, 4, 4, channels))
    patches = tf.transpose(patches, (1, 2, 3, 0))
    pasted = tf.nn.conv2d_transpose(attention, patches, tf.shape(features), 2, "SAME")
    return pasted / 4.0, best


def extract(pictures, size, stride):
    return tf.image.extract_patches(
        pictures, (1, size, size, 1), (1, stride, stride, 1), (1, 1, 1, 1), "SAME"
    )


def algebra(features, masks):
    outputs = ContextualAttention()(features, masks)
    return outputs["features"], outputs["offsets"]


def candidates(operator, features, masks):
    """The operator's forward pass, and the same with its gradient."""
    forward = tf.function(operator)

    @tf.function
    def backward(features, masks):
        with tf.GradientTape() as tape:
            tape.watch(features)
            number = tf.reduce_sum(tf.square(operator(features, masks)[0]))
        return tape.gradient(number, features)

    def run(function):
        return tf.nest.map_structure(lambda output: output.numpy(), function(features, masks))

    return functools.partial(run, forward), functools.partial(run, backward)


def inputs(size, channels, batch):
    rng = np.random.default_rng(0)
    features = tf.constant(rng.normal(size=(batch, size, size, channels)), "float32")
    masks = np.zeros((batch, 4 * size, 4 * size, 1), "float32")
    masks[:, size : 3 * size, size : 3 * size] = 1
    return features, tf.constant(masks)


def report_large():
    batch = inputs(256, 128, 1)
    before = peak_memory()
    forward, _ = candidates(algebra, *batch)
    times = interleaved({"algebra": forward}, 3)
    print(
        f"256 x 256 x 128 forward: {milliseconds(times, 'algebra') / 1000:.1f} s, "
        f"peak memory {peak_memory():.0f} MB, {before:.0f} MB before"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds")
    parser.add_argument("--large", action="store_true", help="256 x 256 alone, with its memory")
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    if options.large:
        report_large()
        return
    print(f"{'features':>16} {'pass':>18} {'published':>10} {'algebra':>10} {'ratio':>6}")
    for size, channels in CASES[:2] if options.quick else CASES:
        batch = inputs(size, channels, options.batch)
        functions = {
            name: candidates(operator, *batch)
            for name, operator in (("published", published), ("algebra", algebra))
        }
        for which, label in enumerate(("forward", "forward + backward")):
            rounds = 5 if options.quick or size > 64 else 21
            times = interleaved({name: pair[which] for name, pair in functions.items()}, rounds)
            medians = [milliseconds(times, name) for name in functions]
            print(
                f"{f'{size} x {size} x {channels}':>16} {label:>18} "
                f"{medians[0]:7.1f} ms {medians[1]:7.1f} ms "
                f"{ratio(times, 'published', 'algebra'):6.2f}"
            )


if __name__ == "__main__":
    main()
