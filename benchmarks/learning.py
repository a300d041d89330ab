"""What a short training learns, beside the mean colour of what is known.

    python benchmarks/learning.py --data photos/ --validation other-photos/ [--steps 200]

Trains as `keras-inpaint train --config recipes/narrow-128.json` does, for a few steps,
and measures on the validation photos. The mean colour is measured on the same photos and
holes. Prints the mean absolute difference in the hole, on the [0, 1] scale.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from keras import ops

from keras_inpaint.gan import InpaintingGAN
from keras_inpaint.training.building import build
from keras_inpaint.training.photo_streams import validation_source, validation_stream
from keras_inpaint.training.run import train
from keras_inpaint.training.settings import Settings

RECIPE = Path(__file__).parents[1] / "recipes" / "narrow-128.json"


class MeanColor(keras.Model):
    """Answers as a generator does: with the mean colour of each picture's known part."""

    channels, size_multiple = 3, 8

    def call(self, inputs):
        known = 1.0 - inputs["masks"]
        total = ops.sum(inputs["corrupted"] * known, axis=(1, 2), keepdims=True)
        mean = total / ops.sum(known, axis=(1, 2), keepdims=True)
        filled = mean + ops.zeros_like(inputs["corrupted"])
        return {"coarse": filled, "refined": filled}


def measure_mean_color(settings):
    validation = validation_stream(settings, validation_source(settings))
    gan = build(settings)
    # The same sampler and seed: the same holes.
    mean = InpaintingGAN(MeanColor(), gan.critic, gan.objective, gan.masks, settings.seed)
    mean.compile()
    return mean.evaluate(validation, verbose=0, return_dict=True)["hole_l1"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--validation", required=True)
    parser.add_argument("--steps", type=int, default=200)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recipe = json.loads(RECIPE.read_text())
        given = {"output": f"{folder}/run", **vars(arguments), "save_every": arguments.steps}
        settings = Settings.from_dict({**recipe, **given})
        lines = []
        train(settings, report=lines.append)
        print(lines[-1])
        print(f"mean colour  hole_l1 {measure_mean_color(settings):.4g}")


if __name__ == "__main__":
    main()
