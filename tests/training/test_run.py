import csv
import dataclasses
import importlib
import json
import math
import os
import re
import resource
import shutil
import signal
import subprocess
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

tf = pytest.importorskip("tensorflow")
pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow only"),
    # The photos are read compiled all the same.
    pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning"),
]

from keras_inpaint import Inpainter  # noqa: E402
from keras_inpaint.cli.main import main  # noqa: E402
from keras_inpaint.data.photos import stream  # noqa: E402
from keras_inpaint.gan.inpainting_gan import InpaintingGAN  # noqa: E402
from keras_inpaint.masks import Boxes, Mosaic  # noqa: E402
from keras_inpaint.metrics import PerceptualDistance  # noqa: E402
from keras_inpaint.models import EfficientNetLite, Generator, PatchCritic  # noqa: E402
from keras_inpaint.presets import read_network, write_preset  # noqa: E402
from keras_inpaint.training import photo_streams  # noqa: E402
from keras_inpaint.training import run as run_module  # noqa: E402
from keras_inpaint.training.building import build, learning_rate_schedules  # noqa: E402
from keras_inpaint.training.run import train  # noqa: E402
from keras_inpaint.training.run_folder import RunFolder, RunLog  # noqa: E402
from keras_inpaint.training.settings import Settings  # noqa: E402

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3))
        Image.fromarray(pixels.astype("uint8")).save(folder / f"{number}.png")
    return str(folder)


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Small critics, holes that are soon drawn, no compiling and no curves.

    These would take most of the time.
    """
    make, masks = InpaintingGAN.deepfill_v2, Boxes(16, 16, jitter=4)
    tf.config.run_functions_eagerly(True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            InpaintingGAN,
            "deepfill_v2",
            staticmethod(
                lambda **options: make(**{"critic_width": 4, "masks": masks} | options)
            ),
        )
        patch.setattr("keras_inpaint.training.run_report._curves", lambda folder, rows: [])
        yield
    tf.config.run_functions_eagerly(False)


def make_networks_small(patch):
    patch.syspath_prepend(BENCHMARKS)
    make = importlib.import_module("kills").make_small
    patch.setattr(
        InpaintingGAN,
        "deepfill_v2",
        staticmethod(lambda **options: make(critic_width=4, **options)),
    )


@pytest.fixture
def small_networks(monkeypatch):
    """Networks of a few layers, for what does not depend on them."""
    make_networks_small(monkeypatch)


@pytest.fixture(scope="module")
def begun(photos, tmp_path_factory, quick):
    """The settings and the folder of a run of one step."""
    settings = Settings(
        photos,
        str(tmp_path_factory.mktemp("begun") / "run"),
        width=8,
        image_size=32,
        batch_size=2,
        steps=1,
        save_every=2,
    )
    train(settings, report=str)
    return settings


@pytest.fixture(scope="module")
def small_begun(begun, tmp_path_factory):
    """The same of small networks."""
    settings = dataclasses.replace(begun, output=str(tmp_path_factory.mktemp("small") / "run"))
    with pytest.MonkeyPatch.context() as patch:
        make_networks_small(patch)
        train(settings, report=str)
    return settings


@pytest.fixture
def settings(begun, tmp_path):
    """Settings of a run that is yet to begin."""
    return dataclasses.replace(begun, output=str(tmp_path / "run"))


@pytest.fixture
def copied(begun, settings):
    """Settings of a run of which one step was made."""
    shutil.copytree(begun.output, settings.output)
    return settings


@pytest.fixture
def small_copied(small_begun, settings, small_networks):
    """The same of small networks, which are those of the test."""
    shutil.copytree(small_begun.output, settings.output)
    return settings


def log_of(settings):
    with open(os.path.join(settings.output, "log.csv"), newline="") as file:
        return list(csv.DictReader(file))


def arrays_of(checkpoint):
    """All arrays of a checkpoint, with their names."""
    found = []
    with h5py.File(checkpoint) as file:
        file.visititems(
            lambda name, item: (
                found.append((name, item[()])) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found


def weights_of(settings):
    """The weights of both networks, in the run's preset."""
    preset = os.path.join(settings.output, "preset")
    networks = [read_network(preset, name)[0] for name in ("model", "critic")]
    return [variable.numpy() for network in networks for variable in network.trainable_weights]


@pytest.mark.usefixtures("small_networks")
def test_run_leaves_settings_log_checkpoints_and_a_preset(settings, photos, tmp_path):
    settings = dataclasses.replace(
        settings, steps=4, validation=photos, sheets_every=3, tensorboard=True
    )
    lines = []
    assert train(settings, report=lines.append) == 4
    run = tmp_path / "run"
    assert json.loads((run / "settings.json").read_text()) == settings.to_dict()
    assert [path.name for path in sorted((run / "checkpoint").iterdir())] == [
        "step-000000002",
        "step-000000004",
    ]
    assert [path.name for path in (run / "sheets").iterdir()] == ["step-000000003.png"]
    assert re.search(r"step 4/4 .* steps/s, .* pictures/s, \d+% waiting for data$", lines[-1])
    text = (run / "report.md").read_text()
    assert "![step-000000003](sheets/step-000000003.png)" in text
    assert "`val_hole_l1`" in text
    assert len(list((run / "tensorboard").iterdir())) == 1
    log = log_of(settings)
    assert [row["step"] for row in log] == ["2", "4"]
    assert {"generator_loss", "critic_loss", "val_hole_l1", "val_psnr"} <= set(log[0])
    assert lines[0].startswith("Training on 4 photos, 4 for validation. The first step")
    assert lines[1].startswith("step 2/4 ")
    filled = Inpainter.from_preset(run / "preset").inpaint(
        np.zeros((20, 20, 3), "uint8"), np.eye(20, dtype=bool)
    )
    assert filled.shape == (20, 20, 3)


