"""Keras Tuner's engine: who hands out trials, who runs them, and what it raises.

Only names that Keras Tuner exports are used, and only public methods overridden. Its state
files, chief and workers are its own.
"""

import gc
import json
import math
import os
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras_tuner.errors import FailedTrialError, FatalError

from keras_inpaint.arguments import check_choice
from keras_inpaint.files import reserve_room, write_text
from keras_inpaint.files.room import KnownFolder
from keras_inpaint.tuning.report import FAILURE, TRIALS, TrialStatus

# Keras Tuner's own names.
_ID = "KERASTUNER_TUNER_ID"
_ADDRESS = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
_ALGORITHMS = ("random", "hyperband", "bayesian")
# Bytes: more than the engine writes of a trial and of the state of a search.
_ROOM = 1_000_000


def role_of_process() -> str:
    """Returns the role of this process, as Keras Tuner reads it from the environment.

    Returns:
        `"chief"`, `"worker"` or `"alone"`.

    Raises:
        ValueError: If the variables are incomplete.
    """
    names = (_ID, *_ADDRESS)
    if not any(name in os.environ for name in names):
        return "alone"
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise ValueError(
            f"A chief and its workers need {', '.join(names)}. Set all three, or none to "
            f"search in one process. Received: no {', '.join(missing)}"
        )
    port = os.environ[_ADDRESS[1]]
    if not (port.isdecimal() and 0 < int(port) < 2**16):
        raise ValueError(
            f"{_ADDRESS[1]} must be a port, a number from 1 to 65535. Received: {port!r}"
        )
    return "chief" if "chief" in os.environ[_ID] else "worker"


def chief_address() -> str:
    """Returns where the chief listens, as the environment has it."""
    return ":".join(os.environ[name] for name in _ADDRESS)


