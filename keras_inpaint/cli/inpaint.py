"""`keras-inpaint inpaint`: a photo, or a folder of them."""

import argparse
import dataclasses
import logging
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inpaint.cli import presets
from keras_inpaint.cli.console import Progress
from keras_inpaint.files import atomic_write
from keras_inpaint.pictures import (
    Picture,
    check_writable,
    is_lossy,
    list_pictures,
    read_mask,
    read_picture,
    write_picture,
)
from keras_inpaint.pictures.formats import FORMATS
from keras_inpaint.pictures.writing import what_is_lost

_LOG = logging.getLogger(__name__)
Masks = NDArray[np.uint8]
METHODS = ("whole", "crop", "resize")
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def add_verb(verbs: Any) -> None:
    """Adds the verb to a parser's subparsers."""
    parser = verbs.add_parser(
        "inpaint",
        help="fill the hole of a photo, or of each photo of a folder",
        description="Fills the hole of a photo: PHOTO, MASK and OUT are files. Or of many: all "
        "three are folders, a photo's mask has its name but for the suffix, and the filled "
        "photo has all of its name. Prints where the filled photos are.",
        epilog="Known pixels, transparency, colour profile and EXIF are kept, with 8 bits a "
        "channel. JPEG changes all pixels a little and has no transparency: choose PNG, TIFF "
        "or WebP for OUT where that matters.",
    )
    parser.add_argument("photo", metavar="PHOTO", type=Path)
    parser.add_argument(
        "--mask",
        required=True,
        type=Path,
        help="brighter than mid-grey (above 127) is the hole",
    )
    parser.add_argument("--output", required=True, metavar="OUT", type=Path)
    presets.add_preset(parser)
    parser.add_argument(
        "--invert-mask", action="store_true", help="the mask marks what is known"
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        help="what the network sees: the whole photo, a crop around each hole, or the photo "
        "made smaller (default: what suits photo and hole)",
    )
    parser.add_argument(
        "--feather",
        type=_pixels,
        default=0,
        metavar="N",
        help="known pixels up to N from the hole blend into the filling (default: 0)",
    )
    parser.add_argument(
        "--memory-limit",
        type=_bytes,
        metavar="SIZE",
        help="memory that filling may take, such as 2G (default: half of the machine's)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    if arguments.photo.is_dir():
        return _fill_folder(arguments)
    check_writable(arguments.output)
    for name in ("photo", "mask"):
        if _is_same(arguments.output, getattr(arguments, name)):
            raise ValueError(
                f"--output must be another file than the {name}. "
                f"Received: {str(arguments.output)!r} for both"
            )
    with Progress(1) as progress:
        progress.begin(str(arguments.photo))
        filling = Filling(arguments, progress)
        filling.fill(arguments.photo, arguments.mask, arguments.output)
    return 0


def _fill_folder(arguments: argparse.Namespace) -> int:
    photos, masks = list_pictures(arguments.photo), list_pictures(arguments.mask)
    _check_names(photos, "photos")
    _check_names(masks, "masks")
    mask_of = {mask.stem: mask for mask in masks}
    if not any(photo.stem in mask_of for photo in photos):
        raise ValueError(
            "No photo has a mask of the same name (but for the suffix). Rename the masks. "
            f"Received: {photos[0].name} and others, {masks[0].name} and others"
        )
    _make_folder(arguments)
    check_writable(arguments.output / photos[0].name)

    num_failed = 0
    with Progress(len(photos)) as progress:
        filling = Filling(arguments, progress)
        filling.load()
        for photo in photos:
            progress.begin(str(photo))
            try:
                if photo.stem not in mask_of:
                    raise ValueError(f"there is no mask {arguments.mask / photo.stem}.*")
                filling.fill(photo, mask_of[photo.stem], arguments.output / photo.name)
            except (OSError, ValueError) as error:
                num_failed += 1
                _LOG.warning("%s failed: %s", photo, " ".join(str(error).split()))
    if num_failed:
        _LOG.warning("%d of %d photos failed.", num_failed, len(photos))
    return 1 if num_failed else 0


def _make_folder(arguments: argparse.Namespace) -> None:
    output = arguments.output
    for name in ("photo", "mask"):
        if _is_same(output, getattr(arguments, name)):
            raise ValueError(
                f"--output must be another folder than that of the {name}s. "
                f"Received: {str(output)!r} for both"
            )
    if output.exists() and not output.is_dir():
        raise ValueError(
            "--output must be a folder where PHOTO is one. Choose another name. "
            f"Received: {str(output)!r}, which is a file"
        )
    output.mkdir(parents=True, exist_ok=True)


def _check_names(paths: list[Path], kind: str) -> None:
    stems = [path.stem for path in paths]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise ValueError(
            f"The {kind} of a folder must differ in more than the suffix. Rename some. "
            f"Received: several named {', '.join(twice)} in {str(paths[0].parent)!r}"
        )


def _is_same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _pixels(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a number of pixels. Received: {text!r}")
    return int(text)


def _bytes(text: str) -> int:
    number = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]?)(?:i?b)?", text.strip().lower())
    count = int(float(number[1]) * _UNITS[number[2]]) if number else 0
    if count < 1:
        raise argparse.ArgumentTypeError(
            f"must be a number of bytes such as 500M or 2G. Received: {text!r}"
        )
    return count


