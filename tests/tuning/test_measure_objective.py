import math

import pytest
from keras_tuner.errors import FailedTrialError

from keras_inpaint.tuning import measure_objective
from keras_inpaint.tuning.hypermodel import _FailUnlessFinite


@pytest.mark.parametrize(
    ("name", "direction"),
    [("val_hole_l1", "min"), ("val_psnr", "max"), ("val_ssim", "max")],
)
def test_direction_follows_from_the_name(name, direction):
    objective = measure_objective(name)
    assert (objective.name, objective.direction) == (name, direction)


@pytest.mark.parametrize("name", ["generator_loss", "psnr", "val_generator_loss"])
def test_what_depends_on_weights_is_no_objective(name):
    with pytest.raises(ValueError, match=rf"val_hole_l1, .*Received: objective='{name}'"):
        measure_objective(name)


@pytest.mark.parametrize(
    "logs",
    [
        {"generator_loss": math.nan},
        {"critic_loss": -math.inf},
        {"val_l1": math.nan},
        {"val_hole_l1": math.inf},
    ],
)
def test_what_is_not_finite_fails_the_trial(logs):
    name, value = next(iter(logs.items()))
    with pytest.raises(FailedTrialError, match=f"`{name}` became {value:g} in epoch 3"):
        _FailUnlessFinite("val_hole_l1").on_epoch_end(2, {"hole_loss": 1.0, **logs})


def test_infinite_psnr_of_empty_holes_is_no_failure():
    _FailUnlessFinite("val_hole_l1").on_epoch_end(0, {"val_psnr": math.inf, "hole_loss": 1.0})
