"""`keras-inpaint train`: from a folder of photos to a preset."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_inpaint.cli.quiet_start import quiet_start

# Name, type and meaning of each setting. Defaults stand in
# `keras_inpaint.training.settings.Settings` alone, which takes seconds to load.
SETTINGS: tuple[tuple[str, type, str], ...] = (
    ("data", str, "photos to learn from: a folder, a pattern, or a text file of paths"),
    ("output", str, "folder of the run: new, empty, or that of a run to go on with"),
    ("architecture", str, "deepfill_v1 or deepfill_v2 (default)"),
    ("width", int, "filters of the first convolutions (default: 32 for v1, 48 for v2)"),
    ("image_size", int, "height and width of the images (default: 256)"),
    ("batch_size", int, "images a step (default: 16)"),
    ("steps", int, "training steps in all (default: 100000)"),
    ("critic_width", int, "filters of the critic's first convolutions (default: 64)"),
    ("critic_steps", int, "the critic's updates for one of the generator's (default: 1)"),
    ("loss_weights", dict, "such as hole=1.2,adversarial=0.01 (default: the published ones)"),
    ("learning_rate", float, "of both optimizers, at the start (default: 0.0001)"),
    ("final_learning_rate", float, "what it falls to at the last step (default: it stays)"),
    ("critic_learning_rate", float, "of the critic's optimizer (default: that of both)"),
    ("gamma", float, "v1: discount of the hole a pixel of distance (default: 0.99)"),
    ("box_share", float, "v2: share of boxes, the rest strokes (default: both in each hole)"),
    ("min_scale", float, "smallest squares of photos, of the short side (default: image size)"),
    ("masks", str, "mask files, given as --data is (default: masks are drawn)"),
    ("mask_choice", str, "random (default): any mask for any photo; paired: of its name"),
    ("mosaic", int, "learn to restore mosaics of tiles of N pixels (default: holes are blank)"),
    ("validation", str, "photos to measure on, given as --data is"),
    ("validation_masks", str, "masks of --validation, named like the photos"),
    ("preset", str, "to start from: bundled preset, folder of one, or hf://owner/name"),
    ("seed", int, "seed of weights, masks and order of photos (default: 0)"),
    ("save_every", int, "steps between checkpoints and measurements (default: 1000)"),
    ("sheets_every", int, "steps between sheets of pictures; 0 for none (default: 1000)"),
    ("precision", str, "float32 (default), mixed_bfloat16 or mixed_float16"),
    ("distribution", str, "mirrored (default with several GPUs): they share a batch; or none"),
)


def add_verb(verbs: Any) -> None:
    """Adds the verb to a parser's subparsers."""
    parser = verbs.add_parser(
        "train",
        help="train on a folder of photos",
        description="Trains on photos. The run's folder gets settings.json, log.csv, sheets/, "
        "checkpoint/ and preset/, which `keras-inpaint inpaint --preset` takes. Started again "
        "with the same --output, a run goes on, also where it was killed; Ctrl-C saves first.",
    )
    add_settings(parser, SETTINGS)
    parser.set_defaults(run=run)


def add_settings(parser: Any, settings: Sequence[tuple[str, type, str]]) -> None:
    """Adds `--config` and an option a setting to a parser."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="JSON with any of the settings below (image_size for --image-size); those given "
        "here come first",
    )
    for name, kind, meaning in settings:
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=_weights if kind is dict else kind,
            help=meaning,
            metavar={int: "N", float: "NUMBER", str: "NAME", dict: "WEIGHTS"}[kind],
            default=argparse.SUPPRESS,
        )


def run(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    chosen = chosen_settings(arguments)
    with quiet_start():
        from keras_inpaint.training.run import train
        from keras_inpaint.training.settings import Settings

        settings = Settings.from_dict(chosen)
    steps = train(settings, verbose=1 if sys.stdout.isatty() else 0)
    if steps < settings.steps:
        config = Path(settings.output) / "settings.json"
        print(f"Stopped after step {steps}. Go on with: keras-inpaint train --config {config}")
        return 130
    print(Path(settings.output) / "preset")
    return 0


def chosen_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings of the options and, where they say nothing, of the file of `--config`.

    Raises:
        ValueError: If the file holds something else, or photos or output are not named.
    """
    names = [name for name, _, _ in SETTINGS]
    given = {name: value for name, value in vars(arguments).items() if name in names}
    chosen = {**_read_config(arguments.config, names), **given}
    for name in ("data", "output"):
        if not chosen.get(name):
            raise ValueError(f"Name the {name}: --{name}, or {name!r} in the file of --config.")
    return chosen


def _weights(text: str) -> dict[str, float]:
    try:
        pairs = [pair.split("=") for pair in text.split(",")]
        return {name: float(weight) for name, weight in pairs}
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"must be name=weight,name=weight. Received: {text!r}"
        ) from error


def _read_config(path: Path | None, names: list[str]) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"--config must name a file. Received: {str(path)!r}") from error
    except ValueError as error:
        raise ValueError(f"--config must be a JSON file; {path} is none: {error}") from error
    unknown = sorted(set(config) - set(names)) if isinstance(config, dict) else ["no object"]
    if unknown:
        raise ValueError(
            f"--config may set {', '.join(names)}. Received: {', '.join(unknown)} in {path}"
        )
    return dict(config)
