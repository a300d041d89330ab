"""What the holes of large photos take, and how well they are filled.

    python benchmarks/large_picture.py [--size 6000 4000] [--hole 300] [--method crop]
                                       [--preset NAME|FOLDER|hf://OWNER/NAME] [--feather 0]
                                       [--architecture deepfill_v2] [--width N]
    python benchmarks/large_picture.py --dust [--before FOLDER] [--rounds 2]
    python benchmarks/large_picture.py --detail --photos FOLDER [--num 24] [--save FOLDER]

The first: without a preset, the network is a published one without training: what it paints
costs as much. The photo is noise. Printed are the seconds of the first photo, for which the
network is compiled, and of the second, and the largest memory that the process has had,
before and after; the difference stands beside the estimate.

`--dust`: 200 specks and 6 scratches in a photo of 2048 x 1365 pixels, all made from a seed.
`--before` names a folder with another version of the package, which fills the same photo in
the same rounds.

`--detail`: photos `NAME.jpg` with masks `masks/NAME_KIND.png` are filled with and without
detail, and by Telea's method. Printed are, for each kind of hole, the perceptual distance
from the true photo (EfficientNet-Lite0, the hole and 64 pixels around it, at full resolution)
in percent of Telea's, the roughness in the hole (mean difference of neighbouring pixels) over
the true one, the mean absolute difference in the hole, and seconds. `--save` keeps the
pictures.
"""

import argparse
import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from memory import peak_memory
from PIL import Image, ImageDraw

from keras_inpaint import Inpainter
from keras_inpaint.evaluation import baselines, load_features
from keras_inpaint.inpainting.memory import estimate_plan
from keras_inpaint.inpainting.planning import METHODS, choose_method, plan
from keras_inpaint.metrics import PerceptualDistance
from keras_inpaint.models import Generator
from keras_inpaint.pictures import Picture, read_mask, read_picture, write_picture
from keras_inpaint.pictures.opening import default_memory_limit
from keras_inpaint.pictures.pixels import to_images

TRAINED = "photos-128"


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


