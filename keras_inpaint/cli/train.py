"""`keras-inpaint train` and `tune`: from a folder of photos to a preset or to settings."""

import argparse
import dataclasses
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_inpaint.arguments import check_names
from keras_inpaint.cli import presets
from keras_inpaint.cli.console import print_result, quiet_start, shows_progress
from keras_inpaint.cli.options import add_option
from keras_inpaint.files import check_source, read_source
from keras_inpaint.training.checkpoints import SETTINGS_FILE, saved_settings
from keras_inpaint.training.photo_streams import check_sources
from keras_inpaint.training.settings import Settings

_LOG = logging.getLogger(__name__)
# Settings are a few hundred bytes.
_LARGEST_CONFIG = 2**20
# A trial is short; a run is not.
_TRIAL_STEPS = 2000
# Validations of a trial, where its steps can be divided so.
_NUM_VALIDATIONS = 4
_TUNE_HELPS = {
    "output": "folder of the search: new, empty, or that of a search to go on with",
    "steps": f"training steps of a trial (default: {_TRIAL_STEPS})",
    "save_every": "steps between validations, a divisor of --steps (default: a quarter)",
    "validation": "photos for validation (default: every eighth of --data is held out)",
}
_TUNE_OPTIONS: tuple[tuple[str, str, Any, str], ...] = (
    ("objective", "NAME", str, "val_hole_l1 (default), val_l1, val_psnr, val_ssim or, with "
     "--network, val_perceptual"),
    ("algorithm", "NAME", str, "random (default), hyperband or bayesian"),
    ("max_trials", "N", int, "trials at most, earlier ones included (default: 20)"),
    ("max_failures", "N", int, "failed trials in a row that end the search (default: 3)"),
)  # fmt: skip


def add_train(verbs: Any) -> None:
    """Adds `train` to a parser's subparsers."""
    parser = verbs.add_parser(
        "train",
        help="train on a folder of photos",
        description="Trains on photos. The run's folder gets settings.json, log.csv, sheets/, "
        "checkpoint/, report.md and preset/, which `keras-inpaint inpaint --preset` takes. "
        "Started again with the same --output, a run goes on, also where it was killed; Ctrl-C "
        "saves first.",
    )
    add_settings(parser)
    parser.add_argument(
        "--repeat-step",
        type=int,
        metavar="N",
        help="train nothing: repeat a step that was not finite, as the run saved it, and print "
        "its losses",
    )
    parser.set_defaults(run=run_train)


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
        if field.name not in leave_out:
            # Not the setting's default: the file of --config comes between.
            add_option(parser, field.name, (helps or {}).get(field.name), argparse.SUPPRESS)


