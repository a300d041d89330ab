"""`keras-inpaint export`: from a preset to what a server loads."""

import argparse
from pathlib import Path
from typing import Any

from keras_inpaint.cli import filling
from keras_inpaint.cli.inpaint import add_preset
from keras_inpaint.cli.quiet_start import quiet_start


def add_verb(verbs: Any) -> None:
    """Adds the verb to a parser's subparsers."""
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
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    inpainter = filling.load_inpainter(arguments.preset)
    with quiet_start():
        version = inpainter.export(arguments.output)
    print(version)
    return 0
