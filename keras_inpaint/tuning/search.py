"""A whole search, from photos on disk to the best settings, run by Keras Tuner's engine."""

import dataclasses
import gc
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from keras_inpaint.arguments import check_int
from keras_inpaint.files import FolderLock, check_target, sweep, write_json
from keras_inpaint.metrics import PerceptualDistance
from keras_inpaint.training.building import devices_scope
from keras_inpaint.training.cluster import tasks_of
from keras_inpaint.training.settings import BETTER, Settings
from keras_inpaint.tuning.hypermodel import InpaintingHyperModel, check_photos
from keras_inpaint.tuning.report import (
    BEST,
    TRIALS,
    TrialStatus,
    failure_of,
    has_plots,
    write_report,
)
from keras_inpaint.tuning.tuner import (
    InpaintingTuner,
    chief_address,
    engine_errors,
    make_oracle,
    role_of_process,
)

_LOG = logging.getLogger("keras_inpaint.tuning")
# None depends on a loss weight. A loss does, and would call the lightest weights the best.
_DIRECTIONS = {
    name: "min" if is_better(0, 1) else "max"
    for name, is_better in BETTER.items()
    if name != "val_loss"
} | {"val_perceptual": "min"}
_PERCEPTUAL = "val_perceptual"
_SEARCH = "search.json"
# What may change when a search goes on.
_FREE = ("max_trials", "max_failures")


def measure_objective(name: str) -> keras_tuner.Objective:
    """Returns the objective of a search: a metric, and which way it is better.

    Args:
        name: str. `"val_hole_l1"`, `"val_l1"` and `"val_perceptual"` are better when they
            are small, `"val_psnr"` and `"val_ssim"` when they are great.

    Returns:
        `keras_tuner.Objective`.

    Raises:
        ValueError: If the name is another one.

    Example:
    >>> from keras_inpaint.tuning import measure_objective
    >>> measure_objective("val_psnr").direction
    'max'
    """
    if name not in _DIRECTIONS:
        raise ValueError(
            f"Trials are compared by one of {', '.join(_DIRECTIONS)}: by a loss, trials of "
            f"different weights do not compare. Received: objective={name!r}"
        )
    return keras_tuner.Objective(name, _DIRECTIONS[name])


def search(
    settings: Settings,
    objective: str = "val_hole_l1",
    algorithm: str = "random",
    max_trials: int = 20,
    names: Sequence[str] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    network: Any = None,
    max_failures: int = 3,
    strategy: Any = None,
    verbose: int = 0,
    report: Callable[[str], None] | None = None,
) -> Path | None:
    """Searches for the loss weights, or other settings, by short trainings.

    Each trial makes `steps` steps from the same start, validated every `save_every`; its best
    epoch counts. A trial whose losses are no longer finite fails, and the search goes on.
    Started again with the same arguments, a search that was stopped or killed goes on, and
    runs the trial again that was running; with more `max_trials`, also one that has ended.
    Where `KERASTUNER_TUNER_ID`, `KERASTUNER_ORACLE_IP` and `KERASTUNER_ORACLE_PORT` are set,
    processes share one search: Keras Tuner's chief hands out the trials, its workers run them.

    Args:
        settings: `keras_inpaint.training.Settings`, of which `output` is the search's
            folder. Without `validation`, every eighth photo is held out for it.
        objective: str, see `measure_objective`.
        algorithm: `"random"`; `"hyperband"`, which ends most trials early and goes on with
            the best; or `"bayesian"`, which looks where earlier trials promise most.
        max_trials: int. How many trials there are at most, earlier ones included.
        names: Sequence of str, see `search_ranges`; the loss weights unless given.
        bounds: dict of names and pairs, see `search_ranges`.
        network: function of images to features, for the objective `"val_perceptual"`, see
            `keras_inpaint.metrics.PerceptualDistance`.
        max_failures: int. After as many failed trials in a row, a search in one process
            ends; workers try all trials.
        strategy: `tf.distribute.Strategy` or `None`. The devices of each trial; those of
            the setting `distribution` unless given.
        verbose: `0`, or `1` to show Keras's progress bar.
        report: Function or `None`. Called with each message, in place of the logger
            `keras_inpaint.tuning`.

    Returns:
        Path of `best.json`; `None` in a worker, which leaves the report to the chief.

    Raises:
        FileNotFoundError: If the photos are missing.
        OSError: If the folder cannot be written to, or the chief fails a worker.
        ValueError: If an argument is out of its bounds, the arguments do not fit each other,
            the photos, or the search in `output`; or if no trial was completed, or the last
            ones all failed.
    """
    _check_numbers(settings, max_trials=max_trials, max_failures=max_failures)
    _check_distribution(settings)
    info = report or _LOG.info
    role = role_of_process()
    hypermodel = InpaintingHyperModel(
        settings, names, bounds, _measures(objective, network), objective
    )
    # An error in the chief's oracle would leave all workers waiting.
    allowed = max_failures if role == "alone" else max_trials + 1
    epochs = settings.steps // settings.save_every
    goal = measure_objective(objective)
    oracle = make_oracle(algorithm, goal, max_trials, epochs, allowed, settings.seed)
    told = _description(
        settings, hypermodel.ranges, objective=objective, algorithm=algorithm,
        max_trials=max_trials, max_failures=max_failures,
    )  # fmt: skip
    folder = Path(settings.output)
    _check_folder(folder, told, role)
    check_photos(settings, hypermodel.log)
    if strategy is None:
        with devices_scope(settings, info) as strategy:
            pass
    _build_once(hypermodel)

    def on_end(trial: Any) -> None:
        info(_line(trial, max_trials, goal.name, folder))
        if role == "alone":
            write_report(folder, oracle, hypermodel)

    with _claimed(folder, told, role), engine_errors(folder, role):
        tuner = InpaintingTuner(oracle, hypermodel, folder, strategy, verbose, on_end)
        _begin(tuner, told, role, info)
        try:
            tuner.search(verbose=0)  # Without Keras Tuner's own tables.
        except RuntimeError:
            if not _has_given_up(oracle, allowed):
                raise
    return None if role == "worker" else _finish(folder, oracle, hypermodel, allowed)


