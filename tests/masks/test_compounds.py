import numpy as np
import pytest
from keras import ops

from keras_inpaint.masks import Boxes, Mixture, Strokes, Union
from keras_inpaint.ops.random import derived_seeds, picture_seeds

# Few segments, which compile quickly.
STROKES = Strokes(num_strokes=(1, 1), num_segments=(1, 2), widths=(4, 9))


def draw(sampler, quick, num, height=64, width=64, seeds=lambda seeds: seeds):
    has_boxes = []

    @quick
    def sample(places):
        masks, boxes = sampler(seeds(picture_seeds(0, 0, places)), height, width)
        has_boxes.append(boxes is not None)
        return masks, boxes if has_boxes[-1] else ops.zeros((1, 4))

    masks, boxes = sample(ops.arange(num, dtype="int32"))
    masks = ops.convert_to_numpy(masks)[..., 0]
    return masks, ops.convert_to_numpy(boxes) if has_boxes[-1] else None


def test_a_union_holds_the_holes_of_all_its_samplers(quick):
    samplers = [STROKES, Boxes(32, 32, jitter=4), STROKES]
    masks, boxes = draw(Union(samplers), quick, 8)
    parts = [
        draw(sampler, quick, 8, seeds=lambda seeds, index=index: derived_seeds(seeds, index))
        for index, sampler in enumerate(samplers)
    ]
    np.testing.assert_array_equal(masks, np.max([part for part, _ in parts], axis=0))
    np.testing.assert_array_equal(boxes, parts[1][1])
    # Two samplers alike draw different holes.
    assert not (parts[0][0] == parts[2][0]).all(axis=(1, 2)).any()


def test_a_union_without_boxes_has_none(quick):
    assert draw(Union([STROKES, STROKES]), quick, 2)[1] is None


def test_a_mixture_uses_its_samplers_by_weight(quick):
    samplers = [Boxes(size, size, jitter=0) for size in (4, 8, 12, 16)]
    masks, boxes = draw(Mixture(samplers, [1, 0, 3, 0]), quick, 400)
    used, counts = np.unique(boxes[:, 2], return_counts=True)
    assert used.tolist() == [4, 12]
    assert abs(counts[0] - 100) < 5 * (400 * 3 / 16) ** 0.5
    # Each picture's box is that of its hole.
    np.testing.assert_array_equal(masks.sum(axis=(1, 2)), boxes[:, 2] ** 2)
    for mask, (top, left, height, width) in zip(masks, boxes, strict=True):
        assert mask[top : top + height, left : left + width].all()


def test_samplers_without_weights_are_used_alike(quick):
    _, boxes = draw(Mixture([Boxes(4, 4, jitter=0), Boxes(8, 8, jitter=0)]), quick, 400)
    assert abs((boxes[:, 2] == 4).sum() - 200) < 5 * 10


def test_a_mixture_has_boxes_only_if_all_its_samplers_do(quick):
    assert draw(Mixture([Boxes(8, 8, jitter=0), STROKES]), quick, 2)[1] is None
    bounded = Mixture([STROKES, STROKES], max_area=0.2)
    assert draw(bounded, quick, 2)[1] is None


def test_holes_outside_the_bounds_are_drawn_again(quick):
    # The hole's sides are 8 to 32 pixels: half or so of the first draws lie outside.
    boxes = Boxes(32, 32, jitter=12)
    masks, drawn = draw(Mixture([boxes], min_area=0.1, max_area=0.16, num_draws=50), quick, 100)
    areas = masks.mean(axis=(1, 2))
    assert areas.min() >= 0.1
    assert areas.max() <= 0.16
    first_masks, first_boxes = draw(Mixture([boxes]), quick, 100)
    fits = (first_masks.mean(axis=(1, 2)) >= 0.1) & (first_masks.mean(axis=(1, 2)) <= 0.16)
    assert 20 < fits.sum() < 80
    # A hole that fits at once stays as it is, and so does its box.
    np.testing.assert_array_equal((masks == first_masks).all(axis=(1, 2)), fits)
    np.testing.assert_array_equal(drawn[fits], first_boxes[fits])
    for mask, (top, left, height, width) in zip(masks, drawn, strict=True):
        assert mask[top : top + height, left : left + width].sum() == mask.sum()