# What a run must not forget: in which phase it is, its rates, and the average.
FIRST_STEPS = {
    "reconstruction_steps": 1,
    "critic_only_steps": 1,
    "warmup_steps": 1,
    "ema_momentum": 0.5,
}


def test_run_that_goes_on_ends_where_an_unbroken_one_does(settings, tmp_path):
    settings = dataclasses.replace(settings, learning_rate=1e-3, **FIRST_STEPS)
    unbroken = dataclasses.replace(settings, steps=4, output=str(tmp_path / "unbroken"))
    train(unbroken, report=str)
    train(dataclasses.replace(settings, steps=2), report=str)
    lines = []
    assert train(dataclasses.replace(settings, steps=4), report=lines.append) == 4
    assert lines[0].startswith("Going on from step 2 ")
    assert [row["step"] for row in log_of(settings)] == ["2", "4"]
    last = Path("checkpoint", "step-000000004", "training.weights.h5")
    # The average, which the preset has, and what it is the average of.
    for found, expected in (
        (weights_of(settings), weights_of(unbroken)),
        (
            dict(arrays_of(Path(settings.output, last))).values(),
            dict(arrays_of(Path(unbroken.output, last))).values(),
        ),
    ):
        for weights, others in zip(found, expected, strict=True):
            # Adam's first steps are 1e-3 long: without its state they would differ by as much.
            np.testing.assert_allclose(weights, others, atol=2e-6)
    ours, average = (
        [
            weight
            for name, weight in arrays_of(Path(settings.output, last))
            if name.startswith(part)
        ]
        for part in ("generator", "ema_generator")
    )
    assert max(np.abs(a - b).max() for a, b in zip(ours, average, strict=True)) > 1e-5


def test_frozen_layers_stay_to_the_bit_also_where_a_run_goes_on(settings):
    settings = dataclasses.replace(settings, freeze=["coarse", "critic/conv1"])
    begun = build(settings, str)
    lines = []
    train(settings, report=lines.append)
    assert "Frozen: 34 weights of the generator, 2 weights of the critic." in lines
    assert train(dataclasses.replace(settings, steps=2), report=str) == 2
    generator, critic = (
        read_network(os.path.join(settings.output, "preset"), name)[0]
        for name in ("model", "critic")
    )
    for layer, before in (
        (generator.coarse_network, begun.generator.coarse_network),
        (critic.get_layer("conv1"), begun.critic.get_layer("conv1")),
    ):
        for weight, other in zip(layer.get_weights(), before.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, other)
    for network, before in ((generator, begun.generator), (critic, begun.critic)):
        assert (network.get_weights()[-1] != before.get_weights()[-1]).any()


def test_run_goes_on_with_other_settings(copied, tmp_path):
    changed = {
        "steps": 2,
        "batch_size": 3,
        "image_size": 40,
        "learning_rate": 1e-3,
        "loss_weights": {"hole": 2.0},
        "precision": "mixed_bfloat16",
        "seed": 1,
        "box_share": 0.5,
    }
    lines = []
    assert train(dataclasses.replace(copied, **changed), report=lines.append) == 2
    assert lines[0].startswith("Going on from step 1 ")
    # The optimizers go on too: each has made two updates, the second one at the new rate.
    checkpoint = tmp_path / "run" / "checkpoint" / "step-000000002" / "training.weights.h5"
    arrays = dict(arrays_of(checkpoint))
    for name in ("generator_optimizer", "critic_optimizer"):
        assert arrays[f"optimizer/{name}/vars/0"] == 2
        assert arrays[f"optimizer/{name}/vars/1"] == pytest.approx(1e-3)
    assert {"step-000000001", "step-000000002"} == {
        path.name for path in (tmp_path / "run" / "checkpoint").iterdir()
    }


def test_average_is_from_the_first_step_on_or_never(copied):
    with pytest.raises(ValueError, match=r"from the first step.*run.preset'.*momentum=0\.9"):
        train(dataclasses.replace(copied, ema_momentum=0.9), report=str)


def test_rates_rise_and_fall_along_half_a_cosine(begun):
    rates = {"learning_rate": 5e-4, "final_learning_rate": 1e-4, "critic_learning_rate": 2e-4}
    settings = dataclasses.replace(begun, steps=60, **rates)
    # The cosine of 60 degrees is a half, so that a quarter of the way is made.
    for step, rate in ((0, 5e-4), (20, 4e-4), (30, 3e-4), (60, 1e-4), (90, 1e-4)):
        found = [float(schedule(step)) for schedule in learning_rate_schedules(settings)]
        np.testing.assert_allclose(found, [rate, rate * 2 / 5], rtol=1e-6)
    # Of the generator's steps, ten fewer, and the critic's, twenty fewer.
    waits = {"warmup_steps": 10, "critic_only_steps": 10, "reconstruction_steps": 20}
    schedules = learning_rate_schedules(dataclasses.replace(settings, **waits))
    for schedule, rate, half_way in zip(schedules, (5e-4, 2e-4), (30, 25), strict=True):
        found = [float(schedule(step)) for step in (0, 5, 10, half_way)]
        np.testing.assert_allclose(found, [0, rate / 2, rate, rate * 3 / 5], rtol=1e-6)
    steady = dataclasses.replace(begun, steps=60, learning_rate=3e-4)
    assert float(learning_rate_schedules(steady)[0](1)) == pytest.approx(3e-4, rel=1e-6)


