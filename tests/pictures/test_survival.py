"""What a file holds survives: all 16 bits, text, resolution, gamma, XMP, frames."""

import dataclasses
import struct

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from keras_inpaint.pictures import (
    Picture,
    read_frames,
    read_picture,
    what_is_lost,
    write_frames,
    write_picture,
)
from keras_inpaint.pictures.reading import to_bytes

RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (37, 53, 4), np.uint16)


def deep_picture(channels):
    deep = DEEP[..., :channels].copy()
    alpha = to_bytes(deep[..., 3]) if channels == 4 else None
    return Picture(to_bytes(deep[..., :3]), alpha, deep=deep)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_come_back_bit_for_bit(tmp_path, channels, suffix):
    path = tmp_path / f"a{suffix}"
    write_picture(path, deep_picture(channels))
    again = read_picture(path)
    np.testing.assert_array_equal(again.deep, DEEP[..., :channels])
    np.testing.assert_array_equal(again.pixels, np.rint(DEEP[..., :3] / 257))
    # As another library reads the file.
    cv2 = pytest.importorskip("cv2")
    theirs = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(theirs[..., [2, 1, 0, 3][:channels]], DEEP[..., :channels])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_of_other_programs_are_read(tmp_path, suffix):
    cv2 = pytest.importorskip("cv2")
    for channels, order in ((3, [2, 1, 0]), (4, [2, 1, 0, 3])):
        path = tmp_path / f"{channels}{suffix}"
        # OpenCV compresses by LZW in TIFF files and filters rows in all ways in PNG files.
        assert cv2.imwrite(str(path), DEEP[..., order])
        np.testing.assert_array_equal(read_picture(path).deep, DEEP[..., :channels])


