"""A step whose numbers are not finite is not made, remembered, and repeated from its folder."""

import json
import math

import keras
import numpy as np
import pytest
from gan.tiny import QUICKLY, make_gan, make_images, make_masks

from keras_inpaint.gan import TerminateOnNonFinite

STEPS = 6
BAD = 3
IMAGES, MASKS = make_images(2 * STEPS), make_masks(2 * STEPS)
POISONED = IMAGES.copy()
# Seen by the losses, and not by the networks, whose holes are blanked.
POISONED[2 * BAD, 6, 6] = np.nan
FIT = {"batch_size": 2, "shuffle": False, "verbose": 0}
NORMS = ("critic_gradient_norm", "generator_gradient_norm")


def adam():
    return keras.optimizers.Adam(1e-2)


def compiled(gan=None, **options):
    gan = gan or make_gan(ema_momentum=0.5)
    gan.compile(adam(), adam(), **QUICKLY, **options)
    return gan


def state_of(gan):
    variables = [*gan.variables, gan.steps, *gan.optimizer.generator_optimizer.variables]
    variables += gan.optimizer.critic_optimizer.variables
    return [keras.ops.convert_to_numpy(each.value) for each in variables]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8)


@pytest.fixture(scope="module")
def untouched():
    """Weights to begin with, and the state after the steps before the bad one."""
    gan = compiled()
    start = gan.get_weights()
    gan.fit(IMAGES[: 2 * BAD], MASKS[: 2 * BAD], **FIT)
    return start, state_of(gan)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="a strategy is TensorFlow's"
)
def test_a_strategy_of_a_single_device_guards_its_steps_too(untouched):
    import tensorflow as tf

    start, expected = untouched
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        gan = make_gan(ema_momentum=0.5)
        # In a graph, which has conditions of its own.
        gan.compile(adam(), adam(), jit_compile=False)
    gan.set_weights(start)
    # Batches of known sizes, as a strategy wants them.
    batches = tf.data.Dataset.from_tensor_slices((POISONED, MASKS)).batch(
        2, drop_remainder=True
    )
    gan.fit(batches, verbose=0, callbacks=[TerminateOnNonFinite(report=str)])
    assert_same(state_of(gan), expected)
    assert gan.num_steps == BAD


def begun(start, **options):
    gan = compiled(**options)
    gan.set_weights(start)
    return gan


def test_training_ends_with_the_state_before_the_step(untouched):
    start, expected = untouched
    gan, told = begun(start), []
    stop = TerminateOnNonFinite(report=told.append)
    history = gan.fit(POISONED, MASKS, epochs=3, callbacks=[stop], **FIT).history
    assert_same(state_of(gan), expected)
    assert gan.num_steps == BAD == stop.found.step
    assert len(history["loss"]) == 1
    assert math.isnan(history["loss"][0])
    assert math.isnan(stop.found.terms["hole_loss"])
    # The critic sees the true images.
    assert "critic_loss" in stop.found.names
    (line,) = told
    assert line.startswith("Step 3 is not finite (")
    assert "hole_loss" in line
    # What was found does not stand in the way of the next training.
    history = gan.fit(IMAGES, MASKS, **FIT).history
    assert np.isfinite(list(history.values())).all()
    assert gan.num_steps == BAD + STEPS


@pytest.mark.parametrize("kind", ["of ours", "of Keras"])
def test_fit_ends_without_being_asked(untouched, kind, caplog):
    gan = begun(untouched[0])
    callbacks = [keras.callbacks.TerminateOnNaN()] if kind == "of Keras" else None
    epochs = gan.fit(POISONED, MASKS, epochs=3, callbacks=callbacks, **FIT).epoch
    assert len(epochs) == 1
    assert_same(state_of(gan), untouched[1])
    assert "Step 3 is not finite" in caplog.text


