"""What `fit`, `evaluate` and `predict` may be given, as somebody who knows Keras gives it."""

import importlib.util
import inspect
import warnings

import keras
import numpy as np
import pytest
from gan.tiny import TinyCritic
from keras import ops

from keras_inpaint.gan import InpaintingGAN
from keras_inpaint.layers import ContextualAttention
from keras_inpaint.losses import HingeObjective, WassersteinObjective
from keras_inpaint.masks import Boxes
from keras_inpaint.models import GlobalLocalCritic, PatchCritic

SIZE = 32
ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
pytestmark = pytest.mark.skipif(
    keras.backend.backend() not in ("tensorflow", "jax"), reason="backends that train"
)


@keras.saving.register_keras_serializable(package="tests_of_data")
class TinyGenerator(keras.Model):
    """One convolution, and the attention where sizes matter."""

    channels, size_multiple = 3, 8

    def __init__(self, attends=False, **options):
        super().__init__(**options)
        self.convolution = keras.layers.Conv2D(3, 3, padding="same")
        self.convolution.build((None, None, None, 4))
        self.attention = ContextualAttention(rate=4) if attends else None
        self.built = True

    def call(self, inputs, training=False):
        joined = ops.concatenate([inputs["corrupted"], inputs["masks"]], axis=-1)
        coarse = self.convolution(joined)
        refined = ops.tanh(coarse)
        if self.attention is not None:
            refined = refined + self.attention(coarse, inputs["masks"])["features"]
        return {"coarse": coarse, "refined": refined}


def make_gan(critic=None, attends=False, **compile_options):
    keras.utils.set_random_seed(0)
    critic = critic or TinyCritic()
    objective = HingeObjective() if critic.patch_size is None else WassersteinObjective()
    masks = Boxes(16, 16, jitter=2)
    gan = InpaintingGAN(TinyGenerator(attends), critic, objective, masks)
    gan.compile(keras.optimizers.SGD(1e-3), **compile_options)
    return gan


@pytest.fixture(scope="module")
def gan():
    """One model for most tests: to compile a step takes longer than to run it."""
    return make_gan(run_eagerly=ON_TENSORFLOW)


@pytest.fixture(scope="module")
def compiled_gan(gan):
    """One whose steps are compiled, on TensorFlow for sizes that are not known."""
    return make_gan(attends=True) if ON_TENSORFLOW else gan


@pytest.fixture(scope="module")
def alternating():
    """One with two updates of the critic per step."""
    return make_gan(critic_steps=2, run_eagerly=ON_TENSORFLOW)


@pytest.fixture
def images(rng):
    return rng.uniform(-1, 1, size=(6, SIZE, SIZE, 3)).astype("float32")


@pytest.fixture
def masks():
    masks = np.zeros((6, SIZE, SIZE, 1), "float32")
    masks[:, 8:16, 8:16] = 1
    return masks