@pytest.mark.usefixtures("small_networks")
def test_run_learns_at_the_rate_of_its_step(settings, monkeypatch):
    rates, fit = [], run_module._fit

    def watched(gan, *arguments):
        history = fit(gan, *arguments)
        rates.append([float(each.learning_rate) for each in gan.optimizer.optimizers])
        return history

    monkeypatch.setattr(run_module, "_fit", watched)
    falling = {"learning_rate": 3e-4, "final_learning_rate": 1e-4, "critic_learning_rate": 6e-4}
    settings = dataclasses.replace(settings, steps=4, **falling)
    train(settings, report=str)
    # Each part leaves the rates of the step after it.
    expected = [
        [float(schedule(step)) for schedule in learning_rate_schedules(settings)]
        for step in (2, 4)
    ]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_share_of_boxes_and_discount_are_as_the_settings_say(begun):
    sampler = build(dataclasses.replace(begun, box_share=0.25)).masks
    assert [type(each).__name__ for each in sampler.samplers] == ["Boxes", "Strokes"]
    assert sampler.weights == [0.25, 0.75]
    v1 = {"architecture": "deepfill_v1", "width": 4, "critic_width": 4, "image_size": 64}
    assert build(dataclasses.replace(begun, gamma=0.95, **v1)).objective.gamma == 0.95
    assert build(dataclasses.replace(begun, **v1)).objective.gamma == 0.99


def test_perceptual_loss_is_that_of_the_named_network(settings, tmp_path, rng):
    shapes = {"stem": (3, 3, 3, 4), "0.depthwise": (3, 3, 4, 1), "0.project": (1, 1, 4, 2)}
    shapes["head"] = (1, 1, 2, 8)
    arrays = {f"{name}.kernel": rng.normal(size=shape) for name, shape in shapes.items()}
    for name, shape in shapes.items():
        arrays[f"{name}.bias"] = np.zeros(shape[2] if "depth" in name else shape[3])
    path = str(tmp_path / "network.npz")
    np.savez(path, **arrays, strides=np.array([1]))
    settings = dataclasses.replace(
        settings,
        perceptual_network=path,
        perceptual_layers=[2, 1],
        loss_weights={"perceptual": 3.0},
    )
    assert train(settings, report=str) == 1
    (row,) = log_of(settings)
    terms = {name: float(value) for name, value in row.items()}
    weights = {"hole": 1, "known": 1, "adversarial": 1, "perceptual": 3}
    total = sum(weight * terms[f"{name}_loss"] for name, weight in weights.items())
    assert terms["perceptual_loss"] > 0
    np.testing.assert_allclose(terms["generator_loss"], total, rtol=1e-5)
    distance = build(settings).objective.perceptual
    images, others = rng.uniform(-1, 1, (2, 1, 32, 32, 3)).astype("float32")
    expected = PerceptualDistance(EfficientNetLite(arrays | {"strides": [1]}), [2, 1])
    np.testing.assert_allclose(distance(images, others), expected(images, others), rtol=1e-6)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_precision_is_that_of_the_run_and_of_nothing_else(settings, precision):
    settings = dataclasses.replace(settings, precision=precision)
    compute_dtype = precision.removeprefix("mixed_")
    gan = build(settings)
    assert keras.config.dtype_policy().name == "float32"
    for network in (gan.generator, gan.critic):
        assert (network.compute_dtype, network.variable_dtype) == (compute_dtype, "float32")
    # Where numbers are small, the gradients of scaled losses.
    is_scaled = isinstance(
        gan.optimizer.generator_optimizer, keras.optimizers.LossScaleOptimizer
    )
    assert is_scaled == (precision == "mixed_float16")
    assert train(settings, report=str) == 1
    assert np.isfinite(float(log_of(settings)[0]["generator_loss"]))
    preset = os.path.join(settings.output, "preset")
    assert read_network(preset)[0].compute_dtype == "float32"
    other = dataclasses.replace(settings, precision="float32")
    if not is_scaled:
        assert train(other, report=str) == 1
        return
    with pytest.raises(ValueError, match=rf"cannot change its `precision`.*{precision}"):
        train(other, report=str)


