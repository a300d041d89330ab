"""The training, against the algorithm written out naively."""

import json

import keras
import numpy as np
import pytest
from gan.tiny import TinyGenerator
from keras import ops

from keras_inpaint.losses import HingeObjective, LossWeights, WassersteinObjective
from keras_inpaint.masks import Boxes, Mosaic
from keras_inpaint.models import Generator, GlobalLocalCritic, PatchCritic
from keras_inpaint.ops.compositing import composite
from keras_inpaint.ops.mosaic import mosaic
from keras_inpaint.ops.random import picture_seeds, uniform

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the steps are TensorFlow's"
)

SIZE = 32


def make_gan(version="v1", seed=0, generator=None, **compile_arguments):
    from keras_inpaint.gan import InpaintingGAN

    masks = Boxes(16, 16, jitter=2)
    if version == "v1":
        parts = (
            generator or Generator.deepfill_v1(width=4),
            GlobalLocalCritic(4, image_size=SIZE, patch_size=16),
            WassersteinObjective(),
        )
    else:
        parts = (
            generator or Generator.deepfill_v2(width=4),
            PatchCritic(4),
            HingeObjective(),
        )
    gan = InpaintingGAN(*parts, masks=masks, seed=seed)
    # To compile two networks' gradients takes longer than a few small steps.
    gan.compile(**{"run_eagerly": True, **compile_arguments})
    return gan


@pytest.fixture
def images(rng):
    return rng.uniform(-1, 1, size=(4, SIZE, SIZE, 3)).astype("float32")


def values(variables):
    return [ops.convert_to_numpy(variable) for variable in variables]


def assert_all_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def naive_step(gan, images, step, rate):
    """One step of the algorithm by hand: gradients from tapes, weights moved by `rate`."""
    from keras_inpaint.gan.backends.tensorflow import input_gradients

    places = ops.arange(len(images))
    masks, boxes = gan.masks(picture_seeds(gan.seed, step, places), SIZE, SIZE)
    fractions = uniform(picture_seeds(gan.seed, step, places), 2, stream=0x6970)

    def fill(share):
        blank = tf.where(masks[share] > 0, 0.0, images[share])
        return gan.generator({"corrupted": blank, "masks": masks[share]})

    def move(tape, loss, network):
        gradients = tape.gradient(loss, network.trainable_variables)
        for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
            variable.assign_sub(rate * gradient)

    for update in range(gan.critic_steps):
        share = slice(update, None, gan.critic_steps)
        completed = composite(images[share], fill(share)["refined"], masks[share])
        with tf.GradientTape() as tape:
            terms = gan.objective.critic_terms(
                gan.critic,
                images[share],
                completed,
                masks[share],
                gan.loss_weights,
                boxes=boxes[share],
                interpolation=fractions[share],
                input_gradients=input_gradients,
            )
            loss = tf.reduce_mean(terms["critic_loss"])
        move(tape, loss, gan.critic)
    with tf.GradientTape() as tape:
        terms = gan.objective.generator_terms(
            gan.critic, images[share], fill(share), masks[share], gan.loss_weights, boxes[share]
        )
        loss = tf.reduce_mean(terms["generator_loss"])
    move(tape, loss, gan.generator)
    return float(loss)


@pytest.mark.parametrize(("version", "critic_steps"), [("v1", 2), ("v2", 1)])
def test_training_is_the_published_algorithm(images, version, critic_steps):
    sgd = keras.optimizers.SGD
    gan = make_gan(
        version,
        generator_optimizer=sgd(0.01),
        critic_optimizer=sgd(0.01),
        loss_weights={"adversarial": 0.1},
        critic_steps=critic_steps,
        run_eagerly=False,
    )
    naive = keras.models.clone_model(gan)
    naive.compile(loss_weights={"adversarial": 0.1}, critic_steps=critic_steps)
    naive.set_weights(gan.get_weights())
    for step in range(2):
        logs = gan.train_on_batch(images, return_dict=True)
        gan.reset_metrics()
        expected = naive_step(naive, ops.convert_to_tensor(images), step, rate=0.01)
        np.testing.assert_allclose(logs["generator_loss"], expected, rtol=1e-5)
    for found, expected in zip(gan.weights, naive.weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6, err_msg=found.path)


