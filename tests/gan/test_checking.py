"""What cannot be learned from is refused before the first step."""

from contextlib import nullcontext
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_inpaint.gan.keras_methods import for_evaluate, for_fit, with_arguments_of
from keras_inpaint.masks import Boxes, Strokes

SIZE = 32
ON_TENSORFLOW = keras.backend.backend() == "tensorflow"


class Checked:
    """With what is looked at of networks, and no networks; keeps what Keras would be given."""

    compiled, critic_steps, check_values, optimizer = True, 1, False, None
    reconstruction_steps = critic_only_steps = 0
    masks = Boxes(16, 16, jitter=2)
    sketch = None

    def __init__(self, image_size=None, patch_size=None):
        self.generator = SimpleNamespace(channels=3, size_multiple=8)
        self.critic = SimpleNamespace(image_size=image_size, patch_size=patch_size)
        self.backend = SimpleNamespace(
            num_devices=1,
            check_devices=lambda *data: None,
            running=lambda *about: nullcontext(),
        )

    @with_arguments_of(keras.Model.fit, for_fit)
    def fit(self, **arguments):
        self.given = arguments

    @with_arguments_of(keras.Model.evaluate, for_evaluate)
    def evaluate(self, **arguments):
        pass


@pytest.fixture
def gan():
    """As with a GlobalLocalCritic."""
    return Checked(image_size=(SIZE, SIZE), patch_size=(16, 16))


@pytest.fixture
def patch_gan():
    """As with a PatchCritic."""
    return Checked()


@pytest.fixture
def images(rng):
    return rng.uniform(-1, 1, size=(4, SIZE, SIZE, 3)).astype("float32")


@pytest.fixture
def masks():
    masks = np.zeros((4, SIZE, SIZE, 1), "float32")
    masks[:, 8:16, 8:16] = 1
    return masks


class Batches(keras.utils.PyDataset):
    """Batches in memory; remembers what was asked for, and the epochs."""

    def __init__(self, *batches, **options):
        super().__init__(**options)
        self.batches, self.asked = batches, []

    @property
    def num_batches(self):
        return len(self.batches)

    def __getitem__(self, index):
        self.asked.append(index)
        return self.batches[index]

    def on_epoch_begin(self):
        self.asked.append("begin")

    def on_epoch_end(self):
        self.asked.append("end")


def refused(fit, *data, match, **options):
    with pytest.raises(ValueError, match=match):
        fit(*data, verbose=0, **options)


def test_images_outside_of_the_range_are_refused_with_their_values(gan, images):
    levels = (images + 1) * 127.5
    refused(gan.fit, np.float32(levels * 0 + 255), match=r"\[-1, 1\].*from 255 to 255")
    refused(gan.fit, levels, match=r"pictures.to_images.*Received: values from 0\.\d+ to")
    refused(gan.fit, levels.astype("uint8"), match="images.dtype=uint8")
    refused(gan.evaluate, levels, match="Received: values from")
    images[3, 2, 1, 0] = np.nan
    refused(gan.fit, images, match=r"Images must be numbers.*1 NaN")


def test_masks_that_are_no_masks_are_refused(gan, images, masks):
    refused(gan.fit, images, 255 * masks, match=r"1 in the hole.*from 0 to 255")
    refused(gan.fit, images, 0.5 * masks, match="Received: values from 0 to 0.5")
    refused(gan.fit, images, masks[..., 0], match=r"masks.shape=\(4, 32, 32\)")
    labels = np.arange(4)
    refused(gan.fit, images, labels, match=r"Labels have no place.*masks.shape=\(4,\)")
    refused(gan.fit, images, masks[:, :24], match=r"\(4, 32, 32, 1\).*shape=\(4, 24, 32, 1\)")
    refused(gan.fit, images, np.tile(masks, 3), match=r"masks.shape=\(4, 32, 32, 3\)")


def test_validation_data_are_handed_on_as_one_dict(patch_gan, images, masks):
    for given in ((images,), images, (images, masks), {"images": images}):
        patch_gan.fit(images, validation_data=given)
        (found,) = patch_gan.given["validation_data"]
        assert found["images"] is images
        assert ("masks" in found) == (isinstance(given, tuple) and len(given) == 2)
    patch_gan.fit(images, validation_data=(Batches((images,)),))
    assert patch_gan.given["validation_data"][0].num_batches == 1


