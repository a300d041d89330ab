"""Reconstruction before the critic, the critic before the generator, and rates per step."""

import itertools

import keras
import numpy as np
import pytest
from gan.tiny import QUICKLY, make_gan, make_images, make_masks

IMAGES, MASKS = make_images(12), make_masks(12)
PHASES = {"reconstruction_steps": 2, "critic_only_steps": 2}


def fit(gan, images=IMAGES, masks=MASKS, batch_size=2, **options):
    options = {"shuffle": False, "verbose": 0, **options}
    return gan.fit((images, masks), batch_size=batch_size, **options).history


class Recorder(keras.callbacks.Callback):
    """Keeps what each step leaves of both networks and of the rates."""

    def __init__(self):
        super().__init__()
        self.weights, self.rates, self.logs = [], [], []

    def on_train_batch_end(self, batch, logs=None):
        networks = (self.model.generator, self.model.critic)
        self.weights.append([network.get_weights() for network in networks])
        optimizers = self.model.optimizer.optimizers
        self.rates.append([float(optimizer.learning_rate) for optimizer in optimizers])
        self.logs.append(logs)


def changes(start, recorder):
    """Whether each network changed, a pair per step."""
    states = [start, *recorder.weights]
    return [
        tuple(
            any((a != b).any() for a, b in zip(before[network], after[network], strict=True))
            for network in range(2)
        )
        for before, after in itertools.pairwise(states)
    ]


def networks_of(gan):
    return [network.get_weights() for network in (gan.generator, gan.critic)]


@pytest.mark.parametrize("critic_steps", [1, 2])
def test_each_phase_trains_what_it_says(critic_steps):
    gan, recorder = make_gan(), Recorder()
    gan.compile("adam", critic_steps=critic_steps, **PHASES, **QUICKLY)
    start = networks_of(gan)
    images, masks = make_images(12 * critic_steps), make_masks(12 * critic_steps)
    fit(gan, images, masks, 2 * critic_steps, callbacks=[recorder])
    expected = [(True, False)] * 2 + [(False, True)] * 2 + [(True, True)] * 2
    assert changes(start, recorder) == expected
    # What CSVLogger and charts make columns of.
    assert len({tuple(logs) for logs in recorder.logs}) == 1
    assert recorder.logs[1]["critic_loss"] == recorder.logs[1]["adversarial_loss"] == 0
    assert recorder.logs[3]["critic_loss"] != 0 != recorder.logs[3]["adversarial_loss"]


def test_reconstruction_is_that_of_a_training_without_a_critic():
    warmed = make_gan()
    plain = make_gan(like=warmed)
    warmed.compile("adam", reconstruction_steps=3, **QUICKLY)
    plain.compile("adam", critic_steps=0, loss_weights={"adversarial": 0}, **QUICKLY)
    for gan in (warmed, plain):
        fit(gan, IMAGES[:6], MASKS[:6])
    for found, expected in zip(*map(networks_of, (warmed, plain)), strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def straight():
    """A model as it starts, and its weights after a training in one go."""
    start = make_gan()
    gan = make_gan(like=start)
    gan.compile("adam", **PHASES, **QUICKLY)
    fit(gan)
    return start, gan.get_weights()


@pytest.mark.parametrize("first_steps", [1, 3, 5])
def test_training_goes_on_in_its_phase(first_steps, straight, tmp_path):
    start, trained = straight
    stopped, resumed = make_gan(like=start), make_gan()
    for gan in (stopped, resumed):
        gan.compile("adam", **PHASES, **QUICKLY)
    num = 2 * first_steps
    fit(stopped, IMAGES[:num], MASKS[:num])
    stopped.save_weights(tmp_path / "gan.weights.h5")
    resumed.load_weights(tmp_path / "gan.weights.h5")
    fit(resumed, IMAGES[num:], MASKS[num:])
    for found, expected in zip(resumed.get_weights(), trained, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_single_batches_and_several_steps_an_execution_are_in_their_phase(straight):
    start, trained = straight
    single, several = make_gan(like=start), make_gan(like=start)
    single.compile("adam", **PHASES, **QUICKLY)
    several.compile("adam", steps_per_execution=2, **PHASES)
    for start in range(0, 12, 2):
        single.train_on_batch(IMAGES[start : start + 2], MASKS[start : start + 2])
    fit(several)
    for gan in (single, several):
        for found, expected in zip(gan.get_weights(), trained, strict=True):
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


def test_phases_are_kept_by_files(tmp_path):
    gan = make_gan()
    gan.compile("adam", **PHASES)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert {name: getattr(loaded, name) for name in PHASES} == PHASES


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reconstruction_steps": -1}, "at least 0. Received: reconstruction_steps=-1"),
        ({"critic_only_steps": 1.5}, "Received: critic_only_steps=1.5"),
        (
            {"reconstruction_steps": 3, "steps_per_execution": 2},
            "multiple of steps_per_execution=2.*reconstruction_steps=3",
        ),
        (
            {"critic_steps": 0, "loss_weights": {"adversarial": 0}, "critic_only_steps": 2},
            "without a critic.*critic_only_steps=2",
        ),
    ],
    ids=["negative", "fraction", "execution", "no_critic"],
)
def test_phases_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_gan().compile("adam", **options)


