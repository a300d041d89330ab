"""The guided mode: sketches from the images or the user to both networks."""

import dataclasses

import keras
import numpy as np
import pytest
from gan.tiny import QUICKLY
from keras import ops
from PIL import Image

from keras_inpaint import Inpainter, InpaintingGAN
from keras_inpaint.cli.main import main
from keras_inpaint.masks import EdgeSketch
from keras_inpaint.models import CoarseNetwork, Generator, PatchCritic
from keras_inpaint.training import Settings
from keras_inpaint.training.building import build

SIZE = 32


@pytest.fixture
def images(rng):
    images = rng.uniform(-0.2, 0.2, (4, SIZE, SIZE, 3)).astype("float32")
    images[:, 8:, 10:] += 0.7
    return images


@pytest.fixture
def masks():
    masks = np.zeros((4, SIZE, SIZE, 1), "float32")
    masks[:, 4:20, 6:22] = 1
    return masks


def make_gan(**options):
    return InpaintingGAN.deepfill_v2(
        width=4, image_size=SIZE, critic_width=2, guided=True, **options
    )


def test_lines_are_drawn_where_the_brightness_changes(rng):
    images = np.full((2, 24, 24, 1), -0.8, "float32")
    images[0, :, 11:] = 0.6
    images[1, 13:] = 0.6
    noisy = images + rng.normal(0, 0.01, images.shape).astype("float32")
    lines = ops.convert_to_numpy(EdgeSketch(thickness=1)(noisy))
    assert lines.shape == (2, 24, 24, 1)
    assert lines.dtype == np.float32
    np.testing.assert_array_equal(np.unique(lines), [0, 1])
    columns, rows = lines[0, ..., 0].sum(0), lines[1, ..., 0].sum(1)
    # On either side of the edge, all along it, and nowhere else.
    assert columns[10] + columns[11] == columns.sum() == 24
    assert rows[12] + rows[13] == rows.sum() == 24


def test_an_edge_that_is_not_steep_enough_is_not_drawn():
    ramp = np.linspace(-1, 1, 64, dtype="float32").reshape(1, 1, 64, 1)
    images = np.broadcast_to(ramp, (1, 16, 64, 1))
    # The gradient is 1/63 of the range per pixel, everywhere.
    assert not ops.convert_to_numpy(EdgeSketch(threshold=0.017)(images)).any()
    step = np.where(ramp > 0, np.float32(0.1), np.float32(-0.1))
    steep = 0.1 / np.sqrt(2 * np.pi) / 2.5
    images = np.broadcast_to(step, (1, 16, 64, 1))
    for threshold, is_drawn in ((0.9 * steep, True), (1.1 * steep, False)):
        lines = EdgeSketch(threshold, smoothing=2.5)(images)
        assert bool(ops.convert_to_numpy(lines).any()) == is_drawn


def test_lines_are_as_thick_as_asked_for():
    images = np.full((1, 24, 24, 3), -1, "float32")
    images[:, :, 12:] = 1
    for thickness in (1, 3, 5):
        lines = ops.convert_to_numpy(EdgeSketch(thickness=thickness)(images))
        np.testing.assert_array_equal(lines[0, ..., 0].sum(1), thickness)


@pytest.mark.parametrize("options", [{"threshold": 0}, {"smoothing": -1}, {"thickness": 2}])
def test_a_sketch_that_cannot_be_drawn_is_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        EdgeSketch(**options)


def test_the_sketch_stands_second_among_the_published_inputs(images, masks, rng):
    guided, plain = CoarseNetwork(4, guided=True), CoarseNetwork(4)
    for network in (guided, plain):
        network.build(images.shape)
    first = guided.weights[0]
    kernel = rng.normal(0, 0.3, first.shape)
    first.assign(kernel)
    # [corrupted | sketch * mask | ones | mask]
    plain.set_weights([np.delete(kernel, 3, 2), *map(np.array, guided.get_weights()[1:])])
    corrupted, nothing = images * (1 - masks), np.zeros_like(masks)
    expected = ops.convert_to_numpy(plain(corrupted, masks))
    for sketches in (None, nothing, 1 - masks):
        found = ops.convert_to_numpy(guided(corrupted, masks, sketches))
        np.testing.assert_allclose(found, expected, atol=1e-6)
    drawn = ops.convert_to_numpy(guided(corrupted, masks, masks))
    assert np.abs(drawn - expected).max() > 1e-3


def test_a_guided_critic_sees_the_sketch_last(images, masks):
    critic = PatchCritic(2, guided=True)
    shown = {"images": images, "masks": masks, "sketches": 1 - masks}
    other = PatchCritic(2, channels=4)
    other.set_weights(critic.get_weights())
    # The same five inputs, called otherwise.
    joined = np.concatenate([images, masks], -1)
    expected = other({"images": joined, "masks": 1 - masks})
    np.testing.assert_allclose(critic(shown), expected, atol=1e-6)


