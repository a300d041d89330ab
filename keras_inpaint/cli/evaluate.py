"""`keras-inpaint evaluate`: from photos to measures of a preset."""

import argparse
import logging
from pathlib import Path
from typing import Any

from keras_inpaint.arguments import check_hole_area
from keras_inpaint.cli import presets
from keras_inpaint.cli.console import (
    Progress,
    check_report,
    known_folder,
    print_result,
    quiet_start,
)
from keras_inpaint.cli.options import add_option
from keras_inpaint.data.sources import check_exists, find_files
from keras_inpaint.files import check_source
from keras_inpaint.files.room import KnownFolder
from keras_inpaint.pictures import check_writable
from keras_inpaint.pictures.masks import MaskOptions
from keras_inpaint.training.settings import MASK_SETTINGS, mask_options

_LOG = logging.getLogger(__name__)
_HELPS = {
    "memory_limit": "memory that reading a photo or a mask may take, and filling one, such as "
    "2G (default: half of the machine's)"
}
_KINDS = ("boxes", "strokes", "mixture")


def add_verb(verbs: Any) -> None:
    """Adds the verb to a parser's subparsers."""
    parser = verbs.add_parser(
        "evaluate",
        help="measure how close a preset comes to photos",
        description="Makes holes in photos, fills them, and measures how close the fillings "
        "come. Prints a table of means over the photos.",
        epilog="The same words give the same holes and, but for the seconds, the same numbers. "
        "What is measured is said in docs/evaluation.md.",
    )
    parser.add_argument(
        "--data", required=True, metavar="DIR|LIST", help="photos, whole: their holes are made"
    )
    holes = parser.add_mutually_exclusive_group()
    holes.add_argument(
        "--masks", metavar="DIR|LIST", help="masks named like the photos (default: drawn)"
    )
    holes.add_argument(
        "--holes", choices=_KINDS, default="mixture", help="what is drawn (default: mixture)"
    )
    parser.add_argument(
        "--hole-area",
        type=_area,
        metavar="LEAST:MOST",
        help="share of the photo that drawn holes cover, such as 0.1:0.2",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the holes (default: 0)")
    parser.add_argument(
        "--image-size",
        type=_side,
        metavar="N",
        help="measure on the middle of each photo, N x N pixels (default: photos as they are)",
    )
    for name in (*MASK_SETTINGS, "max_pixels", "memory_limit"):
        add_option(parser, name, _HELPS.get(name))
    presets.add_preset(parser)
    parser.add_argument(
        "--baselines",
        action="store_true",
        help="measure OpenCV's Telea and Navier-Stokes and the mean colour too",
    )
    parser.add_argument(
        "--features",
        nargs="+",
        metavar="NETWORK",
        help="measure perceptual and Frechet distance too, as efficientnet-lite0 or a network "
        "of keras.applications sees them, or several",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    parser.add_argument(
        "--sheet",
        type=Path,
        metavar="FILE",
        help="write a picture of the best, the median and the worst there",
    )
    parser.set_defaults(run=run, typed={"photos": "--data"})


def run(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    known = _check_outputs(arguments)
    _check_inputs(arguments)
    with quiet_start():
        from keras_inpaint.evaluation import evaluate

    photos = find_files(arguments.data, name="data").paths
    inpainter = presets.load_inpainter(arguments.preset)
    for folder in known.values():
        folder.check()
    with Progress(len(photos)) as progress:
        evaluation = evaluate(
            inpainter,
            # Masks may lie beside photos: which is which, pairing knows.
            photos if arguments.masks is None else arguments.data,
            arguments.holes if arguments.masks is None else Path(arguments.masks),
            image_size=arguments.image_size,
            hole_area=arguments.hole_area,
            seed=arguments.seed,
            use_baselines=arguments.baselines,
            features=arguments.features,
            sheet=arguments.sheet,
            progress=progress.begin,
            mask_options=mask_options(arguments),
            max_pixels=arguments.max_pixels,
            memory_limit=arguments.memory_limit,
            sketch=_sketch(arguments.preset, inpainter),
        )
    for name, reason in evaluation.failed.items():
        _LOG.warning("%s failed: %s", name, reason)
    if evaluation.failed:
        num = len(evaluation.failed)
        _LOG.warning("%d of %d photos failed.", num, num + len(evaluation.pictures))
    # First: what was measured is told where the file cannot be written after all.
    print(evaluation.table(), flush=True)
    if arguments.json is not None:
        known["json"].check()
        evaluation.save(arguments.json)
    for path in (arguments.json, arguments.sheet):
        if path is not None:
            print_result(path)
    return 1 if evaluation.failed else 0


def _sketch(preset: str, inpainter: Any) -> Any:
    """What drew the sketches that a guided preset was trained with, where it says so."""
    from keras_inpaint.inpainting.sketches import is_guided
    from keras_inpaint.presets.reading import is_onnx_name, read_object

    # Files of ONNX hold nothing of their training.
    if not is_guided(inpainter.generator) or is_onnx_name(preset):
        return None
    return read_object(preset, "sketch", optional=True)


def _check_outputs(arguments: argparse.Namespace) -> dict[str, KnownFolder]:
    """Refuses what cannot be written, before anything is measured."""
    if arguments.sheet is not None:
        check_writable(arguments.sheet, name="sheet")
    if arguments.json is not None:
        check_report(arguments.json, "--json")
    files = {"json": arguments.json, "sheet": arguments.sheet}
    return {name: known_folder(path) for name, path in files.items() if path is not None}


def _check_inputs(arguments: argparse.Namespace) -> None:
    """Refuses what is not there or cannot be, before anything large is loaded."""
    has_masks = arguments.masks is not None
    check_hole_area(arguments.hole_area, is_drawn=not has_masks)
    MaskOptions.of(mask_options(arguments), has_masks)
    for name in ("data", "masks"):
        source = getattr(arguments, name)
        if source is not None:
            check_exists(source, name)
    for network in arguments.features or ():
        if network.endswith(".npz"):
            check_source(network, what="NPZ file", name="features")
    presets.check_preset(arguments.preset)


def _area(text: str) -> tuple[float, float]:
    try:
        least, most = (float(end) for end in text.split(":"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"must be two shares such as 0.1:0.2. Received: {text!r}"
        ) from error
    return least, most


def _side(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"must be a whole number of pixels, at least 1. Received: {text!r}"
        )
    return int(text)