def test_the_critic_moves_critic_steps_times_and_the_generator_once(images):
    gan = make_gan(critic_steps=2)
    gan.fit(images, batch_size=4, verbose=0)
    assert int(gan.steps) == 1
    assert int(gan.optimizer.critic_optimizer.iterations) == 2
    assert int(gan.optimizer.generator_optimizer.iterations) == 1


def test_without_critic_steps_the_critic_stays_as_it_is(images):
    gan = make_gan("v2", critic_steps=0, loss_weights={"adversarial": 0})
    before = values(gan.critic.weights), values(gan.generator.weights)
    history = gan.fit(images, batch_size=4, verbose=0).history
    assert_all_equal(values(gan.critic.weights), before[0])
    assert any(
        (a != b).any() for a, b in zip(values(gan.generator.weights), before[1], strict=True)
    )
    assert history["adversarial_loss"] == [0.0]
    assert "critic_loss" not in history


def test_fit_takes_masks_and_boxes_that_are_given(images):
    gan = make_gan(generator=TinyGenerator())
    masks = np.zeros((4, SIZE, SIZE, 1), "float32")
    masks[:, 4:12, 6:20] = 1
    boxes = np.tile([2, 5, 16, 16], (4, 1)).astype("int32")
    for data in [(images, masks), (images, masks, boxes)]:
        drawn = gan._draw_for_training(data)
        np.testing.assert_array_equal(drawn["masks"], masks)
        gan.fit(tf.data.Dataset.from_tensors(data), verbose=0)
    np.testing.assert_array_equal(drawn["boxes"], boxes)
    around = gan._draw_for_training((images, masks))["boxes"]
    np.testing.assert_array_equal(around[0], [0, 5, 16, 16])


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(images, tmp_path):
    straight = make_gan("v2")
    start = straight.get_weights()
    straight.fit(images, batch_size=4, shuffle=False, epochs=2, verbose=0)

    stopped = make_gan("v2")
    stopped.set_weights(start)
    stopped.fit(images, batch_size=4, shuffle=False, verbose=0)
    stopped.save_weights(tmp_path / "run.weights.h5")
    resumed = make_gan("v2")
    resumed.load_weights(tmp_path / "run.weights.h5")
    assert int(resumed.steps) == 1
    resumed.fit(images, batch_size=4, shuffle=False, verbose=0)
    assert_all_equal(values(resumed.weights), values(straight.weights))
    assert_all_equal(values(resumed.optimizer.variables), values(straight.optimizer.variables))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_saved_model_keeps_both_optimizers_and_goes_on(images, tmp_path, version):
    gan = make_gan(
        version,
        seed=3,
        generator_optimizer=keras.optimizers.Adam(3e-4, beta_1=0.4),
        critic_optimizer=keras.optimizers.RMSprop(2e-4),
        loss_weights=LossWeights(adversarial=0.3),
        critic_steps=2,
    )
    gan.fit(images, batch_size=4, verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert_all_equal(values(loaded.weights), values(gan.weights))
    assert_all_equal(values(loaded.optimizer.variables), values(gan.optimizer.variables))
    assert loaded.loss_weights == gan.loss_weights
    assert (loaded.critic_steps, loaded.seed) == (2, 3)
    assert loaded.optimizer.generator_optimizer.get_config()["beta_1"] == pytest.approx(0.4)
    assert isinstance(loaded.optimizer.critic_optimizer, keras.optimizers.RMSprop)
    for model in (gan, loaded):
        model.fit(images, batch_size=4, verbose=0)
    assert_all_equal(values(loaded.weights), values(gan.weights))


def test_a_preset_is_trained_further(images, tmp_path):
    gan = make_gan("v1")
    gan.save_to_preset(tmp_path / "preset")
    loaded = type(gan).from_preset(tmp_path / "preset", seed=5)
    assert_all_equal(values(loaded.weights), values(gan.weights))
    assert loaded.objective.get_config() == gan.objective.get_config()
    assert loaded.masks.get_config() == gan.masks.get_config()
    loaded.compile(run_eagerly=True)
    loaded.fit(images, verbose=0)
    assert int(loaded.steps) == 1


def test_every_step_and_every_picture_has_masks_of_its_own(images):
    gan = make_gan()
    first, again, later = (
        ops.convert_to_numpy(gan._draw(images, s)["masks"]) for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != later).any()
    assert len({mask.tobytes() for mask in first}) == 4


def test_validation_masks_depend_on_the_picture_alone(images):
    gan = make_gan(generator=TinyGenerator())

    def measure(batch_size):
        # All weights are zero, so that only the masks make a difference.
        gan.generator.set_weights([np.zeros_like(w) for w in gan.generator.get_weights()])
        return gan.evaluate(images, batch_size=batch_size, verbose=0, return_dict=True)

    first = measure(4)
    assert set(first) >= {"hole_l1", "l1", "psnr", "ssim"}
    gan.fit(images, batch_size=4, verbose=0)
    for batch_size in (4, 3, 2, 1):
        assert measure(batch_size) == pytest.approx(first, rel=1e-5)


def test_validation_takes_holes_that_no_patch_would_hold(images):
    masks = np.zeros((4, SIZE, SIZE, 1), "float32")
    masks[:, 1:-1] = 1
    result = make_gan("v1").evaluate(images, masks, verbose=0, return_dict=True)
    assert np.isfinite(result["hole_l1"])


def test_points_of_the_penalty_differ_by_picture_side_and_step(images):
    gan = make_gan()
    points = ops.convert_to_numpy(gan._draw_for_training(images)["interpolation"])
    gan.steps.assign(1)
    later = ops.convert_to_numpy(gan._draw_for_training(images)["interpolation"])
    drawn = np.concatenate([points, later])
    assert drawn.shape == (8, 2)
    assert len(np.unique(drawn)) == 16
    assert ((drawn >= 0) & (drawn < 1)).all()


def test_an_objective_with_the_other_critic_is_refused():
    gan = make_gan("v1")
    with pytest.raises(ValueError, match=r"HingeObjective, critic=GlobalLocalCritic"):
        type(gan)(gan.generator, gan.critic, HingeObjective())


def test_boxes_that_do_not_hold_their_hole_are_refused(images):
    gan = make_gan()
    masks = np.zeros((4, SIZE, SIZE, 1), "float32")
    masks[:, 4:12, 6:20] = 1
    boxes = np.tile([2, 7, 16, 16], (4, 1)).astype("int32")
    with pytest.raises(Exception, match="hold its whole hole"):
        gan.fit(tf.data.Dataset.from_tensors((images, masks, boxes)), verbose=0)


def test_validation_measures_the_completed_picture(images):
    gan = make_gan()
    gan.generator.set_weights([np.zeros_like(w) for w in gan.generator.get_weights()])
    masks = np.zeros((4, SIZE, SIZE, 1), "float32")
    masks[:, 8:20, 4:9] = 1
    result = gan.evaluate(images, masks, verbose=0, return_dict=True)
    # All weights are zero, so that the hole is filled with zeros.
    hole = np.abs(images[:, 8:20, 4:9]).mean() / 2
    assert result["hole_l1"] == pytest.approx(hole, rel=1e-5)
    assert result["l1"] == pytest.approx(hole * 12 * 5 / SIZE**2, rel=1e-5)


def test_predict_keeps_known_pixels_bit_for_bit(images):
    gan = make_gan("v2")
    masks = (images[..., :1] > 0.5).astype("float32")
    completed = gan.predict({"images": images, "masks": masks}, verbose=0)["completed"]
    known = np.broadcast_to(masks == 0, images.shape)
    np.testing.assert_array_equal(completed[known], images[known])
    assert (completed != images).any()


def test_the_generator_sees_what_the_corruption_shows(images, tmp_path, rng):
    gan = make_gan("v2")
    # As they start, the weights give next to nothing for anything.
    gan.generator.set_weights([rng.normal(0, 0.8, w.shape) for w in gan.generator.weights])
    masks = np.zeros((4, SIZE, SIZE, 1), "float32")
    masks[:, 8:16, 8:16] = 1
    tiles = ops.convert_to_numpy(mosaic(images, masks, 4))
    expected = gan.generator({"corrupted": tiles, "masks": masks})["refined"]
    blank = gan({"images": images, "masks": masks})["refined"]

    gan.corruption = Mosaic(4)
    gan.save_to_preset(tmp_path / "preset")
    gan.save(tmp_path / "gan.keras")
    for model in (
        gan,
        type(gan).from_preset(tmp_path / "preset"),
        keras.saving.load_model(tmp_path / "gan.keras"),
    ):
        seen = model({"images": images, "masks": masks})["refined"]
        np.testing.assert_allclose(seen, expected, atol=1e-5)
        assert model.inpainter.corruption.size == 4
    assert np.abs(expected - blank).max() > 0.1
    gan.fit(images, masks, batch_size=4, verbose=0)


def test_a_preset_that_tells_no_corruption_blanks_the_hole(images, tmp_path):
    gan = make_gan("v2")
    gan.save_to_preset(tmp_path / "preset")
    path = tmp_path / "preset" / "config.json"
    config = json.loads(path.read_text())
    del config["parts"]["corruption"]
    path.write_text(json.dumps(config))
    assert type(gan).from_preset(tmp_path / "preset").corruption is None


def test_what_lies_in_the_hole_is_not_looked_at(images):
    gan = make_gan("v2")
    masks = np.zeros((4, SIZE, SIZE, 1), "float32")
    masks[:, 8:16, 8:16] = 1
    other = np.where(masks > 0, np.float32(0.9), images)
    for found, expected in zip(
        gan.predict({"images": images, "masks": masks}, verbose=0).values(),
        gan.predict({"images": other, "masks": masks}, verbose=0).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def test_half_precision_trains_with_scaled_losses(images, tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    # So small a scale that the first step does not overflow and is not skipped.
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(), initial_scale=8.0)
    gan = make_gan("v2", generator_optimizer=scaled)
    before = values(gan.generator.trainable_weights)
    history = gan.fit(images, batch_size=4, verbose=0).history
    assert np.isfinite(history["generator_loss"][0])
    for optimizer in (gan.optimizer.generator_optimizer, gan.optimizer.critic_optimizer):
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    assert int(gan.steps) == 1
    after = values(gan.generator.trainable_weights)
    assert any((a != b).any() for a, b in zip(after, before, strict=True))
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert_all_equal(values(loaded.optimizer.variables), values(gan.optimizer.variables))


def test_a_batch_that_does_not_divide_names_the_size_needed(images):
    gan = make_gan(critic_steps=3)
    with pytest.raises(ValueError, match=r"multiple of 3.*say 6.*Received: a batch of 4"):
        gan.fit(images, batch_size=4, verbose=0)


def test_a_hole_larger_than_the_patch_is_refused_with_both_sizes(images):
    gan = make_gan(generator=TinyGenerator(), run_eagerly=False)
    masks = np.zeros((4, SIZE, SIZE, 1), "float32")
    masks[2, 4:30] = 1
    with pytest.raises(Exception, match=r"local patch of 16 x 16 (.|\n)*26"):
        gan.fit(images, masks, batch_size=4, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"critic_steps": -1}, "Received: critic_steps=-1"),
        ({"critic_steps": 0}, r"critic_steps=0, adversarial=0\.001"),
        ({"loss_weights": {"holes": 1.0}}, "Received: holes"),
    ],
)
def test_compile_refuses_what_cannot_be_meant(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_gan(**arguments)


def test_a_weight_of_nothing_is_refused():
    gan = make_gan("v2")
    with pytest.raises(ValueError, match=r"HingeObjective has nothing.*gradient_penalty=5"):
        gan.compile(loss_weights={"gradient_penalty": 5})
    gan.compile(loss_weights=LossWeights(hole=2.0))
    assert gan.loss_weights.hole == 2.0


def test_one_optimizer_for_both_is_refused():
    adam = keras.optimizers.Adam()
    with pytest.raises(ValueError, match=r"an optimizer each.*Adam"):
        make_gan(generator_optimizer=adam, critic_optimizer=adam)


def test_the_named_architectures_have_the_published_masks_and_sizes():
    from keras_inpaint.gan import InpaintingGAN

    v1 = InpaintingGAN.deepfill_v1(width=4, image_size=64, critic_width=4)
    assert v1.critic.patch_size == (32, 32)
    assert v1.masks.get_config() == {"height": 32, "width": 32, "margin": 0, "jitter": 4}
    v2 = InpaintingGAN.deepfill_v2(width=4, image_size=256, critic_width=4)
    box, strokes = v2.masks.samplers
    assert (box.height, box.jitter, strokes.widths) == (128, 16, (12, 40))