# ---- Before the first trial --------------------------------------------------------------


def _check_numbers(settings: Settings, **counts: Any) -> None:
    for name, value in counts.items():
        check_int(name, value, "counts trials", at_least=1)
    if settings.steps % settings.save_every:
        raise ValueError(
            "`steps` must be a multiple of `save_every`: trials are validated at their end. "
            f"Received: steps={settings.steps}, save_every={settings.save_every}"
        )


def _check_distribution(settings: Settings) -> None:
    if tasks_of(settings) is not None:
        raise ValueError(
            "A trial is trained in one process: let several processes share the trials, see "
            "KERASTUNER_TUNER_ID. Received: distribution='multiworker'"
        )
    if settings.distribution == "mirrored" and keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Trials are spread over devices on the TensorFlow backend alone. Received: "
            f"distribution='mirrored' on the backend {keras.backend.backend()!r}"
        )


def _measures(objective: str, network: Any) -> dict[str, Any]:
    if (network is None) == (objective == _PERCEPTUAL):
        raise ValueError(
            f"`network` and the objective {_PERCEPTUAL!r} belong together: pass a function of "
            "images to features, such as a keras.Model. "
            f"Received: objective={objective!r}, network={network!r}"
        )
    if network is None:
        return {}
    return {_PERCEPTUAL.removeprefix("val_"): PerceptualDistance(network)}


def _build_once(hypermodel: InpaintingHyperModel) -> None:
    """Finds what would be wrong in every trial, before anything is written."""
    hypermodel.build(keras_tuner.HyperParameters())
    keras.backend.clear_session()
    gc.collect()


def _description(settings: Settings, ranges: Any, **others: Any) -> dict[str, Any]:
    """The content of `search.json`."""
    told = settings.to_dict()
    # The folder may be moved, to a machine with other devices; trials keep no checkpoints.
    for name in ("output", "distribution", "keep_last", "keep_best"):
        told.pop(name, None)
    kept = ("low", "high", "sampling", "choices")
    found = {
        each.name: {name: dataclasses.asdict(each)[name] for name in kept} for each in ranges
    }
    # Through JSON, so that tuples compare with the lists of a file.
    text = json.dumps({"settings": told, "ranges": found, **others})
    return dict(json.loads(text))


