import hashlib
import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_inpaint.masks import Boxes, Mixture, Strokes, Union
from keras_inpaint.ops.chance import picture_seeds

SAMPLERS = {
    "boxes": Boxes(24, 20, margin=3, jitter=4),
    "strokes": Strokes(),
    "union": Union([Boxes(24, 20, jitter=4), Strokes(widths=(3, 9))]),
    "mixture": Mixture(
        [Boxes(24, 20, jitter=4), Strokes(widths=(3, 9))],
        weights=[1, 2],
        min_area=0.1,
        max_area=0.3,
    ),
}
CHECKSUMS = {
    "boxes": "56a7f541da1dd206",
    "strokes": "a823f6d73b593a00",
    "union": "af49a3fb5a063d5a",
    "mixture": "54dee48cd2603bed",
}


@pytest.fixture(params=SAMPLERS)
def sampler(request):
    return SAMPLERS[request.param]


def draw(sampler, quick=lambda function: function, num=12, index=0, height=64, width=80):
    @quick
    def sample(places):
        masks, boxes = sampler(picture_seeds(11, index, places), height, width)
        return masks, ops.zeros((1, 4)) if boxes is None else boxes

    masks, boxes = sample(ops.arange(num, dtype="int32"))
    return ops.convert_to_numpy(masks), ops.convert_to_numpy(boxes)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_backend_and_compiler_draws_the_same_pixels(name, compilers):
    for compiler in compilers:
        masks, boxes = draw(SAMPLERS[name], compiler)
        drawn = np.packbits(masks.astype("uint8")).tobytes() + boxes.astype("int32").tobytes()
        assert hashlib.sha256(drawn).hexdigest()[:16] == CHECKSUMS[name]


def test_strokes_of_large_pictures_are_the_same_everywhere(compilers):
    for compiler in compilers:
        masks, _ = draw(Strokes(), compiler, num=2, height=512, width=512)
        checksum = hashlib.sha256(np.packbits(masks.astype("uint8")).tobytes()).hexdigest()
        assert checksum[:16] == "4d7f28ce770dbca8"


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
    np.testing.assert_array_equal(masks, draw(sampler)[0])


def test_a_size_that_is_no_integer_is_refused(sampler):
    with pytest.raises(ValueError, match=r"`height` .* integer.*height=64\.5"):
        draw(sampler, height=64.5)
    with pytest.raises(ValueError, match=r"`width` .* at least 1 pixel.*width=0"):
        draw(sampler, width=0)