@pytest.mark.usefixtures("small_networks")
def test_smallest_squares_are_as_the_settings_say(settings, monkeypatch):
    scales = []

    def watched(files, **options):
        if options["repeat"]:
            scales.append(options["min_scale"])
        return stream(files, **options)

    monkeypatch.setattr(photo_streams, "stream", watched)
    train(dataclasses.replace(settings, min_scale=0.9), report=str)
    assert set(scales) == {0.9}


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"precision": "float16"}, "mixed_float16. Received: precision='float16'"),
        ({"min_scale": 1.5}, r"up to 1. Received: min_scale=1\.5"),
        ({"critic_learning_rate": 0}, "critic_learning_rate=0"),
        ({"gamma": 0.9}, r"for deepfill_v1 alone.*gamma=0\.9"),
        ({"gamma": 1.5, "architecture": "deepfill_v1"}, r"gamma=1\.5"),
        ({"box_share": 0.5, "architecture": "deepfill_v1"}, r"deepfill_v2 alone.*0\.5"),
        ({"box_share": 0.5, "masks": "masks"}, r"where `masks` are files"),
        (
            {"perceptual_network": "a.npz"},
            r"has perceptual=0\. Received: .*a\.npz",
        ),
        ({"loss_weights": {"perceptual": 2}}, r"has perceptual=2\. Received: .*network=None"),
        ({"perceptual_layers": [1.0]}, r"without perceptual_network"),
        ({"perceptual_layers": [1, -1]}, r"numbers of at least 0"),
        ({"perceptual_layers": "3"}, r"numbers of at least 0"),
    ],
)
def test_rates_discounts_and_shares_out_of_bounds_are_refused(begun, changes, advice):
    with pytest.raises(ValueError, match=advice):
        dataclasses.replace(begun, **changes)


@pytest.mark.usefixtures("small_networks")
def test_each_part_of_a_run_goes_on_in_one_stream(settings, monkeypatch):
    begun = []

    def watched(files, **options):
        if options["repeat"]:
            begun.append((options["seed"], options["start"]))
        return stream(files, **options)

    monkeypatch.setattr(photo_streams, "stream", watched)
    train(dataclasses.replace(settings, steps=3, save_every=2), report=str)
    (first, second) = begun
    assert first[0] == second[0]
    assert (first[1], second[1]) == (0, 2)


@pytest.mark.usefixtures("small_networks")
def test_damaged_photo_is_named_once_a_run(settings, photos, tmp_path, caplog):
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos" / "damaged.png").write_text("no picture")
    data = str(tmp_path / "photos")
    settings = dataclasses.replace(settings, data=data, steps=3, save_every=1, batch_size=4)
    (tmp_path / "photos" / "CREDITS.tsv").write_text("Anna")
    settings = dataclasses.replace(settings, validation=data)
    lines = []
    with caplog.at_level("INFO"):
        train(settings, report=lines.append)
    told = [record.getMessage() for record in caplog.records]
    assert sum("damaged.png" in line for line in told) == 1
    left_out = f"Left out of {data}: 1 not a picture (CREDITS.tsv)."
    assert [line for line in told if "CREDITS" in line] == [left_out]
    assert lines[0].startswith("Training on 5 photos, 5 for validation.")


def test_finished_run_is_not_trained_further(begun, copied):
    lines = []
    assert train(copied, report=lines.append) == 1
    assert any("All 1 steps of" in line and "--steps" in line for line in lines)
    for weights, expected in zip(weights_of(copied), weights_of(begun), strict=True):
        np.testing.assert_array_equal(weights, expected)


