"""Both objectives against NumPy, with critics whose scores and slopes are known."""

import numpy as np
import pytest
from keras import ops

from keras_inpaint.losses import HingeObjective, LossWeights, WassersteinObjective

TOP, LEFT, SIZE = 3, 2, 6


class LinearCritic:
    """Scores are inner products, so that their slopes are the factors."""

    patch_size = (SIZE, SIZE)

    def __init__(self, rng):
        self.whole = rng.normal(size=(12, 10, 3)).astype("float32")
        self.patch = rng.normal(size=(SIZE, SIZE, 3)).astype("float32")

    def __call__(self, inputs, training=False):
        return {
            "global": ops.sum(inputs["images"] * self.whole, axis=(1, 2, 3)),
            "local": ops.sum(inputs["patches"] * self.patch, axis=(1, 2, 3)),
        }

    def slopes(self, function, inputs):
        """What `input_gradients` would give: the same factors for every picture."""
        batch = inputs["images"].shape[0]
        return {
            "images": ops.convert_to_tensor(np.repeat(self.whole[None], batch, axis=0)),
            "patches": ops.convert_to_tensor(np.repeat(self.patch[None], batch, axis=0)),
        }


@pytest.fixture
def scene(rng):
    def picture():
        return rng.uniform(-1, 1, size=(2, 12, 10, 3)).astype("float32")

    masks = np.zeros((2, 12, 10, 1), "float32")
    masks[0, 4:8, 3:7] = 1
    masks[1, 3:6, 4:8] = 1
    return {
        "images": picture(),
        "outputs": {"coarse": picture(), "refined": picture()},
        "masks": masks,
        "boxes": np.tile([TOP, LEFT, SIZE, SIZE], (2, 1)).astype("int32"),
    }


def cut(picture):
    return picture[:, TOP : TOP + SIZE, LEFT : LEFT + SIZE]


def tensors(scene):
    return {
        name: {key: ops.convert_to_tensor(array) for key, array in value.items()}
        if isinstance(value, dict)
        else ops.convert_to_tensor(value)
        for name, value in scene.items()
    }


WEIGHTS = LossWeights(
    hole=2.0, known=3.0, adversarial=0.5, coarse=0.7, global_critic=0.25, gradient_penalty=4.0
)


def naive_distance(mask):
    known = np.argwhere(mask == 0)
    distances = np.zeros(mask.shape)
    for place in np.argwhere(mask == 1):
        distances[tuple(place)] = np.sqrt(((known - place) ** 2).sum(axis=1)).min()
    return distances


