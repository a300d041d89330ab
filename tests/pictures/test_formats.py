"""A folder's pictures are listed, and nothing else of it."""

import pytest

from keras_inpaint.pictures import list_pictures


def test_pictures_are_listed_sorted_without_the_rest(tmp_path):
    for name in ("b.PNG", "a.jpg", "c.txt", "._a.jpg", "d.webp"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in list_pictures(tmp_path)] == ["a.jpg", "b.PNG", "d.webp"]


def test_folder_without_pictures_is_an_error(tmp_path):
    (tmp_path / "c.txt").touch()
    with pytest.raises(ValueError, match=r"must hold pictures.*Received"):
        list_pictures(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no such folder.*gone"):
        list_pictures(tmp_path / "gone")
    with pytest.raises(NotADirectoryError, match=r"not a file.*c\.txt"):
        list_pictures(tmp_path / "c.txt")
