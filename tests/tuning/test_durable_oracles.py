"""A chief that is killed, and what its workers find when it is there again."""

import grpc
import pytest

from keras_inpaint.tuning import patient_stub
from keras_inpaint.tuning.durable_oracles import make_oracle
from keras_inpaint.tuning.objectives import measure_objective
from keras_inpaint.tuning.patient_stub import LostChiefError, PatientStub


@pytest.fixture
def start(tmp_path):
    """Makes the oracle of a process that takes the search up where the last one left it."""

    def start(has_workers):
        goal = measure_objective("val_hole_l1")
        oracle = make_oracle("random", goal, 3, 1, 3, seed=0, has_workers=has_workers)
        oracle.verbose = 0
        oracle.hyperparameters.Float("hole", 0.1, 10)
        oracle._set_project_dir(tmp_path, "trials")
        if (tmp_path / "trials" / "oracle.json").exists():
            oracle.reload()
        return oracle

    return start


def test_chief_started_again_leaves_trials_to_their_workers(start):
    trial = start(has_workers=True).create_trial("worker-1")
    chief = start(has_workers=True)
    assert chief.create_trial("worker-2").trial_id == "1"
    # A worker that was killed too is given its own.
    assert chief.create_trial("worker-1").trial_id == trial.trial_id
    assert chief.tuner_ids == {"worker-1", "worker-2"}
    chief.update_trial(trial.trial_id, {"val_hole_l1": 0.5})
    trial.status = "COMPLETED"
    # Once more, as where the chief was killed before it answered.
    for _ in range(2):
        chief.end_trial(trial)
    assert chief.end_order == [trial.trial_id]
    assert chief.create_trial("worker-1").trial_id == "2"


def test_measures_told_before_the_chief_was_killed_are_kept(start):
    chief = start(has_workers=True)
    trial = chief.create_trial("worker-1")
    chief.update_trial(trial.trial_id, {"val_hole_l1": 0.5})
    chief = start(has_workers=True)
    trial.status = "COMPLETED"
    chief.end_trial(trial)
    assert chief.get_trial(trial.trial_id).score == 0.5


@pytest.mark.parametrize(("before", "now"), [(True, False), (False, True), (False, False)])
def test_trials_of_processes_that_are_gone_are_run_again(start, before, now):
    trial = start(before).create_trial("worker-1")
    oracle = start(now)
    assert not oracle.ongoing_trials
    assert oracle.create_trial("worker-2").trial_id == trial.trial_id


class Answer(grpc.RpcError):
    def __init__(self, code):
        super().__init__()
        self.code, self.details = (lambda: code), (lambda: "Socket closed")


class Stub:
    def __init__(self, *answers):
        self.answers = list(answers)

    def GetTrial(self, request):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer, request


def test_worker_calls_again_where_the_chief_was_killed(monkeypatch):
    monkeypatch.setattr(patient_stub, "_PAUSE", 0)
    gone = Answer(grpc.StatusCode.UNAVAILABLE)
    assert PatientStub(Stub(gone, gone, "trial")).GetTrial(3) == ("trial", 3)
    late = Answer(grpc.StatusCode.DEADLINE_EXCEEDED)
    with pytest.raises(LostChiefError, match=r"again.*DEADLINE_EXCEEDED, Socket closed"):
        PatientStub(Stub(late)).GetTrial(3)
    # The command line tells it in one line.
    assert issubclass(LostChiefError, OSError)