@pytest.mark.usefixtures("small_networks")
@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_stopped_run_saves_what_it_has(settings, monkeypatch, name):
    monkeypatch.setattr("keras_inpaint.signals._leave_terminal", lambda: None)
    number = getattr(signal, name)

    class Interrupting(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 1:
                os.kill(os.getpid(), number)

    fit = InpaintingGAN.fit
    monkeypatch.setattr(
        InpaintingGAN,
        "fit",
        lambda self, *args, callbacks, **options: fit(
            self, *args, callbacks=[Interrupting(), *callbacks], **options
        ),
    )
    before = signal.getsignal(number)
    assert train(dataclasses.replace(settings, steps=9, save_every=5), report=str) == 2
    assert signal.getsignal(number) is before
    assert [row["step"] for row in log_of(settings)] == ["2"]


def test_run_starts_from_a_preset_with_its_critic(begun, settings):
    preset = os.path.join(begun.output, "preset")
    lines = []
    # Too small a rate to move the weights, and another seed.
    changes = {"preset": preset, "width": None, "seed": 9, "learning_rate": 1e-12}
    train(dataclasses.replace(settings, **changes), report=lines.append)
    for weights, expected in zip(weights_of(settings), weights_of(begun), strict=True):
        np.testing.assert_allclose(weights, expected, atol=1e-7)
    assert not any("new one is trained" in line for line in lines)


def test_run_restores_the_mosaics_that_its_preset_restored(settings, tmp_path):
    gan = InpaintingGAN.deepfill_v2(width=8, image_size=32)
    gan.corruption = Mosaic(4)
    gan.save_to_preset(tmp_path / "mosaics")
    settings = dataclasses.replace(settings, preset=str(tmp_path / "mosaics"), width=None)
    assert build(settings, report=str).corruption.size == 4
    other = dataclasses.replace(settings, mosaic=8)
    assert build(other, report=str).corruption.size == 8


def port_preset(folder, with_critic=True):
    """A preset as converted ports have it: in PyTorch's dialect."""
    gan = InpaintingGAN.deepfill_v2(width=8, image_size=32, dialect="pytorch")
    preset = str(folder / "port")
    (gan if with_critic else gan.inpainter).save_to_preset(preset)
    return preset


def test_run_starts_from_a_preset_of_another_dialect(settings, tmp_path):
    settings = dataclasses.replace(settings, preset=port_preset(tmp_path), width=None)
    lines = []
    started = build(settings, report=lines.append)
    for network, name in ((started.generator, "model"), (started.critic, "critic")):
        expected = read_network(settings.preset, name)[0]
        assert {**network.get_config(), "name": expected.name} == expected.get_config()
        for weights, others in zip(network.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_array_equal(weights, others)
    assert started.generator.padding == "centred"
    assert lines == []


def test_new_critic_pads_as_the_generator_of_the_preset_does(settings, tmp_path):
    preset = port_preset(tmp_path, with_critic=False)
    settings = dataclasses.replace(settings, preset=preset, width=None)
    lines = []
    gans = [build(settings, report=lines.append) for _ in range(2)]
    assert gans[0].critic.padding == "centred"
    assert lines == ["The preset has no critic: a new one is trained."] * 2
    for weights, others in zip(*(gan.get_weights() for gan in gans), strict=True):
        np.testing.assert_array_equal(weights, others)


def test_run_from_another_dialect_goes_on_in_it_alone(settings, tmp_path):
    preset = port_preset(tmp_path, with_critic=False)
    settings = dataclasses.replace(settings, preset=preset, sheets_every=0)
    train(settings, report=str)
    # The weights would fit.
    with pytest.raises(ValueError, match=r"same `preset`.*differs in attention, padding"):
        train(dataclasses.replace(settings, preset=None), report=str)
    assert json.loads((tmp_path / "run" / "settings.json").read_text())["preset"] == preset
    lines = []
    train(dataclasses.replace(settings, steps=2), report=lines.append)
    assert any(line.startswith("Going on from step 1 ") for line in lines)
    assert [row["step"] for row in log_of(settings)] == ["1", "2"]
    assert read_network(tmp_path / "run" / "preset")[0].padding == "centred"


def test_run_from_a_preset_has_the_precision_of_now(settings, tmp_path):
    settings = dataclasses.replace(settings, preset=port_preset(tmp_path))
    keras.config.set_dtype_policy("mixed_float16")
    started = build(settings, report=str)
    assert started.generator.compute_dtype == started.critic.compute_dtype == "float16"


def test_preset_with_other_patches_has_holes_that_fit_them(settings, tmp_path):
    gan = InpaintingGAN.deepfill_v1(width=4, image_size=64, patch_size=16, critic_width=4)
    gan.save_to_preset(tmp_path / "preset")
    changes = {"architecture": "deepfill_v1", "preset": str(tmp_path / "preset")}
    settings = dataclasses.replace(settings, width=None, image_size=64, **changes)
    started = build(settings, report=str)
    assert started.critic.patch_size == (16, 16)
    assert (started.masks.height, started.masks.width) == (16, 16)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"critic_width": 8}, "width=4, where critic_width=8"),
        ({"image_size": 64}, r"image_size=\(32, 32\), where image_size=64"),
    ],
)
def test_critic_that_does_not_fit_is_replaced(settings, tmp_path, changes, reason):
    gan = InpaintingGAN.deepfill_v1(width=4, image_size=32, critic_width=4)
    gan.save_to_preset(tmp_path / "preset")
    changes = {"critic_width": None, **changes, "preset": str(tmp_path / "preset")}
    settings = dataclasses.replace(settings, architecture="deepfill_v1", width=None, **changes)
    lines = []
    build(settings, report=lines.append)
    assert len(lines) == 1
    assert re.search(reason + ".*new one is trained", lines[0])


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (Generator.deepfill_v2, {"width": 16}, "is 8. Leave it out.* width=16"),
        (Generator.deepfill_v1, {}, "'deepfill_v1', as its convolutions .*='deepfill_v2'"),
        (
            lambda width: Generator.deepfill_v2(width, channels=1),
            {},
            "`channels` of this preset is 1.*channels=3",
        ),
        (lambda width: PatchCritic(width), {}, "Generator.*which holds a PatchCritic"),
    ],
    ids=["width", "architecture", "channels", "class"],
)
def test_preset_of_another_network_is_refused(settings, tmp_path, make, changes, message):
    write_preset(tmp_path / "preset", {"model": make(8)})
    changes = {"width": None, **changes, "preset": str(tmp_path / "preset")}
    with pytest.raises(ValueError, match=message):
        train(dataclasses.replace(settings, **changes), report=str)
    assert not (tmp_path / "run").exists()


def test_run_of_another_network_is_not_gone_on_with(copied):
    with pytest.raises(ValueError, match=r"width=8.*Received: width=16"):
        train(dataclasses.replace(copied, width=16), report=str)


def test_refused_start_leaves_nothing_behind(settings, tmp_path):
    with pytest.raises(ValueError, match=r"multiple of 8 for deepfill_v2.*image_size=36"):
        train(dataclasses.replace(settings, image_size=36), report=str)
    assert not (tmp_path / "run").exists()


def test_run_without_any_checkpoint_is_begun_anew_with_other_settings(settings):
    for each in (dataclasses.replace(settings, width=16, ema_momentum=0.5), settings):
        with RunFolder(each) as folder:
            assert json.loads(folder.settings_file.read_text()) == each.to_dict()


def test_preset_that_a_run_left_is_not_overwritten_by_another_network(copied, tmp_path):
    shutil.rmtree(tmp_path / "run" / "checkpoint" / "step-000000001")
    with pytest.raises(ValueError, match=r"width=8.*Received: width=16"):
        RunFolder(dataclasses.replace(copied, width=16))


def test_folder_of_other_files_is_no_output(settings, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="must be a new folder"):
        train(settings, report=str)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.tex"]


