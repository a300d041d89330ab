"""How many photos a second reach training, beside other ways to read them.

    python benchmarks/input.py [--photos 1600] [--image-size 256] [--repeats 3] [--folder DIR]

Without a folder, 640 x 480 JPEG files are made up. Each way gives batches of
16 images; the fastest of its passes is printed, after one pass that is not
counted (in it, `photos` also tries whether each file can be decoded at all). Timings
need a machine that does nothing else: the time spent by the processor,
printed too, is less easily disturbed.
"""

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from keras_inpaint.data import PictureDataset, find_photos, photos, write_shards
from keras_inpaint.pictures import read_picture

BATCH_SIZE = 16


def make_photos(folder, count):
    """Writes JPEG files that compress about as well as photos do."""
    rng = np.random.default_rng(0)
    for index in range(count):
        # Noise at every scale, weaker the finer it is, as in natural pictures.
        pixels = np.zeros((480, 640, 3))
        for scale in (160, 40, 10, 3, 1):
            shape = (480 // scale + 1, 640 // scale + 1, 3)
            noise = rng.integers(0, 256, shape, np.uint8)
            enlarged = Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC)
            pixels += np.asarray(enlarged, float) * scale**0.5
        pixels *= 255 / pixels.max()
        Image.fromarray(pixels.astype(np.uint8)).save(
            Path(folder) / f"{index:05}.jpg", quality=90
        )


def pillow_photos(folder, image_size):
    """The same crops, every file through `read_picture`."""

    def read(path):
        image = Image.fromarray(read_picture(os.fsdecode(path)).pixels)
        side = np.random.default_rng(0).integers(image_size, min(image.size) + 1)
        crop = image.crop((0, 0, side, side))
        crop = crop.resize((image_size, image_size), Image.Resampling.BOX)
        return np.asarray(crop, np.float32) / 127.5 - 1.0

    dataset = tf.data.Dataset.from_tensor_slices(find_photos(folder))
    return dataset.map(
        lambda path: tf.numpy_function(read, [path], tf.float32, stateful=False),
        num_parallel_calls=tf.data.AUTOTUNE,
    ).batch(BATCH_SIZE)


def keras_photos(folder, image_size):
    """Whole photos, squeezed to a square, as Keras's own reader gives them."""
    return keras.utils.image_dataset_from_directory(
        folder,
        labels=None,
        image_size=(image_size, image_size),
        batch_size=BATCH_SIZE,
        verbose=False,
    )


def read_ahead(dataset):
    """The batches of a `PyDataset`, as many at once as it has workers."""
    with ThreadPoolExecutor(dataset.workers) as pool:
        yield from pool.map(dataset.__getitem__, range(dataset.num_batches))


def measure(dataset, repeats):
    """Returns photos a second and processor milliseconds a photo, at best."""
    rates, costs = [], []
    for _ in range(repeats + 1):
        start, cpu_start = time.perf_counter(), time.process_time()
        # Of a `PyDataset`, Keras reads ahead in threads.
        is_py = isinstance(dataset, keras.utils.PyDataset)
        batches = read_ahead(dataset) if is_py else dataset
        count = sum(int(images.shape[0]) for images in batches)
        rates.append(count / (time.perf_counter() - start))
        costs.append(1000 * (time.process_time() - cpu_start) / count)
    return max(rates[1:]), min(costs[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=1600)
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", help="photos to read instead of made-up ones")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder, size = arguments.folder, arguments.image_size
        if folder is None:
            folder = os.path.join(made, "photos")
            os.mkdir(folder)
            make_photos(folder, arguments.photos)
        shards = Path(made) / "shards"
        write_shards(folder, shards)
        ways = {
            "keras_inpaint.data.photos": photos(folder, size, BATCH_SIZE),
            "photos of shards": photos(shards, size, BATCH_SIZE),
            "PictureDataset": PictureDataset(folder, size, BATCH_SIZE),
            "read_picture (Pillow)": pillow_photos(folder, size),
            "image_dataset_from_directory": keras_photos(folder, size),
        }
        count = len(find_photos(folder))
        print(f"{count} photos, images of {size} x {size}, {os.cpu_count()} cores")
        for name, dataset in ways.items():
            rate, cost = measure(dataset, arguments.repeats)
            print(f"{name:30} {rate:6.0f} photos/s {cost:6.2f} ms of processor a photo")


if __name__ == "__main__":
    main()
