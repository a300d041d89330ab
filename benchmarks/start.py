"""How long a stream of photos takes to begin, from a folder of many files and from shards.

    python benchmarks/start.py [--files 100000] [--folder DIR]

Without a folder, tiny PNG files are made, a thousand in each folder. Times are from the call of
`photos` to the first batch of 16; the second time, the file system has the folders in memory.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from PIL import Image

from keras_inpaint.data import photos, write_shards


def make_photos(folder, count):
    """Writes copies of one picture, each a file of its own."""
    first = folder / "first.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(first)
    content = first.read_bytes()
    for index in range(count - 1):
        below = folder / f"{index // 1000:04}"
        if index % 1000 == 0:
            below.mkdir()
        (below / f"{index:07}.png").write_bytes(content)


def measure(source):
    start = time.perf_counter()
    dataset = photos(source, image_size=8, batch_size=16, repeat=True)
    found = time.perf_counter()
    next(iter(dataset))
    return found - start, time.perf_counter() - found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="photos to list instead of tiny ones")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = arguments.folder
        if folder is None:
            folder = Path(made) / "photos"
            folder.mkdir()
            make_photos(folder, arguments.files)
        few = Path(made) / "few"
        few.mkdir()
        make_photos(few, 16)
        measure(few)
        shards = Path(made) / "shards"
        write_shards(folder, shards)
        for name, source in (("folder", folder), ("folder again", folder), ("shards", shards)):
            found, first = measure(source)
            print(f"{name:14} found in {found:6.2f} s, first batch after {first:6.2f} s")


if __name__ == "__main__":
    main()
