"""Running one trial after the other."""

import contextlib
import io
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import TrialStatus
from keras_tuner.errors import FatalError

from keras_inpaint.tuning.chief import hand_out_trials
from keras_inpaint.tuning.patient_stub import PatientStub
from keras_inpaint.tuning.roles import is_chief

FOLDER = "trials"
FAILURE = "failure.txt"


class InpaintingTuner(keras_tuner.Tuner):
    """Runs the trials of an oracle, and goes on with a search that was cut off.

    Differs from Keras Tuner's own in what it keeps: the state of the search from its
    first moment on, but no weights of trials, unless a later trial goes on from them.

    Args:
        oracle: What `make_oracle` returns.
        hypermodel: `InpaintingHyperModel`.
        folder: Path. The trials stand in `trials/` below it.
        tell: Called with each trial that has ended.
        strategy: `tf.distribute.Strategy` or `None`. What each trial is spread over.
        verbose: `0`, or `1` to show Keras's progress bar.
    """

    def __init__(
        self,
        oracle: Any,
        hypermodel: Any,
        folder: Path,
        tell: Callable[[Any], None],
        strategy: Any = None,
        verbose: int = 0,
    ) -> None:
        self._verbose = verbose
        self._keeps_weights = isinstance(oracle, keras_tuner.oracles.HyperbandOracle)
        self._tell = tell
        # Where it goes on from something, it prints so.
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(
                oracle,
                hypermodel,
                directory=str(folder),
                project_name=FOLDER,
                overwrite=False,
                distribution_strategy=strategy,
            )
        if self._is_worker():
            self.oracle.stub = PatientStub(self.oracle.stub)

    def search(self, *args: Any, **kwargs: Any) -> None:
        if is_chief():
            hand_out_trials(self.oracle)
        else:
            super().search(*args, **kwargs)

    def _populate_initial_space(self) -> None:
        # Without building a model, which Keras Tuner does to see what it asks for.
        space = self.oracle.get_space()
        self.hypermodel.declare_hyperparameters(space)
        self.oracle.update_space(space)

    def _get_tuner_fname(self) -> str:
        # What says that there is something to go on from: the oracle's state, which is there
        # before the first trial has ended, and whoever was its tuner.
        return str(self.oracle._get_oracle_fname())

    def save(self) -> None:
        if not self._is_worker():
            self.oracle.save()

    def reload(self) -> None:
        if not self._is_worker():
            self.oracle.reload()

    def _try_run_and_update_trial(self, trial: Any, *args: Any, **kwargs: Any) -> None:
        # Keras Tuner's own prints where in the code each failure came from.
        try:
            self._run_and_update_trial(trial, *args, **kwargs)
        except FatalError:
            raise
        except Exception:
            trial.status = TrialStatus.FAILED
            trial.message = traceback.format_exc()
        else:
            trial.status = TrialStatus.COMPLETED

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        values = trial.hyperparameters.values
        if "tuner/epochs" in values:
            kwargs["epochs"] = values["tuner/epochs"]
            kwargs["initial_epoch"] = values["tuner/initial_epoch"]
        return super().run_trial(trial, *args, **{**kwargs, "verbose": self._verbose})

    def _build_hypermodel(self, hp: Any) -> Any:
        model = super()._build_hypermodel(hp)
        if "tuner/trial_id" in hp.values:
            model.load_weights(self._get_checkpoint_fname(hp.values["tuner/trial_id"]))
        return model

    def on_trial_end(self, trial: Any) -> None:
        folder = Path(self.get_trial_dir(trial.trial_id))
        if trial.message:
            # The chief is not told why a worker's trial failed.
            (folder / FAILURE).write_text(trial.message, encoding="utf-8")
        super().on_trial_end(trial)
        if not self._keeps_weights:
            Path(self._get_checkpoint_fname(trial.trial_id)).unlink(missing_ok=True)
        self._tell(self.oracle.get_trial(trial.trial_id))