def make_dusty_photo(width=2048, height=1365, num_specks=200, num_scratches=6, seed=0):
    """Noise at every scale, as in natural photos, and the mask of dust and scratches."""
    rng = np.random.default_rng(seed)
    levels = np.zeros((height, width, 3))
    for scale in (400, 150, 40, 10, 3, 1):
        noise = rng.integers(0, 256, (height // scale + 2, width // scale + 2, 3), np.uint8)
        larger = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        levels += np.asarray(larger, float) * scale**0.7
    levels -= levels.min()
    photo = (levels * (255 / levels.max())).astype(np.uint8)

    mask = Image.new("L", (width, height))
    draw = ImageDraw.Draw(mask)
    for _ in range(num_specks):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(1, 5)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    for _ in range(num_scratches):
        point, angle = rng.uniform((0, 0), (width, height)), rng.uniform(0, 2 * np.pi)
        points = [tuple(point)]
        for _ in range(8):
            angle += rng.normal(0, 0.15)
            point = point + 80 * np.array([np.cos(angle), np.sin(angle)])
            points.append(tuple(point))
        draw.line(points, fill=255, width=int(rng.integers(1, 4)))
    return photo, np.asarray(mask) > 0


def measure_one(arguments):
    """Seconds and memory of one hole."""
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


class Version:
    """A version of the package, which fills photos in a process of its own."""

    def __init__(self, folder, preset):
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        command = [sys.executable, __file__, "--serve", "--preset", preset]
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def fill(self, path):
        """Fills the photo of an `.npz` file; returns it and the seconds it took."""
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        seconds = float(self._process.stdout.readline())
        return np.load(f"{path}.filled.npy"), seconds

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def serve(preset):
    """Fills the photos whose files the standard input names, see `Version`."""
    inpainter = Inpainter.from_preset(preset)
    for line in sys.stdin:
        path = line.strip()
        with np.load(path) as arrays:
            photo, mask = arrays["photo"], arrays["mask"]
        start = time.perf_counter()
        filled = inpainter.inpaint(photo, mask)
        seconds = time.perf_counter() - start
        np.save(f"{path}.filled.npy", filled)
        print(seconds, flush=True)


def compare_dust(arguments):
    """Seconds and distances of a dusty photo, of this version and another one."""
    folders = {"after": Path(__file__).parents[1]}
    if arguments.before:
        folders = {"before": arguments.before, **folders}
    photo, mask = make_dusty_photo()
    dusty = np.where(mask[..., None], 255, photo).astype(np.uint8)
    distance = PerceptualDistance(load_features("efficientnet-lite0"))
    preset = arguments.preset or TRAINED
    versions = {name: Version(folder, preset) for name, folder in folders.items()}
    seconds, filled = {name: [] for name in versions}, {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dusty.npz"
        np.savez(path, photo=dusty, mask=mask)
        for _ in range(arguments.rounds):
            for name, version in versions.items():
                filled[name], taken = version.fill(path)
                seconds[name].append(taken)
    for name, version in versions.items():
        version.close()
        error = np.abs(filled[name][mask].astype(float) - photo[mask]).mean()
        perceptual = float(distance(to_images(photo[None]), to_images(filled[name][None]))[0])
        taken = ", ".join(f"{each:.1f}" for each in seconds[name])
        print(f"{name}: {taken} s, L1 {error:.3f} of 255, perceptual {perceptual:.6f}")
        print(f"  known pixels changed: {(filled[name] != photo)[~mask].any(axis=-1).sum()}")
    if arguments.before:
        pairs = zip(seconds["before"], seconds["after"], strict=True)
        ratio = statistics.median(before / after for before, after in pairs)
        print(f"before / after: {ratio:.2f}")


DETAIL_ROWS = {"before": {"detail": "none"}, "after": {"detail": "copy"}}


class Judge:
    """Compares fillings of one hole with the true photo."""

    def __init__(self, network, photo, mask, margin=64):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        self.around = tuple(
            slice(max(inside[0] - margin, 0), inside[-1] + 1 + margin)
            for inside in (rows, columns)
        )
        self.network, self.photo, self.mask = network, photo, mask
        self.features = self._features(photo)
        self.roughness = self._roughness(photo)

    def scores(self, filled):
        """Perceptual distance, roughness over the true one, mean absolute difference."""
        distance = PerceptualDistance(lambda features: features)
        layers = zip(self.features, self._features(filled), strict=True)
        perceptual = np.mean([float(distance(true, other)[0]) for true, other in layers])
        error = np.abs(filled[self.mask].astype(float) - self.photo[self.mask]).mean()
        return perceptual, self._roughness(filled) / self.roughness, error

    def _features(self, photo):
        return self.network(to_images(photo[self.around][None]))

    def _roughness(self, photo):
        photo, mask = photo.astype(float), self.mask
        down = np.abs(np.diff(photo, axis=0))[mask[1:] & mask[:-1]]
        right = np.abs(np.diff(photo, axis=1))[mask[:, 1:] & mask[:, :-1]]
        return np.concatenate([down, right]).mean()


def compare_detail(arguments):
    """How sharply and how well large holes are filled, by kind of hole."""
    inpainter = Inpainter.from_preset(arguments.preset or TRAINED)
    network, telea = load_features("efficientnet-lite0"), baselines()["telea"]
    rows = {}
    for path in sorted(arguments.photos.glob("*.jpg"))[: arguments.num]:
        photo = read_picture(path).pixels
        for mask_path in sorted((arguments.photos / "masks").glob(f"{path.stem}_*.png")):
            mask, kind = read_mask(mask_path) > 0, mask_path.stem.rpartition("_")[2]
            corrupted = np.where(mask[..., None], 0, photo).astype(np.uint8)
            judge = Judge(network, photo, mask)
            fills = {
                name: functools.partial(inpainter.inpaint, corrupted, mask, **options)
                for name, options in DETAIL_ROWS.items()
            }
            fills["telea"] = functools.partial(telea, corrupted, mask)
            if len(rows) < 2 * len(fills):
                # For the network to be compiled, which takes any size from the third one on.
                fills["before"]()
            for name, fill in fills.items():
                start = time.perf_counter()
                filled = fill()
                seconds = time.perf_counter() - start
                rows.setdefault((kind, name), []).append((*judge.scores(filled), seconds))
                if arguments.save:
                    save_around(arguments.save / f"{mask_path.stem}_{name}.png", filled, judge)
        # So far: all of them take long.
        print(f"{path.name} done\n{detail_table(rows)}", file=sys.stderr, flush=True)
    print(detail_table(rows))


def detail_table(rows):
    """The means over all photos, by kind of hole and of filling."""
    lines = ["hole  filling  perceptual, % of Telea's  roughness     L1  seconds"]
    for (kind, name), scores in sorted(rows.items()):
        perceptual, roughness, error, seconds = np.mean(scores, axis=0)
        share = 100 * perceptual / np.mean(rows[kind, "telea"], axis=0)[0]
        lines.append(
            f"{kind:4}  {name:7}  {share:23.1f}  {roughness:9.2f}  {error:5.2f}  {seconds:7.2f}"
        )
    return "\n".join(lines)


def save_around(path, filled, judge):
    """Saves the hole and what lies around it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, Picture(filled[judge.around]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=2, default=(6000, 4000))
    parser.add_argument("--hole", type=int, default=300)
    parser.add_argument("--method", choices=METHODS)
    parser.add_argument("--preset")
    parser.add_argument("--architecture", default="deepfill_v2")
    parser.add_argument("--width", type=int, help="the published one unless given")
    parser.add_argument("--feather", type=int, default=0)
    parser.add_argument("--dust", action="store_true", help="a photo full of dust")
    parser.add_argument("--before", type=Path, help="folder of another version")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--detail", action="store_true", help="large holes of true photos")
    parser.add_argument("--photos", type=Path, help="folder of photos, with a folder masks")
    parser.add_argument("--num", type=int, help="photos of it, all unless given")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="where pictures are kept")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.preset)
    elif arguments.dust:
        compare_dust(arguments)
    elif arguments.detail:
        compare_detail(arguments)
    else:
        measure_one(arguments)


if __name__ == "__main__":
    main()
