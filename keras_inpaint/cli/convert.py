"""`keras-inpaint convert`: from published weights to a preset."""

import argparse
from pathlib import Path
from typing import Any

from keras_inpaint.cli.quiet_start import quiet_start


def add_verb(verbs: Any) -> None:
    """Adds the verb to a parser's subparsers."""
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
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    with quiet_start():
        from keras_inpaint.conversion import convert

    preset = convert(
        arguments.source,
        arguments.preset_dir,
        arguments.channel_order,
        arguments.replace,
    )
    print(preset)
    return 0
