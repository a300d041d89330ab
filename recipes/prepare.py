"""Prepares photos and a perceptual network for `train_on_device.py`.

    python recipes/prepare.py photos train/ general/ --exclude held-out.txt --output prepared/
    python recipes/prepare.py network efficientnet-lite2 --output prepared/

The photos become JPEG files of at most 320 x 320 pixels in archives of at most 20 MiB, each
named after its folder and file; the network, which only PyTorch reads, becomes one `.npz`.
With them, a machine that has JAX, Keras, NumPy and Pillow can train.
"""

import argparse
import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from keras_inpaint.data import find_photos
from keras_inpaint.evaluation.features import NAMES, read_weights

LONGEST_SIDE = 320
MOST_BYTES = 20 * 2**20
_QUALITY = 86
# What a zip archive holds of each file beside its content, at most.
_OVERHEAD = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    subcommands = parser.add_subparsers(dest="subcommand", required=True)
    photos = subcommands.add_parser("photos", help="pack photos")
    photos.add_argument("photos", nargs="+", help="folders, patterns or lists of photos")
    photos.add_argument("--exclude", type=Path, help="text file of file names, one per line")
    network = subcommands.add_parser("network", help="convert a perceptual network")
    network.add_argument("name", choices=NAMES)
    for each in (photos, network):
        each.add_argument("--output", type=Path, required=True, help="folder to write to")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.subcommand == "network":
        weights = read_weights(arguments.name)
        # Half as large, and as exact as what is computed with them.
        halved = {name: array.astype("float16") for name, array in weights.items()}
        halved["strides"] = weights["strides"]
        np.savez(arguments.output / f"{arguments.name}.npz", **halved)
    else:
        lines = arguments.exclude.read_text("utf-8").splitlines() if arguments.exclude else []
        num_photos, num_archives = pack(arguments.photos, set(lines), arguments.output)
        print(f"{num_photos} photos in {num_archives} archives in {arguments.output}")


def pack(sources: list[str], excluded: set[str], output: Path) -> tuple[int, int]:
    """Writes archives of small photos; returns how many photos and archives there are."""
    paths = [Path(path) for source in sources for path in find_photos(source)]
    paths = [path for path in paths if path.name not in excluded]
    for old in output.glob("photos-*.zip"):
        old.unlink()
    archives, size = 0, MOST_BYTES
    for path in paths:
        data = small_jpeg(path)
        size += len(data) + _OVERHEAD
        if size > MOST_BYTES:
            archives, size = archives + 1, len(data) + _OVERHEAD
        with zipfile.ZipFile(output / f"photos-{archives - 1:02d}.zip", "a") as archive:
            archive.writestr(f"{path.parent.name}/{path.stem}.jpg", data)
    return len(paths), archives


def small_jpeg(path: Path) -> bytes:
    """A photo scaled to a short side of at most 320 pixels, its long side cut to 320."""
    with Image.open(path) as opened:
        photo = ImageOps.exif_transpose(opened).convert("RGB")
    scale = min(1.0, LONGEST_SIDE / min(photo.size))
    width, height = (round(scale * side) for side in photo.size)
    cut = min(width, LONGEST_SIDE), min(height, LONGEST_SIDE)
    left, top = ((cut[0] - width) / -2 / scale, (cut[1] - height) / -2 / scale)
    box = (left, top, left + cut[0] / scale, top + cut[1] / scale)
    photo = photo.resize(cut, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


if __name__ == "__main__":
    main()