def test_both_networks_learn_from_sketches_of_the_images(images, masks):
    gan = make_gan()
    assert gan.generator.guided
    assert gan.critic.guided
    gan.compile(**QUICKLY)
    seen = gan.drawn_batch((images, masks), 0)["sketches"]
    np.testing.assert_array_equal(seen, ops.convert_to_numpy(EdgeSketch()(images)) * masks)
    assert 0 < seen.mean() < 0.3
    kernels = gan.generator.weights[0], gan.critic.trainable_weights[0]
    # The sketch is the second input of the generator, and the last one of the critic.
    before = [np.array(kernels[0])[:, :, 3], np.array(kernels[1])[:, :, -1]]
    gan.fit(images, masks, batch_size=4, verbose=0)
    assert (np.array(kernels[0])[:, :, 3] != before[0]).any()
    assert (np.array(kernels[1])[:, :, -1] != before[1]).any()
    # What is predicted depends on the sketch.
    other = gan.predict_on_batch({"images": images, "masks": masks, "sketches": masks})
    plain = gan.predict_on_batch({"images": images, "masks": masks})
    assert np.abs(other["coarse"] - plain["coarse"]).max() > 0
    assert {"loss", "val_loss"} <= set(
        gan.fit(images, masks, batch_size=4, validation_split=0.5, verbose=0).history
    )


def test_sketches_of_ones_own_are_learned_from(images, masks):
    gan = make_gan()
    gan.compile(**QUICKLY)
    batch = {"images": images, "masks": masks, "sketches": masks}
    np.testing.assert_array_equal(gan.drawn_batch(batch, 0)["sketches"], masks)
    gan.fit(batch, batch_size=2, verbose=0)
    with pytest.raises(ValueError, match=r"Sketches must hold 1 on a line and 0.*to 0\.5"):
        gan.fit({**batch, "sketches": 0.5 * masks}, verbose=0)
    with pytest.raises(ValueError, match="`sketches` must be of shape"):
        gan.fit({**batch, "sketches": masks[:, 1:]}, verbose=0)


def test_sketches_that_no_network_is_shown_are_refused(images, masks):
    plain = InpaintingGAN.deepfill_v2(width=4, image_size=SIZE, critic_width=2)
    plain.compile(**QUICKLY)
    with pytest.raises(
        ValueError, match=r"`guided=True`\. Leave them out\. Received: sketches"
    ):
        plain.fit({"images": images, "masks": masks, "sketches": masks}, verbose=0)
    for options in ({"sketch": EdgeSketch()}, {"critic": PatchCritic(2, guided=True)}):
        with pytest.raises(ValueError, match=r"Received: generator\.guided=False, "):
            InpaintingGAN.deepfill_v2(width=4, image_size=SIZE, **options)
    gan = make_gan()
    gan.sketch = None
    gan.compile(**QUICKLY)
    with pytest.raises(ValueError, match=r"`sketch=`.*EdgeSketch"):
        gan.fit(images, masks, verbose=0)
    photo, mask = np.zeros((64, 64, 3), "uint8"), np.eye(64, dtype=bool)
    with pytest.raises(ValueError, match="guided generator"):
        plain.inpainter.inpaint(photo, mask, sketch=mask)


def test_files_keep_how_sketches_are_drawn(images, masks, tmp_path):
    gan = make_gan(sketch=EdgeSketch(0.1, 1, 1))
    gan.save_to_preset(tmp_path / "preset")
    gan.save(tmp_path / "gan.keras")
    batch = {"images": images, "masks": masks, "sketches": masks}
    expected = ops.convert_to_numpy(gan(batch)["refined"])
    for model in (
        InpaintingGAN.from_preset(tmp_path / "preset"),
        keras.saving.load_model(tmp_path / "gan.keras"),
    ):
        assert (model.sketch.threshold, model.sketch.thickness) == (0.1, 1)
        assert model.critic.guided
        np.testing.assert_allclose(model(batch)["refined"], expected, atol=1e-5)


def bright_generator():
    """A generator whose first kernel meets the sketch alone."""
    generator = Generator(4, guided=True)
    kernel = np.zeros(generator.weights[0].shape, "float32")
    kernel[:, :, 3] = 1
    generator.weights[0].assign(kernel)
    generator.run_eagerly = QUICKLY["run_eagerly"]
    return generator


