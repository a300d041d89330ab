"""`keras-inpaint convert`, `publish` and `export`, and the `--preset` of every command."""

import argparse
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from keras_inpaint.cli.console import known_folder, print_result, quiet_start, shows_progress
from keras_inpaint.conversion.files import check_free, critic_size, find_source
from keras_inpaint.export.targets import check_export

DEFAULT_PRESET = "photos-128"
# Formats of `export` and the options of each; why others have them not.
_FORMATS: dict[str, tuple[str, ...]] = {
    "saved_model": ("max_pixels",),
    "onnx": (),
    "litert": ("image_size", "float16"),
    "page": (),
}
_REASONS = {
    "max_pixels": "its graph has no assertions and can refuse nothing. Limit the pixels in the "
    "program that runs it.",
    "image_size": "it takes pictures of any size. Leave it out.",
    "float16": "its weights are of single precision. Leave it out.",
}


def add_preset(parser: argparse.ArgumentParser) -> None:
    """Adds `--preset` to a parser."""
    parser.add_argument(
        "--preset",
        default=DEFAULT_PRESET,
        metavar="NAME|FOLDER|FILE.onnx|hf://OWNER/NAME",
        help="trained weights, or an ONNX file that `export` wrote (default: %(default)s)",
    )


def load_inpainter(preset: str) -> Any:
    """Loads a preset. Not before the arguments are seen to be right: it takes seconds."""
    with quiet_start():
        from keras_inpaint.inpainting import Inpainter
        from keras_inpaint.presets.reading import is_onnx_name

        if is_onnx_name(preset):
            return Inpainter.from_onnx(preset)
        return Inpainter.from_preset(preset)


def check_preset(preset: str, is_sketched: bool = False) -> None:
    """Refuses a preset that is not there, or not whole, before Keras is loaded: seconds.

    Args:
        preset: str. As `--preset` takes.
        is_sketched: bool. Whether it must be guided: have a place for a sketch.
    """
    with quiet_start():
        from keras_inpaint.files import check_source
        from keras_inpaint.presets.reading import check_files, is_onnx_name

        if is_onnx_name(preset):
            check_source(preset, what="ONNX file")
            return
        generator = check_files(preset)
    # Of a class of the user's own, the loaded network knows.
    is_own = generator.get("registered_name") != "keras_inpaint>Generator"
    if is_sketched and not is_own and not generator["config"].get("guided", False):
        from keras_inpaint.inpainting.sketches import not_guided

        raise not_guided(f"preset={preset!r}")


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
    parser.set_defaults(run=run_convert, typed={"folder": "PRESET_DIR"})


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})(?:x(\d{1,6}))?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"must be HxW, such as 256x512. Received: {text!r}")
    return int(match[1]), int(match[2] or match[1])


def run_convert(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    known = known_folder(arguments.preset_dir)
    find_source(arguments.source)
    critic_size(arguments.image_size)
    check_free(arguments.preset_dir, arguments.replace)
    with quiet_start():
        from keras_inpaint.conversion import convert

    known.check()
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


def add_publish(verbs: Any) -> None:
    """Adds `publish` to a parser's subparsers."""
    parser = verbs.add_parser(
        "publish",
        help="upload a preset to the Hugging Face hub",
        description="Uploads a preset to a repository of the Hugging Face hub, with its model "
        "card and credits, once all of it is seen to load. Makes the repository where it is "
        "missing, and replaces a preset that it holds. Prints the address of the commit, which "
        "--preset takes. Log in first, by `hf auth login` or HF_TOKEN.",
    )
    parser.add_argument("preset", metavar="PRESET", help="a folder, or a bundled preset")
    parser.add_argument("uri", metavar="hf://OWNER/NAME")
    parser.add_argument(
        "--private", action="store_true", help="make a repository that nobody else sees"
    )
    parser.add_argument("--message", metavar="TEXT", help="the message of the commit")
    parser.set_defaults(run=run_publish)


def run_publish(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    # The hub's library draws a bar for each file, on a terminal.
    with nullcontext() if shows_progress() else quiet_start():
        from keras_inpaint.presets import upload_preset

        address = upload_preset(
            arguments.uri, arguments.preset, arguments.private, arguments.message
        )
    print_result(address)
    return 0


def add_export(verbs: Any) -> None:
    """Adds `export` to a parser's subparsers."""
    parser = verbs.add_parser(
        "export",
        help="write a SavedModel, an ONNX or a LiteRT file, or a page that fills in browsers",
        description="Writes a preset for programs that need neither this package nor Keras: as "
        "a SavedModel, into FOLDER/1 or the number after the highest there is, as an ONNX "
        "file, as a LiteRT file, or as a static page to paint on, for any web space. Before it "
        "appears, it is loaded and compared with the preset. Prints where it is.",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="FOLDER|FILE",
        type=Path,
        help="the model's folder, such as saved_models/NAME, in which versions are numbered; "
        "or the file, such as NAME.onnx or NAME.tflite; or the page's folder, such as site/",
    )
    add_preset(parser)
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        default="saved_model",
        help="for TensorFlow; for ONNX Runtime and OpenVINO; for LiteRT on phones; or a page "
        "for browsers, without a server (default: %(default)s)",
    )
    parser.add_argument(
        "--max-pixels",
        metavar="N",
        type=int,
        help="of a SavedModel: height times width of the largest picture that the model takes; "
        "0 for no limit (default: 16777216, those of 4096 x 4096)",
    )
    parser.add_argument(
        "--image-size",
        metavar="HxW",
        type=_size,
        help="of a LiteRT file: height and width of its pictures; it takes no others",
    )
    parser.add_argument(
        "--float16",
        action="store_const",
        const=True,
        help="of a LiteRT file: weights in half precision, half the size",
    )
    parser.set_defaults(run=run_export, typed={"path": "--output", "folder": "--output"})


def run_export(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    options = _export_options(arguments)
    check_export(arguments.format, arguments.output, **options)
    check_preset(arguments.preset)
    known = known_folder(arguments.output)
    inpainter = load_inpainter(arguments.preset)
    known.check()
    with quiet_start():
        from keras_inpaint import export, serving

        package = serving if arguments.format == "page" else export
        write = getattr(package, f"export_{arguments.format}")
        written = write(inpainter, arguments.output, **options)
    print_result(written)
    return 0


def _export_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of a format; those of others are refused."""
    format, options = arguments.format, {}
    for name, reason in _REASONS.items():
        value = getattr(arguments, name)
        if value is None:
            continue
        if name not in _FORMATS[format]:
            raise ValueError(
                f"--{name.replace('_', '-')} is no option of --format {format}: {reason}"
            )
        # 0 pixels stand for no limit.
        options[name] = value or None
    if format == "litert" and "image_size" not in options:
        raise ValueError(
            "--format litert needs --image-size HxW: a LiteRT file takes pictures of one size. "
            "Write a file for each size, or choose --format onnx, which takes all."
        )
    return options
