"""Searches whose state survives a kill, whenever it comes."""

import json
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import TrialStatus

from keras_inpaint.training.text_files import write_text

_FINAL = (TrialStatus.COMPLETED, TrialStatus.FAILED)


class _Durable:
    """What Keras Tuner's oracles lack for searches that are killed or go wrong.

    - Files are written whole or not at all: a truncated one could not be read again.
    - A trial that was cut off while it ran is run again; one that was cut off while it was
      recorded is neither run twice nor lost.
    - A chief that was killed and is started again leaves trials to the workers that are at
      them.
    - What cannot be written, to a full disk say, is kept as `failure`, for the chief to end.
    - Too many failures in a row end the search instead of raising an error: raised in the
      chief, it would leave all workers waiting.
    - The first trial has the values that are searched around.
    """

    # What an oracle has; said here for the sake of the types.
    trials: dict[str, Any]
    ongoing_trials: dict[str, Any]
    tuner_ids: set[str]
    start_order: list[str]
    end_order: list[str]
    _retry_queue: list[str]
    max_consecutive_failed_trials: int
    _num_ended_before = 0
    begins_with_defaults = True
    has_workers = False
    failure: OSError | None = None

    def populate_space(self, trial_id: str) -> Any:
        if self.has_given_up():
            return {"status": TrialStatus.STOPPED, "values": None}
        if self.begins_with_defaults and not self.trials:
            space = self.hyperparameters.space  # type: ignore[attr-defined]
            values = {each.name: each.default for each in space}
            return {"status": TrialStatus.RUNNING, "values": values}
        return super().populate_space(trial_id)  # type: ignore[misc]

    def has_given_up(self) -> bool:
        """Whether too many trials in a row failed since this process took the search up."""
        newest = self.end_order[self._num_ended_before :][-self.max_consecutive_failed_trials :]
        return len(newest) == self.max_consecutive_failed_trials and all(
            self.trials[trial_id].status == TrialStatus.FAILED for trial_id in newest
        )

    def end_trial(self, trial: Any) -> None:
        # A worker whose chief was killed before it answered tells it once more.
        if trial.trial_id not in self.end_order:
            super().end_trial(trial)  # type: ignore[misc]

    def _check_consecutive_failures(self) -> None:
        """Nothing: `populate_space` ends the search."""

    def save(self) -> None:
        self._write(Path(self._get_oracle_fname()), self.get_state())  # type: ignore[attr-defined]

    def _save_trial(self, trial: Any) -> None:
        folder = self._get_trial_dir(trial.trial_id)  # type: ignore[attr-defined]
        self._write(Path(folder, "trial.json"), trial.get_state())

    def _write(self, path: Path, state: dict[str, Any]) -> None:
        try:
            write_text(path, json.dumps(state))
        except OSError as error:
            # A chief answers in another thread than the one in which it waits.
            self.failure = error
            raise

    def get_state(self) -> dict[str, Any]:
        state: dict[str, Any] = super().get_state()  # type: ignore[misc]
        return {**state, "has_workers": self.has_workers}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)  # type: ignore[misc]
        # Of a process that searched alone, nobody is left.
        is_left = self.has_workers and state.get("has_workers", False)
        self._left = dict(state["ongoing_trials"]) if is_left else {}

    def _leave_to_workers(self) -> None:
        """Lets workers end, or run again, the trials that they had before the chief's end."""
        for tuner_id, trial_id in self._left.items():
            trial = self.trials[trial_id]
            if trial.status not in _FINAL:
                self._retry_queue.remove(trial_id)
                self.ongoing_trials[tuner_id] = trial
                self.tuner_ids.add(tuner_id)

    def reload(self) -> None:
        super().reload()  # type: ignore[misc]
        # Created, but not yet recorded as such: they come again, with the same values.
        for trial_id in set(self.trials) - set(self.start_order):
            del self.trials[trial_id]
        self._leave_to_workers()
        for trial_id in list(self._retry_queue):
            trial = self.trials[trial_id]
            if trial.status in _FINAL:
                self._retry_queue.remove(trial_id)
                if trial_id not in self.end_order:
                    self.end_order.append(trial_id)
            else:
                # Else what it had measured would be meaned with what it will.
                trial.metrics = type(trial.metrics)()
        self._num_ended_before = len(self.end_order)


class _Random(_Durable, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Bayesian(_Durable, keras_tuner.oracles.BayesianOptimizationOracle):
    pass


class _Hyperband(_Durable, keras_tuner.oracles.HyperbandOracle):
    # Its trials come in brackets, which it fills by itself.
    begins_with_defaults = False


ALGORITHMS = ("random", "hyperband", "bayesian")


def make_oracle(
    algorithm: str,
    objective: Any,
    max_trials: int,
    max_epochs: int,
    max_failures: int,
    seed: int,
    has_workers: bool = False,
) -> Any:
    """Makes what decides which values the next trial has.

    Args:
        algorithm: `"random"`, `"hyperband"` or `"bayesian"`.
        objective: `keras_tuner.Objective`.
        max_trials: int. How many trials there are at most.
        max_epochs: int. Epochs of a trial that is not cut short, for `"hyperband"`.
        max_failures: int. After as many failed trials in a row, the search ends.
        seed: int. Seed of the values.
        has_workers: bool. Whether other processes run the trials.

    Returns:
        `keras_tuner.Oracle`.

    Raises:
        ValueError: If the algorithm is unknown, or needs a package that is missing.
    """
    options: dict[str, Any] = {
        "objective": objective,
        # Keras Tuner takes 0 for none.
        "seed": (seed + 1) % 2**32,
        "max_consecutive_failed_trials": max_failures,
    }
    oracle = _make(algorithm, max_trials, max_epochs, options)
    oracle.has_workers = has_workers
    return oracle


def _make(algorithm: str, max_trials: int, max_epochs: int, options: dict[str, Any]) -> Any:
    if algorithm == "random":
        return _Random(max_trials=max_trials, **options)
    if algorithm == "hyperband":
        oracle = _Hyperband(max_epochs=max_epochs, **options)
        oracle.max_trials = max_trials
        return oracle
    if algorithm != "bayesian":
        raise ValueError(
            f"`algorithm` must be one of {', '.join(ALGORITHMS)}. "
            f"Received: algorithm={algorithm!r}"
        )
    try:
        return _Bayesian(max_trials=max_trials, **options)
    except ImportError as error:
        raise ValueError(
            "A Bayesian search needs scikit-learn and scipy: "
            "pip install 'keras-inpaint[bayesian]'. Received: algorithm='bayesian'"
        ) from error
