import functools
import hashlib
import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_inpaint.masks import Boxes, Mixture, Strokes, Union
from keras_inpaint.ops.random import picture_seeds

SAMPLERS = {
    "boxes": Boxes(24, 20, margin=3, jitter=4),
    "strokes": Strokes(),
    "union": Union([Boxes(24, 20, jitter=4), Strokes(num_segments=(2, 3), widths=(3, 9))]),
    "mixture": Mixture(
        [Boxes(24, 20, jitter=4), Strokes(num_segments=(2, 3), widths=(3, 9))],
        weights=[1, 2],
        min_area=0.06,
        max_area=0.3,
    ),
}
CHECKSUMS = {
    "boxes": "56a7f541da1dd206",
    "strokes": "a823f6d73b593a00",
    "union": "e2afceeca2cc7388",
    "mixture": "e3e5813763bef4d8",
}
LARGE_CHECKSUM = "4d7f28ce770dbca8"


@functools.cache
def sampled_by(sampler, compiler, height=64, width=80):
    @compiler
    def sample(places, index):
        masks, boxes = sampler(picture_seeds(11, index, places), height, width)
        return masks, ops.zeros((1, 4)) if boxes is None else boxes

    return sample


def draw(sampler, compiler, num=12, index=0, **size):
    places = ops.arange(num, dtype="int32")
    index = ops.convert_to_tensor(index, dtype="int32")
    return [
        ops.convert_to_numpy(part)
        for part in sampled_by(sampler, compiler, **size)(places, index)
    ]


def checksum(*arrays):
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]


@pytest.fixture(params=SAMPLERS)
def sampler(request):
    return SAMPLERS[request.param]


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_backend_and_compiler_draws_the_same_pixels(name, compilers):
    for compiler in compilers:
        masks, boxes = draw(SAMPLERS[name], compiler)
        drawn = checksum(np.packbits(masks.astype("uint8")), boxes.astype("int32"))
        assert drawn == CHECKSUMS[name]


def test_strokes_of_large_pictures_are_the_same_everywhere(compilers):
    for compiler in compilers:
        masks, _ = draw(Strokes(), compiler, num=2, height=512, width=512)
        assert checksum(np.packbits(masks.astype("uint8"))) == LARGE_CHECKSUM


def test_masks_are_ones_in_holes_and_differ_from_picture_to_picture(sampler, quick):
    masks, _ = draw(sampler, quick)
    assert masks.shape == (12, 64, 80, 1)
    assert masks.dtype == np.float32
    assert set(np.unique(masks)) == {0.0, 1.0}
    assert len({mask.tobytes() for mask in masks}) == 12


def test_the_next_draw_differs(sampler, quick):
    first, _ = draw(sampler, quick, index=0)
    second, _ = draw(sampler, quick, index=1)
    assert not (first == second).all(axis=(1, 2, 3)).any()


def test_a_sampler_returns_from_its_configuration(sampler, quick):
    config = keras.saving.serialize_keras_object(sampler)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert type(again) is type(sampler)
    assert keras.saving.serialize_keras_object(again) == config
    np.testing.assert_array_equal(draw(again, quick)[0], draw(sampler, quick)[0])


def test_sizes_may_be_known_only_when_the_function_runs(sampler):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow only")

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3))])
    def sample(images):
        batch, height, width, _ = tf.unstack(tf.shape(images))
        return sampler(picture_seeds(11, 0, tf.range(batch)), height, width)[0]

    masks = sample(tf.zeros((12, 64, 80, 3)))
    np.testing.assert_array_equal(masks, draw(sampler, lambda function: function)[0])


def test_a_size_that_is_no_integer_is_refused(sampler, quick):
    with pytest.raises(ValueError, match=r"`height` .* integer.*height=64\.5"):
        draw(sampler, quick, height=64.5)
    with pytest.raises(ValueError, match=r"`width` .* at least 1 pixel.*width=0"):
        draw(sampler, quick, width=0)