def test_run_goes_on_from_the_newest_checkpoint_that_is_whole(small_copied, tmp_path):
    checkpoints = tmp_path / "run" / "checkpoint"
    for step in (2, 3):
        shutil.copytree(checkpoints / "step-000000001", checkpoints / f"step-00000000{step}")
    weights = checkpoints / "step-000000002" / "training.weights.h5"
    os.truncate(weights, weights.stat().st_size // 2)
    (checkpoints / "step-000000003" / "training.weights.h5").write_bytes(b"")
    lines = []
    assert train(small_copied, report=lines.append) == 1
    assert [line.split(" is damaged")[0][-1:] for line in lines[:2]] == ["3", "2"]
    assert lines[2].startswith("All 1 steps of ")


def test_damaged_checkpoints_are_named_where_none_is_whole(small_copied, tmp_path):
    checkpoint = tmp_path / "run" / "checkpoint" / "step-000000001" / "training.weights.h5"
    checkpoint.write_bytes(b"cut short")
    with pytest.raises(ValueError, match=r"Delete them.*step-000000001"):
        train(small_copied, report=str)


# What a disk may do to a file.
DAMAGES = {
    "cut": lambda path: os.truncate(path, path.stat().st_size * 2 // 3),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_torn_settings_log_and_preset_do_not_stop_a_run(small_copied, tmp_path, damage):
    run = tmp_path / "run"
    torn = ["settings.json", "log.csv", "preset/config.json", "preset/metadata.json"]
    for name in torn if damage != "gone" else torn[:2] + torn[3:]:
        DAMAGES[damage](run / name)
    lines = []
    with pytest.raises(ValueError, match=r"cannot change its `width`.*width=8.*width=16"):
        train(dataclasses.replace(small_copied, width=16), report=lines.append)
    assert train(dataclasses.replace(small_copied, steps=2), report=lines.append) == 2
    assert any(line.startswith("Going on from step 1 ") for line in lines)
    # Of a file that is gone, nothing is kept.
    assert (run / "log.damaged.csv").exists() == (damage == "cut")
    assert [row["step"] for row in log_of(small_copied)][-1] == "2"
    assert json.loads((run / "settings.json").read_text())["steps"] == 2
    assert Inpainter.from_preset(run / "preset").generator.width == 8


def test_settings_that_are_torn_are_those_of_the_checkpoint(small_copied, tmp_path, capsys):
    file = tmp_path / "run" / "settings.json"
    file.write_text("{")
    assert main(["train", "--config", str(file)]) == 0
    told = capsys.readouterr()
    assert f"{file} is damaged: the settings are those of the newest checkpoint." in told.err
    assert json.loads(file.read_text()) == small_copied.to_dict()


def test_best_step_by_a_metric_is_kept_as_a_preset(settings, photos, tmp_path, monkeypatch):
    values = iter([0.3, 0.1, 0.2])

    def evaluate(gan, *args, **options):
        return dict.fromkeys(gan.metrics_names, 0.5) | {"hole_l1": next(values)}

    monkeypatch.setattr(InpaintingGAN, "evaluate", evaluate)
    settings = dataclasses.replace(
        settings, steps=3, save_every=1, keep_last=1, keep_best="val_hole_l1", validation=photos
    )
    train(settings, report=str)
    run = tmp_path / "run"
    kept = sorted(path.name for path in (run / "checkpoint").iterdir())
    assert kept == ["step-000000002", "step-000000003"]
    metadata = json.loads((run / "best" / "metadata.json").read_text())
    assert metadata["best_by"] == {"val_hole_l1": 0.1}
    assert "2 steps" in metadata["trained_on"]
    best = arrays_of(run / "checkpoint" / kept[0] / "training.weights.h5")
    best = [array for name, array in best if name.startswith("generator/")]
    written = read_network(run / "best")[0].get_weights()
    for array in written:
        assert any(each.shape == array.shape and (each == array).all() for each in best)
    # Which a run is begun from as from any.
    other = dataclasses.replace(
        settings, output=str(tmp_path / "next"), steps=1, keep_best=None, validation=None
    )
    begun = build(dataclasses.replace(other, preset=str(run / "best")), str)
    for array, expected in zip(begun.generator.get_weights(), written, strict=True):
        np.testing.assert_array_equal(array, expected)
    with pytest.raises(ValueError, match="`keep_best` must be left out, or photos named"):
        dataclasses.replace(settings, validation=None)


def test_what_was_begun_to_be_written_is_swept_away(small_copied, tmp_path):
    run = tmp_path / "run"
    (run / "sheets").mkdir()
    for folder in (run, run / "checkpoint", run / "sheets"):
        draft = folder / f".{'0' * 32}.unfinished"
        draft.mkdir()
        (draft / "begun").write_text("half of")
    train(small_copied, report=str)
    assert sorted(path.name for path in run.iterdir()) == [
        ".lock",
        "checkpoint",
        "log.csv",
        "preset",
        "report.md",
        "settings.json",
        "sheets",
    ]
    assert not list((run / "sheets").iterdir())
    assert len(list((run / "checkpoint").iterdir())) == 1


def test_folder_that_is_trained_in_is_refused(copied, tmp_path):
    with RunFolder(copied):
        before = (tmp_path / "run" / "settings.json").read_text()
        with pytest.raises(ValueError, match=f"Another training .*{copied.output}"):
            RunFolder(dataclasses.replace(copied, steps=99))
        assert (tmp_path / "run" / "settings.json").read_text() == before
    with RunFolder(copied):
        pass


def test_run_begins_where_one_was_cut_off_before_its_settings(settings, tmp_path):
    draft = tmp_path / "run" / f".{'0' * 32}.unfinished"
    for folder in (tmp_path / "run" / "checkpoint", draft):
        folder.mkdir(parents=True)
    for path in (tmp_path / "run" / ".lock", draft / "settings.json"):
        path.write_text("")
    with RunFolder(settings) as folder:
        assert folder.settings_file.exists()
    assert not draft.exists()


def test_lines_of_steps_that_were_lost_are_cut_off_the_log(small_copied, tmp_path):
    with (tmp_path / "run" / "log.csv").open("a") as file:
        file.write("5,0.1\n")
    train(small_copied, report=str)
    assert [row["step"] for row in log_of(small_copied)] == ["1"]


def test_what_can_be_read_of_a_damaged_log_is_kept(tmp_path):
    (tmp_path / "log.csv").write_bytes(
        b"step,loss,val_l1\n1,0.5,\n2,\xff\x00,1\n3,0.4,0.1\n4,0."
    )
    lines = []
    log = RunLog(tmp_path / "log.csv", lines.append)
    log.cut(after=8)
    assert (tmp_path / "log.csv").read_text() == "step,loss,val_l1\n1,0.5,\n3,0.4,0.1\n"
    assert len(lines) == 1
    assert "2 of its lines cannot be read" in lines[0]
    assert b"\xff" in (tmp_path / "log.damaged.csv").read_bytes()


def test_log_of_which_nothing_can_be_read_is_kept_beside_a_new_one(tmp_path):
    (tmp_path / "log.csv").write_bytes(bytes(100))
    RunLog(tmp_path / "log.csv", str).add({"step": 2, "loss": 0.5})
    assert (tmp_path / "log.csv").read_text() == "step,loss\n2,0.5\n"
    assert (tmp_path / "log.damaged.csv").read_bytes() == bytes(100)


def test_full_disk_is_told_in_one_line(settings):
    # What is beyond this many bytes of a file is refused as by a full disk.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"up to step 1 cannot be saved.*Make room") as caught:
            train(settings, report=str)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("Make room") == 1
    assert "goes on anew" in str(caught.value)
    assert train(settings, report=str) == 1


def test_run_that_diverges_keeps_what_it_had_learned_before(small_copied, tmp_path):
    def spoil(gan, *args):
        metrics = fit(gan, *args)
        weight = gan.generator.trainable_weights[0]
        weight.assign(weight * math.nan)
        return metrics

    run, before = tmp_path / "run", weights_of(small_copied)
    settings = dataclasses.replace(small_copied, steps=2)
    fit = run_module._fit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "_fit", spoil)
        advice = r"no longer finite.*`learning_rate`: it goes on from step 1.*step=2 of output="
        with pytest.raises(ValueError, match=advice):
            train(settings, report=str)
    assert [path.name[:14] for path in (run / "checkpoint").iterdir()] == ["step-000000001"]
    assert [row["step"] for row in log_of(settings)] == ["1"]
    for weight, kept in zip(weights_of(settings), before, strict=True):
        np.testing.assert_array_equal(weight, kept)
    assert train(settings, report=str) == 2


def test_step_that_is_not_finite_ends_the_run_and_is_repeated(small_copied, tmp_path, capsys):
    before = weights_of(small_copied)
    # The squares of its gradients are infinite in float32.
    settings = dataclasses.replace(small_copied, steps=2, loss_weights={"hole": 1e30})
    config = tmp_path / "run" / "settings.json"
    command = f"keras-inpaint train --config {config} --repeat-step 1"
    with pytest.raises(ValueError, match=r"goes on from step 1.*step=1 of output=") as caught:
        train(settings, report=str)
    assert str(caught.value).startswith("Step 1 is not finite: generator_gradient_norm. Its")
    assert command in str(caught.value)
    assert "\n" not in str(caught.value)
    saved = tmp_path / "run" / "nonfinite" / "step-000000001"
    assert sorted(path.name for path in saved.iterdir()) == [
        "batch.npz",
        "nonfinite.json",
        "training.weights.h5",
    ]
    with np.load(saved / "batch.npz") as arrays:
        assert arrays["images"].shape == (2, 32, 32, 3)
        assert set(np.unique(arrays["masks"])) == {0, 1}
    terms = json.loads((saved / "nonfinite.json").read_text())["terms"]
    capsys.readouterr()
    assert main(command.split()[1:]) == 0
    told = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert told["generator_gradient_norm"] == "inf"
    for name in ("critic_loss", "generator_loss", "critic_gradient_norm"):
        assert float(told[name]) == pytest.approx(float(terms[name]), rel=1e-4)
    assert main([*command.split()[1:-1], "7"]) == 2
    assert "Received: step=7, where" in capsys.readouterr().err
    for weight, kept in zip(weights_of(settings), before, strict=True):
        np.testing.assert_array_equal(weight, kept)
    # With other settings, the run goes on.
    assert train(dataclasses.replace(small_copied, steps=2), report=str) == 2


def test_folder_that_cannot_be_written_to_is_told_at_once(settings, tmp_path):
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    message = r"can be written to. Choose another.*ermission denied.*Received: output="
    os.seteuid(65534)
    try:
        with pytest.raises(OSError, match=message):
            RunFolder(settings)
    finally:
        os.seteuid(0)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="can be written to"):
        RunFolder(dataclasses.replace(settings, output=str(tmp_path / "file" / "run")))


def move_away(folder):
    """Moves a folder; returns a function that moves it back."""
    away = folder.with_name("away")
    folder.rename(away)
    return lambda: away.rename(folder)


def unmount(folder):
    """Takes the disk of a folder away, while its files are open."""
    subprocess.run(["umount", "-l", folder], check=True)
    return lambda: mount_other(folder)


def mount_other(folder):
    """Mounts a folder beside another one in its place."""
    subprocess.run(["mount", "--bind", folder.with_name("disk"), folder], check=True)


@pytest.mark.parametrize("lose", [move_away, unmount])
def test_folder_that_is_lost_ends_the_run_and_is_left_as_it_was(
    small_copied, tmp_path, monkeypatch, lose
):
    folder, kept = tmp_path / "run", tmp_path / "run"
    if lose is unmount:
        kept = folder.rename(tmp_path / "disk")
        folder.mkdir()
        try:
            mount_other(folder)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"only root can mount a folder, and not everywhere: {error}")
    settings = dataclasses.replace(small_copied, steps=2, save_every=1, sheets_every=2)
    bring_back, train_step = [], InpaintingGAN.train_step

    def lose_before(gan, data):
        if not bring_back:
            bring_back.append(lose(folder))
        return train_step(gan, data)

    monkeypatch.setattr(InpaintingGAN, "train_step", lose_before)
    try:
        with pytest.raises(OSError, match=r"not there any more.*Bring it back") as caught:
            train(settings, report=str)
        assert "\n" not in str(caught.value)
        # Nothing was written in its place.
        assert not folder.exists() or not list(folder.iterdir())
        bring_back[0]()
        (checkpoint,) = (folder / "checkpoint").iterdir()
        assert checkpoint.name == "step-000000001"
        lines = []
        assert train(settings, report=lines.append) == 2
        assert lines[0].startswith("Going on from step 1 ")
        assert (kept / "checkpoint" / "step-000000002").exists()
    finally:
        if lose is unmount:
            subprocess.run(["umount", folder], check=False, capture_output=True)


