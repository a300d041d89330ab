"""The networks that fill holes."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from keras_inpaint.models import CoarseNetwork, Generator, RefineNetwork


def batch(rng, height, width, channels=3, size=1):
    masks = np.zeros((size, height, width, 1), "float32")
    for picture, mask in enumerate(masks):
        mask[picture : height // 2 + picture, 3 : width // 2] = 1
    images = rng.uniform(-1, 1, (size, height, width, channels)).astype("float32")
    return {"corrupted": images * (1 - masks), "masks": masks}


def call(network, *inputs):
    """The outputs; on JAX compiled, since there each operation would be compiled alone."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(lambda *inputs: network(*inputs))(*inputs)
    return network(*inputs)


def numpy(outputs):
    return {name: ops.convert_to_numpy(output) for name, output in outputs.items()}


@pytest.mark.parametrize(
    ("generator", "expected"),
    [(Generator.deepfill_v1, 3_601_542), (Generator.deepfill_v2, 4_052_478)],
)
def test_published_networks_have_the_published_number_of_weights(generator, expected):
    # Zeros: JAX compiles each shape of random numbers.
    assert generator(kernel_initializer="zeros").count_params() == expected


@pytest.mark.parametrize(
    ("size", "channels", "width", "gated"),
    [((8, 8), 1, 4, True), ((40, 72), 4, 6, False)],
)
def test_any_size_width_and_number_of_channels(rng, size, channels, width, gated):
    generator = Generator(width, gated=gated, channels=channels)
    outputs = numpy(call(generator, batch(rng, *size, channels)))
    for name in ("coarse", "refined"):
        assert outputs[name].shape == (1, *size, channels)
        assert np.abs(outputs[name]).max() <= 1
    assert outputs["offsets"].shape == (1, size[0] // 8, size[1] // 8, 2)


def test_pictures_of_a_batch_know_nothing_of_each_other(rng):
    generator, inputs = Generator(4), batch(rng, 24, 16, size=2)
    together = numpy(call(generator, inputs))
    alone = numpy(call(generator, {name: array[1:] for name, array in inputs.items()}))
    for name in ("coarse", "refined"):
        np.testing.assert_allclose(together[name][1:], alone[name], rtol=0, atol=1e-5)


def test_refined_picture_sees_the_known_pixels_and_the_coarse_hole(rng):
    generator, inputs = Generator(4, gated=False), batch(rng, 16, 24)
    outputs = numpy(call(generator, inputs))
    guess = np.where(inputs["masks"] == 1, outputs["coarse"], inputs["corrupted"])
    refined, _ = call(generator.refine_network, guess, inputs["masks"])
    np.testing.assert_allclose(
        ops.convert_to_numpy(refined), outputs["refined"], rtol=0, atol=1e-6
    )


def test_dialects_differ_in_padding_and_attention():
    port = Generator.deepfill_v1(width=4, dialect="pytorch")
    assert port.padding == "centred"
    attention = port.refine_network.attention
    assert (attention.resampling, attention.key_norm) == ("strided", "sum")
    attention = Generator.deepfill_v1(width=4).refine_network.attention
    assert (attention.resampling, attention.key_norm) == ("corners", "floor")


@pytest.mark.parametrize(
    "arguments",
    [
        {"width": 8, "dialect": "pytorch"},
        {"width": 4, "channels": 1, "attention": {"rate": 1, "fuse": False}},
    ],
    ids=str,
)
def test_generator_comes_back_from_a_file(rng, tmp_path, arguments):
    generator, inputs = Generator.deepfill_v1(**arguments), batch(rng, 16, 24)
    inputs["corrupted"] = inputs["corrupted"][..., : generator.channels]
    expected = numpy(call(generator, inputs))
    generator.save(tmp_path / "generator.keras")
    loaded = keras.models.load_model(tmp_path / "generator.keras")
    assert loaded.get_config() == generator.get_config()
    for name, output in numpy(call(loaded, inputs)).items():
        np.testing.assert_array_equal(output, expected[name])


def test_weights_load_before_the_first_call(rng, tmp_path):
    trained, fresh = Generator(4), Generator(4)
    trained.save_weights(tmp_path / "generator.weights.h5")
    fresh.load_weights(tmp_path / "generator.weights.h5")
    inputs = batch(rng, 8, 16)
    np.testing.assert_array_equal(
        numpy(call(fresh, inputs))["refined"], numpy(call(trained, inputs))["refined"]
    )


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow only")
@pytest.mark.parametrize(
    "generator",
    [
        Generator.deepfill_v1,
        Generator.deepfill_v2,
        partial(Generator.deepfill_v1, dialect="mmagic"),
    ],
    ids=["v1", "v2", "mmagic"],
)
def test_sizes_may_be_unknown_until_the_call(rng, generator):
    tf = pytest.importorskip("tensorflow")
    generator = generator(width=4)
    specs = {
        name: tf.TensorSpec((None, None, None, size))
        for name, size in (("corrupted", 3), ("masks", 1))
    }
    compiled = tf.function(generator, input_signature=[specs])
    for height, width, size in [(8, 8, 2), (40, 72, 1)]:
        inputs = batch(rng, height, width, size=size)
        expected = numpy(call(generator, inputs))
        for name, output in numpy(compiled(inputs)).items():
            np.testing.assert_allclose(output, expected[name], rtol=0, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow only")
@pytest.mark.parametrize("stop", [False, True])
def test_refined_loss_moves_the_coarse_network_unless_stopped(rng, stop):
    tf = pytest.importorskip("tensorflow")
    generator = Generator(4, stop_coarse_gradient=stop)
    with tf.GradientTape() as tape:
        number = ops.sum(generator(batch(rng, 16, 16))["refined"])
    gradients = tape.gradient(number, generator.coarse_network.trainable_variables)
    if stop:
        assert all(gradient is None for gradient in gradients)
    else:
        assert all(np.any(gradient.numpy() != 0) for gradient in gradients)


def test_coarse_network_keeps_the_contract(check_layer, rng):
    network = CoarseNetwork(4, False, "clip", channels=2, padding="centred")
    check_layer(network, tuple(batch(rng, 8, 12, 2).values()))


def test_refine_network_rebuilds_from_its_configuration(rng):
    network = RefineNetwork(
        4,
        False,
        "tanh",
        sees_mask=True,
        channels=2,
        padding="reflect",
        attention={"rate": 1},
        decoder_width=6,
        gated_output=True,
        key_activation="elu",
    )
    inputs = tuple(batch(rng, 8, 12, 2).values())
    refined, offsets = network(*inputs)
    rebuilt = RefineNetwork.from_config(network.get_config())
    symbols = rebuilt(keras.Input((8, 12, 2)), keras.Input((8, 12, 1)))
    assert [symbol.shape[1:] for symbol in symbols] == [(8, 12, 2), (2, 3, 2)]
    assert offsets.shape[1:] == (2, 3, 2)
    rebuilt.set_weights(network.get_weights())
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (rebuilt(*inputs)[0], refined)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 6}, r"multiple of 4 for gated.*width=6"),
        ({"width": 3, "gated": False}, r"multiple of 2 for plain.*width=3"),
        ({"channels": 0}, r"at least 1.*channels=0"),
        ({"output_activation": "relu"}, r"'clip', 'tanh'.*output_activation='relu'"),
        ({"padding": "valid"}, r"'same'.*padding='valid'"),
        ({"attention": {"rate": 0}}, r"at least 1.*rate=0"),
        ({"decoder_width": 0}, r"at least 1.*None for `width`.*decoder_width=0"),
        ({"decoder_width": 10}, r"multiple of 4 for gated.*width=10"),
    ],
)
def test_wrong_argument_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Generator(**arguments)


