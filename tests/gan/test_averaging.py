"""The exponential average of the generator: its numbers, who uses it, and its files."""

import keras
import numpy as np
import pytest
from gan.tiny import QUICKLY, SIZE, make_gan, make_images, make_masks

from keras_inpaint import Inpainter
from keras_inpaint.gan import InpaintingGAN

IMAGES, MASKS = make_images(12), make_masks(12)
MOMENTUM = 0.6


def fit(gan, images=IMAGES, masks=MASKS, **options):
    options = {"batch_size": 2, "shuffle": False, "verbose": 0, **options}
    return gan.fit((images, masks), **options)


def make(like=None, momentum=MOMENTUM, **options):
    gan = make_gan(like=like, ema_momentum=momentum)
    gan.compile(keras.optimizers.SGD(0.2), **{**QUICKLY, **options})
    return gan


def assert_equal(found, expected, **tolerance):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, **{"rtol": 0, "atol": 0, **tolerance})


class Recorder(keras.callbacks.Callback):
    """Keeps the generator's weights after each step."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(self.model.generator.get_weights())


def average_by_hand(weights, momentum):
    average = [0 * each for each in weights[0]]
    for number, current in enumerate(weights):
        kept = min(momentum, number / (9 + number))
        average = [kept * a + (1 - kept) * w for a, w in zip(average, current, strict=True)]
    return average


@pytest.fixture(scope="module")
def trained():
    """A model after six steps, and the generator's weights after each of them."""
    gan, recorder = make(momentum=0.3, run_eagerly=False), Recorder()
    fit(gan, callbacks=[recorder])
    return gan, recorder.weights


def test_average_is_that_of_a_loop_in_numpy(trained):
    gan, weights = trained
    expected = average_by_hand(weights, momentum=0.3)
    assert_equal(gan.ema_generator.get_weights(), expected, atol=1e-6)
    # The training itself goes on from the last weights.
    assert_equal(gan.generator.get_weights(), weights[-1])
    assert max(np.abs(a - b).max() for a, b in zip(expected, weights[-1], strict=True)) > 1e-3


def test_average_does_not_change_what_is_trained():
    gan = make()
    plain = make_gan()
    for network in ("generator", "critic"):
        getattr(plain, network).set_weights(getattr(gan, network).get_weights())
    plain.compile(keras.optimizers.SGD(0.2), **QUICKLY)
    fit(gan)
    fit(plain)
    assert_equal(gan.generator.get_weights(), plain.generator.get_weights(), atol=1e-7)
    assert len(gan.trainable_weights) == len(plain.trainable_weights)


def test_what_is_not_training_uses_the_average(trained, tmp_path):
    gan, _ = trained
    averaged = make_gan()
    averaged.generator.set_weights(gan.ema_generator.get_weights())
    averaged.critic.set_weights(gan.critic.get_weights())
    averaged.compile(**QUICKLY)
    inputs = {"images": IMAGES[:2], "masks": MASKS[:2]}
    expected = averaged.predict_on_batch(inputs)["completed"]
    raw = gan.generator({"corrupted": IMAGES[:2] * (1 - MASKS[:2]), "masks": MASKS[:2]})
    assert np.abs(keras.ops.convert_to_numpy(raw["refined"]) * MASKS[:2]).max() > 0
    assert_equal([gan.predict_on_batch(inputs)["completed"]], [expected])
    assert_equal([keras.ops.convert_to_numpy(gan(inputs)["completed"])], [expected], atol=1e-6)
    measured = gan.evaluate(IMAGES, MASKS, verbose=0)
    assert measured == pytest.approx(averaged.evaluate(IMAGES, MASKS, verbose=0), rel=1e-6)
    assert gan.inpainter.generator is gan.ema_generator
    gan.save_to_preset(tmp_path / "preset")
    inpainter = Inpainter.from_preset(tmp_path / "preset")
    assert_equal(inpainter.generator.get_weights(), gan.ema_generator.get_weights())
    # From which all of it can be trained again, with or without an average.
    again = InpaintingGAN.from_preset(tmp_path / "preset", ema_momentum=0.9)
    assert len(again.generator.trainable_weights) == 4
    assert_equal(again.ema_generator.get_weights(), again.generator.get_weights())