def test_a_validation_split_that_cannot_be_made_is_refused(patch_gan, images):
    match = "take.*skip.*Received: x of type Batches"
    refused(patch_gan.fit, Batches((images,)), validation_split=0.5, match=match)
    for fraction in (0.99, 1.0):
        match = f"leave images for both.*={fraction} of 4 images"
        refused(patch_gan.fit, images, validation_split=fraction, match=match)
    patch_gan.fit(images, validation_split=0.3)
    (validation,) = patch_gan.given["validation_data"]
    assert [len(each["images"]) for each in (patch_gan.given["x"], validation)] == [2, 2]


def test_the_first_batch_of_arrays_is_as_large_as_keras_makes_it(patch_gan, images):
    images[2:] = 7
    patch_gan.fit(images, batch_size=2)
    patch_gan.fit(images, steps_per_epoch=2)
    refused(patch_gan.fit, images, match="values from .* to 7")
    refused(patch_gan.fit, images, steps_per_epoch=1, match="values from .* to 7")
    right = images[:2]
    patch_gan.fit(right, validation_data=images, validation_batch_size=2)
    patch_gan.fit(right, validation_data=images, validation_steps=2)
    refused(patch_gan.fit, right, validation_data=images, match="In `validation_data`: .* to 7")


@pytest.mark.skipif(not ON_TENSORFLOW, reason="datasets of TensorFlow")
def test_datasets_without_batches_or_distributed_already(patch_gan, images):
    import tensorflow as tf

    empty = tf.data.Dataset.from_tensor_slices(images[:0]).batch(2)
    refused(patch_gan.fit, empty, match="no batch.*Received: an empty")
    distributed = SimpleNamespace(element_spec=None)
    patch_gan.fit(distributed)
    patch_gan.check_values = True
    refused(patch_gan.fit, distributed, match="before they are distributed")


def test_a_loader_is_read_in_its_own_order(patch_gan, images):
    data = pytest.importorskip("torch.utils.data")
    patch_gan.fit(images)
    assert patch_gan.given["shuffle"]
    patch_gan.fit(data.DataLoader([(image,) for image in images], batch_size=2))
    assert not patch_gan.given["shuffle"]


def test_a_py_dataset_keeps_its_workers_and_hears_of_epochs(patch_gan, images):
    options = {"workers": 3, "use_multiprocessing": True, "max_queue_size": 7}
    dataset = Batches((images,), **options)
    patch_gan.fit(dataset)
    adapted = patch_gan.given["x"]
    assert {name: getattr(adapted, name) for name in options} == options
    adapted.on_epoch_begin()
    adapted.on_epoch_end()
    assert dataset.asked == [0, "begin", "end"]


def test_images_that_the_critics_updates_cannot_share_or_without_masks_are_refused(
    patch_gan, images, masks
):
    patch_gan.critic_steps = 2
    refused(patch_gan.fit, Batches((images[:3],)), match="multiple of 2.*a batch of 3")
    patch_gan.masks = None
    refused(patch_gan.fit, images, match=r"`\(images, masks\)`.*masks=None")
    patch_gan.fit(images, masks)


def test_a_dict_holds_images_masks_and_boxes_and_nothing_else(patch_gan, images, masks):
    boxes = np.tile([3, 2, 16, 16], (4, 1))
    patch_gan.fit({"images": images, "masks": None, "boxes": None})
    assert set(patch_gan.given["x"]) == {"images"}
    # As the only input, as Keras hands a pair to a step.
    patch_gan.fit(((images, masks),))
    assert set(patch_gan.given["x"]) == {"images", "masks"}
    for wrong in (
        {"images": images, "labels": masks},
        {"images": images, "boxes": boxes},
        {"masks": masks},
        {},
    ):
        refused(patch_gan.fit, wrong, match=r'dict must hold "images".*Received: a dict of')


def test_images_of_a_wrong_size_or_shape_are_refused(gan, patch_gan, images):
    refused(patch_gan.fit, images[:, :30, :20], match="divisible by 8.*height=30, width=20")
    refused(gan.fit, images[:, :8, :8], match="local patch, 16 x 16.*height=8, width=8")
    refused(gan.fit, images[:, :24], match=r"critic was made for, 32 x 32.*height=24, width=32")
    refused(gan.fit, images[..., :1], match=r"`channels=3`.*\(4, 32, 32, 1\)")
    refused(gan.fit, images[0], match=r"images.shape=\(32, 32, 3\)")
    refused(gan.fit, list(images), match=r"\(images, masks\).*Received: 4 parts")
    refused(gan.fit, {"images": list(images)}, match="Received: images of type list")


