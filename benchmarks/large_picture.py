"""Seconds and memory that the hole of a large photo takes.

    python benchmarks/large_picture.py [--size 6000 4000] [--hole 300] [--method crop]
                                       [--preset NAME|FOLDER|hf://OWNER/NAME] [--feather 0]
                                       [--architecture deepfill_v2] [--width N]

Without a preset, the network is a published one without training: what it paints
costs as much. The photo is noise. Printed are the seconds of the first photo, for which the
network is compiled, and of the second, and the largest memory that the process has had,
before and after; the difference stands beside the estimate.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from memory import peak_memory

from keras_inpaint import Inpainter
from keras_inpaint.inpainting.memory import default_memory_limit, estimate_plan
from keras_inpaint.inpainting.planning import METHODS, choose_method, plan
from keras_inpaint.models import Generator


def make_inpainter(arguments):
    """The preset, or a network without training."""
    if arguments.preset:
        return Inpainter.from_preset(arguments.preset)
    make = getattr(Generator, arguments.architecture)
    options = {} if arguments.width is None else {"width": arguments.width}
    return Inpainter(make(**options), image_size=256)


def make_photo(width, height, hole):
    """Noise, and a square hole in its middle."""
    photo = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    mask = np.zeros((height, width), bool)
    top, left = (height - hole) // 2, (width - hole) // 2
    mask[max(top, 0) : top + hole, max(left, 0) : left + hole] = True
    return photo, mask


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=2, default=(6000, 4000))
    parser.add_argument("--hole", type=int, default=300)
    parser.add_argument("--method", choices=METHODS)
    parser.add_argument("--preset")
    parser.add_argument("--architecture", default="deepfill_v2")
    parser.add_argument("--width", type=int, help="the published one unless given")
    parser.add_argument("--feather", type=int, default=0)
    arguments = parser.parse_args()

    inpainter = make_inpainter(arguments)
    photo, mask = make_photo(*arguments.size, arguments.hole)
    size = inpainter.image_size or 256
    method = arguments.method or choose_method(mask, size)
    windows = plan(method, mask, size, arguments.feather)
    estimate = estimate_plan(inpainter.generator, mask, windows)
    sizes = sorted({window.size for window in windows})
    print(f"{method}: {len(windows)} windows of {sizes[0]} to {sizes[-1]} for the network")
    before = peak_memory()
    options = {"method": method, "feather": arguments.feather}
    for turn in ("first", "second"):
        start = time.perf_counter()
        filled = inpainter.inpaint(photo, mask, **options)
        print(f"{turn} photo: {time.perf_counter() - start:.1f} s")
    after = peak_memory()
    print(f"peak memory: {after:.0f} MB, {before:.0f} MB before: {after - before:.0f} MB more")
    print(f"estimate: {estimate / 1e6:.0f} MB")
    print(f"limit unless given: {default_memory_limit() / 1e6:.0f} MB")
    if arguments.feather == 0:
        print(f"known pixels changed: {(filled != photo)[~mask].any(axis=-1).sum()}")


if __name__ == "__main__":
    main()