class Batches(keras.utils.PyDataset):
    """Batches of 4 and then 2 images, or whatever they are."""

    def __init__(self, *batches, **options):
        super().__init__(**options)
        self.batches = batches

    @property
    def num_batches(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def halves(*arrays):
    """Batches of 4 and of 2 images."""
    return [tuple(array[part] for array in arrays) for part in (slice(4), slice(4, 6))]


SOURCES = ["arrays", "py_dataset", "generator", "loader", "dataset"]


def as_data(source, images, masks):
    """Images and masks as `fit` may be given them, in batches of four."""
    if source == "arrays":
        return images, masks
    if source == "loader":
        data = pytest.importorskip("torch.utils.data")
        import torch

        tensors = (torch.from_numpy(images), torch.from_numpy(masks))
        return data.DataLoader(data.TensorDataset(*tensors), batch_size=4)
    if source == "dataset":
        tf = pytest.importorskip("tensorflow")
        return tf.data.Dataset.from_tensor_slices((images, masks)).batch(4)
    batches = halves(images, masks)
    return Batches(*batches, workers=2) if source == "py_dataset" else iter(batches)


def steps_of(gan, *arguments, **options):
    """How many steps `fit` made; the losses must be numbers."""
    before = gan.num_steps
    history = gan.fit(*arguments, **{"verbose": 0, **options}).history
    assert all(np.isfinite(values).all() for values in history.values()), history
    return gan.num_steps - before


def refused(function, *arguments, match, **options):
    with pytest.raises(ValueError, match=match):
        function(*arguments, verbose=0, **options)


# ---- What is trained on -------------------------------------------------------------


def test_arrays_need_not_divide_by_the_batch_size(compiled_gan, images):
    before = compiled_gan.get_weights()
    assert steps_of(compiled_gan, images, batch_size=4, epochs=2) == 4
    after = compiled_gan.get_weights()
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    assert len(compiled_gan.predict(images, batch_size=4, verbose=0)["completed"]) == 6


def test_validation_split_measures_the_last_images(gan, images, masks):
    history = gan.fit(
        images, masks, batch_size=4, validation_split=1 / 3, shuffle=False, verbose=0
    ).history
    expected = gan.evaluate(images[4:], masks[4:], verbose=0, return_dict=True)
    for name, value in expected.items():
        assert history[f"val_{name}"] == [pytest.approx(value, rel=1e-4)], name


@pytest.mark.parametrize("form", ["tuple", "list", "dict", "torch"])
def test_x_may_hold_the_masks(gan, images, masks, form):
    if form == "torch":
        torch = pytest.importorskip("torch")
        # NumPy takes none of which gradients are wanted, nor those of a device.
        data = torch.from_numpy(images).requires_grad_(), torch.from_numpy(masks)
    else:
        parts = {"tuple": (images, masks), "list": [images, masks]}
        data = parts.get(form, {"images": images, "masks": masks})
    assert steps_of(gan, data, batch_size=4) == 2
    result = gan.evaluate(data, batch_size=4, verbose=0, return_dict=True)
    expected = gan.evaluate(images, masks, batch_size=4, verbose=0, return_dict=True)
    assert result == pytest.approx(expected, rel=1e-5)
    found = gan.predict(data, batch_size=4, verbose=0)
    np.testing.assert_array_equal(
        *(np.where(masks, 0, a) for a in (found["completed"], images))
    )


def test_masks_are_seen_whatever_form_they_come_in(gan, images, masks):
    """Other masks give other measures: no form drops them."""
    larger = masks.copy()
    larger[:, 4:28, 4:28] = 1
    for data in [(images, larger), {"images": images, "masks": larger}]:
        found = gan.evaluate(data, batch_size=4, verbose=0, return_dict=True)
        expected = gan.evaluate(images, masks, batch_size=4, verbose=0, return_dict=True)
        assert found["l1"] != pytest.approx(expected["l1"], rel=1e-2)


@pytest.mark.parametrize("drop_remainder", [False, True])
@pytest.mark.parametrize("form", ["images", "(images,)", "masks", "dict"])
def test_datasets_with_and_without_drop_remainder(gan, images, masks, form, drop_remainder):
    tf = pytest.importorskip("tensorflow")
    data = {
        "images": images,
        "(images,)": (images,),
        "masks": (images, masks),
        "dict": {"images": images, "masks": masks},
    }[form]
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(4, drop_remainder=drop_remainder)
    assert steps_of(gan, dataset) == (1 if drop_remainder else 2)
    gan.evaluate(dataset, verbose=0)
    predicted = gan.predict(dataset, verbose=0)["completed"]
    assert len(predicted) == (4 if drop_remainder else 6)


@pytest.mark.parametrize("source", SOURCES)
def test_keras_has_nothing_to_warn_of(gan, images, masks, source):
    # Of a generator it does not know the end.
    steps = 2 if source == "generator" else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gan.fit(as_data(source, images, masks), batch_size=4, steps_per_epoch=steps, verbose=0)


def test_datasets_of_unknown_sizes_and_ranks(compiled_gan, images):
    tf, gan = pytest.importorskip("tensorflow"), compiled_gan
    spec = tf.TensorSpec((None, None, None, 3))
    smaller = [images[:4], images[:2, :24, :16]]
    dataset = tf.data.Dataset.from_generator(lambda: iter(smaller), output_signature=spec)
    # The end of data of unknown number is no step, and nobody's image.
    assert steps_of(gan, dataset, epochs=2) == 4
    found = gan.evaluate(dataset, verbose=0, return_dict=True)
    assert np.isfinite(list(found.values())).all()
    rankless = tf.data.Dataset.range(2).map(
        lambda index: tf.py_function(lambda index: images[:4], [index], "float32")
    )
    assert rankless.element_spec.shape.rank is None
    assert steps_of(gan, rankless) == 2


@pytest.mark.parametrize("options", [{}, {"workers": 2}], ids=str)
@pytest.mark.parametrize("form", ["images", "(images,)", "masks", "dict"])
def test_py_datasets(gan, images, masks, form, options):
    batches = {
        "images": [batch for (batch,) in halves(images)],
        "(images,)": halves(images),
        "masks": halves(images, masks),
        "dict": [{"images": i, "masks": m} for i, m in halves(images, masks)],
    }[form]
    dataset = Batches(*batches, use_multiprocessing=False, **options)
    assert steps_of(gan, dataset, epochs=2) == 4
    result = gan.evaluate(dataset, verbose=0, return_dict=True)
    arrays = (images, masks) if form in ("masks", "dict") else (images,)
    expected = gan.evaluate(*arrays, batch_size=4, verbose=0, return_dict=True)
    assert result == pytest.approx(expected, rel=1e-4)
    assert len(gan.predict(dataset, verbose=0)["completed"]) == 6


@pytest.mark.parametrize("form", ["(images,)", "masks", "list", "dict", "iterator"])
def test_generators_lose_no_batch_to_a_check(gan, images, masks, form):
    batches = {
        "(images,)": halves(images),
        "masks": halves(images, masks),
        "list": [list(batch) for batch in halves(images, masks)],
        "dict": [{"images": i, "masks": m} for i, m in halves(images, masks)],
        "iterator": halves(images),
    }[form]
    taken = []

    def generate():
        for number, batch in enumerate(batches):
            taken.append(number)
            yield batch

    def make():
        return iter(batches) if form == "iterator" else generate()

    assert steps_of(gan, make(), steps_per_epoch=2) == 2
    arrays = (images, masks) if form in ("masks", "list", "dict") else (images,)
    expected = gan.evaluate(*arrays, batch_size=4, verbose=0, return_dict=True)
    found = gan.evaluate(make(), steps=2, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-4)
    assert len(gan.predict(make(), steps=2, verbose=0)["completed"]) == 6
    assert taken == ([] if form == "iterator" else [0, 1] * 3)


def test_a_bare_array_of_a_generator_is_refused(gan, images):
    match = r"\(images,\).*bare.*Received: .*ndarray"
    refused(gan.fit, (images[:4] for _ in range(2)), match=match)
    refused(gan.evaluate, (images[:4] for _ in range(2)), match=match)
    refused(gan.predict, (images[:4] for _ in range(2)), match=match)


@pytest.mark.parametrize("form", ["images", "masks", "dict"])
def test_pytorch_loaders_channels_last(gan, images, masks, form):
    data = pytest.importorskip("torch.utils.data")
    import torch

    tensors = [torch.from_numpy(images), torch.from_numpy(masks)]
    dataset = data.TensorDataset(*tensors[: 1 if form == "images" else 2])
    if form == "dict":
        dataset = [{"images": i, "masks": m} for i, m in zip(*tensors, strict=True)]
    loader = data.DataLoader(dataset, batch_size=4, shuffle=form == "images")
    assert steps_of(gan, loader, epochs=2) == 4
    loader = data.DataLoader(dataset, batch_size=4)
    arrays = (images,) if form == "images" else (images, masks)
    expected = gan.evaluate(*arrays, batch_size=4, verbose=0, return_dict=True)
    found = gan.evaluate(loader, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-4)
    assert len(gan.predict(loader, verbose=0)["completed"]) == 6


def test_pytorch_loaders_of_iterable_datasets_lose_no_batch(gan, images, masks):
    data = pytest.importorskip("torch.utils.data")

    class Stream(data.IterableDataset):
        """Images one by one; of `passes`, where there are only so many."""

        def __init__(self, *arrays, passes=None):
            self.arrays, self.passes = arrays, passes

        def __iter__(self):
            if self.passes == 0:
                return iter(())
            if self.passes is not None:
                self.passes -= 1
            return iter(list(zip(*self.arrays, strict=True)))

    for arrays in ((images,), (images, masks)):
        loader = data.DataLoader(Stream(*arrays), batch_size=2)
        assert steps_of(gan, loader, epochs=2) == 6
        expected = gan.evaluate(*arrays, batch_size=2, verbose=0, return_dict=True)
        found = gan.evaluate(loader, verbose=0, return_dict=True)
        assert found == pytest.approx(expected, rel=1e-4)
        assert len(gan.predict(loader, verbose=0)["completed"]) == 6
    once = data.DataLoader(Stream(images, passes=1), batch_size=2)
    assert len(gan.predict(once, verbose=0)["completed"]) == 6
    empty = data.DataLoader(Stream(images, passes=0), batch_size=2)
    refused(gan.fit, empty, match="no batch.*DataLoader")
    refused(gan.fit, data.DataLoader([], batch_size=2), match="no batch.*of 0 batches")
    bare = data.DataLoader(Stream(images), batch_size=2, collate_fn=lambda each: each[0][0])
    refused(gan.fit, bare, match=r"\(images,\).*bare.*Received: ")
    first = data.DataLoader(Stream(images.transpose(0, 3, 1, 2)), batch_size=2)
    refused(gan.fit, first, match=r"channels last.*images.shape=\(2, 3, 32, 32\)")


@pytest.mark.skipif(not ON_TENSORFLOW, reason="a process with JAX in it must not be forked")
def test_py_datasets_of_worker_processes(gan, images, masks):
    dataset = Batches(*halves(images, masks), use_multiprocessing=True, workers=2)
    assert steps_of(gan, dataset) == 2
    expected = gan.evaluate(images, masks, batch_size=4, verbose=0, return_dict=True)
    found = gan.evaluate(dataset, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-4)


def test_pytorch_loaders_of_bare_tensors_or_channels_first_are_refused(gan, images):
    data = pytest.importorskip("torch.utils.data")
    import torch

    tensor = torch.from_numpy(images)
    bare = data.DataLoader(tensor, batch_size=4)
    refused(gan.fit, bare, match=r"\(images,\).*bare.*Received: .*Tensor")
    first = data.DataLoader(data.TensorDataset(tensor.permute(0, 3, 1, 2)), batch_size=4)
    match = r"channels last.*images.shape=\(4, 3, 32, 32\)"
    refused(gan.fit, first, match=match)
    refused(gan.evaluate, first, match=match)
    refused(gan.predict, first, match=match)


# ---- Several updates of the critic per step -----------------------------------------


def test_a_remainder_that_the_critic_cannot_share_is_left_out_and_reported_once(
    alternating, images
):
    odd = images[[0, 1, 2, 3, 4, 5, 0]]
    with pytest.warns(UserWarning, match=r"leaves out the last 1 of 7 images") as caught:
        assert steps_of(alternating, odd, batch_size=4, epochs=2) == 4
    assert sum("leaves out" in str(each.message) for each in caught) == 1
    with pytest.warns(UserWarning, match=r"leaves out the last 1 of 5 images"):
        assert steps_of(alternating, images[:5], batch_size=4) == 1


def test_batches_that_the_critic_cannot_share_are_refused(alternating, images):
    match = r"multiple of 2.*Received: a batch of 3"
    refused(alternating.fit, images, batch_size=3, match=match)
    refused(alternating.fit, images[:1], match=r"multiple of 2.*Received: a batch of 1")
    refused(alternating.fit, Batches((images[:3],)), match=match)
    refused(alternating.fit, ((batch,) for batch in [images[:3]]), match=match)
    if ON_TENSORFLOW:
        import tensorflow as tf

        dataset = tf.data.Dataset.from_tensor_slices(images)
        refused(alternating.fit, dataset.batch(3), match=match)
        refused(alternating.fit, dataset.batch(3, drop_remainder=True), match=match)


def test_a_later_batch_that_the_critic_cannot_share_names_the_way_out(images):
    gan = make_gan(critic_steps=2)
    batches = [(images[:4],), (images[:3],)]
    with pytest.raises(Exception, match="drop_remainder=True"):
        gan.fit(Batches(*batches), shuffle=False, verbose=0)
    assert all(np.isfinite(weight).all() for weight in gan.get_weights())


# ---- What is refused ----------------------------------------------------------------


def test_weights_of_samples_and_classes_are_refused(gan, images, masks):
    refused(
        gan.fit, images, masks, sample_weight=np.ones(6), match="sample_weight.*loss_weights"
    )
    refused(gan.fit, images, masks, class_weight={0: 1.0}, match="class_weight.*no classes")
    refused(gan.evaluate, images, masks, sample_weight=np.ones(6), match="sample_weight")
    for method in (gan.train_on_batch, gan.test_on_batch):
        with pytest.raises(ValueError, match="sample_weight"):
            method(images, masks, sample_weight=np.ones(6))
    with pytest.raises(ValueError, match="class_weight"):
        gan.train_on_batch(images, masks, class_weight={0: 1.0})


def test_a_third_array_must_be_boxes(gan, images, masks):
    floats, ints = (np.ones(6, "float32"), np.full((6, 4), 0.5)), (np.ones((6, 1), "int32"),)
    for third in floats + ints:
        match = r"third part.*boxes.*no sample weights.*Received: "
        refused(gan.fit, (images, masks, third), match=match)
        refused(gan.fit, Batches((images, masks, third)), match=match)
        match = "In `validation_data`: .*third part"
        refused(gan.fit, images, validation_data=(images, masks, third), match=match)
    boxes = np.tile([4, 4, 16, 16], (6, 1))
    assert steps_of(gan, (images, masks, boxes), batch_size=4) == 2


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda x: np.uint8(255 * (x > 0)), r"images.dtype=uint8, values from 0 to 255"),
        (lambda x: np.float32(255 * (x > 0)), r"\[-1, 1\].*values from 0 to 255"),
        (lambda x: np.where(x > 0.9, np.nan, x), r"must be numbers.*\d NaN"),
        (lambda x: np.where(x > 0.9, np.inf, x), "values from .*inf"),
    ],
)
def test_images_of_other_values_are_refused_with_them(gan, images, masks, spoil, match):
    spoilt = spoil(images)
    before = gan.num_steps
    refused(gan.fit, spoilt, match=match)
    refused(gan.fit, (spoilt, masks), match=match)
    refused(gan.evaluate, {"images": spoilt}, match=match)
    refused(gan.predict, spoilt, match=match)
    refused(gan.fit, Batches((spoilt,)), match=match)
    refused(gan.fit, (batch for batch in [(spoilt,)]), match=match)
    refused(gan.fit, images, validation_data=spoilt, match=f"In `validation_data`: .*{match}")
    for method in (gan.train_on_batch, gan.test_on_batch, gan.predict_on_batch):
        with pytest.raises(ValueError, match=match):
            method(spoilt)
    if ON_TENSORFLOW:
        import tensorflow as tf

        refused(gan.fit, tf.data.Dataset.from_tensors(spoilt), match=match)
    assert gan.num_steps == before


