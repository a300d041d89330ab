"""`keras-inpaint convert` and `export`, and the `--preset` of every command."""

import argparse
import re
from pathlib import Path
from typing import Any

from keras_inpaint.cli.console import print_result, quiet_start

DEFAULT_PRESET = "flowers-128"


def add_preset(parser: argparse.ArgumentParser) -> None:
    """Adds `--preset` to a parser."""
    parser.add_argument(
        "--preset",
        default=DEFAULT_PRESET,
        metavar="NAME|FOLDER|hf://OWNER/NAME",
        help="trained weights (default: %(default)s)",
    )


def load_inpainter(preset: str) -> Any:
    """Loads a preset. Not before the arguments are seen to be right: it takes seconds."""
    with quiet_start():
        from keras_inpaint.inpainting import Inpainter

        return Inpainter.from_preset(preset)


def add_convert(verbs: Any) -> None:
    """Adds `convert` to a parser's subparsers."""
    parser = verbs.add_parser(
        "convert",
        help="make a preset of published weights",
        description="Makes a preset of published weights: of a TensorFlow 1 checkpoint of the "
        "authors' program (its folder or prefix), or of a file that PyTorch or safetensors "
        "wrote, of any suffix. The program that they come from is seen from the names of the "
        "layers. Prints where the preset is. Weights keep the licence of their source.",
    )
    parser.add_argument("source", metavar="SOURCE", type=Path)
    parser.add_argument("preset_dir", metavar="PRESET_DIR", type=Path)
    parser.add_argument(
        "--select",
        metavar="NAME",
        help="which of several generators in SOURCE is meant, such as G_ema",
    )
    parser.add_argument(
        "--channel-order",
        choices=("rgb", "bgr"),
        help="of the pictures that the weights were trained with (default: the program's, or "
        "the one that is assumed and reported where SOURCE does not show it); the preset's "
        "pictures are RGB in any case",
    )
    parser.add_argument(
        "--image-size",
        metavar="HxW",
        type=_size,
        help="height and width of the pictures that the critics of v1 were trained with, "
        "where they are no squares",
    )
    parser.add_argument(
        "--replace", action="store_true", help="replace the preset that PRESET_DIR holds"
    )
    parser.set_defaults(run=run_convert)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})(?:x(\d{1,6}))?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"must be HxW, such as 256x512. Received: {text!r}")
    return int(match[1]), int(match[2] or match[1])


def run_convert(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    with quiet_start():
        from keras_inpaint.conversion import convert

    preset = convert(
        arguments.source,
        arguments.preset_dir,
        arguments.channel_order,
        arguments.replace,
        select=arguments.select,
        image_size=arguments.image_size,
    )
    print_result(preset)
    return 0


def add_export(verbs: Any) -> None:
    """Adds `export` to a parser's subparsers."""
    parser = verbs.add_parser(
        "export",
        help="write a SavedModel for TensorFlow Serving",
        description="Writes a preset as a SavedModel, which needs neither this package nor "
        "Keras: into FOLDER/1, or the number after the highest there is. Before it appears, "
        "it is loaded and compared with the preset. Prints where it is.",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="FOLDER",
        type=Path,
        help="the model's folder, such as saved_models/NAME, in which versions are numbered",
    )
    add_preset(parser)
    parser.add_argument(
        "--max-pixels",
        metavar="N",
        type=int,
        help="height times width of the largest picture that the model takes; 0 for no limit "
        "(default: 16777216, those of 4096 x 4096)",
    )
    parser.set_defaults(run=run_export)


def run_export(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    inpainter = load_inpainter(arguments.preset)
    with quiet_start():
        limit = arguments.max_pixels
        options = {} if limit is None else {"max_pixels": limit or None}
        version = inpainter.export(arguments.output, **options)
    print_result(version)
    return 0