class InpaintingTuner(keras_tuner.Tuner):
    """Runs the trials of an oracle, and keeps no weights but Hyperband's.

    Args:
        oracle: `keras_tuner.Oracle`.
        hypermodel: `InpaintingHyperModel`.
        folder: Path. The trials are in `trials/` below it.
        strategy: `tf.distribute.Strategy` or `None`. The devices of each trial.
        fit_verbose: `0`, or `1` to show Keras's progress bar.
        on_end: Called with each trial that has ended.
    """

    def __init__(
        self,
        oracle: Any,
        hypermodel: Any,
        folder: Path,
        strategy: Any,
        fit_verbose: int,
        on_end: Callable[[Any], None],
    ) -> None:
        self.fit_verbose = fit_verbose
        self.on_end = on_end
        self._known = KnownFolder(
            folder, "Then start the search again: it goes on with the trial under way."
        )
        super().__init__(
            oracle,
            hypermodel,
            directory=str(folder),
            project_name=TRIALS,
            distribution_strategy=strategy,
        )

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        # In place of Keras Tuner's own, which writes the weights of every best epoch.
        with self._writing():
            # Which makes the folder.
            folder = Path(self.get_trial_dir(trial.trial_id))
            reserve_room(folder, _ROOM)
            (folder / FAILURE).unlink(missing_ok=True)
        # Of a run that was cut off: with those of this one, they would be averaged.
        trial.metrics = type(trial.metrics)()
        keras.backend.clear_session()
        gc.collect()
        try:
            model = self._build(trial.hyperparameters)
            results = self._fit(trial.hyperparameters, model)
        except FatalError:
            raise
        except Exception as error:
            # Raised, Keras Tuner would print where in the code it came from. What is not a
            # number it takes for a failure.
            is_known = isinstance(error, FailedTrialError)
            with self._writing():
                write_text(folder / FAILURE, str(error) if is_known else traceback.format_exc())
            return {self.oracle.objective.name: math.nan}
        with self._writing():
            reserve_room(folder, _ROOM)
            if "tuner/epochs" in trial.hyperparameters.values:
                self._save(model, trial.trial_id)
        return results

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Ends the search where its folder is lost, or cannot be written to."""
        try:
            self._known.check()
            yield
        except OSError as error:
            raise _CannotWriteError(str(error)) from error

    def _build(self, hp: Any) -> Any:
        strategy = self.distribution_strategy
        with nullcontext() if strategy is None else strategy.scope():
            model = self.hypermodel.build(hp)
            if "tuner/trial_id" in hp.values:
                model.load_weights(self._weights_file(hp.values["tuner/trial_id"]))
            return model

    def _fit(self, hp: Any, model: Any) -> Any:
        # Hyperband's values; the other algorithms have none.
        names = {"epochs": "tuner/epochs", "initial_epoch": "tuner/initial_epoch"}
        epochs = {name: hp.values[key] for name, key in names.items() if key in hp.values}
        return self.hypermodel.fit(hp, model, verbose=self.fit_verbose, **epochs)

    def _save(self, model: Any, trial_id: str) -> None:
        model.save_weights(self._weights_file(trial_id))

    def _weights_file(self, trial_id: str) -> Path:
        return Path(self.get_trial_dir(trial_id)) / "model.weights.h5"

    def on_trial_end(self, trial: Any) -> None:
        super().on_trial_end(trial)
        self.on_end(self.oracle.get_trial(trial.trial_id))


class _DefaultsFirst:
    """The first trial has the values around which is searched."""

    trials: dict[str, Any]
    hyperparameters: Any

    def populate_space(self, trial_id: str) -> Any:
        if self.trials:
            return super().populate_space(trial_id)  # type: ignore[misc]
        values = {each.name: each.default for each in self.hyperparameters.space}
        return {"status": TrialStatus.RUNNING, "values": values}


class _RandomOracle(_DefaultsFirst, keras_tuner.oracles.RandomSearchOracle):
    pass


class _BayesianOracle(_DefaultsFirst, keras_tuner.oracles.BayesianOptimizationOracle):
    pass


def make_oracle(
    algorithm: str,
    objective: Any,
    max_trials: int,
    max_epochs: int,
    max_failures: int,
    seed: int,
) -> Any:
    """Makes the oracle, which chooses the values of each trial.

    Args:
        algorithm: `"random"`, `"hyperband"` or `"bayesian"`.
        objective: `keras_tuner.Objective`.
        max_trials: int. How many trials there are at most.
        max_epochs: int. Epochs of a trial that is not ended early, for `"hyperband"`.
        max_failures: int. After as many failed trials in a row it raises a RuntimeError.
        seed: int. Seed of the values.

    Returns:
        `keras_tuner.Oracle`.

    Raises:
        ValueError: If the algorithm is unknown, or needs a package that is missing.
    """
    check_choice("algorithm", algorithm, _ALGORITHMS)
    options = {
        "objective": objective,
        "seed": (seed + 1) % 2**32,  # Keras Tuner takes 0 for none.
        "max_consecutive_failed_trials": max_failures,
    }
    if algorithm == "random":
        return _RandomOracle(max_trials=max_trials, **options)
    if algorithm == "hyperband":
        # Its trials come in brackets, which it fills by itself.
        oracle = keras_tuner.oracles.HyperbandOracle(max_epochs=max_epochs, **options)
        oracle.max_trials = max_trials
        return oracle
    try:
        return _BayesianOracle(max_trials=max_trials, **options)
    except ImportError as error:
        raise ValueError(
            "A Bayesian search needs scikit-learn and scipy: "
            "pip install 'keras-inpaint[bayesian]'. Received: algorithm='bayesian'"
        ) from error


class _CannotWriteError(FatalError, OSError):
    """Ends the search, where Keras Tuner would take another error for a failed trial."""


@contextmanager
def engine_errors(folder: Path, role: str) -> Iterator[None]:
    """Turns what the engine raises where files or the network fail into one line.

    Args:
        folder: Path of the search.
        role: str, see `role_of_process`.
    """
    try:
        with warnings.catch_warnings():
            # The score of a trial that failed is not a number, which is no news.
            warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
            yield
    except Exception as error:
        advice = None if isinstance(error, FatalError) else _advice(error, role)
        if advice is None:
            raise
        told = " ".join(str(error).split())
        raise OSError(f"{advice} Received: {told} ({folder / TRIALS})") from error


def _advice(error: Exception, role: str) -> str | None:
    if role == "worker" and _is_of_grpc(error):
        return (
            "The chief does not answer as it should. Look at its output and at the room on its "
            "disk; stop it, and start it and then its workers again under the same names."
        )
    if role == "chief" and isinstance(error, RuntimeError) and "bind" in str(error):
        return (
            f"A chief must be able to listen at {_ADDRESS[0]}, an address of its own machine, "
            f"and {_ADDRESS[1]}, a free port."
        )
    if isinstance(error, json.JSONDecodeError) or "Error reloading" in str(error):
        return (
            "The state of the search is damaged. Restore its folder `trials`, or search in "
            "another output."
        )
    if isinstance(error, OSError) or _is_of_tensorflow(error):
        return (
            "The state of the search cannot be written or read. Make room on the disk, or "
            "change what is in the way, and start again."
        )
    return None


def _is_of_grpc(error: Exception) -> bool:
    import grpc  # Only a worker needs it.

    return isinstance(error, grpc.RpcError)


def _is_of_tensorflow(error: Exception) -> bool:
    # By which Keras Tuner writes on that backend.
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return isinstance(error, tf.errors.OpError)