def test_masks_of_other_values_are_refused_with_them(gan, images, masks):
    match = r"1 in the hole.*values from 0 to 255"
    for spoilt in (255 * masks, np.uint8(255 * masks)):
        refused(gan.fit, images, spoilt, match=match)
        refused(gan.fit, {"images": images, "masks": spoilt}, match=match)
        refused(gan.evaluate, images, spoilt, match=match)
        refused(gan.predict, (images, spoilt), match=match)
        refused(gan.fit, (batch for batch in [(images, spoilt)]), match=match)
    assert steps_of(gan, images, masks > 0, batch_size=4) == 2
    assert steps_of(gan, images, np.uint8(masks), batch_size=4) == 2


def test_images_within_0_and_1_are_warned_of_once(gan, images, masks):
    half = (images + 1) / 2
    with pytest.warns(UserWarning, match=r"within \[0, 1\]") as caught:
        gan.fit(half, masks, batch_size=4, validation_data=(half, masks), epochs=2, verbose=0)
    told = [str(each.message) for each in caught if "[-1, 1]" in str(each.message)]
    assert len(told) == 1
    assert "within [0, 1]" in told[0]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*within")
        gan.fit(images, masks, batch_size=4, verbose=0)


@pytest.mark.parametrize("source", SOURCES)
def test_every_batch_is_looked_at_if_asked(images, masks, source):
    gan = make_gan(run_eagerly=True, check_values=True)
    assert gan.get_compile_config()["check_values"] is True
    spoilt = images.copy()
    spoilt[5] = 7
    given = as_data(source, spoilt, masks)
    match = r"\[-1, 1\].*values from .* to 7"
    refused(gan.fit, given, batch_size=4, shuffle=False, match=match)
    if source != "generator":
        refused(gan.evaluate, given, batch_size=4, match=match)
        refused(gan.predict, given, batch_size=4, match=match)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (None, "Received: None"),
        ("photos/", r"keras_inpaint.data.photos.*Received: .*str"),
        ({"image": 1}, r"\"images\".*Received: .*'image'"),
        ((), r"\(images, masks\).*Received: 0 parts"),
        (np.zeros((0, SIZE, SIZE, 3), "float32"), "no images.*Received"),
        (Batches(), "no batch"),
        ((batch for batch in ()), "no batch"),
    ],
    ids=["None", "path", "other name", "no parts", "no images", "no batches", "used up"],
)
def test_what_is_no_data_is_refused(gan, given, match):
    refused(gan.fit, given, match=match)