def test_skipped_batch_is_one_that_was_not_there(untouched, tmp_path):
    start, _ = untouched
    gan, told = begun(start, on_nonfinite="skip"), []
    guard = TerminateOnNonFinite(tmp_path, every=2, report=told.append)
    history = gan.fit(POISONED, MASKS, callbacks=[guard], **FIT).history
    assert gan.num_steps == STEPS
    expected = begun(start)
    others = [i for i in range(2 * STEPS) if i // 2 != BAD]
    finite = expected.fit(IMAGES[others], MASKS[others], **FIT).history
    # Counted, unlike a batch that was not there.
    expected.steps.assign(STEPS)
    assert_same(state_of(gan), state_of(expected))
    assert history.pop("skipped") == [pytest.approx(1 / STEPS)]
    assert history == pytest.approx({name: pytest.approx(x) for name, x in finite.items()})
    assert len(told) == 1
    assert "Step 3 is not finite" in told[0]
    # The weights have gone on.
    assert [each.name for each in (tmp_path / "step-000000003").iterdir()] == ["nonfinite.json"]


def test_step_is_repeated_from_what_was_saved(untouched, tmp_path):
    def draw(step):
        return IMAGES[2 * step : 2 * step + 2]

    # Too heavy for the square of the gradients, in float32.
    heavy = {"loss_weights": {"hole": 1e30}}
    gan = begun(untouched[0], **heavy)
    stop = TerminateOnNonFinite(tmp_path / "new", draw_batch=draw, every=1, report=str)
    gan.fit(IMAGES, callbacks=[stop], **FIT)
    assert stop.saved == tmp_path / "new" / "step-000000000"
    about = json.loads((stop.saved / "nonfinite.json").read_text())
    assert about["step"] == 0
    assert about["terms"]["generator_gradient_norm"] == "inf"
    with np.load(stop.saved / "batch.npz") as arrays:
        batch = dict(arrays)
    np.testing.assert_array_equal(batch["images"], draw(0))
    assert set(batch) == {"images", "masks"}
    # Boxes of up to 8 by 8 pixels.
    assert 0 < batch["masks"].sum() <= 2 * 64
    again = compiled(**heavy)
    again.load_weights(stop.saved / "training.weights.h5")
    logs = again.train_on_batch(batch, return_dict=True)
    assert math.isnan(logs["loss"])
    found = again.guard.found()
    assert found.terms == pytest.approx(stop.found.terms, rel=1e-5)
    assert found.terms["hole_loss"] > 0


def test_gradient_that_is_not_finite_is_found_where_no_loss_tells(untouched):
    gan = begun(untouched[0])
    weight = gan.critic.trainable_variables[0]

    gan.fit(IMAGES, MASKS, **FIT)
    gan.compile(adam(), adam(), loss_weights={"hole": 1e30}, **QUICKLY)
    # The square of its gradients is infinite in float32, its loss is not.
    before = np.array(keras.ops.convert_to_numpy(weight.value))
    stop = TerminateOnNonFinite(report=str)
    gan.fit(IMAGES, MASKS, callbacks=[stop], **FIT)
    assert stop.found.names == ["generator_gradient_norm"]
    # Not even the critic's, whose gradient was finite.
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight.value), before)


def test_norms_of_both_gradients_are_in_the_log():
    rate = 1e-3
    gan = make_gan()
    sgd = keras.optimizers.SGD
    gan.compile(sgd(rate), sgd(rate), **QUICKLY)
    parts = (gan.critic, gan.generator)
    before = [[np.array(each) for each in part.get_weights()] for part in parts]
    history = gan.fit(IMAGES[:2], MASKS[:2], **FIT).history
    for name, part, weights in zip(NORMS, parts, before, strict=True):
        # A step of SGD is the gradient times the rate.
        steps = [(b - a) / rate for a, b in zip(part.get_weights(), weights, strict=True)]
        norm = math.sqrt(sum((each.astype("float64") ** 2).sum() for each in steps))
        assert history[name] == [pytest.approx(norm, rel=1e-3)]
        assert norm > 0.01


@pytest.mark.parametrize("share", [0.25, 4.0])
def test_gradients_are_clipped_by_their_global_norm(share):
    rate, sgd = 1e-2, keras.optimizers.SGD
    free, clipped = make_gan(), None
    free.compile(sgd(rate), sgd(rate), **QUICKLY)
    clipped = make_gan(free)
    start = free.generator.get_weights()
    norm = free.fit(IMAGES[:2], MASKS[:2], **FIT).history["generator_gradient_norm"][0]
    clipped.compile(sgd(rate), sgd(rate), global_clipnorm=share * norm, **QUICKLY)
    history = clipped.fit(IMAGES[:2], MASKS[:2], **FIT).history
    # The log has the norm before.
    assert history["generator_gradient_norm"] == [pytest.approx(norm, rel=1e-2)]
    moved = math.sqrt(
        sum(
            ((a - b) ** 2).sum()
            for a, b in zip(clipped.generator.get_weights(), start, strict=True)
        )
    )
    assert moved == pytest.approx(rate * norm * min(share, 1), rel=1e-2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_nonfinite": "ignore"}, "one of 'stop', 'skip'. Received: on_nonfinite='ignore'"),
        ({"global_clipnorm": 0}, "number above 0.*Received: global_clipnorm=0"),
    ],
)
def test_wrong_words_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        compiled(**options)


def test_actions_and_clipping_come_back_from_a_file(tmp_path):
    gan = compiled(on_nonfinite="skip", global_clipnorm=2.0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.guard.action == "skip"
    assert loaded.global_clipnorm == 2.0