@pytest.mark.parametrize("network", [CoarseNetwork, RefineNetwork])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 6}, r"multiple of 4 for gated.*width=6"),
        ({"output_activation": "relu"}, r"'clip', 'tanh'.*output_activation='relu'"),
    ],
)
def test_wrong_argument_of_one_network_is_refused(network, arguments, message):
    with pytest.raises(ValueError, match=message):
        network(**arguments)


def test_published_start_can_be_asked_for():
    started = {"published": "glorot_uniform", "own": None}
    networks = {
        name: Generator(4, kernel_initializer=initializer)
        for name, initializer in started.items()
    }
    kernels = {
        name: ops.convert_to_numpy(network.coarse_network.body.steps[4].conv.kernel)
        for name, network in networks.items()
    }
    # 8 channels in, 16 out, half of them gates; 3 x 3 pixels.
    glorot = np.sqrt(6 / (9 * 8 + 9 * 16))
    assert np.abs(kernels["published"]).max() <= glorot < np.abs(kernels["own"]).max()
    assert networks["published"].get_config()["kernel_initializer"] == "glorot_uniform"


def test_unknown_dialect_is_refused():
    with pytest.raises(ValueError, match=r"'tensorflow', 'pytorch', 'mmagic'.*dialect='torch'"):
        Generator.deepfill_v2(dialect="torch")


def test_size_that_is_no_multiple_of_the_grid_is_refused(rng):
    with pytest.raises(ValueError, match=r"divisible by 8.*\(1, 20, 24, 3\)"):
        Generator(4)(batch(rng, 20, 24))
