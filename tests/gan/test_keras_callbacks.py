"""Keras's own callbacks do with `InpaintingGAN` what they do with any model."""

import csv

import keras
import numpy as np
import pytest
from gan.tiny import QUICKLY, make_gan, make_images, make_masks

SGD = keras.optimizers.SGD
IMAGES = make_images(4)


def fit(gan, *callbacks, epochs=1, images=IMAGES, **options):
    options = {"batch_size": 2, "shuffle": False, "verbose": 0, **options}
    return gan.fit(images, epochs=epochs, callbacks=list(callbacks), **options)


def rates(gan):
    return [float(optimizer.learning_rate) for optimizer in gan.optimizer.optimizers]


def assert_all_equal(found, expected, atol=0):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


class Recorder(keras.callbacks.Callback):
    """Keeps both networks' weights after each step."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(self.model.get_weights())


def test_early_stopping_finds_what_it_looks_for():
    gan = make_gan()
    gan.compile(SGD(0.0), **QUICKLY)
    history = fit(
        gan, keras.callbacks.EarlyStopping(patience=1), epochs=5, validation_data=IMAGES
    )
    assert history.epoch == [0, 1]


@pytest.mark.parametrize("name", ["best.keras", "best.weights.h5"])
def test_model_checkpoint_keeps_the_best(name, tmp_path):
    gan = make_gan()
    gan.compile(SGD(0.0), **QUICKLY)
    path = tmp_path / name
    checkpoint = keras.callbacks.ModelCheckpoint(
        path, save_best_only=True, save_weights_only=name.endswith(".h5")
    )
    fit(gan, checkpoint, validation_data=IMAGES)
    written = path.stat().st_mtime_ns
    # No better than the first.
    fit(gan, checkpoint, validation_data=IMAGES)
    assert path.stat().st_mtime_ns == written
    loaded = make_gan()
    if name.endswith(".keras"):
        loaded = keras.saving.load_model(path)
    else:
        loaded.compile(SGD(0.0))
        loaded.load_weights(path)
    assert_all_equal(loaded.get_weights(), gan.get_weights())


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_terminate_on_nan_stops_at_the_first_step_that_is_not_finite(steps_per_execution):
    gan = make_gan()
    gan.compile(steps_per_execution=steps_per_execution)
    images = make_images(12)
    images[4] = np.nan  # In the third batch.
    fit(gan, keras.callbacks.TerminateOnNaN(), images=images, epochs=2)
    # Those that were made.
    assert gan.num_steps == 2


def test_a_schedule_of_the_rate_that_it_is_given_keeps_the_ratio():
    gan = make_gan()
    gan.compile(SGD(0.01), SGD(0.04), **QUICKLY)
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    history = fit(gan, scheduler, epochs=2).history
    assert rates(gan) == pytest.approx([0.0025, 0.01])
    assert history["learning_rate_generator_optimizer"] == pytest.approx([0.005, 0.0025])
    assert history["learning_rate_critic_optimizer"] == pytest.approx([0.02, 0.01])


def test_a_schedule_of_an_absolute_rate_sets_both_to_it():
    gan = make_gan()
    gan.compile(SGD(0.01), SGD(0.04), **QUICKLY)
    fit(gan, keras.callbacks.LearningRateScheduler(lambda epoch: 0.5))
    assert rates(gan) == [0.5, 0.5]


def test_reduce_on_plateau_acts_on_both():
    gan = make_gan()
    gan.compile(SGD(0.01), SGD(0.04), **QUICKLY)
    plateau = keras.callbacks.ReduceLROnPlateau(patience=1, factor=0.5, min_delta=100.0)
    fit(gan, plateau, epochs=2, validation_data=IMAGES)
    assert rates(gan) == pytest.approx([0.005, 0.02])


def averages(start):
    """Exponential averages of the weights by hand, after each step of a plain run."""
    gan, recorder = make_gan(like=start), Recorder()
    gan.compile(SGD(0.2), **QUICKLY)
    fit(gan, recorder, epochs=2)
    average, found = recorder.weights[0], []
    for weights in recorder.weights:
        average = [0.7 * a + 0.3 * w for a, w in zip(average, weights, strict=True)]
        found.append(average)
    return found, recorder.weights


def averaging():
    return SGD(0.2, use_ema=True, ema_momentum=0.7)


def test_averages_take_the_place_of_the_weights_at_the_end():
    gan = make_gan()
    expected, plain = averages(gan)
    gan.compile(averaging())
    fit(gan, epochs=2)
    assert_all_equal(gan.get_weights(), expected[-1], atol=1e-6)
    assert np.abs(plain[-1][0] - expected[-1][0]).max() > 1e-3


def test_validation_and_checkpoints_use_the_averages(tmp_path):
    gan = make_gan()
    expected, _ = averages(gan)
    gan.compile(averaging())
    masks = make_masks(4)
    history = fit(
        gan,
        keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
        keras.callbacks.ModelCheckpoint(
            tmp_path / "epoch-{epoch}.weights.h5", save_weights_only=True
        ),
        epochs=2,
        validation_data=(IMAGES, masks),
    ).history
    averaged = make_gan()
    averaged.compile(**QUICKLY)
    # Two steps an epoch.
    for epoch, average in enumerate([expected[1], expected[3]], start=1):
        averaged.set_weights(average)
        loss = averaged.evaluate(IMAGES, masks, verbose=0)[0]
        assert history["val_loss"][epoch - 1] == pytest.approx(loss, rel=1e-5)
        saved = make_gan()
        saved.compile(averaging())
        saved.load_weights(tmp_path / f"epoch-{epoch}.weights.h5")
        assert_all_equal(saved.get_weights(), average, atol=1e-6)
    assert_all_equal(gan.get_weights(), expected[-1], atol=1e-6)


def test_swapping_averages_in_float16_is_refused():
    keras.config.set_dtype_policy("mixed_float16")
    gan = make_gan()
    gan.compile(averaging())
    with pytest.raises(ValueError, match=r"SwapEMAWeights.*LossScaleOptimizer"):
        fit(gan, keras.callbacks.SwapEMAWeights())


class Crash(keras.callbacks.Callback):
    """Ends the training in the middle."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise RuntimeError("The machine is gone.")


