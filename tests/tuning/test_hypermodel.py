"""The model of a trial, and the training of it."""

import dataclasses
import json
import math
import os
import subprocess
import sys

import keras_tuner
import numpy as np
import pytest
from keras_tuner.errors import FailedTrialError

tf = pytest.importorskip("tensorflow")

from keras_inpaint.gan import InpaintingGAN  # noqa: E402
from keras_inpaint.metrics import PerceptualDistance  # noqa: E402
from keras_inpaint.training.building import boxes_and_strokes  # noqa: E402
from keras_inpaint.tuning import InpaintingHyperModel  # noqa: E402
from keras_inpaint.tuning.hypermodel import validation_photos  # noqa: E402


@pytest.fixture
def eagerly():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def numbers(**values):
    hp = keras_tuner.HyperParameters()
    for name, value in values.items():
        hp.Fixed(name, value)
    return hp


def test_numbers_of_a_trial_are_settings_of_a_run(settings):
    settings = dataclasses.replace(
        settings, final_learning_rate=1e-5, loss_weights={"hole": 2.0, "coarse": 0}
    )
    names = ["hole", "known", "learning_rate", "critic_learning_rate", "critic_steps"]
    model = InpaintingHyperModel(settings, [*names, "box_share"])
    found = model.settings_of(
        numbers(
            hole=3.0,
            known=0.5,
            learning_rate=2e-4,
            critic_learning_rate=4e-4,
            critic_steps=2,
            box_share=0.25,
        )
    )
    assert found == dataclasses.replace(
        settings,
        loss_weights={"hole": 3.0, "known": 0.5, "coarse": 0},
        learning_rate=2e-4,
        # A tenth of the first, as the settings have it.
        final_learning_rate=2e-4 * (1e-5 / 1e-4),
        critic_learning_rate=4e-4,
        critic_steps=2,
        box_share=0.25,
    )


def test_trials_start_from_the_same_weights(settings):
    model = InpaintingHyperModel(settings, ["hole"])
    ours, others = (model.build(numbers(hole=hole)) for hole in (1.0, 3.0))
    for weights, expected in zip(ours.get_weights(), others.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, expected)
    assert (ours.loss_weights.hole, others.loss_weights.hole) == (1.0, 3.0)


def test_trials_are_measured_with_the_same_masks_whatever_they_learn_with(settings):
    model = InpaintingHyperModel(settings, ["box_share"])
    assert model._validation_masks().weights == [0.5, 0.5]
    assert InpaintingHyperModel(settings)._validation_masks() is None
    first, second = (
        list(validation_photos(settings, model._validation_masks())) for _ in range(2)
    )
    for (images, masks), (others, other_masks) in zip(first, second, strict=True):
        assert tuple(masks.shape) == (1, 32, 32, 1)
        assert 0 < float(tf.reduce_mean(masks)) < 1
        np.testing.assert_array_equal(images, others)
        np.testing.assert_array_equal(masks, other_masks)


def test_trials_on_jax_are_measured_with_the_very_same_masks(settings):
    program = """
import json, sys
import numpy as np
from keras_inpaint.training import Settings
from keras_inpaint.training.building import boxes_and_strokes
from keras_inpaint.tuning.hypermodel import validation_photos

batches = validation_photos(Settings(**json.loads(sys.argv[1])), boxes_and_strokes(32, 0.5))
print(json.dumps([np.asarray(masks).tolist() for _, masks in batches]))
"""
    told = subprocess.run(
        [sys.executable, "-c", program, json.dumps(settings.to_dict())],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    expected = validation_photos(settings, boxes_and_strokes(32, 0.5))
    for ours, theirs in zip(expected, json.loads(told.stdout), strict=True):
        np.testing.assert_array_equal(ours[1], theirs)


def test_trial_that_is_not_finite_fails(settings, eagerly):
    model = InpaintingHyperModel(settings, measures={"perceptual": PerceptualDistance(abs)})
    hp = numbers(hole=1.0)
    gan = model.build(hp)
    assert "perceptual" in gan.metrics_names
    weights = gan.generator.trainable_variables[0]
    weights.assign(tf.fill(weights.shape, math.nan))
    with pytest.raises(FailedTrialError, match=r"became nan in epoch 1"):
        model.fit(hp, gan, epochs=1, verbose=0)


def test_data_of_the_caller_takes_the_place_of_the_photos(settings, monkeypatch):
    given = {}
    monkeypatch.setattr(InpaintingGAN, "fit", lambda *args, **kwargs: given.update(kwargs))
    model = InpaintingHyperModel(settings)
    hp = numbers(hole=1.0)
    model.fit(hp, model.build(hp), x=[1, 2], epochs=3)
    assert {name: given[name] for name in given if name != "callbacks"} == {
        "x": [1, 2],
        "epochs": 3,
    }
