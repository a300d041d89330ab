"""Networks, objectives and samplers as a user writes them, who has read the protocols."""

import pathlib

import keras
import numpy as np
import pytest
from gan.tiny import QUICKLY, SIZE, TinyCritic, TinyGenerator, make_images, make_masks
from keras import ops

from keras_inpaint import InpaintingGAN
from keras_inpaint.losses import HingeObjective, WassersteinObjective
from keras_inpaint.masks import Boxes

pytestmark = pytest.mark.skipif(
    keras.backend.backend() not in ("tensorflow", "jax"), reason="backends that train"
)


@keras.saving.register_keras_serializable(package="tests_of_own_parts")
class PlainGenerator(keras.Model):
    """As Keras's guides write one: layers in `__init__`, built when it is called."""

    channels, size_multiple = 3, 1

    def __init__(self, **options):
        super().__init__(**options)
        self.inner = keras.Sequential(
            [
                keras.layers.Conv2D(4, 3, padding="same"),
                keras.layers.Conv2D(3, 3, padding="same"),
            ]
        )

    def call(self, inputs):
        joined = ops.concatenate([inputs["corrupted"], inputs["masks"]], axis=-1)
        guess = ops.tanh(self.inner(joined))
        return {"coarse": guess, "refined": guess}


@keras.saving.register_keras_serializable(package="tests_of_own_parts")
class PlainCritic(keras.Model):
    image_size = patch_size = None

    def __init__(self, **options):
        super().__init__(**options)
        self.convolution = keras.layers.Conv2D(2, 4, strides=4)
        self.flatten = keras.layers.Flatten()

    def call(self, inputs):
        joined = ops.concatenate([inputs["images"], inputs["masks"]], axis=-1)
        return self.flatten(self.convolution(joined))


@keras.saving.register_keras_serializable(package="tests_of_own_parts")
class PlainPair(keras.Model):
    """A local and a global critic."""

    image_size, patch_size = None, (12, 12)

    def __init__(self, **options):
        super().__init__(**options)
        self.sides = {
            side: keras.layers.Conv2D(1, 4, strides=4, use_bias=False)
            for side in ("local", "global")
        }

    def call(self, inputs):
        seen = {"local": inputs["patches"], "global": inputs["images"]}
        return {
            side: ops.mean(each(seen[side]), axis=(1, 2, 3))
            for side, each in self.sides.items()
        }


def make(generator=None, critic=None, objective=None, masks=None, **options):
    objective = objective or HingeObjective()
    masks = masks or Boxes(8, 8, jitter=1)
    return InpaintingGAN(
        generator or PlainGenerator(), critic or PlainCritic(), objective, masks, **options
    )


def train(gan, images=None, **options):
    gan.compile(keras.optimizers.SGD(0.1), **{**QUICKLY, **options})
    return gan.fit(make_images(2) if images is None else images, batch_size=2, verbose=0)


def snapshot(network):
    return [ops.convert_to_numpy(each) for each in network.variables]


def assert_all_moved(network, before):
    assert before
    for value, variable in zip(before, network.variables, strict=True):
        assert (ops.convert_to_numpy(variable) != value).any(), variable.path


@pytest.mark.parametrize("critic", [PlainCritic, PlainPair])
@pytest.mark.parametrize("ema_momentum", [None, 0.5])
def test_networks_that_were_never_called_are_trained(critic, ema_momentum):
    objective = WassersteinObjective() if critic is PlainPair else HingeObjective()
    masks = Boxes(12, 12, jitter=1)
    gan = make(None, critic(), objective, masks, ema_momentum=ema_momentum)
    before = {name: snapshot(getattr(gan, name)) for name in ("generator", "critic")}
    train(gan)
    for name, weights in before.items():
        assert_all_moved(getattr(gan, name), weights)
    if ema_momentum is not None:
        assert_all_moved(gan.ema_generator, before["generator"])


def test_networks_that_were_never_called_are_saved_and_loaded(tmp_path):
    gan = make()
    train(gan)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    inputs = (make_images(2), make_masks(2))
    np.testing.assert_allclose(loaded(inputs)["refined"], gan(inputs)["refined"], atol=1e-6)
    before = snapshot(loaded.critic)
    loaded.fit(make_images(2), batch_size=2, verbose=0)
    assert_all_moved(loaded.critic, before)


def test_networks_that_were_never_called_come_back_from_a_preset(tmp_path):
    gan = make()
    train(gan)
    gan.save_to_preset(tmp_path / "preset")
    loaded = InpaintingGAN.from_preset(tmp_path / "preset")
    inputs = (make_images(2), make_masks(2))
    np.testing.assert_allclose(loaded(inputs)["refined"], gan(inputs)["refined"], atol=1e-6)


class NotRegistered(TinyCritic):
    pass


def test_parts_that_a_file_cannot_give_back_are_named(tmp_path):
    def draw(seeds, height, width):
        return Boxes(8, 8, jitter=1)(seeds, height, width)

    gan = make(critic=NotRegistered(), masks=draw)
    for save in (gan.save, gan.save_to_preset):
        with pytest.warns(UserWarning, match=r"masks \(draw\), critic \(NotRegistered\)"):
            save(tmp_path / ("gan.keras" if save == gan.save else "preset"))
    with pytest.raises((TypeError, ValueError), match=r"`critic` of the model cannot be read"):
        keras.saving.load_model(tmp_path / "gan.keras")
    known = {"NotRegistered": NotRegistered, "draw": draw}
    keras.saving.load_model(tmp_path / "gan.keras", custom_objects=known)
    with keras.saving.custom_object_scope(known):
        InpaintingGAN.from_preset(tmp_path / "preset")