def test_backup_and_restore_goes_on_where_it_was(tmp_path):
    straight = make_gan()
    straight.compile("adam", **QUICKLY)
    crashed = make_gan(like=straight)
    crashed.compile("adam", **QUICKLY)
    fit(straight, epochs=4)
    with pytest.raises(RuntimeError, match="The machine is gone"):
        fit(crashed, keras.callbacks.BackupAndRestore(tmp_path), Crash(), epochs=4)
    resumed = make_gan()
    resumed.compile("adam", **QUICKLY)
    fit(resumed, keras.callbacks.BackupAndRestore(tmp_path), epochs=4)
    assert resumed.num_steps == 8
    assert_all_equal(resumed.get_weights(), straight.get_weights(), atol=1e-7)


def test_csv_logger_and_batch_hooks_are_told_of_the_loss(tmp_path):
    gan, losses = make_gan(), []
    gan.compile(**QUICKLY)
    fit(
        gan,
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: losses.append(logs["loss"])
        ),
        epochs=2,
        validation_data=IMAGES,
    )
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert {"loss", "val_loss", "val_psnr", "critic_loss"} <= set(rows[0])
    assert len(losses) == 4
    # A metric is the mean of an epoch so far.
    assert float(rows[1]["loss"]) == pytest.approx(losses[3], rel=1e-6)


def test_tensorboard_writes_curves_histograms_and_the_graph(tmp_path):
    pytest.importorskip("tensorflow")
    pytest.importorskip("tensorboard")
    gan = make_gan()
    gan.compile()
    board = keras.callbacks.TensorBoard(
        tmp_path, histogram_freq=1, write_graph=True, update_freq="batch"
    )
    fit(gan, board, epochs=2, validation_data=IMAGES)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def tags(kind):
        events = EventAccumulator(str(tmp_path / kind), size_guidance={"tensors": 0})
        events.Reload()
        return set(events.Tags()["tensors"])

    assert {"epoch_loss", "epoch_learning_rate_generator_optimizer"} <= tags("train")
    assert any("kernel" in tag and "histogram" in tag for tag in tags("train"))
    assert {"epoch_loss", "epoch_psnr"} <= tags("validation")