class Filling:
    """Fills one photo file after the other as a command's arguments say.

    Args:
        arguments: Namespace with `preset`, `invert_mask`, `method`, `feather` and
            `memory_limit`.
        progress: Progress. What is told of each photo's parts.
    """

    def __init__(self, arguments: argparse.Namespace, progress: Progress) -> None:
        self.arguments = arguments
        self.progress = progress
        self._inpainter: Any = None
        self._is_loss_told = False

    def load(self) -> Any:
        """Returns the inpainter, which takes seconds the first time."""
        if self._inpainter is None:
            self._inpainter = presets.load_inpainter(self.arguments.preset)
        return self._inpainter

    def fill(self, photo: Path, mask: Path, output: Path) -> None:
        """Fills the hole of one photo and prints where the filled one is.

        A photo without a hole is copied, where its suffix stays: no pixel changes then,
        whatever the format.

        Raises:
            ValueError: If it cannot be done.
            OSError: If a file cannot be read or written.
        """
        picture, holes = self._read(photo, mask)
        if holes.any():
            pixels = self._inpaint(picture, holes)
            write_picture(output, dataclasses.replace(picture, pixels=pixels))
            self._tell_losses(picture, output)
        elif _kind(photo) == _kind(output):
            with atomic_write(output) as draft:
                shutil.copyfile(photo, draft)
        else:
            write_picture(output, picture)
            self._tell_losses(picture, output)
        print(output, flush=True)

    def _read(self, photo: Path, mask: Path) -> tuple[Picture, Masks]:
        is_inverted = self.arguments.invert_mask
        picture, holes = read_picture(photo), read_mask(mask, invert=is_inverted)
        if holes.shape != picture.size:
            (height, width), (mask_height, mask_width) = picture.size, holes.shape
            raise ValueError(
                f"The mask must be of the photo's size, {width} x {height} pixels. Resize it. "
                f"Received: {str(mask)!r} of {mask_width} x {mask_height}"
            )
        self._tell_extremes(mask, holes)
        return picture, holes

    def _tell_extremes(self, mask: Path, holes: Masks) -> None:
        shade, remedy = ("bright", "omit") if self.arguments.invert_mask else ("dark", "add")
        advice = f"If {shade} marks the hole, {remedy} --invert-mask."
        if not holes.any():
            _LOG.warning("%s has no hole: the photo stays as it is. %s", mask, advice)
        elif holes.all():
            _LOG.warning("%s leaves nothing known: all is invented. %s", mask, advice)

    def _inpaint(self, picture: Picture, holes: Masks) -> NDArray[np.uint8]:
        arguments = self.arguments
        try:
            pixels = self.load().inpaint(
                picture.pixels,
                holes,
                method=arguments.method,
                feather=arguments.feather,
                memory_limit=arguments.memory_limit,
                progress=self.progress.update,
            )
        except Exception as error:
            # TensorFlow's own kind of MemoryError, known by name: other backends have none.
            name = type(error).__name__
            if not isinstance(error, MemoryError) and "ResourceExhausted" not in name:
                raise
            height, width = picture.size
            raise ValueError(
                "The memory does not suffice for this photo. Try --method crop, make it "
                f"smaller, or end other programs. Received: {width} x {height} pixels"
            ) from error
        return np.asarray(pixels)

    def _tell_losses(self, picture: Picture, output: Path) -> None:
        lost = what_is_lost(output, picture)
        if lost:
            parts = " and ".join(lost)
            _LOG.warning("%s cannot hold the photo's %s; PNG can.", output, parts)
        if is_lossy(output) and not self._is_loss_told:
            self._is_loss_told = True
            _LOG.info(
                "JPEG is encoded anew, which changes known pixels a little; PNG, TIFF and "
                "WebP keep them."
            )


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    return FORMATS.get(suffix, suffix)
