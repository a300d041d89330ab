"""Pictures a second with one and two devices, one and two processes, and of reading alone.

    python benchmarks/scaling.py [--width 8] [--image-size 64] [--batch-size 8] [--rounds 5]

Devices are logical parts of one CPU unless there are two GPUs. All ways read the same photos
from disk and take turns, so that a machine that is busy at times slows all of them. On one CPU
nothing is faster than one device: what is seen there is what sharing costs.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

WAYS = ("reading alone", "one device", "two devices", "two processes")
NUM_PHOTOS = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    numbers = {"width": 8, "image-size": 64, "batch-size": 8, "steps": 8, "rounds": 5}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--photos", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        work(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        make_photos(Path(folder))
        compare(options, folder)


def make_photos(folder: Path) -> None:
    """Writes JPEG files of 320 x 240 pixels."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for index in range(NUM_PHOTOS):
        coarse = rng.integers(0, 256, (24, 32, 3), np.uint8)
        photo = Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)
        photo.save(folder / f"{index:02}.jpg", quality=90)


def work(options: argparse.Namespace) -> None:
    """Makes some steps whenever a line comes in, and prints seconds and the wait for data."""
    import tensorflow as tf

    import keras_inpaint as ki
    from keras_inpaint.data.wait_clock import WaitClock
    from keras_inpaint.training.cluster import Cluster, read_tasks

    cluster = Cluster(read_tasks() if options.way == "two processes" else None)
    strategy = cluster.strategy or devices(options.way)
    clock = WaitClock()
    stream = ki.data.photos(
        options.photos,
        image_size=options.image_size,
        batch_size=options.batch_size // cluster.part[1],
        repeat=True,
        part=cluster.part,
    )
    stream = clock.watch(stream)
    if options.way == "reading alone":
        batches = iter(stream)
        run = lambda: [next(batches) for _ in range(options.steps)]  # noqa: E731
    else:
        with strategy.scope():
            gan = ki.InpaintingGAN.deepfill_v2(
                width=options.width, critic_width=options.width, image_size=options.image_size
            )
            gan.compile()
        stream = cluster.distribute(stream, options.batch_size)
        run = lambda: gan.fit(stream, steps_per_epoch=options.steps, verbose=0)  # noqa: E731
    tf.get_logger().setLevel("ERROR")
    for _ in sys.stdin:
        began, waited = time.perf_counter(), clock.seconds
        run()
        print("seconds", time.perf_counter() - began, clock.seconds - waited, flush=True)


def devices(way: str):
    """The strategy of one device or of two."""
    import tensorflow as tf

    kind = "GPU" if len(tf.config.list_physical_devices("GPU")) > 1 else "CPU"
    if way == "two devices" and kind == "CPU":
        (cpu,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
        tf.config.set_logical_device_configuration(cpu, parts)
    num = 1 + (way == "two devices")
    names = [device.name for device in tf.config.list_logical_devices(kind)[:num]]
    return tf.distribute.MirroredStrategy(names)


def compare(options: argparse.Namespace, folder: str) -> None:
    groups = {way: start(way, options, folder) for way in WAYS}
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    try:
        for number in range(options.rounds + 1):
            for way, processes in groups.items():
                seconds = turn(processes)
                if number:  # The first one compiles.
                    found[way].append(seconds)
    finally:
        for process in (process for group in groups.values() for process in group):
            process.kill()
    num_pictures = options.batch_size * options.steps
    print(f"{os.cpu_count()} cores, the median of {options.rounds} rounds\n")
    print("| way | pictures a second | share of time that waits for data |\n|---|---|---|")
    for way, rounds in found.items():
        rate = num_pictures / statistics.median(seconds for seconds, _ in rounds)
        waits = statistics.median(waited / seconds for seconds, waited in rounds)
        print(f"| {way} | {rate:.1f} | {'' if way == WAYS[0] else f'{waits:.1%}'} |")


def turn(processes: list[subprocess.Popen[str]]) -> tuple[float, float]:
    """Lets the processes of a way work; returns the seconds of the slowest, and its wait."""
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    found = []
    for process in processes:
        line = next((line for line in process.stdout if line.startswith("seconds")), None)
        if line is None:
            raise SystemExit(f"A process has failed: {process.args}")
        _, seconds, waited = line.split()
        found.append((float(seconds), float(waited)))
    return max(found)


def start(way: str, options: argparse.Namespace, folder: str) -> list[subprocess.Popen[str]]:
    values = {**vars(options), "way": way, "photos": folder}
    words = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    environments: list[dict[str, str]] = [{}]
    if way == "two processes":
        cluster = {"worker": [f"localhost:{free_port()}" for _ in range(2)]}
        tasks = [{"type": "worker", "index": index} for index in range(2)]
        environments = [
            {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks
        ]
    return [
        subprocess.Popen(
            [sys.executable, str(Path(__file__)), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "KERAS_BACKEND": "tensorflow", **environment},
        )
        for environment in environments
    ]


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as free:
        port: int = free.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