def test_paper_generator_loss(scene, rng):
    critic = LinearCritic(rng)
    terms = WassersteinObjective().generator_terms(critic, weights=WEIGHTS, **tensors(scene))
    images, masks, outputs = scene["images"], scene["masks"], scene["outputs"]
    discounts = np.stack([0.99 ** naive_distance(m[..., 0]) for m in masks])[..., None]
    hole = known = 0
    for name, weight in (("coarse", 0.7), ("refined", 1.0)):
        guess = outputs[name]
        filled = np.where(masks == 1, guess, images)
        hole += weight * (cut(discounts) * np.abs(cut(filled) - cut(images))).mean(
            axis=(1, 2, 3)
        )
        known += weight * np.stack(
            [
                np.abs(g - t)[m[..., 0] == 0].mean()
                for g, t, m in zip(guess, images, masks, strict=True)
            ]
        )
    filled = np.where(masks == 1, outputs["refined"], images)
    adversarial = -(cut(filled) * critic.patch).sum(axis=(1, 2, 3))
    adversarial -= 0.25 * (filled * critic.whole).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(terms["hole_loss"], hole, rtol=1e-5)
    np.testing.assert_allclose(terms["known_loss"], known, rtol=1e-5)
    np.testing.assert_allclose(terms["adversarial_loss"], adversarial, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        terms["generator_loss"], 2 * hole + 3 * known + 0.5 * adversarial, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    ("variant", "in_hole", "global_weight"),
    [("paper", True, 0.25), ("tensorflow", True, 1.0), ("pytorch", False, 0.25)],
)
def test_wasserstein_critic_loss(scene, rng, variant, in_hole, global_weight):
    critic = LinearCritic(rng)
    arrays = tensors(scene)
    outputs = arrays.pop("outputs")
    terms = WassersteinObjective(variant).critic_terms(
        critic,
        completed=outputs["refined"],
        weights=WEIGHTS,
        interpolation=ops.full((2, 2), 0.5),
        input_gradients=critic.slopes,
        **arrays,
    )
    step = scene["outputs"]["refined"] - scene["images"]
    wasserstein = (cut(step) * critic.patch).sum(axis=(1, 2, 3))
    wasserstein += global_weight * (step * critic.whole).sum(axis=(1, 2, 3))
    counted = scene["masks"] if in_hole else np.ones_like(scene["masks"])
    norms = [
        np.sqrt((factors**2 * part).sum(axis=(1, 2, 3)))
        for factors, part in ((critic.patch, cut(counted)), (critic.whole, counted))
    ]
    penalty = sum((norm - 1) ** 2 for norm in norms)
    np.testing.assert_allclose(terms["wasserstein_loss"], wasserstein, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(terms["gradient_penalty"], penalty, rtol=1e-5)
    np.testing.assert_allclose(
        terms["critic_loss"], wasserstein + 4 * penalty, rtol=1e-4, atol=1e-4
    )


def test_penalty_is_taken_between_the_true_and_the_filled_picture(scene, rng):
    critic, seen = LinearCritic(rng), {}

    def record(function, inputs):
        seen.update(inputs)
        return critic.slopes(function, inputs)

    arrays = tensors(scene)
    outputs = arrays.pop("outputs")
    fractions = np.array([[0.0, 1.0], [0.25, 0.5]], "float32")
    WassersteinObjective().critic_terms(
        critic,
        completed=outputs["refined"],
        weights=WEIGHTS,
        interpolation=ops.convert_to_tensor(fractions),
        input_gradients=record,
        **arrays,
    )
    true, filled = scene["images"], scene["outputs"]["refined"]
    np.testing.assert_allclose(seen["patches"][0], cut(true)[0], atol=1e-6)
    np.testing.assert_allclose(seen["images"][0], filled[0], atol=1e-6)
    expected = cut(true)[1] + 0.25 * (cut(filled) - cut(true))[1]
    np.testing.assert_allclose(seen["patches"][1], expected, atol=1e-6)


def test_hinge_losses(scene):
    arrays = tensors(scene)
    outputs = arrays.pop("outputs")

    def critic(inputs, training=False):
        return ops.mean(inputs["images"], axis=(2, 3)) * 3

    images, masks = scene["images"], scene["masks"]
    refined = scene["outputs"]["refined"]
    terms = HingeObjective().critic_terms(
        critic, completed=outputs["refined"], weights=WEIGHTS, **arrays
    )
    real, fake = (3 * picture.mean(axis=(2, 3)) for picture in (images, refined))
    expected = 0.5 * (np.maximum(1 - real, 0) + np.maximum(1 + fake, 0)).mean(axis=1)
    np.testing.assert_allclose(terms["critic_loss"], expected, rtol=1e-5)

    terms = HingeObjective().generator_terms(critic, outputs=outputs, weights=WEIGHTS, **arrays)
    inside = outside = 0
    for name, weight in (("coarse", 0.7), ("refined", 1.0)):
        difference = np.abs(scene["outputs"][name] - images)
        inside += weight * (difference * masks).mean(axis=(1, 2, 3))
        outside += weight * (difference * (1 - masks)).mean(axis=(1, 2, 3))
    adversarial = -3 * np.where(masks == 1, refined, images).mean(axis=(2, 3)).mean(axis=1)
    expected = 2 * inside + 3 * outside + 0.5 * adversarial
    np.testing.assert_allclose(terms["generator_loss"], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("objective", [HingeObjective(), WassersteinObjective()])
def test_without_adversarial_weight_the_critic_is_not_asked(scene, objective):
    class Silent:
        patch_size = (SIZE, SIZE)

        def __call__(self, inputs, training=False):
            raise AssertionError("asked")

    weights = LossWeights(adversarial=0.0)
    terms = objective.generator_terms(Silent(), weights=weights, **tensors(scene))
    assert float(ops.max(ops.abs(terms["adversarial_loss"]))) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"variant": "torch"},
        {"gamma": 0.0},
        {"gamma": 1.5},
        {"discount": "none"},
        {"hole_of": ""},
    ],
)
def test_arguments_out_of_bounds_are_refused_with_their_value(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value!r}"):
        WassersteinObjective(**arguments)


def test_an_objective_comes_back_from_its_config():
    # Each argument other than its variant's, so that none can be forgotten.
    arguments = {
        "gamma": 0.5,
        "discount": "distance",
        "hole_of": "completed",
        "known_mean": "picture",
        "penalty_in": "picture",
        "weighs_critics_alike": False,
    }
    objective = WassersteinObjective("tensorflow", **arguments)
    again = WassersteinObjective.from_config(objective.get_config())
    assert {name: getattr(again, name) for name in arguments} == arguments


def weighted_difference(images, completed, masks):
    """Stands for a network: the pixels that the masks leave to it, squared."""
    return ops.sum(ops.square(completed - images) * (1.0 + masks), axis=(1, 2, 3))


@pytest.mark.parametrize("objective_class", [WassersteinObjective, HingeObjective])
def test_perceptual_loss_sees_the_completed_picture(scene, rng, objective_class):
    """One more term, of the picture whose known part is the true one, with its weight."""
    critic = LinearCritic(rng)
    if objective_class is HingeObjective:
        linear = critic

        def critic(inputs, training=False):
            return ops.sum(inputs["images"] * linear.whole, axis=(1, 2, 3))[:, None]

    weights = LossWeights(hole=2.0, known=3.0, adversarial=0.5, coarse=0.7, perceptual=0.3)
    without = objective_class().generator_terms(critic, weights=weights, **tensors(scene))
    terms = objective_class(perceptual=weighted_difference).generator_terms(
        critic, weights=weights, **tensors(scene)
    )
    masks, refined = scene["masks"], scene["outputs"]["refined"]
    expected = (2.0 * masks * (refined - scene["images"]) ** 2).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(terms["perceptual_loss"], expected, rtol=1e-5)
    np.testing.assert_allclose(
        terms["generator_loss"],
        ops.convert_to_numpy(without["generator_loss"]) + 0.3 * expected,
        rtol=1e-5,
    )
    assert tuple(terms) == objective_class(perceptual=weighted_difference).generator_term_names
    assert "perceptual_loss" not in without


def test_perceptual_loss_without_weight_asks_nothing(scene, rng):
    def never(images, completed, masks):
        raise AssertionError

    terms = WassersteinObjective(perceptual=never).generator_terms(
        LinearCritic(rng), weights=WEIGHTS, **tensors(scene)
    )
    np.testing.assert_array_equal(terms["perceptual_loss"], [0.0, 0.0])
