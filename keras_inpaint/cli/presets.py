"""`keras-inpaint convert` and `export`, and the `--preset` of every command."""

import argparse
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
        description="Makes a preset of published weights, whose kind is seen from their names: "
        "a TensorFlow 1 checkpoint of the authors' program (its folder or prefix), or a .pt or "
        ".pth file of a PyTorch port. Prints where the preset is. Weights keep the licence of "
        "their source.",
    )
    parser.add_argument("source", metavar="SOURCE", type=Path)
    parser.add_argument("preset_dir", metavar="PRESET_DIR", type=Path)
    parser.add_argument(
        "--channel-order",
        choices=("rgb", "bgr"),
        help="of the pictures that the weights were trained with (default: the program's, or "
        "rgb where SOURCE does not tell); the preset's pictures are RGB in any case",
    )
    parser.add_argument(
        "--replace", action="store_true", help="replace the preset that PRESET_DIR holds"
    )
    parser.set_defaults(run=run_convert)


def run_convert(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    with quiet_start():
        from keras_inpaint.conversion import convert

    preset = convert(
        arguments.source,
        arguments.preset_dir,
        arguments.channel_order,
        arguments.replace,
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
    parser.set_defaults(run=run_export)


def run_export(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    inpainter = load_inpainter(arguments.preset)
    with quiet_start():
        version = inpainter.export(arguments.output)
    print_result(version)
    return 0