def test_the_closest_hole_is_kept_where_none_fits(quick):
    # Only a hole as large as its box would fit, of which one in 2197 is.
    boxes = Boxes(32, 32, jitter=12)
    few, many = (
        draw(Mixture([boxes], min_area=0.245, num_draws=num), quick, 50)[0].sum(axis=(1, 2))
        for num in (2, 12)
    )
    single = draw(Mixture([boxes]), quick, 50)[0].sum(axis=(1, 2))
    assert (few >= single).all()
    assert (many >= few).all()
    assert single.mean() < few.mean() < many.mean()


def test_drawing_again_keeps_to_the_weights(quick):
    samplers = [Boxes(8, 8, jitter=0), Boxes(32, 32, jitter=12)]
    mixture = Mixture(samplers, [1, 1], max_area=0.1, num_draws=50)
    _, boxes = draw(mixture, quick, 400)
    assert abs((boxes[:, 2] == 8).sum() - 200) < 5 * 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samplers": []}, r"at least one sampler.*samplers=\[\]"),
        ({"samplers": [Boxes]}, r"such as `Boxes\(\)`.*samplers=.*Boxes"),
        ({"weights": [1]}, r"one number per sampler.*weights=\[1\.0\] for 2"),
        ({"weights": [1, -1]}, r"none negative.*weights=\[1\.0, -1\.0\]"),
        ({"weights": [0, 0]}, r"not all 0.*weights=\[0\.0, 0\.0\]"),
        ({"min_area": 0.5, "max_area": 0.5}, r"fractions .*min_area=0\.5, max_area=0\.5"),
        ({"max_area": 1.5}, r"from 0 to 1.*max_area=1\.5"),
        ({"num_draws": 0}, r"`num_draws` .*num_draws=0"),
    ],
)
def test_impossible_mixtures_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Mixture(**{"samplers": [STROKES, STROKES], **arguments})


def test_an_empty_union_is_refused():
    with pytest.raises(ValueError, match=r"at least one sampler.*samplers=\[\]"):
        Union([])


class Dots:
    """A sampler of a user: a hole of one pixel. It tells nothing of its areas."""

    def __call__(self, seeds, height, width):
        masks = ops.zeros((ops.shape(seeds)[0], height * width - 1, 1), "float32")
        masks = ops.pad(masks, ((0, 0), (1, 0), (0, 0)), constant_values=1.0)
        return ops.reshape(masks, (-1, height, width, 1)), None


LARGE, SMALL, STEADY = Boxes(48, 48), Boxes(8, 8, jitter=1), Boxes(48, 48, jitter=2)
EXACT = Boxes(16, 16, jitter=0)
THIN = Strokes(num_strokes=(1, 1), num_segments=(1, 1), widths=(2, 2))


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        # 0.3 of 64 x 96 pixels are 1843.2.
        (
            Mixture([Boxes(48, 48, jitter=2)], max_area=0.3),
            r"0 to 1843 of the 6144.*1936 to 2304",
        ),
        (Mixture([SMALL, Boxes(48, 48, jitter=2)], max_area=0.3), r"Boxes\(height=48"),
        (Mixture([LARGE], min_area=0.4), "256 to 2304 pixels"),
        # Between the areas of two boxes, 44 x 44 and 44 x 45.
        (Mixture([STEADY], min_area=0.3156, max_area=0.32), "1936 to 2304"),
        # Between two whole numbers of pixels.
        (Mixture([SMALL], min_area=0.0081, max_area=0.0082), "50 to 50 of"),
        (Mixture([THIN], min_area=0.9), r"Strokes\(.*widths=\(2, 2\)"),
        (Mixture([Strokes(widths=(60, 80))], max_area=0.1), r"Strokes\(.*widths=\(60, 80\)"),
        (Mixture([Union([EXACT, LARGE])], max_area=0.04), "Union.* 256 to 2560"),
        (Mixture([Union([SMALL, EXACT])], min_area=0.06), "Union.* 256 to 320"),
        (Mixture([Mixture([LARGE, EXACT])], max_area=0.04), "Mixture.* 256 to 2304"),
        # Two mixtures whose bounds leave nothing in common.
        (Mixture([Mixture([LARGE], min_area=0.3)], max_area=0.2), "Mixture"),
        (Union([SMALL, Mixture([LARGE], min_area=0.4)]), "256 to 2304 pixels"),
        (Mixture([SMALL, Union([EXACT, Mixture([LARGE], min_area=0.4)])]), "256 to 2304"),
    ],
)
def test_bounds_that_no_hole_can_meet_are_refused(sampler, message, compilers):
    for compiler in compilers:
        with pytest.raises(ValueError, match=message):
            compiler(lambda seeds: sampler(seeds, 64, 96)[0])(picture_seeds(0, 0, [0, 1]))


