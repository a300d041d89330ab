"""Files, copies, summaries and exports: as of any `keras.Model`."""

import keras
import numpy as np
import pytest
from gan.tiny import QUICKLY, SIZE, TinyCritic, TinyGenerator, make_gan, make_images, make_masks
from keras import ops

from keras_inpaint import Inpainter, InpaintingGAN
from keras_inpaint.masks import Boxes
from keras_inpaint.models import Generator, GlobalLocalCritic

SGD = keras.optimizers.SGD
ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
tensorflow_only = pytest.mark.skipif(not ON_TENSORFLOW, reason="exports are TensorFlow's")


def assert_all_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(one), ops.convert_to_numpy(other))


@pytest.fixture(scope="module")
def trained():
    """After one step; tests only read it."""
    gan = make_gan(seed=3, image_size=SIZE)
    gan.compile(
        keras.optimizers.Adam(3e-3), SGD(0.1, momentum=0.9), {"hole": 2.0}, jit_compile=False
    )
    gan.fit(make_images(4), batch_size=4, verbose=0)
    return gan


def test_a_keras_file_holds_everything(trained, tmp_path):
    trained.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert_all_equal(loaded.get_weights(), trained.get_weights())
    assert_all_equal(loaded.optimizer.variables, trained.optimizer.variables)
    assert [type(each) for each in loaded.optimizer.optimizers] == [keras.optimizers.Adam, SGD]
    assert loaded.loss_weights.hole == 2.0
    assert (loaded.seed, loaded.image_size, loaded.num_steps) == (3, SIZE, 1)
    assert loaded.get_compile_config() == trained.get_compile_config()


def test_loaded_without_compiling_it_predicts_and_does_not_train(trained, tmp_path):
    trained.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras", compile=False)
    inputs = {"images": make_images(2), "masks": make_masks(2)}
    expected = trained.predict(inputs, verbose=0)["completed"]
    found = loaded.predict(inputs, verbose=0)["completed"]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not loaded.compiled
    with pytest.raises(ValueError, match="compile"):
        loaded.fit(make_images(2), verbose=0)


def test_a_weights_file_holds_both_optimizers(trained, tmp_path):
    trained.save_weights(tmp_path / "gan.weights.h5")
    loaded = make_gan()
    loaded.compile(keras.optimizers.Adam(3e-3), SGD(0.1, momentum=0.9))
    loaded.load_weights(tmp_path / "gan.weights.h5")
    assert_all_equal(loaded.get_weights(), trained.get_weights())
    assert_all_equal(loaded.optimizer.variables, trained.optimizer.variables)


def test_a_config_makes_an_equal_untrained_model(trained):
    config = trained.get_config()
    twin = InpaintingGAN.from_config(config)
    assert twin.get_config() == config
    assert not twin.compiled
    # Configs of version 0.1 do not know of a size.
    del config["image_size"]
    assert InpaintingGAN.from_config(config).image_size is None


@pytest.mark.parametrize("is_compiled", [False, True])
def test_a_clone_is_compiled_as_the_original_and_has_new_weights(is_compiled):
    # Keras clones a subclass by its serialized form, which holds the arguments of `compile`.
    gan = make_gan(seed=5)
    if is_compiled:
        gan.compile(SGD(0.1), critic_steps=2)
    clone = keras.models.clone_model(gan)
    assert clone.compiled == is_compiled
    assert clone.get_compile_config() == gan.get_compile_config()
    assert clone.seed == 5
    assert clone.count_params() == gan.count_params()
    assert (clone.get_weights()[0] != gan.get_weights()[0]).any()
    clone.compile(SGD(0.1), **QUICKLY)
    clone.fit(make_images(2), batch_size=2, verbose=0)


@pytest.mark.parametrize("is_compiled", [False, True])
def test_a_summary_shows_both_networks_and_their_layers(is_compiled):
    gan, lines = make_gan(), []
    if is_compiled:
        gan.compile()
    gan.summary(expand_nested=True, print_fn=lambda line, **options: lines.append(line))
    text = "\n".join(lines)
    assert "TinyGenerator" in text
    assert "TinyCritic" in text
    assert "Conv2D" in text
    # 3 x 3 x 4 x 3 + 3, 3 x 3 x 3 x 3 + 3 and 4 x 4 x 4 x 2 + 2.
    assert gan.count_params() == 111 + 84 + 130
    assert "325" in text


# ---- Exports -----------------------------------------------------------------------------


@tensorflow_only
def test_a_model_that_was_never_called_exports_any_size(tmp_path):
    import tensorflow as tf

    gan = make_gan()
    gan.export(tmp_path / "gan", format="tf_saved_model", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "gan"))
    for size in (16, 24):
        images = np.random.default_rng(size).uniform(-1, 1, (2, size, size, 3))
        inputs = {
            "images": images.astype("float32"),
            "masks": (images[..., :1] > 0).astype("float32"),
        }
        expected = gan(inputs)["completed"]
        np.testing.assert_allclose(served.serve(inputs)["completed"], expected, atol=1e-6)