def run_train(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    settings = _checked(chosen_settings(arguments))
    with quiet_start():
        from keras_inpaint.training.cluster import leave_at_exit, tasks_of
        from keras_inpaint.training.run import repeat_step, train
    if arguments.repeat_step is not None:
        for name, value in repeat_step(settings, arguments.repeat_step).items():
            print_result(f"{name} {value:g}")
        return 0
    tasks = tasks_of(settings)
    # Of several processes, the chief alone writes, and draws a line.
    is_chief = tasks is None or tasks.index == 0
    try:
        steps = train(settings, verbose=int(is_chief and shows_progress()))
    except ConnectionError:
        if tasks is not None:
            leave_at_exit(2)
        raise
    if not is_chief:
        return 0 if steps == settings.steps else 130
    if steps < settings.steps:
        config = Path(settings.output) / "settings.json"
        _LOG.warning(
            "Stopped after step %d. Go on with: keras-inpaint train --config %s", steps, config
        )
        return 130
    print_result(Path(settings.output) / "preset")
    return 0


def _checked(chosen: dict[str, Any]) -> Settings:
    """Settings of which all is seen to fit that can be without loading TensorFlow."""
    settings = Settings.from_dict(chosen)
    check_sources(settings)
    if settings.preset is not None:
        presets.check_preset(settings.preset)
    return settings


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


def _read_config(path: Path | None, names: list[str]) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        content = read_source(path, _LARGEST_CONFIG, what="JSON", name="--config")
    except FileNotFoundError as error:
        raise ValueError(
            f"--config must name a file. Received: --config={str(path)!r}"
        ) from error
    try:
        config = json.loads(content)
    except (RecursionError, ValueError) as error:
        saved = saved_settings(path.parent) if path.name == SETTINGS_FILE else None
        if saved is None:
            message = f"--config must be a JSON file; {path} is none: {error}"
            raise ValueError(message) from error
        _LOG.warning("%s is damaged: the settings are those of the newest checkpoint.", path)
        config = {**saved, "output": str(path.parent)}
    if not isinstance(config, dict):
        raise ValueError(f"--config must hold a JSON object. Received: no object in {path}")
    check_names(f"Settings in {path}", config, names)
    return config


def add_tune(verbs: Any) -> None:
    """Adds `tune` to a parser's subparsers."""
    parser = verbs.add_parser(
        "tune",
        help="search for the best loss weights",
        description="Searches for the best loss weights by short trainings. The search's "
        "folder gets trials.csv, trials.md, trials.png, and best.json for `keras-inpaint "
        "train --config`. Started again with the same words, a search goes on, also where it "
        "was killed. With KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT "
        "set, a chief and its workers share one search.",
    )
    for name, metavar, kind, meaning in _TUNE_OPTIONS:
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            metavar=metavar,
            help=meaning,
            default=argparse.SUPPRESS,
        )
    parser.add_argument(
        "--search",
        dest="names",
        type=lambda text: text.split(","),
        metavar="NAMES",
        help="such as adversarial,learning_rate (default: the loss weights)",
        default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--bounds",
        type=_bounds,
        metavar="BOUNDS",
        help="such as adversarial=0.01:1,hole=1:4 (default: a decade either way)",
        default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--network",
        type=Path,
        metavar="FILE",
        help="for val_perceptual: a .keras model from images in [-1, 1] to features",
    )
    add_settings(
        parser, leave_out=["sheets_every", "keep_last", "keep_best"], helps=_TUNE_HELPS
    )
    parser.set_defaults(run=run_tune)


def run_tune(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    chosen = {"steps": _TRIAL_STEPS, **chosen_settings(arguments)}
    chosen["save_every"] = _save_every(chosen, is_asked_for="save_every" in vars(arguments))
    names = [name for name, *_ in _TUNE_OPTIONS] + ["names", "bounds"]
    options = {name: value for name, value in vars(arguments).items() if name in names}
    settings = _checked(chosen)
    if arguments.network is not None:
        check_source(arguments.network, what="model", name="--network")
    with quiet_start():
        from keras_inpaint.tuning.search import search
    if arguments.network is not None:
        options["network"] = _read_network(arguments.network)
    try:
        best = search(settings, verbose=int(shows_progress()), **options)
    except KeyboardInterrupt:
        _LOG.warning("Stopped. The same command goes on with the trial under way.")
        return 130
    if best is None:
        _LOG.info("The chief writes the report.")
    else:
        print_result(best)
    return 0


def _save_every(chosen: dict[str, Any], is_asked_for: bool) -> Any:
    """Steps between validations: as asked for, or as in the file if that divides them."""
    steps, given = chosen["steps"], chosen.get("save_every")
    # What is no number is refused with all other settings.
    if is_asked_for or not isinstance(steps, int) or steps < 1:
        return given or 1
    if isinstance(given, int) and given > 0 and steps % given == 0:
        return given
    return next(steps // num for num in range(_NUM_VALIDATIONS, 0, -1) if steps % num == 0)


def _bounds(text: str) -> dict[str, tuple[float, float]]:
    try:
        pairs = [pair.split("=") for pair in text.split(",")]
        ends = {name: [float(end) for end in bounds.split(":")] for name, bounds in pairs}
        return {name: (low, high) for name, (low, high) in ends.items()}
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"must be name=low:high,name=low:high. Received: {text!r}"
        ) from error


def _read_network(path: Path) -> Callable[[Any], Any]:
    import keras

    try:
        network: Callable[[Any], Any] = keras.models.load_model(path, compile=False)
    # Keras has many kinds of errors for what is no model.
    except Exception as error:
        raise ValueError(
            f"--network must name a model that Keras has saved: {error}. Received: {path}"
        ) from error
    return network
