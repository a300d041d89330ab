"""`keras-inpaint inpaint`: a photo, or a folder of them."""

import argparse
import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inpaint.cli.quiet_start import quiet_start
from keras_inpaint.pictures import (
    Picture,
    check_writable,
    list_pictures,
    read_mask,
    read_picture,
    write_picture,
)

DEFAULT_PRESET = "flowers-128"

Masks = NDArray[np.uint8]


def add_verb(verbs: Any) -> None:
    """Adds the verb to a parser's subparsers."""
    parser = verbs.add_parser(
        "inpaint",
        help="fill the hole of a photo, or of each photo of a folder",
        description="Fills the hole of a photo: PHOTO, MASK and OUT are files. Or of many: all "
        "three are folders, a photo's mask has its name but for the suffix, and the filled "
        "photo has all of its name. Prints where the filled photos are.",
        epilog="Known pixels, transparency, colour profile and EXIF are kept. JPEG changes all "
        "pixels a little: choose PNG, TIFF or WebP for OUT where that matters.",
    )
    parser.add_argument("photo", metavar="PHOTO", type=Path)
    parser.add_argument(
        "--mask",
        required=True,
        type=Path,
        help="brighter than mid-grey (above 127) is the hole",
    )
    parser.add_argument("--output", required=True, metavar="OUT", type=Path)
    parser.add_argument(
        "--preset",
        default=DEFAULT_PRESET,
        metavar="NAME|FOLDER",
        help="trained weights (default: %(default)s)",
    )
    parser.add_argument(
        "--invert-mask", action="store_true", help="the mask marks what is known"
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
    picture, mask = _read(arguments.photo, arguments.mask, arguments.invert_mask)
    _fill(_load(arguments.preset), picture, mask, arguments.output)
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
    for name in ("photo", "mask"):
        if _is_same(arguments.output, getattr(arguments, name)):
            raise ValueError(
                f"--output must be another folder than that of the {name}s. "
                f"Received: {str(arguments.output)!r} for both"
            )
    arguments.output.mkdir(parents=True, exist_ok=True)
    check_writable(arguments.output / photos[0].name)

    inpainter, num_failed = _load(arguments.preset), 0
    for number, photo in enumerate(photos, start=1):
        print(f"{number}/{len(photos)} {photo}", file=sys.stderr)
        try:
            if photo.stem not in mask_of:
                raise ValueError(f"there is no mask {arguments.mask / photo.stem}.*")
            picture, mask = _read(photo, mask_of[photo.stem], arguments.invert_mask)
            _fill(inpainter, picture, mask, arguments.output / photo.name)
        except (OSError, ValueError) as error:
            num_failed += 1
            print(f"{photo} failed: {' '.join(str(error).split())}", file=sys.stderr)
    if num_failed:
        print(f"{num_failed} of {len(photos)} photos failed.", file=sys.stderr)
    return 1 if num_failed else 0


def _read(photo: Path, mask_path: Path, invert: bool) -> tuple[Picture, Masks]:
    picture, mask = read_picture(photo), read_mask(mask_path, invert=invert)
    if mask.shape != picture.size:
        (height, width), (mask_height, mask_width) = picture.size, mask.shape
        raise ValueError(
            f"The mask must be of the photo's size, {width} x {height} pixels. Resize it. "
            f"Received: {str(mask_path)!r} of {mask_width} x {mask_height}"
        )
    if not mask.any():
        print(
            f"{mask_path} has no hole: the photo stays as it is. If dark marks the hole, add "
            "--invert-mask.",
            file=sys.stderr,
        )
    return picture, mask


def _load(preset: str) -> Any:
    # Not before the arguments are seen to be right: this takes seconds.
    with quiet_start():
        from keras_inpaint.inpainting import Inpainter

        return Inpainter.from_preset(preset)


def _fill(inpainter: Any, picture: Picture, mask: Masks, output: Path) -> None:
    try:
        pixels = inpainter.inpaint(picture.pixels, mask)
    except Exception as error:
        # TensorFlow's own kind of MemoryError, known by name: other backends have none.
        if (
            not isinstance(error, MemoryError)
            and "ResourceExhausted" not in type(error).__name__
        ):
            raise
        height, width = picture.size
        raise ValueError(
            "The memory does not suffice for a photo of this size. Make it smaller, or cut out "
            f"the part around the hole. Received: {width} x {height} pixels"
        ) from error
    write_picture(output, dataclasses.replace(picture, pixels=pixels))
    print(output)


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