def test_the_old_format_of_keras_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"\.keras.*gan\.h5"):
        make().save(tmp_path / "gan.h5")
    assert not list(tmp_path.iterdir())


class WithIdleLayer(PlainGenerator):
    def __init__(self):
        super().__init__()
        self.idle = keras.layers.Dense(2)


class ByArguments(PlainGenerator):
    def call(self, corrupted, masks):
        return super().call({"corrupted": corrupted, "masks": masks})


@pytest.mark.parametrize(
    ("generator", "match"),
    [
        (WithIdleLayer, "All layers of `generator` must be used.*WithIdleLayer"),
        (ByArguments, "`generator` must take a dict of corrupted and masks.*ByArguments"),
    ],
)
def test_networks_that_cannot_be_built_are_refused(generator, match):
    with pytest.raises(ValueError, match=match):
        make(generator())


class Returns(TinyGenerator):
    """Returns something else than a generator must."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def call(self, inputs):
        return self.change(super().call(inputs))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda outputs: outputs["refined"], r'dict of "coarse" and "refined"'),
        (lambda outputs: {"refined": outputs["refined"]}, r"Received: a dict of refined"),
        (
            lambda outputs: {**outputs, "coarse": outputs["coarse"][..., :1]},
            r"'coarse' must be",
        ),
        (lambda outputs: {**outputs, "refined": outputs["refined"][:, 1:]}, r"'refined' must"),
    ],
    ids=["tensor", "one guess", "channels", "height"],
)
def test_what_a_generator_returns_is_checked(change, match):
    gan = make(Returns(change), TinyCritic())
    with pytest.raises(ValueError, match=match):
        train(gan)
    with pytest.raises(ValueError, match=match):
        gan((make_images(2), make_masks(2)))


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("critic", [PlainCritic, PlainPair])
def test_networks_may_compute_in_half_precision(dtype, critic):
    objective = WassersteinObjective() if critic is PlainPair else HingeObjective()
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        gan = make(None, critic(), objective, Boxes(12, 12, jitter=1))
        history = train(gan).history
    finally:
        keras.config.set_dtype_policy(policy)
    assert np.isfinite([values[0] for values in history.values()]).all()


class Sampler:
    def __init__(self, change):
        self.change = change

    def __call__(self, seeds, height, width):
        return self.change(*Boxes(8, 8, jitter=1)(seeds, height, width))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda masks, boxes: masks, "must return a pair"),
        (lambda masks, boxes: (masks[..., 0], boxes), r"must return masks of shape"),
        (lambda masks, boxes: (masks * 255, boxes), r"1 in the hole and 0 where.*255"),
    ],
    ids=["no pair", "shape", "values"],
)
def test_what_a_sampler_returns_is_checked(change, match):
    with pytest.raises(ValueError, match=match):
        train(make(masks=Sampler(change)))


@pytest.mark.parametrize(("factor", "found"), [(0, "have no hole"), (1, "nothing known")])
def test_masks_without_a_hole_and_without_an_image_are_warned_of(factor, found):
    everywhere = lambda masks, boxes: (ops.ones_like(masks) * factor, boxes)  # noqa: E731
    with pytest.warns(UserWarning, match=f"Sampler draws {found}|Sampler draws leave {found}"):
        train(make(masks=Sampler(everywhere)))
    masks = np.full((2, SIZE, SIZE, 1), factor, "float32")
    with pytest.warns(UserWarning, match=f"first batch.*{found}") as caught:
        train(make(), (make_images(2), masks))
    # The line that called `fit`.
    of_masks = [each for each in caught if "first batch" in str(each.message)]
    assert [each.filename for each in of_masks] == [__file__]


class ExtraTerm(HingeObjective):
    def generator_terms(self, *arguments, **options):
        terms = super().generator_terms(*arguments, **options)
        return {**terms, "extra": terms["hole_loss"]}


def test_the_parts_of_the_docs_train_and_are_saved(tmp_path):
    page = (pathlib.Path(__file__).parents[2] / "docs" / "training.md").read_text("utf-8")
    block = page.partition("## Parts of your own")[2].partition("```python\n")[2]
    names = {}
    exec(block.partition("```")[0], names)
    gan = names["gan"]
    assert train(gan).history["brightness"][0] > 0
    gan.save(tmp_path / "gan.keras")
    keras.saving.load_model(tmp_path / "gan.keras")


def test_terms_that_an_objective_does_not_list_are_named():
    with pytest.raises(ValueError, match=r"generator_term_names.*Received: extra beside"):
        train(make(objective=ExtraTerm()))


def test_a_call_takes_what_predict_takes():
    gan, images, masks = make(), make_images(2), make_masks(2)
    as_dict = gan({"images": images, "masks": masks})["completed"]
    np.testing.assert_array_equal(gan((images, masks))["completed"], as_dict)
    with pytest.raises(ValueError, match=r"images and masks.*`predict` draws masks"):
        gan(images)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (lambda: list(make_images(10)), r"`numpy.stack` makes one.*10 parts"),
        (lambda: make_images, r"must be called.*make_images"),
        (lambda: make_images(2) * np.nan, r"must be numbers.*NaN"),
    ],
    ids=["list", "function", "NaN"],
)
def test_data_of_the_wrong_kind_name_the_way_out(data, match):
    with pytest.raises(ValueError, match=match):
        train(make(), data())