def test_masks_beside_a_dataset_are_refused(gan, images, masks):
    refused(gan.fit, Batches((images,)), masks, match="`y`.*batches")
    refused(gan.fit, (images, masks), masks, match="`y`.*twice")
    refused(gan.fit, images, masks[:5], match=r"\(6, 32, 32, 1\).*masks.shape=\(5, 32, 32, 1\)")


def test_images_without_masks_need_a_sampler(images, masks):
    gan = make_gan(run_eagerly=True)
    gan.masks = None
    for method in (gan.fit, gan.evaluate, gan.predict):
        refused(method, images, match=r"`\(images, masks\)`.*masks=None")
        method((images, masks), verbose=0)


# ---- predict ------------------------------------------------------------------------


def test_predict_draws_masks_as_evaluate_does(gan, images):
    """The hole's error of what `predict` filled is what `evaluate` reports."""
    expected = gan.evaluate(images, batch_size=4, verbose=0, return_dict=True)["l1"]
    sources = [images, {"images": images}, Batches(*halves(images))]
    sources.append(batch for batch in halves(images))
    if ON_TENSORFLOW:
        import tensorflow as tf

        sources.append(tf.data.Dataset.from_tensor_slices(images).batch(4))
    if importlib.util.find_spec("torch") is not None:
        from torch.utils.data import DataLoader

        sources.append(DataLoader([(image,) for image in images], batch_size=4))
    filled = []
    for source in sources:
        filled.append(gan.predict(source, batch_size=4, verbose=0)["completed"])
        assert np.abs(filled[-1] - images).mean() / 2 == pytest.approx(expected, rel=1e-4)
    for other in filled[1:]:
        np.testing.assert_allclose(other, filled[0], atol=1e-5)
    # Each image has a mask of its own, whatever the size of the batches.
    holes = (filled[0] != images).any(axis=-1)
    assert len({hole.tobytes() for hole in holes}) > 1
    by_twos = gan.predict(images, batch_size=2, verbose=0)["completed"]
    np.testing.assert_allclose(by_twos, filled[0], atol=1e-5)