@pytest.mark.parametrize("size", [(64, 64), (90, 300)], ids=["whole", "windows"])
def test_an_inpainter_follows_a_sketch_inside_of_the_hole_alone(size, rng, tmp_path):
    inpainter = Inpainter(bright_generator(), image_size=64)
    photo = rng.integers(0, 256, (*size, 3), "uint8")
    mask = np.zeros(size, bool)
    mask[20:44, 10:40] = True
    lines = np.zeros(size, bool)
    lines[30:33] = True
    nothing = inpainter.inpaint(photo, mask)
    np.testing.assert_array_equal(inpainter.inpaint(photo, mask, sketch=lines & ~mask), nothing)
    drawn = inpainter.inpaint(photo, mask, sketch=lines)
    assert (drawn != nothing).any()
    np.testing.assert_array_equal(drawn[~mask], photo[~mask])
    # A drawing in black ink, in a file.
    path = tmp_path / "sketch.png"
    Image.fromarray(np.where(lines, 0, 255).astype("uint8")).save(path)
    inked = inpainter.inpaint(photo, mask, sketch=path, invert_sketch=True)
    np.testing.assert_array_equal(inked, drawn)
    with pytest.raises(ValueError, match="Received: a sketch of 6 x 5"):
        inpainter.inpaint(photo, mask, sketch=np.ones((5, 6), bool))


def test_the_command_line_follows_a_sketch(rng, tmp_path, capsys):
    Inpainter(bright_generator(), image_size=64).save_to_preset(tmp_path / "guided")
    photo, mask = rng.integers(0, 256, (64, 64, 3), "uint8"), np.zeros((64, 64), "uint8")
    mask[20:44, 10:40] = 255
    lines = np.zeros_like(mask)
    lines[30:33] = 255
    for name, pixels in (("photo", photo), ("mask", mask), ("lines", lines)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    words = ["inpaint", str(tmp_path / "photo.png"), "--mask", str(tmp_path / "mask.png")]
    words += ["--preset", str(tmp_path / "guided"), "--output"]
    assert main([*words, str(tmp_path / "plain.png")]) == 0
    sketch = ["--sketch", str(tmp_path / "lines.png")]
    assert main([*words, str(tmp_path / "drawn.png"), *sketch]) == 0
    plain, drawn = (np.array(Image.open(tmp_path / f"{n}.png")) for n in ("plain", "drawn"))
    assert (plain != drawn).any()
    expected = Inpainter.from_preset(tmp_path / "guided").inpaint(photo, mask, sketch=lines)
    np.testing.assert_array_equal(drawn, expected)
    assert main([*words, str(tmp_path / "lines.png"), *sketch]) == 2
    assert "--output must be another file than the sketch" in capsys.readouterr().err


def test_the_command_line_finds_the_sketch_of_each_photo(rng, tmp_path, capsys):
    Inpainter(bright_generator(), image_size=64).save_to_preset(tmp_path / "guided")
    for folder in ("photos", "masks", "sketches"):
        (tmp_path / folder).mkdir()
    mask, lines = np.zeros((2, 64, 64), "uint8")
    mask[20:44, 10:40] = 255
    lines[30:33] = 255
    for name in ("a", "b"):
        photo = rng.integers(0, 256, (64, 64, 3), "uint8")
        Image.fromarray(photo).save(tmp_path / "photos" / f"{name}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
    Image.fromarray(lines).save(tmp_path / "sketches" / "a_sketch.png")
    words = ["--sketch", str(tmp_path / "sketches"), "--preset", str(tmp_path / "guided")]
    words += ["--output", str(tmp_path / "filled")]
    folders = [str(tmp_path / "photos"), "--mask", str(tmp_path / "masks")]
    assert main(["inpaint", *folders, *words]) == 1
    told = capsys.readouterr()
    assert told.out.split() == [str(tmp_path / "filled" / "a.png")]
    assert f"{tmp_path / 'photos' / 'b.png'}: there is no sketch of its name" in told.err
    assert "1 filled, 1 without a partner" in told.err
    # Of one photo, the same.
    words[-1] = str(tmp_path / "one.png")
    files = [str(tmp_path / "photos" / "a.png"), "--mask", str(tmp_path / "masks" / "a.png")]
    assert main(["inpaint", *files, *words]) == 0
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "filled" / "a.png").read_bytes()
    Image.fromarray(lines).save(tmp_path / "sketches" / "a_sketch2.png")
    assert main(["inpaint", *files, *words]) == 2
    assert "it has several sketches" in capsys.readouterr().err


def test_a_run_trains_guided_networks(tmp_path):
    sizes = {"image_size": SIZE, "width": 4, "critic_width": 2}
    settings = Settings("photos", "run", guided=True, **sizes)
    gan = build(settings)
    assert (gan.generator.guided, gan.critic.guided) == (True, True)
    assert isinstance(gan.sketch, EdgeSketch)
    gan.sketch = EdgeSketch(0.2)
    gan.save_to_preset(tmp_path / "preset")
    going_on = dataclasses.replace(settings, preset=str(tmp_path / "preset"))
    assert build(going_on).sketch.threshold == 0.2
    with pytest.raises(ValueError, match=r"`guided` of this preset is True.*guided=False"):
        build(dataclasses.replace(going_on, guided=False))
    with pytest.raises(ValueError, match="`guided` must be left out"):
        Settings("photos", "run", guided=True, architecture="deepfill_v1")
