"""The networks that judge filled holes."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_inpaint.models import GlobalLocalCritic, PatchCritic

PORT = (1, 2, 4, 4)


def call(critic, inputs):
    """The scores; on JAX compiled, since there each operation would be compiled alone."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(lambda inputs: critic(inputs))(inputs)
    return critic(inputs)


def pictures(rng, *shape):
    return rng.uniform(-1, 1, shape).astype("float32")


@pytest.mark.parametrize(
    ("multiples", "expected"), [((1, 2, 4, 8), 4_339_329), (PORT, 2_684_289)]
)
def test_global_and_local_critic_have_the_published_number_of_weights(multiples, expected):
    critic = GlobalLocalCritic(local_multiples=multiples)
    assert critic.local_critic.count_params() == expected
    assert critic.global_critic.count_params() == 2_733_441


def test_patch_critic_has_the_published_number_of_weights():
    trainable = PatchCritic().trainable_variables
    assert sum(np.prod(weight.shape) for weight in trainable) == 5_946_816


@pytest.mark.parametrize(
    ("height", "width", "scores"), [(64, 64, 32), (40, 136, 96), (8, 8, 32)]
)
def test_patch_critic_scores_pictures_of_any_size(rng, height, width, scores):
    critic = PatchCritic(8, channels=1)
    inputs = {
        "images": pictures(rng, 2, height, width, 1),
        "masks": np.ones((2, height, width, 1)),
    }
    assert tuple(call(critic, inputs).shape) == (2, scores)


@pytest.mark.parametrize("padding", ["same", "centred"])
def test_scores_of_a_picture_do_not_depend_on_the_others(rng, padding):
    critic = GlobalLocalCritic(4, 32, 16, padding=padding)
    inputs = {"images": pictures(rng, 2, 32, 32, 3), "patches": pictures(rng, 2, 16, 16, 3)}
    together = call(critic, inputs)
    alone = call(critic, {name: array[1:] for name, array in inputs.items()})
    for name, scores in alone.items():
        assert tuple(scores.shape) == (1,)
        np.testing.assert_allclose(
            ops.convert_to_numpy(together[name])[1:],
            ops.convert_to_numpy(scores),
            rtol=1e-5,
            atol=1e-6,
        )


def test_global_scores_see_the_picture_and_local_scores_the_patch(rng):
    critic = GlobalLocalCritic(4, 32, 16)
    inputs = {"images": pictures(rng, 1, 32, 32, 3), "patches": pictures(rng, 1, 16, 16, 3)}
    other = {**inputs, "patches": pictures(rng, 1, 16, 16, 3)}
    before, after = call(critic, inputs), call(critic, other)
    assert float(before["global"][0]) == float(after["global"][0])
    assert float(before["local"][0]) != float(after["local"][0])


def test_last_convolution_is_followed_by_the_leaky_activation(rng):
    # Only a leaky activation makes scores that are a fifth as large when negated.
    critic = PatchCritic(4)
    inputs = {"images": pictures(rng, 1, 64, 64, 3), "masks": np.ones((1, 64, 64, 1))}
    last = critic.convolutions[-1]
    scores = ops.convert_to_numpy(call(critic, inputs))
    last.kernel.assign(-last.kernel.value)
    negated = ops.convert_to_numpy(call(critic, inputs))
    expected = np.where(scores > 0, -0.2 * scores, -5 * scores)
    np.testing.assert_allclose(negated, expected, rtol=1e-4, atol=1e-7)


def test_patch_critic_moves_its_vectors_in_training_only(rng):
    critic = PatchCritic(4)
    inputs = {"images": pictures(rng, 1, 64, 64, 3), "masks": np.ones((1, 64, 64, 1))}

    def vectors():
        return [ops.convert_to_numpy(layer.u.value) for layer in critic.convolutions]

    start = vectors()
    critic(inputs)
    np.testing.assert_array_equal(np.hstack(start), np.hstack(vectors()))
    critic(inputs, training=True)
    assert all(np.any(old != new) for old, new in zip(start, vectors(), strict=True))


@pytest.mark.parametrize(
    "critic",
    [
        lambda: GlobalLocalCritic(4, (32, 48), 16, 1, "centred", PORT, (1, 1, 2, 2)),
        lambda: PatchCritic(4, channels=1, padding="centred"),
    ],
    ids=["global and local", "patch"],
)
def test_critic_comes_back_from_a_file(rng, tmp_path, critic):
    critic = critic()
    inputs = {
        "images": pictures(rng, 2, 32, 48, 1),
        "patches": pictures(rng, 2, 16, 16, 1),
        "masks": np.ones((2, 32, 48, 1), "float32"),
    }
    inputs.pop("masks" if isinstance(critic, GlobalLocalCritic) else "patches")
    critic(inputs, training=True)
    expected = critic(inputs)
    critic.save(tmp_path / "critic.keras")
    loaded = keras.models.load_model(tmp_path / "critic.keras")
    assert loaded.get_config() == critic.get_config()
    keras.tree.map_structure(
        lambda left, right: np.testing.assert_array_equal(
            *map(ops.convert_to_numpy, (left, right))
        ),
        loaded(inputs),
        expected,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 250}, r"`image_size` must be a multiple of 16.*\(250, 250\)"),
        ({"patch_size": (0, 16)}, r"`patch_size` must be a multiple of 16.*\(0, 16\)"),
        ({"image_size": 64}, r"must not exceed.*patch_size=\(128, 128\).*\(64, 64\)"),
        ({"padding": "valid"}, r"'same'.*padding='valid'"),
    ],
)
def test_wrong_argument_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        GlobalLocalCritic(**arguments)


def test_patch_critic_without_filters_is_refused():
    with pytest.raises(ValueError, match=r"at least 1.*width=0"):
        PatchCritic(0)
