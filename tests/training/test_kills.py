"""A run is killed at random steps, as `benchmarks/kills.py` does more often."""

import importlib
from pathlib import Path

import keras
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="on JAX it takes a minute and a half"
)
def test_run_that_is_killed_at_random_steps_ends_where_an_unbroken_one_does(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.syspath_prepend(BENCHMARKS)
    kills = importlib.import_module("kills")
    # At once: how many steps are made until later depends on the machine.
    monkeypatch.setattr(kills, "LATEST", 0.0)
    runs = kills.kill_runs(tmp_path, num_kills=3, steps=4, seed=0)
    assert runs == [[]] * len(runs)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["kill 1", "kill 2", "kill 3"]
    assert "from anew" in lines[0]
    assert "from step-" in lines[1]