def test_validation_of_fit_is_of_the_average():
    gan = make()
    history = fit(gan, validation_data=(IMAGES, MASKS), epochs=2).history
    averaged = make_gan()
    averaged.generator.set_weights(gan.ema_generator.get_weights())
    averaged.compile(**QUICKLY)
    expected = averaged.evaluate(IMAGES, MASKS, verbose=0, return_dict=True)
    assert history["val_psnr"][-1] == pytest.approx(expected["psnr"], rel=1e-5)


@pytest.mark.parametrize("compiles", [True, False])
def test_file_holds_the_weights_and_their_average(trained, compiles, tmp_path):
    gan, _ = trained
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras", compile=compiles)
    assert loaded.ema_momentum == gan.ema_momentum
    assert_equal(loaded.get_weights(), gan.get_weights())


def test_training_goes_on_to_the_bit(tmp_path):
    straight = make()
    stopped, resumed = make(like=straight), make()
    fit(straight)
    fit(stopped, IMAGES[:6], MASKS[:6])
    stopped.save_weights(tmp_path / "gan.weights.h5")
    resumed.load_weights(tmp_path / "gan.weights.h5")
    fit(resumed, IMAGES[6:], MASKS[6:])
    assert_equal(resumed.get_weights(), straight.get_weights())


def test_compiling_again_goes_on_with_the_average(trained):
    gan = make(like=trained[0])
    before = gan.ema_generator.get_weights()
    gan.compile(keras.optimizers.SGD(0.0), **QUICKLY)
    fit(gan, IMAGES[:2], MASKS[:2])
    # After six updates the seventh does not begin anew.
    assert_equal(
        gan.ema_generator.get_weights(),
        [
            0.4 * average + 0.6 * weight
            for average, weight in zip(before, gan.generator.get_weights(), strict=True)
        ],
        atol=1e-6,
    )


def test_several_steps_an_execution_average_as_single_ones():
    single = make()
    several = make(like=single, steps_per_execution=2, run_eagerly=False)
    fit(single)
    fit(several)
    found, expected = (gan.ema_generator.get_weights() for gan in (several, single))
    # Other programs, which round otherwise.
    assert_equal(found, expected, atol=1e-6)


@pytest.mark.parametrize("policy", ["bfloat16", "mixed_bfloat16", "float16", "floatx"])
def test_average_is_float32_under_half_precision(policy):
    try:
        if policy == "floatx":
            keras.config.set_floatx("bfloat16")
        keras.config.set_dtype_policy("bfloat16" if policy == "floatx" else policy)
        gan = make_gan(ema_momentum=0.999)
        assert {weight.dtype for weight in gan.ema_generator.weights} == {"float32"}
        assert gan.ema_generator.compute_dtype == gan.generator.compute_dtype
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


def test_weights_that_are_not_trained_are_taken_as_they_are():
    gan = make_gan(ema_momentum=MOMENTUM)
    gan.generator.first.trainable = False
    gan.compile(keras.optimizers.SGD(0.2), **QUICKLY)
    before = gan.generator.first.get_weights()
    fit(gan)
    assert_equal(gan.ema_generator.first.get_weights(), before)
    assert np.abs(gan.ema_generator.second.get_weights()[0]).max() > 0


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="written by TensorFlow")
def test_export_is_of_the_average(trained, tmp_path):
    import tensorflow as tf

    gan, _ = trained
    size = (1, SIZE, SIZE)
    signature = {"images": keras.InputSpec("float32", (*size, 3))}
    signature["masks"] = keras.InputSpec("float32", (*size, 1))
    gan.export(str(tmp_path), "tf_saved_model", verbose=False, input_signature=[signature])
    inputs = {"images": IMAGES[:1], "masks": MASKS[:1]}
    loaded = tf.saved_model.load(tmp_path)
    found = loaded.serve(inputs)["completed"]
    assert_equal([found.numpy()], [gan.predict_on_batch(inputs)["completed"]], atol=1e-6)


@pytest.mark.parametrize("momentum", [1, -0.1, "0.9", True, float("nan")])
def test_momentum_out_of_bounds_is_refused(momentum):
    with pytest.raises(ValueError, match=rf"such as 0.999.*ema_momentum={momentum!r}"):
        make_gan(ema_momentum=momentum)


def test_a_second_average_by_the_optimizer_is_refused():
    gan = make_gan(ema_momentum=0.9)
    with pytest.raises(ValueError, match=r"one average.*use_ema=True"):
        gan.compile(keras.optimizers.SGD(use_ema=True))