@tensorflow_only
def test_a_generator_that_was_never_called_exports_any_size(tmp_path):
    import tensorflow as tf

    generator = Generator.deepfill_v2(width=4)
    generator.export(tmp_path / "generator", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "generator"))
    inputs = {
        "corrupted": np.random.default_rng(0).uniform(-1, 1, (1, 32, 48, 3)).astype("float32"),
        "masks": np.zeros((1, 32, 48, 1), "float32"),
    }
    inputs["masks"][:, 8:16, 8:24] = 1
    expected = generator(inputs)["refined"]
    np.testing.assert_allclose(served.serve(inputs)["refined"], expected, atol=1e-5)


@tensorflow_only
def test_a_given_signature_is_that_of_the_export(tmp_path):
    import tensorflow as tf

    signature = [
        {
            "images": keras.InputSpec("float32", (1, SIZE, SIZE, 3)),
            "masks": keras.InputSpec("float32", (1, SIZE, SIZE, 1)),
        }
    ]
    make_gan().export(tmp_path / "gan", "tf_saved_model", False, signature)
    served = tf.saved_model.load(str(tmp_path / "gan")).signatures["serving_default"]
    shapes = {tuple(spec.shape) for spec in served.structured_input_signature[1].values()}
    assert shapes == {(1, SIZE, SIZE, 3), (1, SIZE, SIZE, 1)}


@pytest.mark.skipif(ON_TENSORFLOW, reason="TensorFlow exports any size")
def test_unknown_sizes_are_refused_on_jax(tmp_path):
    message = r"pass `input_signature=`.*load it on the TensorFlow backend.*\(None, None, None"
    # Zeros: JAX compiles each shape of random numbers.
    for model in (make_gan(), Generator.deepfill_v2(width=4, kernel_initializer="zeros")):
        with pytest.raises(ValueError, match=message):
            model.export(tmp_path / "model", format="tf_saved_model")


@tensorflow_only
def test_a_call_that_could_be_the_old_export_warns_and_is_keras_own(tmp_path):
    gan = make_gan()
    with pytest.warns(DeprecationWarning, match=r"export_saved_model\(gan.inpainter, folder\)"):
        gan.export(tmp_path / "gan", verbose=False)
    assert (tmp_path / "gan" / "saved_model.pb").exists()


def test_a_folder_of_versions_is_not_written_into(tmp_path):
    (tmp_path / "model" / "1").mkdir(parents=True)
    with (
        pytest.warns(DeprecationWarning, match="export_saved_model"),
        pytest.raises(ValueError, match=r"holds versions for a server.*model"),
    ):
        make_gan().export(tmp_path / "model")


# ---- What the model knows -----------------------------------------------------------------


def test_a_model_made_for_a_size_keeps_it(tmp_path):
    networks = {"generator": TinyGenerator(), "critic": TinyCritic()}
    gan = InpaintingGAN.deepfill_v2(image_size=128, **networks)
    gan.save_to_preset(tmp_path / "preset")
    gan.save(tmp_path / "gan.keras")
    for known in (
        gan,
        gan.inpainter,
        InpaintingGAN.from_config(gan.get_config()),
        InpaintingGAN.from_preset(tmp_path / "preset"),
        InpaintingGAN.from_preset(tmp_path / "preset").inpainter,
        Inpainter.from_preset(tmp_path / "preset"),
        keras.saving.load_model(tmp_path / "gan.keras"),
    ):
        assert known.image_size == 128


def test_the_size_is_that_of_the_critic_where_it_has_one():
    critic = GlobalLocalCritic(4, 64, 32)
    gan = InpaintingGAN.deepfill_v1(generator=TinyGenerator(), critic=critic)
    assert gan.image_size == 64
    options = {"generator": TinyGenerator(), "image_size": 32, "critic_width": 4}
    assert InpaintingGAN.deepfill_v1(**options).image_size == 32
    assert make_gan().image_size is None


@pytest.mark.parametrize("image_size", [0, 12.5, "128", True])
def test_what_is_no_size_is_refused(image_size):
    with pytest.raises(ValueError, match=rf"image_size={image_size!r}"):
        make_gan(image_size=image_size)


# ---- Parts --------------------------------------------------------------------------------


def test_a_part_that_lacks_something_is_refused_by_name():
    gan = make_gan()
    with pytest.raises(ValueError, match=r"`critic` must.*Dense without image_size, patch"):
        InpaintingGAN(
            gan.generator, keras.layers.Dense(1), gan.objective, Boxes(8, 8, jitter=2)
        )
    with pytest.raises(ValueError, match=r"`generator` must.*without channels"):
        InpaintingGAN(keras.layers.Dense(1), gan.critic, gan.objective)
    with pytest.raises(ValueError, match=r"`objective` must.*without default_weights"):
        InpaintingGAN(gan.generator, gan.critic, None)


def test_other_backends_are_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ValueError, match=r"KERAS_BACKEND to 'tensorflow' or 'jax'.*'torch'"):
        make_gan()
