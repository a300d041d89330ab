"""Photos a second of `inpaint_folder`, beside a plain loop over `Inpainter.inpaint`.

    python benchmarks/folder.py [--photos 500] [--rounds 10] [--preset NAME|FOLDER]
                                [--long-side 1600] [--kill]

The photos are made up: JPEG, PNG and WebP files of several sizes, each with a hole. Both ways
read, fill and write the same files, in turn, so that what else runs disturbs both alike; the
ratio is the median over the rounds. Then the command is killed half-way, and run again: printed
is how many photos were done then, how many the second run did, and how many files there are.
With `--kill`, nothing else is done. Any photo that is lost, or done twice, is an error.
"""

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from PIL import Image

from keras_inpaint import Inpainter, inpaint_folder
from keras_inpaint.pictures import Picture, read_mask, read_picture, write_picture

# Parts of the longest side, and how many photos of seven have that size.
SIZES = (((0.16, 0.16), 3), ((0.24, 0.32), 2), ((0.5, 0.66), 1), ((0.75, 1.0), 1))
SUFFIXES = (".jpg", ".png", ".jpg", ".webp")


def make_photos(folder, count, long_side):
    """Writes photos and masks, and returns the photos' folders, one a round."""
    rng = np.random.default_rng(0)
    sizes = [size for size, share in SIZES for _ in range(share)]
    photos = []
    for index in range(count):
        height, width = (round(part * long_side) for part in sizes[index % len(sizes)])
        # Noise at every scale, weaker the finer it is, as in natural pictures.
        pixels = np.zeros((height, width, 3))
        for scale in (64, 16, 4, 1):
            shape = (height // scale + 1, width // scale + 1, 3)
            noise = Image.fromarray(rng.integers(0, 256, shape, np.uint8))
            pixels += np.asarray(noise.resize((width, height)), float) * scale**0.5
        pixels *= 255 / pixels.max()
        path = folder / "photos" / f"{index:04}{SUFFIXES[index % len(SUFFIXES)]}"
        Image.fromarray(pixels.astype(np.uint8)).save(path, quality=90)
        mask, side = np.zeros((height, width), np.uint8), max(min(height, width) // 6, 8)
        top, left = rng.integers(0, height - side), rng.integers(0, width - side)
        mask[top : top + side, left : left + side] = 255
        Image.fromarray(mask).save(folder / "masks" / f"{index:04}.png")
        photos.append(path)
    return photos


def plain_loop(inpainter, photos, masks, output):
    """What anybody would write first."""
    for photo, mask in zip(photos, masks, strict=True):
        picture = read_picture(photo)
        filled = inpainter.inpaint(picture.pixels, read_mask(mask))
        write_picture(output / photo.name, Picture(filled))


def compare(inpainter, photos, masks, folder, rounds):
    """Seconds that both ways take for the photos of each round."""
    times = {"plain loop": [], "inpaint_folder": []}
    for index in range(rounds + 1):
        some = slice(max(index - 1, 0), None, rounds)
        ways = {
            "plain loop": lambda out, some=some: plain_loop(
                inpainter, photos[some], masks[some], out
            ),
            "inpaint_folder": lambda out, some=some: inpaint_folder(
                inpainter, photos[some], masks[some], out
            ),
        }
        for name in list(ways)[:: 1 if index % 2 else -1]:
            output = Path(tempfile.mkdtemp(dir=folder))
            start = time.perf_counter()
            ways[name](output)
            # The first round compiles the network for all sizes.
            times[name] += [time.perf_counter() - start] if index else []
            shutil.rmtree(output)
    return times


def print_speeds(times, num_photos):
    for name, seconds in times.items():
        print(f"{name:15} {num_photos / sum(seconds):6.2f} photos/s")
    ratios = sorted(plain / ours for plain, ours in zip(*times.values(), strict=True))
    print(f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


def kill_and_go_on(folder, preset, count):
    """Kills the command when half of the photos are done, and runs it again."""
    output = folder / "filled"
    words = [sys.executable, "-m", "keras_inpaint", "inpaint", folder / "photos"]
    words += ["--mask", folder / "masks", "--output", output, "--preset", preset, "--quiet"]
    first = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    while first.poll() is None and len(list(output.glob("[!.]*"))) < count // 2:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = {path.name: path.stat().st_mtime_ns for path in output.glob("[!.]*")}
    again = subprocess.run(words, capture_output=True, check=True)
    after = {path.name: path.stat().st_mtime_ns for path in output.glob("[!.]*")}
    twice = sum(after[name] != changed for name, changed in before.items())
    num_again = len(again.stdout.splitlines())
    print(f"killed when {len(before)} of {count} were done; {twice} of these done twice")
    print(f"then {num_again} were filled; there are {len(after)} files")
    if twice or len(after) != count or len(before) + num_again != count:
        sys.exit("Photos were lost, or done twice.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--long-side", type=int, default=1600)
    parser.add_argument("--preset", default="photos-128")
    parser.add_argument("--kill", action="store_true", help="only kill it and run it again")
    arguments = parser.parse_args()
    inpainter = None if arguments.kill else Inpainter.from_preset(arguments.preset)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name in ("photos", "masks"):
            (folder / name).mkdir()
        photos = make_photos(folder, arguments.photos, arguments.long_side)
        masks = [folder / "masks" / f"{photo.stem}.png" for photo in photos]
        if not arguments.kill:
            print_speeds(
                compare(inpainter, photos, masks, folder, arguments.rounds), len(photos)
            )
        kill_and_go_on(folder, arguments.preset, len(photos))


if __name__ == "__main__":
    main()