def _check_folder(folder: Path, told: dict[str, Any], role: str) -> None:
    """Refuses a folder of something else, of another search, or one that cannot be written."""
    check_target(folder, is_folder=True, name="output")
    if folder.exists():
        check_target(folder / _SEARCH, name="output")
    if not (folder / _SEARCH).exists():
        if role != "worker" and folder.exists() and not _is_free(folder):
            raise ValueError(
                "`output` must be a new folder, an empty one, or that of an earlier search. "
                f"Received: output={str(folder)!r}"
            )
        return
    try:
        earlier = dict(json.loads((folder / _SEARCH).read_text("utf-8")))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder / _SEARCH} is damaged: {error}") from error
    # A version that had fewer settings did what their defaults do.
    defaults = {field.name: field.default for field in dataclasses.fields(Settings)}
    defaults = {name: value for name, value in defaults.items() if name in told["settings"]}
    earlier["settings"] = {**defaults, **earlier.get("settings", {})}
    for name in sorted({*earlier, *told} - {*_FREE}):
        before, now = earlier.get(name), told.get(name)
        if before != now:
            name, before, now = _difference(name, before, now)
            raise ValueError(
                f"A search cannot change its `{name}`: trials would not compare. Choose "
                f"another output, or go on with {name}={before!r}. "
                f"Received: {name}={now!r} for {str(folder)!r}"
            )


def _is_free(folder: Path) -> bool:
    """Whether there is nothing but what is made before `search.json`, such as by a worker."""
    sweep(folder)
    names = {each.name for each in folder.iterdir()} - {FolderLock.NAME}
    return not names or (names == {TRIALS} and not any((folder / TRIALS).iterdir()))


def _difference(name: str, before: Any, now: Any) -> tuple[str, Any, Any]:
    """The innermost name under which two values differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        for inner in sorted({*before, *now}):
            if before.get(inner) != now.get(inner):
                return _difference(f"{name}.{inner}", before.get(inner), now.get(inner))
    return name, before, now


@contextmanager
def _claimed(folder: Path, told: dict[str, Any], role: str) -> Iterator[None]:
    """Keeps other searches out of the folder, but not the workers of this one."""
    folder.mkdir(parents=True, exist_ok=True)
    with nullcontext() if role == "worker" else FolderLock(folder, "search"):
        if role != "worker":
            write_json(folder / _SEARCH, told)
        yield


def _begin(tuner: Any, told: dict[str, Any], role: str, report: Callable[[str], None]) -> None:
    if role == "worker":
        report(f"Waiting for the chief at {chief_address()}.")
        # Once the chief answers, it has written what is searched for.
        tuner.oracle.get_space()
        folder = Path(tuner.directory)
        _check_folder(folder, told, role)
        if not (folder / _SEARCH).exists():
            raise ValueError(
                "`output` must be the folder of the chief, on a disk that both see, but "
                f"holds no {_SEARCH}. Received: output={str(folder)!r}"
            )
        return
    if tuner.oracle.start_order:
        report(f"Going on after {_num_ended(tuner.oracle)} trials of {tuner.directory}.")
    if not has_plots():
        report("No plot is drawn without matplotlib: pip install 'keras-inpaint[tuning]'.")
    if role == "chief":
        report(f"Handing out trials at {chief_address()}.")
    else:
        tuner.save()  # So that a search that is killed in its first trial goes on with it.


# ---- After a trial, and at the end -------------------------------------------------------


def _line(trial: Any, max_trials: int, objective: str, folder: Path) -> str:
    values = trial.hyperparameters.values
    numbers = "  ".join(
        f"{name} {value:.4g}" for name, value in values.items() if not name.startswith("tuner/")
    )
    # By its name in the reports, which begin at 0.
    count = f"trial {trial.trial_id} ({int(trial.trial_id) + 1}/{max_trials})"
    if trial.status != TrialStatus.COMPLETED:
        return f"{count} failed: {failure_of(folder, trial)}  {numbers}"
    return f"{count}  {objective} {trial.score:.4g}  {numbers}"


def _num_ended(oracle: Any) -> int:
    # Keras Tuner may count a trial twice that was run twice.
    return len(set(oracle.end_order))


def _has_given_up(oracle: Any, max_failures: int) -> bool:
    newest = [oracle.trials[trial_id].status for trial_id in oracle.end_order[-max_failures:]]
    return newest == [TrialStatus.FAILED] * max_failures


def _finish(folder: Path, oracle: Any, hypermodel: Any, max_failures: int) -> Path:
    best = write_report(folder, oracle, hypermodel)
    if _has_given_up(oracle, max_failures) or best is None:
        failed = [each for each in oracle.trials.values() if each.status == TrialStatus.FAILED]
        why = failure_of(folder, failed[-1]) if failed else "none was run."
        raise ValueError(
            f"The search has ended after {_num_ended(oracle)} trials, of which {len(failed)} "
            f"failed, the last one so: {why} Change the bounds or the settings in another "
            f"output, or allow more failures. Received: max_failures={max_failures}"
        )
    return folder / BEST