def test_predict_needs_no_compile(images, masks):
    gan = InpaintingGAN(
        TinyGenerator(), TinyCritic(), HingeObjective(), Boxes(16, 16, jitter=2)
    )
    assert gan.predict(images[:2], verbose=0)["completed"].shape == (2, SIZE, SIZE, 3)
    assert gan.predict_on_batch((images[:2], masks[:2]))["completed"].shape[0] == 2


# ---- The arguments of Keras's methods -----------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch"],
)
def test_methods_have_keras_own_arguments(name):
    def arguments(cls):
        return {
            name: (parameter.kind, parameter.default)
            for name, parameter in inspect.signature(getattr(cls, name)).parameters.items()
        }

    assert arguments(InpaintingGAN) == arguments(keras.Model)


def test_epochs_and_steps_are_counted_as_keras_counts_them(gan, images, masks):
    assert steps_of(gan, images, batch_size=2, epochs=4, initial_epoch=2) == 6
    assert steps_of(gan, images, batch_size=2, epochs=2, steps_per_epoch=1) == 2
    # Without a batch size Keras makes one of the number of steps.
    assert steps_of(gan, images, steps_per_epoch=3) == 3
    history = gan.fit(
        images,
        masks,
        batch_size=4,
        epochs=4,
        validation_data=(images, masks),
        validation_batch_size=2,
        validation_steps=1,
        validation_freq=2,
        shuffle=False,
        verbose=0,
    ).history
    assert (len(history["loss"]), len(history["val_loss"])) == (4, 2)
    expected = gan.evaluate(images[:2], masks[:2], verbose=0, return_dict=True)
    assert history["val_l1"][-1] == pytest.approx(expected["l1"], rel=1e-4)
    only = gan.evaluate(images, masks, batch_size=2, steps=1, verbose=0, return_dict=True)
    assert only == pytest.approx(expected, rel=1e-5)
    assert len(gan.predict(images, batch_size=2, steps=2, verbose=0)["completed"]) == 4


