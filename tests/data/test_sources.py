"""A source of photos becomes a list of paths."""

import os

import pytest
from PIL import Image

from keras_inpaint.data import find_photos
from keras_inpaint.data.sources import find_files


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


def picture(path, kind="PNG"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 3)).save(path, kind)


def test_content_tells_a_picture_whatever_it_is_called(tmp_path):
    for name, kind in (
        *(("a", "JPEG"), ("b.dat", "PNG"), ("c.jfif", "JPEG"), ("d.jpe", "JPEG")),
        *(("e.gif", "GIF"), ("f.tmp", "WEBP"), ("g.ppm", "PPM"), ("h.bin", "BMP")),
        *(("i.tga", "TGA"), ("j.jp2", "JPEG2000"), ("k.ico", "ICO")),
    ):
        picture(tmp_path / name, kind)
    texts = {
        "l.txt": "P1 is the first plan",
        "m.csv": "BMW;1",
        "n.py": "Python",
        "o": "",
        "p.h": "#define x 1",
        "q.mov": "\0\0\0\x14ftypqt  ",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    # Named like a picture: it is damaged, and fails with a reason.
    (tmp_path / "z.jpg").write_text("no picture")
    found = find_files(tmp_path)
    assert "".join(os.path.basename(path)[0] for path in found.paths) == "abcdefghijkz"
    assert sorted(map(os.path.basename, found.left_out.pop("not a picture"))) == sorted(texts)
    assert not found.left_out


def test_every_file_left_out_is_counted_by_its_reason(tmp_path):
    kept = ["a.png", "holiday/b.png"]
    helpers = [
        *(".git/c.png", ".hidden.png", "@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg", "._a.png"),
        *("__MACOSX/._a.png", "$RECYCLE.BIN/x.png", "Thumbnails/a.png", "#recycle/x.png"),
        *("lost+found/x.png", "holiday/.thumbnails/b.png", ".Trash-1000/files/x.png"),
    ]
    for name in (*kept, *helpers, "filled/a.png"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("words")
    os.mkfifo(tmp_path / "pipe.png")
    os.symlink("nowhere.png", tmp_path / "broken.png")
    found = find_files(tmp_path, leave_out=[tmp_path / "filled"])
    assert found.paths == [str(tmp_path / name) for name in kept]
    assert {reason: len(paths) for reason, paths in found.left_out.items()} == {
        "hidden, or in a folder of helpers": len(helpers),
        "not a picture": 1,
        "not a regular file": 2,
        "of the output or the masks": 1,
    }


def test_a_folder_of_helpers_that_is_asked_for_is_searched(tmp_path):
    picture(tmp_path / ".cache/thumbnails/a.png")
    assert len(find_photos(tmp_path / ".cache/thumbnails")) == 1


def test_a_folder_is_searched_once_however_many_links_lead_there(tmp_path):
    picture(tmp_path / "photos/z/a.png")
    picture(tmp_path / "elsewhere/b.png")
    photos = tmp_path / "photos"
    for name, target in (
        *(("a", photos / "z"), ("loop", photos), ("c", tmp_path / "elsewhere")),
        *(("d", tmp_path / "elsewhere"), ("z/up", tmp_path / "elsewhere")),
    ):
        os.symlink(target, photos / name)
    found = find_files(photos)
    assert found.paths == [str(photos / "c/b.png"), str(photos / "z/a.png")]
    assert len(found.left_out["in a folder that was searched before"]) == 4


def test_a_name_that_exists_is_taken_literally_before_it_is_a_pattern(tmp_path):
    for name in ("a[1].png", "a1.png", "photos[2020]/b.png", "photos2/c.png"):
        picture(tmp_path / name)
    assert find_photos(tmp_path / "a[1].png") == [str(tmp_path / "a[1].png")]
    assert find_photos(tmp_path / "photos[2020]") == [str(tmp_path / "photos[2020]/b.png")]
    assert find_photos(f"{tmp_path}/a[0-9].png") == [str(tmp_path / "a1.png")]


def test_a_pattern_passes_over_helpers_too(tmp_path):
    for name in ("a.png", "@eaDir/a.png", "deep/b.dat", "deep/Thumbs/b.png"):
        picture(tmp_path / name)
    (tmp_path / "deep/notes.txt").write_text("words")
    found = find_files(f"{tmp_path}/**")
    assert found.paths == [str(tmp_path / "a.png"), str(tmp_path / "deep/b.dat")]
    assert {reason: len(paths) for reason, paths in found.left_out.items()} == {
        "hidden, or in a folder of helpers": 2,
        "not a picture": 1,
    }


def test_a_source_of_no_photos_says_what_was_left_out(tmp_path):
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(ValueError, match=r"left out: 1 not a picture \(notes\.txt\)"):
        find_photos(tmp_path)
