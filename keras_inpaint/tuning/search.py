"""A whole search: from photos on disk to the best settings."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from keras_inpaint.metrics import PerceptualDistance
from keras_inpaint.training.distribution import devices_scope
from keras_inpaint.training.folder_lock import FolderLock
from keras_inpaint.training.settings import Settings
from keras_inpaint.tuning.durable_oracles import make_oracle
from keras_inpaint.tuning.inpainting_hyper_model import InpaintingHyperModel
from keras_inpaint.tuning.inpainting_tuner import InpaintingTuner
from keras_inpaint.tuning.objectives import PERCEPTUAL, measure_objective
from keras_inpaint.tuning.report import BEST, best_of
from keras_inpaint.tuning.roles import chief_address, is_chief, is_worker
from keras_inpaint.tuning.search_folder import SearchFolder, description
from keras_inpaint.tuning.trial_photos import check_photos


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
    report: Callable[[str], None] = print,
) -> Path | None:
    """Searches for the loss weights, or other settings, by short trainings.

    Each trial makes `steps` steps from the same start, measured every `save_every`; its best
    measurement counts. A trial whose losses are no longer finite has failed, and is passed
    over. Started again with the same arguments, a search that was stopped or killed goes on,
    and runs those trials again that were running; with more `max_trials`, also one that has
    ended. Where `KERASTUNER_TUNER_ID`, `KERASTUNER_ORACLE_IP` and `KERASTUNER_ORACLE_PORT` are
    set, processes share one search: the chief hands out the trials, workers run them.

    Args:
        settings: `keras_inpaint.training.Settings`, of which `output` is the search's
            folder. Without `validation`, every eighth photo is held out to measure on.
        objective: str, see `measure_objective`.
        algorithm: `"random"`; `"hyperband"`, which ends most trials early and goes on with
            the best; or `"bayesian"`, which looks where earlier trials promise most.
        max_trials: int. How many trials there are at most, earlier ones included.
        names: Sequence of str, see `search_ranges`; the loss weights unless given.
        bounds: dict of names and pairs, see `search_ranges`.
        network: function of images to features, for the objective `"val_perceptual"`, see
            `keras_inpaint.metrics.PerceptualDistance`.
        max_failures: int. After as many failed trials in a row, the search ends.
        strategy: `tf.distribute.Strategy` or `None`. What each trial is spread over; what the
            `distribution` of the settings says unless given.
        verbose: `0`, or `1` to show Keras's progress bar.
        report: Called with a line of text for each thing worth telling.

    Returns:
        Path of `best.json`, see `SearchFolder`; `None` in a worker, which leaves it to the
        chief.

    Raises:
        FileNotFoundError: If the photos are missing.
        OSError: If the folder cannot be written to.
        ValueError: If an argument is out of its bounds, the arguments do not fit each other,
            the photos, or the search that `output` holds; or if no trial was completed, or
            the last ones all failed.
    """
    for name, value in (("max_trials", max_trials), ("max_failures", max_failures)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(
                f"`{name}` must be an int of at least 1. Received: {name}={value!r}"
            )
    if settings.steps % settings.save_every:
        raise ValueError(
            "`steps` must be a multiple of `save_every`: trials are measured at their end. "
            f"Received: steps={settings.steps}, save_every={settings.save_every}"
        )
    goal = measure_objective(objective)
    hypermodel = InpaintingHyperModel(
        settings, names, bounds, _measures(objective, network), objective
    )
    epochs = settings.steps // settings.save_every
    is_helper = is_worker()
    oracle = make_oracle(
        algorithm, goal, max_trials, epochs, max_failures, settings.seed, is_chief()
    )
    if strategy is None:
        with devices_scope(settings, report) as strategy:
            pass
    _try_out(hypermodel)
    told = description(
        settings,
        hypermodel.ranges,
        objective=objective,
        algorithm=algorithm,
        max_trials=max_trials,
        max_failures=max_failures,
    )
    folder = SearchFolder(settings.output, told, is_helper)

    def tell(trial: Any) -> None:
        report(_line(trial, max_trials, goal.name, folder))
        if not is_helper:
            folder.report(oracle, hypermodel)

    with _alone(folder, is_helper):
        tuner = InpaintingTuner(oracle, hypermodel, folder.path, tell, strategy, verbose)
        if is_helper:
            report(f"Waiting for the chief at {chief_address()}.")
            # Once the chief answers, it has written what is searched.
            tuner.oracle.get_space()
            folder.check()
        _tell_what_was_done(oracle, folder, report)
        # Without Keras Tuner's own tables.
        tuner.search(verbose=0)
        return None if is_helper else _finish(folder, oracle, hypermodel)


@contextmanager
def _alone(folder: SearchFolder, is_helper: bool) -> Iterator[None]:
    """Keeps other searches out of the folder, but not the helpers of this one."""
    if is_helper:
        yield
        return
    lock = FolderLock(folder.path)
    try:
        yield
    finally:
        lock.release()


def _measures(objective: str, network: Any) -> dict[str, Any]:
    if (network is None) == (objective == PERCEPTUAL):
        raise ValueError(
            f"`network` and the objective {PERCEPTUAL!r} belong together: pass a function of "
            "images to features, such as a keras.Model. "
            f"Received: objective={objective!r}, network={network!r}"
        )
    if network is None:
        return {}
    return {PERCEPTUAL.removeprefix("val_"): PerceptualDistance(network)}


def _try_out(hypermodel: InpaintingHyperModel) -> None:
    """Looks at what can be wrong in every trial, before anything is written."""
    check_photos(hypermodel.settings)
    hypermodel.build(keras_tuner.HyperParameters())
    keras.backend.clear_session()
    gc.collect()


def _tell_what_was_done(
    oracle: Any, folder: SearchFolder, report: Callable[[str], None]
) -> None:
    if oracle.start_order:
        report(f"Going on after {len(oracle.end_order)} trials of {folder.path}.")
    if oracle.ongoing_trials:
        report(
            f"Waiting for the trials of {', '.join(oracle.ongoing_trials)}. Start again, "
            "under its name, each that has stopped; or stop all, and go on in one process."
        )


def _line(trial: Any, max_trials: int, objective: str, folder: SearchFolder) -> str:
    values = trial.hyperparameters.values
    numbers = "  ".join(
        f"{name} {value:.4g}" for name, value in values.items() if not name.startswith("tuner/")
    )
    number = int(trial.trial_id) + 1
    if trial.status != "COMPLETED":
        return f"trial {number}/{max_trials} failed: {folder.why(trial)}  {numbers}"
    return f"trial {number}/{max_trials}  {objective} {trial.score:.4g}  {numbers}"


def _finish(folder: SearchFolder, oracle: Any, hypermodel: Any) -> Path:
    folder.report(oracle, hypermodel)
    trials = list(oracle.trials.values())
    if oracle.has_given_up() or best_of(trials, oracle.objective) is None:
        failed = [each for each in oracle.end_order if oracle.trials[each].status == "FAILED"]
        why = folder.why(oracle.trials[failed[-1]]) if failed else "none was run."
        raise ValueError(
            f"The search has ended after {len(oracle.end_order)} trials, of which "
            f"{len(failed)} failed, the last one so: {why} Change the bounds or the settings "
            "in another output, or allow more failures. "
            f"Received: max_failures={oracle.max_consecutive_failed_trials}"
        )
    return folder.path / BEST