@pytest.mark.usefixtures("small_networks")
def test_masks_from_files_are_trained_on_and_measured_with(settings, photos, tmp_path):
    for number in range(4):
        mask = np.zeros((40, 48), "uint8")
        mask[:20] = 255
        Image.fromarray(mask).save(tmp_path / f"{number}.png")
    seen = []
    original = InpaintingGAN._draw

    def watched(self, data, *args, **options):
        batch = original(self, data, *args, **options)
        seen.append(batch["masks"].numpy())
        return batch

    settings = dataclasses.replace(
        settings,
        masks=str(tmp_path),
        mosaic=4,
        validation=photos,
        validation_masks=str(tmp_path),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InpaintingGAN, "_draw", watched)
        train(settings, report=str)
    assert len(seen) == 1 + 2
    for masks in seen:
        np.testing.assert_array_equal(masks.mean(axis=(1, 2, 3)), 0.5)
    preset = os.path.join(settings.output, "preset")
    assert Inpainter.from_preset(preset).corruption.size == 4


def test_line_that_a_lost_checkpoint_left_is_replaced(small_copied, tmp_path):
    shutil.rmtree(tmp_path / "run" / "checkpoint" / "step-000000001")
    assert train(small_copied, report=str) == 1
    assert [row["step"] for row in log_of(small_copied)] == ["1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps=0"),
        ({"steps": 1.5}, "steps=1.5"),
        ({"image_size": "64"}, "image_size='64'"),
        ({"width": True}, "width=True"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 2**32}, "below 4294967296. Received: seed=4294967296"),
        ({"learning_rate": 0}, "learning_rate=0"),
        ({"learning_rate": math.inf}, "finite number above 0. Received: learning_rate=inf"),
        ({"final_learning_rate": 2e-4}, "up to learning_rate.*final_learning_rate=0.0002"),
        ({"architecture": "unet"}, "deepfill_v1, deepfill_v2. Received: architecture='unet'"),
        ({"batch_size": 16, "critic_steps": 5}, "multiple of critic_steps=5.*batch_size=16"),
        ({"ema_momentum": 1.0}, "below 1. Received: ema_momentum=1.0"),
        ({"save_every": 5, "steps_per_execution": 2}, "steps_per_execution=2.*save_every=5"),
        (
            {"reconstruction_steps": 3, "steps_per_execution": 2},
            "steps_per_execution=2. Received: reconstruction_steps=3",
        ),
        ({"critic_steps": 0, "critic_only_steps": 3}, "without a critic.*critic_only_steps=3"),
        ({"mask_choice": "any"}, "random, paired. Received: mask_choice='any'"),
        ({"validation_masks": "m"}, "or photos named in `validation`. Received: .*'m'"),
        ({"sheets_every": -1}, "sheets_every=-1"),
        ({"data": 3}, "data=3"),
        ({"freeze": "coarse"}, "a list of names. Received: freeze='coarse'"),
        ({"batchsize": 3}, "did you mean batch_size. Received: batchsize"),
        ({"data": None}, "no data"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_wrong_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Settings.from_dict({"data": "photos", "output": "run", **changes})


def test_settings_come_back_from_json():
    settings = Settings("photos", "run", width=8, learning_rate=2e-4, validation="more")
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
