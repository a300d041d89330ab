"""`keras-inpaint train`: from a folder of photos to a preset."""

import argparse
import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_inpaint.cli.console import shows_progress
from keras_inpaint.cli.quiet_start import quiet_start
from keras_inpaint.training.settings import Settings, default_of, value_type

_LOG = logging.getLogger(__name__)
_METAVARS = {int: "N", float: "NUMBER", str: "NAME"}


def add_verb(verbs: Any) -> None:
    """Adds the verb to a parser's subparsers."""
    parser = verbs.add_parser(
        "train",
        help="train on a folder of photos",
        description="Trains on photos. The run's folder gets settings.json, log.csv, sheets/, "
        "checkpoint/ and preset/, which `keras-inpaint inpaint --preset` takes. Started again "
        "with the same --output, a run goes on, also where it was killed; Ctrl-C saves first.",
    )
    add_settings(parser)
    parser.set_defaults(run=run)


def add_settings(
    parser: Any, leave_out: Sequence[str] = (), helps: Mapping[str, str] | None = None
) -> None:
    """Adds `--config` and an option for each setting of a run to a parser.

    Args:
        parser: `argparse.ArgumentParser`.
        leave_out: Sequence of str. Settings that have no option.
        helps: Mapping of str by setting, or `None`. Other help, its default included.
    """
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="JSON with any of the settings below (image_size for --image-size); those given "
        "here come first",
    )
    for field in dataclasses.fields(Settings):
        name, told = field.name, field.metadata
        if name in leave_out:
            continue
        kind = value_type(name)
        help = told["help"]
        if field.default is not dataclasses.MISSING:
            help += f" (default: {default_of(name)})"
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=_weights if kind is dict else kind,
            choices=told["choices"],
            help=(helps or {}).get(name, help).replace("%", "%%"),
            metavar=None if told["choices"] else told["metavar"] or _METAVARS[kind],
            # Not the setting's: the file of --config comes between.
            default=argparse.SUPPRESS,
        )


def run(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    chosen = chosen_settings(arguments)
    with quiet_start():
        from keras_inpaint.training.run import train
    settings = Settings.from_dict(chosen)
    steps = train(settings, verbose=int(shows_progress()))
    if steps < settings.steps:
        config = Path(settings.output) / "settings.json"
        _LOG.warning(
            "Stopped after step %d. Go on with: keras-inpaint train --config %s", steps, config
        )
        return 130
    print(Path(settings.output) / "preset")
    return 0


def chosen_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings of the options and, where they say nothing, of the file of `--config`.

    Raises:
        ValueError: If the file holds something else, or photos or output are not named.
    """
    names = [field.name for field in dataclasses.fields(Settings)]
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