@pytest.mark.parametrize("form", ["images", "tuple", "dict", "py_dataset", "generator"])
def test_validation_data_take_every_form(gan, images, masks, form):
    validation = {
        "images": images,
        "tuple": (images, masks),
        "dict": {"images": images, "masks": masks},
        "py_dataset": Batches(*halves(images, masks)),
        "generator": (batch for batch in halves(images, masks)),
    }[form]
    steps = {"validation_steps": 2} if form == "generator" else {}
    history = gan.fit(
        images, batch_size=4, validation_data=validation, verbose=0, **steps
    ).history
    arrays = (images,) if form == "images" else (images, masks)
    expected = gan.evaluate(*arrays, batch_size=4, verbose=0, return_dict=True)
    for name, value in expected.items():
        assert history[f"val_{name}"] == [pytest.approx(value, rel=1e-4)], name


def test_callbacks_are_called_by_all_three(gan, images, masks):
    class Calls(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.names = []

        def on_train_batch_end(self, batch, logs=None):
            self.names.append(("train", batch, "loss" in logs))

        def on_test_batch_end(self, batch, logs=None):
            self.names.append(("test", batch, "l1" in logs))

        def on_predict_batch_end(self, batch, logs=None):
            self.names.append(("predict", batch, "completed" in logs))

    calls = Calls()
    gan.fit(images, masks, batch_size=4, verbose=0, callbacks=[calls])
    gan.evaluate(images, masks, batch_size=4, verbose=0, callbacks=[calls])
    gan.predict((images, masks), batch_size=4, verbose=0, callbacks=[calls])
    expected = [(name, i, True) for name in ("train", "test", "predict") for i in range(2)]
    assert calls.names == expected


def test_evaluate_returns_what_its_names_say(gan, images, masks):
    by_name = gan.evaluate(images, masks, batch_size=4, verbose=0, return_dict=True)
    in_order = gan.evaluate(images, masks, batch_size=4, verbose=0)
    assert sorted(by_name) == sorted(gan.metrics_names)
    assert in_order == pytest.approx([by_name[name] for name in gan.metrics_names])


def test_what_is_no_batch_is_refused(gan, images):
    for method in (gan.train_on_batch, gan.test_on_batch, gan.predict_on_batch):
        with pytest.raises(ValueError, match=r"One batch must be.*of type Batches"):
            method(Batches((images,)))


def test_single_batches(gan, images, masks):
    steps = gan.num_steps
    logs = gan.train_on_batch(images[:4], masks[:4], return_dict=True)
    assert gan.num_steps == steps + 1
    assert np.isfinite(logs["loss"])
    gan.train_on_batch({"images": images[:4], "masks": masks[:4]})
    gan.train_on_batch(images[:4])
    expected = gan.evaluate(images[:4], masks[:4], batch_size=4, verbose=0, return_dict=True)
    found = gan.test_on_batch((images[:4], masks[:4]), return_dict=True)
    assert found == pytest.approx(expected, rel=1e-5)
    in_order = [expected[name] for name in gan.metrics_names]
    assert gan.test_on_batch(images[:4], masks[:4]) == pytest.approx(in_order)
    for data in ((images[:4], masks[:4]), {"images": images[:4], "masks": masks[:4]}):
        found = gan.predict_on_batch(data)["completed"]
        expected = gan.predict(data, batch_size=4, verbose=0)["completed"]
        np.testing.assert_allclose(found, expected, atol=1e-6)
    drawn = gan.predict_on_batch(images[:4])["completed"]
    np.testing.assert_allclose(
        drawn, gan.predict(images[:4], batch_size=4, verbose=0)["completed"], atol=1e-6
    )


@pytest.mark.skipif(not ON_TENSORFLOW, reason="JAX compiles each size alone")
def test_the_local_critic_takes_batches_of_unknown_size(images, caplog):
    import tensorflow as tf

    caplog.set_level("WARNING", "tensorflow")
    gan = make_gan(GlobalLocalCritic(4, image_size=SIZE, patch_size=16), attends=True)
    spec = tf.TensorSpec((None, None, None, 3))
    batches = [images[:4], images[:2]]
    unknown = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=spec)
    assert steps_of(gan, unknown) == 2
    # Of what is computed again; of how often it was traced, TensorFlow may warn.
    assert not [message for message in caplog.messages if "watched" in message]