def test_16_bits_of_grey_with_alpha_are_read(tmp_path):
    def chunk(kind, content):
        import zlib

        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    import zlib

    levels = DEEP[..., :2]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in levels)
    header = struct.pack(">IIBBBBB", 53, 37, 16, 4, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    expected = levels[..., [0, 0, 0, 1]]
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png").deep, expected)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_what_was_changed_counts_and_all_else_keeps_its_bits(tmp_path, suffix):
    picture, path = deep_picture(4), tmp_path / f"a{suffix}"
    pixels, alpha = picture.pixels.copy(), picture.alpha.copy()
    pixels[5:9, 7:11] ^= 85
    alpha[20:25] ^= 255
    write_picture(path, dataclasses.replace(picture, pixels=pixels, alpha=alpha))
    again = read_picture(path)
    np.testing.assert_array_equal(again.pixels, pixels)
    np.testing.assert_array_equal(again.alpha, alpha)
    is_known = np.ones(DEEP.shape, bool)
    is_known[5:9, 7:11, :3] = is_known[20:25, :, 3] = False
    np.testing.assert_array_equal(again.deep[is_known], DEEP[is_known])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_turned_16_bits_are_set_upright(tmp_path, suffix, orientation):
    plain, turned = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    write_picture(plain, deep_picture(3))
    write_picture(turned, dataclasses.replace(deep_picture(3), exif=exif.tobytes()))
    turns = {1: (0, 1), 2: (0, -1), 3: (2, 1), 4: (2, -1), 5: (1, -1), 6: (3, 1)}
    turns |= {7: (3, -1), 8: (1, 1)}
    quarters, flip = turns[orientation]
    # `rot90` turns to the left: EXIF 2.32, 4.6.4 A.
    expected = np.rot90(DEEP[..., :3][:, ::flip], quarters)
    np.testing.assert_array_equal(read_picture(turned).deep, expected)


XMP = b'<x:xmpmeta><rdf:x tiff:Orientation="6" dc:creator="Ada"/></x:xmpmeta>'


def everything():
    return Picture(
        RNG.integers(0, 256, (12, 16, 3), np.uint8),
        xmp=XMP.replace(b"6", b"1"),
        text=((b"tEXt", b"Title\0Beach"), (b"zTXt", b"Long\0\0x\x9c\x03\0\0\0\0\1")),
        colour=((b"gAMA", struct.pack(">I", 45455)), (b"cHRM", bytes(32))),
        resolution=(300.0, 150.0),
    )


@pytest.mark.parametrize("deep", [False, True])
def test_png_keeps_everything_chunk_by_chunk(tmp_path, deep):
    before = everything()
    if deep:
        levels = before.pixels.astype(np.uint16) * 257
        before = dataclasses.replace(before, deep=levels)
    write_picture(tmp_path / "a.png", before)
    after = read_picture(tmp_path / "a.png")
    for name in ("xmp", "text", "colour", "exif", "icc_profile", "unkept"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.resolution == pytest.approx(before.resolution, abs=0.02)
    with Image.open(tmp_path / "a.png") as image:
        assert image.text["Title"] == "Beach"
        assert image.info["gamma"] == pytest.approx(0.45455)
        assert image.info["dpi"] == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize(
    ("suffix", "kept"),
    [
        (".tif", {"xmp", "resolution"}),
        (".jpg", {"xmp", "resolution"}),
        (".webp", {"xmp"}),
        (".bmp", {"resolution"}),
    ],
)
def test_what_other_formats_keep_is_what_is_not_told(tmp_path, suffix, kept):
    before, path = everything(), tmp_path / f"a{suffix}"
    lost = set(what_is_lost(path, before))
    write_picture(path, before)
    after = read_picture(path)
    words = {"xmp": "XMP", "resolution": "resolution", "text": "text"}
    words["colour"] = "gamma and colour chunks"
    assert lost == {word for name, word in words.items() if name not in kept}
    for name in kept:
        expected = getattr(before, name)
        expected = pytest.approx(expected, abs=0.02) if name == "resolution" else expected
        assert getattr(after, name) == expected


def test_xmp_no_longer_turns_an_upright_picture(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    Image.new("RGB", (16, 12)).save(tmp_path / "a.png", pnginfo=info)
    picture = read_picture(tmp_path / "a.png")
    assert picture.size == (16, 12)
    assert b'tiff:Orientation="1"' in picture.xmp


@pytest.mark.parametrize("kind", ["JPEG", "GIF"])
def test_comment_becomes_text(tmp_path, kind):
    Image.new("RGB", (16, 12)).save(tmp_path / "a", kind, comment=b"By Ada")
    picture = read_picture(tmp_path / "a")
    assert picture.text == ((b"tEXt", b"Comment\0By Ada"),)
    write_picture(tmp_path / "b.jpg", picture)
    assert read_picture(tmp_path / "b.jpg").text == picture.text
    assert what_is_lost("b.webp", picture) == ["comment"]


def test_what_no_picture_carries_is_named(tmp_path):
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x04abcd"
    segment = b"\xff\xed" + struct.pack(">H", len(iptc) + 2) + iptc
    Image.new("CMYK", (16, 12)).save(tmp_path / "a.jpg", extra=segment)
    assert read_picture(tmp_path / "a.jpg").unkept == ("IPTC data", "CMYK inks")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_frames_are_written_and_read_one_by_one(tmp_path, suffix):
    pictures = [Picture(RNG.integers(0, 256, (12, 16, 3), np.uint8)) for _ in range(3)]
    path = tmp_path / f"a{suffix}"
    write_frames(path, pictures, [100, 250, 40])
    found = list(read_frames(path))
    assert [shown for _, shown in found] == ([0] * 3 if suffix == ".tif" else [100, 250, 40])
    for (picture, _), before in zip(found, pictures, strict=True):
        np.testing.assert_array_equal(picture.pixels, before.pixels)
        assert picture.num_frames == 3


def test_pages_keep_their_16_bits(tmp_path):
    pictures = [deep_picture(3), Picture(deep_picture(3).pixels), deep_picture(4)]
    write_frames(tmp_path / "a.tif", pictures)
    found = [picture for picture, _ in read_frames(tmp_path / "a.tif")]
    np.testing.assert_array_equal(found[0].deep, DEEP[..., :3])
    assert found[1].deep is None
    np.testing.assert_array_equal(found[2].deep, DEEP)


def test_one_picture_formats_refuse_several(tmp_path):
    with pytest.raises(ValueError, match=r"hold one picture.*a\.jpg.*2 pictures"):
        write_frames(tmp_path / "a.jpg", [everything(), everything()])
    assert not list(tmp_path.iterdir())
