"""A source of photos becomes a list of paths."""

import keras
import pytest

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow only"
)

from keras_inpaint.data import find_photos  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / ".cache").mkdir()
    for name in ("b.JPG", "a.png", "c.txt", "._a.png", "inner/d.webp", ".cache/e.png"):
        (tmp_path / name).touch()
    return tmp_path


def test_folder_is_searched_with_all_below_it_but_nothing_hidden(folder):
    expected = [str(folder / name) for name in ("a.png", "b.JPG", "inner/d.webp")]
    assert find_photos(folder) == find_photos(str(folder)) == expected


def test_pattern_takes_the_pictures_it_matches(folder):
    assert find_photos(f"{folder}/*") == [str(folder / "a.png"), str(folder / "b.JPG")]
    assert find_photos(f"{folder}/**/*.webp") == [str(folder / "inner/d.webp")]
    with pytest.raises(ValueError, match=r"No picture file matches.*\*\.gif"):
        find_photos(f"{folder}/*.gif")


def test_list_is_taken_as_it_is(folder):
    assert find_photos([folder / "z.jpg", "a.png"]) == [str(folder / "z.jpg"), "a.png"]
    with pytest.raises(ValueError, match="list is empty"):
        find_photos([])


def test_text_file_lists_paths_relative_to_it(folder):
    (folder / "c.txt").write_text("inner/d.webp\n\n  a.png \r\n/elsewhere/x.jpg\n")
    expected = [str(folder / "inner/d.webp"), str(folder / "a.png"), "/elsewhere/x.jpg"]
    assert find_photos(folder / "c.txt") == expected


def test_file_that_is_no_list_is_refused(folder):
    (folder / "c.txt").write_text("")
    with pytest.raises(ValueError, match="lists no paths"):
        find_photos(folder / "c.txt")
    (folder / "c.bin").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ValueError, match=r"text file in UTF-8.*c\.bin"):
        find_photos(folder / "c.bin")


def test_single_picture_is_a_source(folder):
    assert find_photos(folder / "a.png") == [str(folder / "a.png")]