def test_boxes_that_are_no_patches_are_refused(gan, images, masks):
    def fit(*box):
        gan.fit((images, masks, np.tile(box, (4, 1))), verbose=0)

    refused(lambda **_: fit(0, 0, 16), match=r"Received: shape \(4, 3\)")
    refused(lambda **_: fit(0, 0, 8, 16), match=r"16 x 16 pixels. Received: \[0, 0, 8, 16\]")
    refused(lambda **_: fit(20, 0, 16, 16), match=r"within .*Received: \[20, 0, 16, 16\]")


def test_a_hole_larger_than_the_local_patch_is_refused(gan, patch_gan, images, masks):
    masks[3, :20, :24] = 1
    refused(gan.fit, images, masks, match=r"16 x 16 pixels must.* width, of \[20, 24\]")
    gan.evaluate(images, masks)
    patch_gan.fit(images, masks)
    assert patch_gan.given["x"]["masks"] is masks


def test_validation_data_are_looked_at_before_training(gan, images, masks):
    for validation in (images + 255, (images, masks + 255), Batches(images + 255)):
        match = r"In `validation_data`: .*25\d"
        refused(gan.fit, images, match=match, validation_data=validation)
    assert not hasattr(gan, "given")


def test_the_first_batch_of_a_dataset_is_looked_at(gan, images, masks):
    dataset = Batches((images, 255 * masks), (images, masks))
    refused(gan.fit, dataset, match="Received: values from 0 to 255")
    assert dataset.asked == [0]
    if ON_TENSORFLOW:
        import tensorflow as tf

        dataset = tf.data.Dataset.from_tensors(images + 255).repeat()
        refused(gan.fit, dataset, match="Received: values from 25")
        shown = []

        def show(index):
            shown.append(int(index))
            return images

        dataset = tf.data.Dataset.range(9)
        gan.fit(dataset.map(lambda index: tf.py_function(show, [index], "float32")))
        assert shown == [0]


def test_a_sampler_whose_boxes_are_not_the_critics_patches_is_refused_by_name(gan, images):
    gan.masks = Boxes(16, 12, jitter=2)
    match = r"`patch_size`, 16 x 16 .*sampler of masks.*Received: a box .*\[16, 12\]"
    refused(gan.fit, images, match=match)
    gan.masks = Boxes(16, 16, jitter=2)
    gan.fit(images)
    gan.masks = Strokes(widths=(20, 20))
    refused(gan.fit, images, match=r"local patch of 16 x 16 .*Received: a largest hole")


def test_what_is_right_is_taken(gan, patch_gan, images, masks):
    boxes = np.tile([3, 2, 16, 16], (4, 1))
    edge = np.clip(1.1 * images, -1.0009, 1.0009).astype("float16")
    gan.fit((images, masks, boxes), None, 2, 5, shuffle=False)
    assert gan.given["x"]["images"] is images
    assert gan.given["x"]["boxes"] is boxes
    assert (gan.given["batch_size"], gan.given["epochs"], gan.given["shuffle"]) == (2, 5, False)
    gan.fit((images, masks, boxes.tolist()))
    np.testing.assert_array_equal(gan.given["x"]["boxes"], boxes)
    gan.fit(edge, masks > 0)
    patch_gan.fit(images[:, 8:16, 8:24], np.uint8(masks[:, 8:16, 8:24]))
    patch_gan.evaluate(images, verbose=0)


def test_of_a_generator_the_first_batch_is_looked_at_and_nothing_is_lost(
    patch_gan, images, masks
):
    taken = []

    def batches(*batches):
        for number, batch in enumerate(batches):
            taken.append(number)
            yield batch

    patch_gan.fit(batches((images[:2], masks[:2]), (images[2:],)), steps_per_epoch=2)
    assert taken == [0]
    (first,), (second,) = patch_gan.given["x"]
    assert (first["images"] == images[:2]).all()
    assert (set(first), set(second)) == ({"images", "masks"}, {"images"})
    wrong = batches((images[:2, :24, :20], masks[:2, :24, :20]))
    refused(patch_gan.fit, wrong, match="divisible by 8.*height=24, width=20")
