"""`keras-inpaint tune`: from a folder of photos to the best loss weights."""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_inpaint.cli.console import shows_progress
from keras_inpaint.cli.quiet_start import quiet_start
from keras_inpaint.cli.train import add_settings, chosen_settings
from keras_inpaint.training.settings import Settings

_LOG = logging.getLogger(__name__)
# A trial is short; a run is not.
_STEPS = 2000
# Validations of a trial, where its steps can be divided so.
_NUM_VALIDATIONS = 4
_MEANINGS = {
    "output": "folder of the search: new, empty, or that of a search to go on with",
    "steps": f"training steps of a trial (default: {_STEPS})",
    "save_every": "steps between validations, a divisor of --steps (default: a quarter)",
    "validation": "photos for validation (default: every eighth of --data is held out)",
}
_OPTIONS: tuple[tuple[str, str, Any, str], ...] = (
    ("objective", "NAME", str, "val_hole_l1 (default), val_l1, val_psnr, val_ssim or, with "
     "--network, val_perceptual"),
    ("algorithm", "NAME", str, "random (default), hyperband or bayesian"),
    ("max_trials", "N", int, "trials at most, earlier ones included (default: 20)"),
    ("max_failures", "N", int, "failed trials in a row that end the search (default: 3)"),
)  # fmt: skip


def add_verb(verbs: Any) -> None:
    """Adds the verb to a parser's subparsers."""
    parser = verbs.add_parser(
        "tune",
        help="search for the best loss weights",
        description="Searches for the best loss weights by short trainings. The search's "
        "folder gets trials.csv, trials.md, trials.png, and best.json for `keras-inpaint "
        "train --config`. Started again with the same words, a search goes on, also where it "
        "was killed. With KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT "
        "set, a chief and its workers share one search.",
    )
    for name, metavar, kind, meaning in _OPTIONS:
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
    add_settings(parser, leave_out=["sheets_every"], helps=_MEANINGS)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Does what the arguments say and returns the exit code."""
    chosen = {"steps": _STEPS, **chosen_settings(arguments)}
    chosen["save_every"] = _save_every(chosen, is_asked_for="save_every" in vars(arguments))
    names = [name for name, *_ in _OPTIONS] + ["names", "bounds"]
    options = {name: value for name, value in vars(arguments).items() if name in names}
    with quiet_start():
        from keras_inpaint.tuning.search import search
    settings = Settings.from_dict(chosen)
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
        print(best)
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