# ---- Rates per step -------------------------------------------------------------------

FALL = keras.optimizers.schedules.PolynomialDecay(1.0, 10, 0.0)


def rising(target):
    return keras.optimizers.schedules.CosineDecay(0.0, 4, warmup_target=target, warmup_steps=2)


@pytest.mark.parametrize("critic_steps", [1, 3])
@pytest.mark.parametrize("given", ["schedule", "optimizer"])
def test_schedules_count_training_steps_for_both(given, critic_steps):
    gan, recorder = make_gan(), Recorder()
    first = FALL if given == "schedule" else keras.optimizers.SGD(FALL)
    gan.compile(first, critic_steps=critic_steps, **QUICKLY)
    images, masks = make_images(12 * critic_steps), make_masks(12 * critic_steps)
    fit(gan, images, masks, 2 * critic_steps, callbacks=[recorder])
    # What a step leaves is the rate of the next one.
    expected = 1 - np.arange(1, 7) / 10
    np.testing.assert_allclose(recorder.rates, np.stack([expected] * 2, axis=1), rtol=1e-6)


def test_each_network_begins_its_schedule_with_its_own_first_step():
    gan, recorder = make_gan(), Recorder()
    gan.compile(rising(0.4), rising(0.8), critic_steps=2, **PHASES, **QUICKLY)
    images, masks = make_images(32), make_masks(32)
    fit(gan, images, masks, 4, callbacks=[recorder])
    generator_rates, critic_rates = np.array(recorder.rates).T
    # A step leaves the rate of the next one, and a pause leaves it as it is.
    falling = 0.4 * 0.5 * (1 + np.cos(np.pi / 4))
    np.testing.assert_allclose(generator_rates[:5], [0.2, 0.4, 0.4, 0.4, falling], atol=1e-6)
    np.testing.assert_allclose(critic_rates[:5], [0, 0, 0.4, 0.8, 2 * falling], atol=1e-6)


def test_a_schedule_is_kept_by_files(tmp_path):
    gan = make_gan()
    gan.compile(FALL, critic_steps=2, **QUICKLY)
    images, masks = make_images(8), make_masks(8)
    fit(gan, images, masks, 4)
    gan.save(tmp_path / "gan.keras")
    loaded, recorder = keras.saving.load_model(tmp_path / "gan.keras"), Recorder()
    fit(loaded, images, masks, 4, callbacks=[recorder])
    np.testing.assert_allclose(recorder.rates, [[0.7, 0.7], [0.6, 0.6]], rtol=1e-6)


def test_callbacks_that_set_rates_are_refused_beside_a_schedule():
    gan = make_gan()
    gan.compile(FALL)
    callback = keras.callbacks.ReduceLROnPlateau()
    with pytest.raises(ValueError, match=r"schedule.*Received: ReduceLROnPlateau"):
        fit(gan, callbacks=[callback])
