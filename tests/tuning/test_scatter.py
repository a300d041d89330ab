import numpy as np
import pytest

from keras_inpaint.tuning.scatter import _share, _ticks, scatter

RED, BLUE, GREY = (209, 73, 91), (59, 111, 182), (153, 153, 153)


def centre_of(picture, colour):
    """The middle (x, y) of what has a colour."""
    rows, columns = np.nonzero((picture == colour).all(-1))
    return columns.mean(), rows.mean()


def test_dots_stand_where_the_numbers_are():
    points = [(0.1, 3.0), (10.0, 1.0), (1.0, None)]
    picture = scatter(points, (0.1, 10.0), "hole", "val_hole_l1")
    # The frame goes from 62 to 344 and from 216 up to 14; the measures leave 8 % free.
    assert centre_of(picture, BLUE) == pytest.approx((62, 216 - 202 * 2.16 / 2.32), abs=0.6)
    assert centre_of(picture, RED) == pytest.approx((344, 216 - 202 * 0.16 / 2.32), abs=0.6)
    # Away from the grey edges of letters.
    assert centre_of(picture[200:216, 100:300], GREY)[0] == pytest.approx(103, abs=1)


def test_greatest_is_red_where_more_is_better():
    points = [(1.0, 20.0), (2.0, 30.0)]
    picture = scatter(points, (0.0, 3.0), "box_share", "val_psnr", False, False)
    assert centre_of(picture, RED)[0] > centre_of(picture, BLUE)[0]


@pytest.mark.parametrize("points", [[], [(1.0, None)], [(1.0, 0.0)]])
def test_few_points_make_a_picture_too(points):
    assert scatter(points, (0.1, 10.0), "hole", "val_hole_l1").shape == (260, 360, 3)


def test_axes_are_even_in_factors_or_in_numbers():
    assert _share(1.0, 0.01, 100.0, True) == pytest.approx(0.5)
    assert _share(1.0, 0.0, 4.0, False) == 0.25
    assert _ticks(0.09, 12.0, True) == [0.1, 1.0, 10.0]
    assert _ticks(0.0, 3.0, False) == [0, 1, 2, 3]
    assert _ticks(2.0, 16.0, True) == pytest.approx([2, 4, 8, 16])
