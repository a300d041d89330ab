import math

import numpy as np
import pytest
from keras import ops

from keras_inpaint.masks import Strokes
from keras_inpaint.ops.random import picture_seeds


def draw(sampler, quick, num, height=256, width=256):
    sample = quick(lambda places: sampler(picture_seeds(0, 0, places), height, width)[0])
    return ops.convert_to_numpy(sample(ops.arange(num, dtype="int32")))[..., 0]


def runs_of_ones(line):
    return np.diff(np.flatnonzero(np.diff(np.concatenate([[0], line, [0]]))))[::2]


def test_a_single_level_segment_has_the_length_and_width_asked_for(quick):
    sampler = Strokes(
        num_strokes=(1, 1), num_segments=(1, 1), angle=0, angle_spread=0, widths=(6, 6)
    )
    masks = draw(sampler, quick, 400, 64, 512)
    lengths = []
    for mask in masks:
        rows, columns = np.nonzero(mask)
        assert 4 <= np.ptp(rows) + 1 <= 7
        if rows.min() > 0 and rows.max() < 63 and columns.min() > 0 and columns.max() < 511:
            assert np.ptp(rows) == 6
            lengths.append(np.ptp(columns) - 6)
    # The mean length is an eighth of the diagonal, 516 pixels; nothing is beyond twice that.
    assert max(lengths) <= 129
    assert min(lengths) >= 0
    assert abs(np.mean(lengths) - 64.5) < 5 * 32 / len(lengths) ** 0.5
    # Half the mean, a little less for what is cut off at two deviations.
    assert 27 < np.std(lengths) < 33


def test_steep_segments_are_drawn_at_their_angle(quick):
    sampler = Strokes(
        num_strokes=(1, 1), num_segments=(1, 1), angle_spread=0, widths=(2, 2), length=0.3
    )
    for mask in draw(sampler, quick, 20):
        rows, columns = np.nonzero(mask)
        inside = min(rows.min(), columns.min()) > 0 and max(rows.max(), columns.max()) < 255
        if inside and np.ptp(rows) > 40:
            slope = (np.ptp(rows) - 2) / (np.ptp(columns) - 2)
            assert abs(math.atan(slope) - 2 * math.pi / 5) < 0.05


def test_the_widths_drawn_reach_both_bounds(quick):
    sampler = Strokes(
        num_strokes=(1, 1), num_segments=(1, 1), angle=0, angle_spread=0, widths=(4, 8)
    )
    heights = [runs_of_ones(mask.max(axis=1))[0] for mask in draw(sampler, quick, 200, 128, 64)]
    assert set(heights) >= {5, 7, 9}
    assert max(heights) == 9


def test_more_strokes_and_segments_cover_more(quick):
    areas = [
        draw(Strokes(num_strokes=(n, n), num_segments=(m, m)), quick, 20).mean()
        for n, m in [(1, 1), (3, 6)]
    ]
    assert areas[1] > 3 * areas[0]


def test_published_strokes_leave_most_of_the_picture(quick):
    areas = draw(Strokes(), quick, 64).mean(axis=(1, 2))
    assert areas.min() > 0.005
    assert areas.max() < 0.6
    assert 0.1 < areas.mean() < 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_strokes": (0, 2)}, r"`num_strokes` .* at least 1.*num_strokes=\(0, 2\)"),
        ({"num_segments": (5, 4)}, r"`num_segments` is a pair.*num_segments=\(5, 4\)"),
        ({"widths": (12, 4)}, r"`widths` is a pair.*widths=\(12, 4\)"),
        ({"angle_spread": -0.1}, r"`angle_spread` .* negative.*angle_spread=-0\.1"),
        ({"length": 0}, r"`length` is a fraction.*length=0"),
    ],
)
def test_impossible_strokes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Strokes(**arguments)
