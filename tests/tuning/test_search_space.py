import dataclasses

import pytest

from keras_inpaint.losses import HingeObjective, WassersteinObjective
from keras_inpaint.tuning import search_ranges


@pytest.fixture
def v1(settings):
    return dataclasses.replace(settings, architecture="deepfill_v1")


def ends(ranges):
    return {each.name: (each.low, each.high) for each in ranges}


def test_weights_that_the_objective_uses_are_searched_for_a_decade_either_way(settings, v1):
    assert ends(search_ranges(settings)) == {
        name: (pytest.approx(0.1), pytest.approx(10))
        for name in ("hole", "known", "adversarial", "coarse")
    }
    assert ends(search_ranges(v1)) == {
        name: (pytest.approx(weight / 10), pytest.approx(weight * 10))
        for name, weight in [
            ("hole", 1.2),
            ("known", 1.2),
            ("adversarial", 0.001),
            ("coarse", 1.2),
            ("global_critic", 1.0),
            ("gradient_penalty", 10.0),
        ]
    }
    assert {each.sampling for each in search_ranges(v1)} == {"log"}
    assert all(each.reason for each in search_ranges(v1))


def test_objectives_use_the_weights_that_they_name():
    weights = set(HingeObjective.default_weights.get_config())
    # What weighs a network that settings cannot name.
    weights.discard("perceptual")
    assert set(WassersteinObjective().weight_names) == weights
    assert weights - set(HingeObjective().weight_names) == {"global_critic", "gradient_penalty"}


def test_ranges_lie_around_the_settings_and_leave_out_what_they_turn_off(settings):
    settings = dataclasses.replace(settings, loss_weights={"hole": 4.0, "known": 0})
    found = ends(search_ranges(settings))
    assert found["hole"] == (0.4, 40.0)
    assert "known" not in found


def test_bounds_take_the_place_of_the_usual_ones(settings):
    (found,) = search_ranges(settings, ["hole"], {"hole": (2.0, 3.0)})
    assert (found.low, found.high, found.default) == (2.0, 3.0, 1.0)


def test_critic_steps_divide_the_batch(settings):
    (found,) = search_ranges(dataclasses.replace(settings, batch_size=12), ["critic_steps"])
    assert found.choices == (1, 2, 3, 4)


def test_other_numbers_have_their_ranges(settings, v1):
    names = ["learning_rate", "critic_learning_rate", "box_share"]
    assert ends(search_ranges(settings, names)) == {
        "learning_rate": (pytest.approx(1e-5), pytest.approx(1e-3)),
        "critic_learning_rate": (pytest.approx(1e-5), pytest.approx(1e-3)),
        "box_share": (0, 1),
    }
    (gamma,) = search_ranges(v1, ["gamma"])
    assert (gamma.low, gamma.high, gamma.default) == (0.9, 0.999, 0.99)


def test_critic_keeps_a_say_where_pixels_are_measured(settings):
    bounds = {"adversarial": (0.01, 1.0)}
    with pytest.raises(ValueError, match=r"from 0\.1 up.*adversarial=0\.01:1"):
        search_ranges(settings, None, bounds)
    found = ends(search_ranges(settings, None, bounds, floor_adversarial=False))
    assert found["adversarial"] == (0.01, 1.0)
    search_ranges(settings, None, {"adversarial": (0.1, 1.0)})


@pytest.mark.parametrize(
    ("names", "bounds", "advice"),
    [
        (["hole", "gradient_penalty"], None, r"hole, known, .* Received: gradient_penalty"),
        (["hole", "hole"], None, "each once. Received: hole, hole"),
        ([], None, "Received: nothing"),
        (["gamma"], None, r"`gamma` discounts .* architecture='deepfill_v2'"),
        (["hole"], {"known": (1, 2)}, "Received: bounds of known"),
        (["hole"], {"hole": (0, 2)}, r"above 0.* Received: hole=0:2"),
        (["hole"], {"hole": (3, 2)}, r"the lower one first.* Received: hole=3:2"),
        (["hole"], {"hole": (1, float("nan"))}, "Received: hole=1:nan"),
        (["box_share"], {"box_share": (0.5, 2)}, r"at most 1\. Received: bounds up to 2"),
        (["critic_steps"], {"critic_steps": (3, 5)}, "batch_size=2, critic_steps=1"),
    ],
)
def test_what_cannot_be_searched_for_is_refused(settings, names, bounds, advice):
    with pytest.raises(ValueError, match=advice):
        search_ranges(settings, names, bounds)
