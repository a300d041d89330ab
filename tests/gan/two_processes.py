"""Trains in one of two processes, or alone, and prints what came of it as JSON.

`python two_processes.py FOLDER`, with TF_CONFIG in the environment of each of two processes;
without it, one trains alone on what the two share.
"""

import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path

import keras
import tensorflow as tf
from tiny import make_gan, make_images, make_masks

from keras_inpaint.data import photos


def make(strategy):
    with strategy.scope() if strategy else nullcontext():
        gan = make_gan(seed=3, ema_momentum=0.5)
        gan.compile(keras.optimizers.SGD(0.05), critic_steps=2)
    return gan


def photos_of(folder, strategy):
    """Photos of which each process reads its own; one alone reads all."""
    if strategy is None:
        return photos(folder, 16, 4, seed=5)

    def make(context):
        part = (context.input_pipeline_id, context.num_input_pipelines)
        dataset = photos(folder, 16, 2, seed=5, part=part)
        # As `fit` does with one alone: what a stream draws follows from how often it was read.
        next(iter(dataset))
        return dataset

    return strategy.distribute_datasets_from_function(make)


def main(folder):
    strategy = None
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    keras.utils.set_random_seed(0)
    gan = make(strategy)
    # Each process has a folder of its own: what it writes is seen.
    folder = Path(folder)
    output = folder / ("alone" if strategy is None else str(strategy.cluster_resolver.task_id))
    output.mkdir()
    callbacks = [
        keras.callbacks.ModelCheckpoint(output / "{epoch}.weights.h5", save_weights_only=True),
    ]
    history = gan.fit(
        make_images(16),
        batch_size=8,
        shuffle=False,
        verbose=0,
        validation_data=(make_images(7), make_masks(7)),
        validation_batch_size=3,
        callbacks=callbacks,
    ).history
    gan.save(output / "gan.keras")
    gan.save_to_preset(output / "preset")
    filled = gan.predict((make_images(5), make_masks(5)), batch_size=4, verbose=0)
    found = {
        "history": {name: values[0] for name, values in history.items()},
        "measured": gan.evaluate(make_images(5), batch_size=4, verbose=0, return_dict=True),
        "weights": [weight.ravel().tolist() for weight in gan.get_weights()],
        "filled": filled["completed"].ravel().tolist(),
        "written": sorted(str(path.relative_to(output)) for path in output.rglob("*.*")),
    }
    of_photos = gan.fit(photos_of(folder / "photos", strategy), verbose=0).history
    found["of_photos"] = {name: values[0] for name, values in of_photos.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
