import pytest

tf = pytest.importorskip("tensorflow")

from keras_inpaint.export.graph import check_pairs, require  # noqa: E402

NAMES = ("images", "masks")


@pytest.mark.parametrize(
    ("images", "masks", "message"),
    [
        ((2, 8, 9, 3), (1, 8, 9, 1), "one mask for each of `images`.*1 masks, 2 pictures"),
        ((1, 8, 9, 3), (1, 9, 8, 1), r"height and width of `images`, \[8 9\].*\[9 8\]"),
        ((0, 8, 9, 3), (0, 8, 9, 1), r"at least one picture.*\[0 8 9\]"),
        ((1, 0, 9, 3), (1, 0, 9, 1), r"at least one picture.*\[1 0 9\]"),
    ],
)
def test_masks_that_do_not_fit_are_named(images, masks, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        check_pairs(tf.zeros(images), tf.zeros(masks), NAMES)


@pytest.mark.parametrize("shape", [(3, 80, 80, 3), (1, 1, 300, 3), (300, 8, 8, 3)])
def test_more_pixels_than_the_limit_are_refused(shape):
    images = tf.zeros(shape)
    check_pairs(images, images[..., :1], NAMES, max_pixels=64 * 64 * 300)
    message = r"`images` must have at most 19199 pixels in all.*`max_pixels`. Received: .*"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        check_pairs(images, images[..., :1], NAMES, max_pixels=19199)


def test_masks_that_fit_pass():
    check_pairs(tf.zeros((2, 8, 9, 3)), tf.zeros((2, 8, 9, 1)), NAMES)


def test_message_holds_the_numbers_of_a_graph():
    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int32)])
    def first(numbers):
        with tf.control_dependencies([require(numbers[0] > 0, "not ", numbers, " please")]):
            return tf.identity(numbers[0])

    assert first(tf.constant([3, 4])) == 3
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"not \[-1 7\] please"):
        first(tf.constant([-1, 7]))
