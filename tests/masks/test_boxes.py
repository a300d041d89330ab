import numpy as np
import pytest
from keras import ops

from keras_inpaint.masks import Boxes
from keras_inpaint.ops.random import picture_seeds


def draw(sampler, num, height, width):
    masks, boxes = sampler(picture_seeds(0, 0, ops.arange(num)), height, width)
    return ops.convert_to_numpy(masks)[..., 0], ops.convert_to_numpy(boxes)


def test_the_hole_lies_in_the_box_and_the_box_within_the_margin():
    masks, boxes = draw(Boxes(10, 14, margin=2, jitter=3), 200, 24, 30)
    assert boxes.dtype == np.int32
    assert (boxes[:, 2:] == (10, 14)).all()
    # Every place that keeps the margin is drawn.
    assert set(boxes[:, 0]) == set(range(2, 24 - 2 - 10 + 1))
    assert set(boxes[:, 1]) == set(range(2, 30 - 2 - 14 + 1))
    moved_in = []
    for mask, (top, left, height, width) in zip(masks, boxes, strict=True):
        rows, columns = np.nonzero(mask)
        moved_in.append(
            (
                rows.min() - top,
                columns.min() - left,
                top + height - 1 - rows.max(),
                left + width - 1 - columns.max(),
            )
        )
        assert len(rows) == np.prod(np.ptp([rows, columns], axis=1) + 1)
    # Each side of the hole moves for itself, by every number up to the jitter.
    assert [set(side) for side in np.transpose(moved_in)] == [set(range(4))] * 4
    assert len(set(moved_in)) > 100


@pytest.mark.parametrize(("side", "jitter"), [(128, 16), (33, 16), (32, 4), (8, 1), (7, 0)])
def test_jitter_that_is_not_given_leaves_a_hole(side, jitter):
    assert Boxes(side, 128).jitter == jitter


def test_a_box_without_jitter_may_fill_the_picture():
    masks, boxes = draw(Boxes(6, 8, jitter=0), 2, 6, 8)
    assert masks.all()
    assert boxes.tolist() == [[0, 0, 6, 8]] * 2


def test_a_box_that_does_not_fit_is_refused():
    sampler = Boxes(32, 48, margin=4, jitter=2)
    draw(sampler, 1, 40, 56)
    for size in [(39, 56), (40, 55)]:
        with pytest.raises(ValueError, match=rf"32 x 48 .*={size[0]}, width={size[1]}"):
            draw(sampler, 1, *size)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"height": 0}, r"`height` of the box .* at least 1.*height=0"),
        ({"margin": -1}, r"`margin` .* at least 0.*margin=-1"),
        ({"jitter": -2}, r"`jitter` .* at least 0.*jitter=-2"),
        ({"height": 32.5}, r"must be an int of at least 1.*height=32\.5"),
        ({"jitter": True}, r"must be an int.*jitter=True"),
        (
            {"width": 32, "jitter": 16},
            r"less than half of the box.*jitter=16, height=128, width=32",
        ),
    ],
)
def test_impossible_boxes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Boxes(**arguments)
