"""Pictures are written whole or not at all."""

import dataclasses
import os
import stat

import numpy as np
import pytest
from PIL import Image, ImageCms

from keras_inpaint.pictures import (
    SUFFIXES,
    Picture,
    check_writable,
    is_lossy,
    read_picture,
    write_picture,
)
from keras_inpaint.pictures.writing import what_is_lost

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (12, 16, 3), np.uint8)
ALPHA = RNG.integers(0, 256, (12, 16), np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def camera_exif():
    exif = Image.Exif()
    exif[271] = "Camera"
    return exif.tobytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_is_read_again(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    write_picture(path, Picture(PIXELS, ALPHA, SRGB, camera_exif()))
    picture = read_picture(path)
    if is_lossy(path):
        # Noise is the worst JPEG can meet; at quality 95 it stays close.
        assert np.abs(picture.pixels.astype(int) - PIXELS).mean() < 4
    else:
        np.testing.assert_array_equal(picture.pixels, PIXELS)
    if suffix in (".png", ".tif", ".tiff", ".webp"):
        np.testing.assert_array_equal(picture.alpha, ALPHA)
    else:
        assert picture.alpha is None
    if suffix != ".bmp":
        assert picture.icc_profile == SRGB
        kept = Image.Exif()
        kept.load(picture.exif)
        assert dict(kept) == {271: "Camera"}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("length", [9, 66000])
def test_what_is_lost_is_what_is_not_read_again(suffix, length, tmp_path):
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[271] = "C" * length
    picture = Picture(PIXELS, ALPHA, SRGB, exif.tobytes())
    lost = what_is_lost(path, picture)
    write_picture(path, picture)
    after = read_picture(path)
    words = {"transparency": "alpha", "colour profile": "icc_profile", "EXIF": "exif"}
    assert lost == [word for word, name in words.items() if getattr(after, name) is None]
    assert what_is_lost(path, Picture(PIXELS)) == []


def test_only_jpeg_is_lossy():
    assert {suffix for suffix in SUFFIXES if is_lossy("a" + suffix.upper())} == {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
    }


def test_jpeg_keeps_colours_at_full_resolution(tmp_path):
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2, 0] = 255
    stripes[:, 1::2, 2] = 255
    write_picture(tmp_path / "a.jpg", Picture(stripes))
    difference = read_picture(tmp_path / "a.jpg").pixels.astype(int) - stripes
    # With halved colours red and blue stripes run into one violet.
    assert np.abs(difference).max() < 20


def test_failed_writing_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    write_picture(path, Picture(PIXELS))
    before = path.read_bytes()

    def fail(source, target):
        raise OSError("disk gone")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk gone"):
        write_picture(path, Picture(PIXELS // 2))
    assert os.listdir(tmp_path) == ["a.png"]
    assert path.read_bytes() == before


def test_picture_too_large_for_the_format_names_the_way_out(tmp_path):
    wide = Picture(np.zeros((1, 17000, 3), np.uint8))
    with pytest.raises(ValueError, match=r"another suffix.*1 x 17000"):
        write_picture(tmp_path / "a.webp", wide)
    assert os.listdir(tmp_path) == []


def test_new_file_has_the_usual_permissions(tmp_path):
    write_picture(tmp_path / "a.png", Picture(PIXELS))
    (tmp_path / "other").touch()
    modes = {stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("a.png", "other")}
    assert len(modes) == 1


@pytest.mark.parametrize("shape", [(4, 6, 3), (4, 6), (4, 6, 1), (4, 6, 4)], ids=str)
def test_pixels_alone_are_written_as_a_picture_of_them(shape, rng, tmp_path):
    pixels = rng.integers(0, 256, shape).astype("uint8")
    write_picture(tmp_path / "a.png", pixels)
    with Image.open(tmp_path / "a.png") as image:
        found = np.asarray(image)
    expected = pixels if shape[2:] in ((3,), (4,)) else np.stack([pixels.reshape(4, 6)] * 3, -1)
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match=r"`picture` must be bytes.*of type float64"):
        write_picture(tmp_path / "a.png", pixels / 255)


# Stores of large files, as git-annex's, name them by their content.
@pytest.mark.parametrize("name", ["real.png", "real", "SHA256-3f2a.jpg"])
def test_link_stays_a_link(tmp_path, name):
    (tmp_path / "link.png").symlink_to(tmp_path / name)
    write_picture(tmp_path / "link.png", Picture(PIXELS))
    assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "link.png").is_symlink()
    np.testing.assert_array_equal(read_picture(tmp_path / "link.png").pixels, PIXELS)


@pytest.mark.parametrize(
    ("name", "error", "advice"),
    [
        ("a.gif", ValueError, r"must end in one of .*\.png.*a\.gif"),
        ("a", ValueError, "must end in one of"),
        ("missing/a.png", FileNotFoundError, r"Create it first.*missing/a\.png"),
        ("file/a.png", NotADirectoryError, "another folder"),
        ("folder.png", IsADirectoryError, "Add a file name"),
    ],
)
def test_impossible_path_is_found_out_before_any_work(name, error, advice, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(error, match=advice):
        check_writable(tmp_path / name)
    with pytest.raises(error, match=advice):
        write_picture(tmp_path / name, Picture(PIXELS))


def test_unwritable_folder_is_found_out_before_any_work(tmp_path, monkeypatch):
    # A privileged user may write anywhere, so the answer is given here.
    monkeypatch.setattr(os, "access", lambda folder, mode: not mode & os.W_OK)
    with pytest.raises(PermissionError, match=r"permissions.*a\.png"):
        check_writable(tmp_path / "a.png")


def test_picture_refuses_other_arrays():
    for pixels in (PIXELS / 255, PIXELS[..., 0], PIXELS[:0]):
        with pytest.raises(ValueError, match=r"uint8 array of shape.*Received"):
            Picture(pixels)
    with pytest.raises(ValueError, match=r"size of `pixels`.*\(16, 12\)"):
        Picture(PIXELS, ALPHA.T)


def test_pixels_can_be_replaced_and_the_rest_kept():
    picture = dataclasses.replace(Picture(PIXELS, ALPHA, SRGB), pixels=PIXELS // 2)
    assert picture.icc_profile is SRGB
    np.testing.assert_array_equal(picture.pixels, PIXELS // 2)
