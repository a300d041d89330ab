"""Pictures stand on a sheet in rows and columns."""

import numpy as np
import pytest

from keras_inpaint.pictures import sheet


def test_pictures_stand_where_rows_and_columns_say():
    tall, wide = np.full((5, 2, 3), 10, np.uint8), np.full((3, 4, 3), 20, np.uint8)
    grey = np.full((2, 2), 30, np.uint8)
    expected = np.full((5 + 1 + 2, 2 + 1 + 4, 3), 200, np.uint8)
    expected[:5, :2] = 10
    expected[:3, 3:] = 20
    expected[6:, :2] = 30
    result = sheet([[tall, wide], [grey]], gap=1, background=200)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, expected)


def test_titles_stand_above_their_own_columns():
    picture = np.full((20, 40, 3), 100, np.uint8)
    plain = sheet([[picture, picture]])
    titled = sheet([[picture, picture]], titles=["a title much wider than the column", ""])
    head = titled[: -len(plain)]
    np.testing.assert_array_equal(titled[-len(plain) :], plain)
    assert head[:, :40].min() < 100
    assert (head[:, 40:] == 255).all()


def test_what_is_no_picture_is_refused():
    picture = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(ValueError, match=r"uint8 arrays.*float64"):
        sheet([[picture / 255]])
    with pytest.raises(ValueError, match="at least one picture"):
        sheet([[]])
    with pytest.raises(ValueError, match=r"each of the 1 columns.*\['a', 'b'\]"):
        sheet([[picture]], titles=["a", "b"])