@pytest.mark.skipif(not ON_TENSORFLOW, reason="JAX has no float64 unless it is told to")
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_training_in_float64_is_that_in_float32(images, masks, version):
    def train(dtype, start=None):
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
        critic = GlobalLocalCritic(4, SIZE, 16) if version == "v1" else PatchCritic(4)
        gan = make_gan(critic, run_eagerly=True)
        start = start or gan.get_weights()
        gan.set_weights(start)
        logs = gan.train_on_batch(images.astype(dtype), masks, return_dict=True)
        return start, logs, gan.predict_on_batch((images[:1], masks[:1]))["completed"]

    start, expected, _ = train("float32")
    _, found, completed = train("float64", start)
    assert found == pytest.approx(expected, rel=1e-4)
    assert completed.dtype == "float64"


def test_float64_in_keras_json_trains(images, masks):
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    gan = make_gan(run_eagerly=ON_TENSORFLOW)
    assert steps_of(gan, images.astype("float64"), masks, batch_size=6) == 1


def test_a_refused_batch_costs_no_weights(images):
    """On JAX, Keras takes the weights out of the model while it trains."""
    gan = make_gan(run_eagerly=True)
    weights = gan.get_weights()
    spoilt = np.zeros((2, 24, 20, 3), "float32")

    def fail(*arguments):
        raise RuntimeError("no masks today")

    gan.masks = fail
    for method in (gan.fit, gan.evaluate, gan.predict):
        with pytest.raises(Exception, match="no masks today"):
            method(images, verbose=0)
        for found, expected in zip(gan.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(found, expected)
    refused(gan.fit, spoilt, match="divisible by 8")


@pytest.mark.slow
@pytest.mark.skipif(not ON_TENSORFLOW, reason="JAX compiles each size alone")
def test_xla_takes_batches_of_unknown_size_or_says_so(images):
    gan = make_gan(PatchCritic(4), attends=True, jit_compile=True)
    assert steps_of(gan, images[:4], batch_size=4) == 1
    match = "drop_remainder.*Received: jit_compile=True"
    refused(gan.fit, images, batch_size=4, match=match)
    # As where an accelerator lets "auto" choose XLA.
    gan.compile(keras.optimizers.SGD(1e-3))
    gan.jit_compile = True
    assert steps_of(gan, images, batch_size=4) == 2
    assert not gan.jit_compile