@pytest.mark.parametrize(
    "sampler",
    [
        Mixture([LARGE, SMALL], [0, 1], max_area=0.3),
        Mixture([EXACT], min_area=256 / 6144, max_area=0.05),
        Mixture([EXACT], min_area=0.01, max_area=256 / 6144),
        Mixture([Mixture([LARGE, SMALL])], max_area=0.2),
        Mixture([Mixture([Boxes(32, 32, jitter=12)], min_area=0.1)], max_area=0.2),
        Mixture([Dots()], max_area=0.01),
        Mixture([STROKES, Dots()], max_area=0.2),
    ],
)
def test_bounds_that_holes_can_meet_are_met(sampler, quick):
    masks, _ = draw(sampler, quick, 16, 64, 96)
    areas = masks.mean(axis=(1, 2))
    assert areas.min() >= sampler.min_area - 1e-6
    assert areas.max() <= sampler.max_area + 1e-6


@pytest.mark.parametrize(
    "sampler",
    [
        Boxes(24, 20, jitter=4),
        STROKES,
        THIN,
        Strokes(num_strokes=(1, 1), num_segments=(1, 1), length=0.01, widths=(3, 30)),
        Union([Boxes(24, 20, jitter=4), STROKES]),
        Mixture([Boxes(24, 20, jitter=4), STROKES]),
    ],
)
def test_no_hole_has_an_area_that_the_sampler_rules_out(sampler, quick):
    for size in ((64, 64), (25, 90)):
        areas = draw(sampler, quick, 200, *size)[0].sum(axis=(1, 2))
        possible = sampler.areas(*size)
        assert all(any(least <= area <= most for least, most in possible) for area in areas)


def test_the_smallest_hole_of_a_brush_is_drawn_in_a_corner(quick):
    # Segments without length leave the brush's first disc alone.
    dots = Strokes(num_strokes=(1, 1), num_segments=(1, 1), length=1e-6, widths=(5, 5))
    areas = draw(dots, quick, 400, 9, 9)[0].sum(axis=(1, 2))
    assert areas.min() == dots.areas(9, 9)[0][0]


def test_masks_are_drawn_from_any_integers(quick):
    seeds = [-1, 2**40, np.int64(-(2**63)), 7]
    for sampler in (Boxes(24, 20, jitter=4), Union([EXACT, STROKES]), Mixture([EXACT])):
        draws = quick(
            lambda sampler=sampler: [
                sampler(given, 32, 48)[0] for given in (seeds, np.array(seeds))
            ]
        )
        masks, again = map(ops.convert_to_numpy, draws())
        np.testing.assert_array_equal(masks, again)
        assert len({mask.tobytes() for mask in masks}) == 4
        with pytest.raises(ValueError, match=r"follow from integers.*Received: 0\.5"):
            sampler([0.5], 32, 48)


def test_the_published_settings_are_the_defaults_at_256_pixels():
    assert Boxes.published(128).get_config() == Boxes().get_config()
    assert Strokes.published(256).get_config() == Strokes().get_config()
    small = Boxes.published(32, 48)
    assert (small.height, small.width, small.jitter) == (32, 48, 4)
    assert Strokes.published(64).widths == (3, 10)
    assert Strokes.published(8).widths == (1, 1)
