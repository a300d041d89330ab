"""What a picture file may cost is known, and bounded, before it is decoded."""

import io
import os
import socket
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from keras_inpaint.pictures import (
    is_plain,
    opening,
    read_frames,
    read_header,
    read_mask,
    read_picture,
)
from keras_inpaint.pictures.opening import GIB, default_memory_limit

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, content, length=None, checksum=None):
    checksum = zlib.crc32(kind + content) if checksum is None else checksum
    length = len(content) if length is None else length
    return struct.pack(">I", length) + kind + content + struct.pack(">I", checksum)


def png(width, height, *more, depth=8, colour=2, lines=b""):
    """A PNG file of any size, whose pixels may be missing."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = b"".join(more) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return SIGNATURE + chunk(b"IHDR", header) + body


def encoded(kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind, **options)
    return buffer.getvalue()


def bmp(width, height):
    return encoded("BMP")[:18] + struct.pack("<ii", width, height) + encoded("BMP")[26:]


def jpeg(width, height):
    content = encoded("JPEG")
    start = content.index(b"\xff\xc0") + 5
    return content[:start] + struct.pack(">HH", height, width) + content[start + 4 :]


def tiff(width, height):
    content = bytearray(encoded("TIFF"))
    (start,) = struct.unpack_from("<L", content, 4)
    for index in range(struct.unpack_from("<H", content, start)[0]):
        entry = start + 2 + 12 * index
        tag = struct.unpack_from("<H", content, entry)[0]
        if tag in (256, 257, 278):
            struct.pack_into("<HHLL", content, entry, tag, 4, 1, {256: width}.get(tag, height))
    return bytes(content)


LARGE = {"png": png, "bmp": bmp, "jpg": jpeg, "tif": tiff}


@pytest.fixture
def no_decoding(monkeypatch):
    def load(image):
        raise AssertionError("The pixels were decoded.")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)


@pytest.mark.parametrize("read", [read_picture, read_mask])
@pytest.mark.parametrize("kind", LARGE)
def test_more_pixels_than_allowed_are_refused_before_decoding(
    tmp_path, no_decoding, kind, read
):
    path = tmp_path / f"large.{kind}"
    path.write_bytes(LARGE[kind](30000, 20000))
    assert read_header(path).size == (20000, 30000)
    with pytest.raises(
        ValueError, match=r"30000 x 20000 pixels.*--max-pixels.*large"
    ) as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", LARGE)
def test_more_memory_than_allowed_is_refused_before_decoding(tmp_path, no_decoding, kind):
    path = tmp_path / f"large.{kind}"
    path.write_bytes(LARGE[kind](12000, 9000))
    with pytest.raises(
        ValueError, match=r"\d+\.\d MiB of memory.*limit of \d+\.\d MiB.*--memory-limit"
    ):
        read_picture(path, memory_limit=10**8)


def test_limits_can_be_raised(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path)
    with pytest.raises(ValueError, match="more than 191"):
        read_picture(path, max_pixels=191)
    assert read_picture(path, max_pixels=192).size == (12, 16)
    assert read_picture(path, max_pixels=None, memory_limit=2**30).size == (12, 16)


def test_limit_of_pillow_is_not_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").size == (12, 16)


def test_fast_decoders_of_training_take_nothing_large():
    assert is_plain(encoded("JPEG"))
    assert is_plain(encoded("PNG"))
    assert not is_plain(jpeg(30000, 20000))
    assert not is_plain(png(30000, 20000))


def test_many_scans_are_refused(tmp_path):
    content = encoded("JPEG", progressive=True)
    scan = content.rindex(b"\xff\xda")
    path = tmp_path / "slow.jpg"
    path.write_bytes(content[:scan] + content[scan:-2] * 200 + content[-2:])
    with pytest.raises(ValueError, match=r"more than 100 scans.*slow\.jpg"):
        read_picture(path)
    assert not is_plain(path.read_bytes())
    path.write_bytes(content)
    assert read_picture(path).size == (12, 16)


def test_few_bytes_named_by_many_tags_are_refused(tmp_path):
    # Each of 2000 tags names the same 100,000 bytes: 200 MB.
    entries = b"".join(
        struct.pack("<HHLL", 40000 + index, 1, 100_000, 8) for index in range(2000)
    )
    content = struct.pack("<2sHL", b"II", 42, 100_008) + bytes(100_000)
    path = tmp_path / "tags.tif"
    path.write_bytes(content + struct.pack("<H", 2000) + entries + bytes(4))
    with pytest.raises(ValueError, match=r"200,000,000 bytes beside the pixels.*tags\.tif"):
        read_picture(path)


def tiff_with(tag, where, compression, mode, num_pages=1):
    """A TIFF file each of whose pages has one more tag, 100 bytes long, at a position."""
    image = Image.fromarray(PIXELS).convert(mode if mode != "I;16" else "L").convert(mode)
    pages = [image] * num_pages
    file = io.BytesIO()
    options = {"compression": compression, "save_all": True, "append_images": pages[1:]}
    pages[0].save(file, "TIFF", **options)
    content = bytearray(file.getvalue())
    link = 4
    for _ in range(num_pages):
        (start,) = struct.unpack_from("<L", content, link)
        (num,) = struct.unpack_from("<H", content, start)
        found = [bytes(content[start + 2 + 12 * at :][:12]) for at in range(num)]
        following = bytes(content[start + 2 + 12 * num :][:4])
        found = [entry for entry in found if struct.unpack("<H", entry[:2])[0] != tag]
        found.append(struct.pack("<HHLL", tag, 2, 100, where))
        found.sort(key=lambda entry: struct.unpack("<H", entry[:2]))
        struct.pack_into("<L", content, link, len(content))
        link = len(content) + 2 + 12 * len(found)
        content += struct.pack("<H", len(found)) + b"".join(found) + following
    return bytes(content)


# Description, program, XMP, IPTC, colour profile.
@pytest.mark.parametrize("tag", [270, 305, 700, 33723, 34675])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_a_tag_beyond_the_end_of_a_tiff_file_is_not_read(tag, compression, mode, tmp_path):
    path = tmp_path / "a.tif"
    for where in (10**6, 2**32 - 1):
        path.write_bytes(tiff_with(tag, where, compression, mode))
        picture = read_picture(path)
        if mode == "RGB":
            np.testing.assert_array_equal(picture.pixels, PIXELS)
        assert picture.size == PIXELS.shape[:2]
        assert read_picture(path.read_bytes()).size == picture.size
    path.write_bytes(tiff_with(tag, 10**6, compression, mode, num_pages=3))
    assert len(list(read_frames(path))) == 3


def test_pixels_beyond_the_end_of_a_tiff_file_are_damage():
    with pytest.raises(ValueError, match="damaged"):
        read_picture(tiff_with(273, 10**6, "raw", "RGB"))


@pytest.mark.parametrize("kind", ["FIFO", "character device", "socket", "folder"])
@pytest.mark.parametrize("read", [read_picture, read_mask, read_header])
def test_what_is_no_regular_file_is_never_opened(tmp_path, monkeypatch, kind, read):
    monkeypatch.chdir(tmp_path)
    if kind == "FIFO":
        os.mkfifo("a.png")
    elif kind == "folder":
        os.mkdir("a.png")
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind("a.png")
    else:
        os.symlink("/dev/zero", "a.png")
    with pytest.raises(ValueError, match=rf"must name a picture file.*a {kind}"):
        read("a.png")


def damaged_exif():
    return b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 40


def bomb(kind, head):
    """20 MB in a few kB."""
    return chunk(kind, head + zlib.compress(bytes(2 * 10**7)))


LINES = b"".join(b"\0" + line.tobytes() for line in PIXELS)
SOUND = {
    "1.2 MB of text": [chunk(b"tEXt", b"Comment\0" + b"x" * 1_200_000)],
    "20 MB of text, compressed": [bomb(b"zTXt", b"Comment\0\0")],
    "20 MB of XMP, compressed": [bomb(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0")],
    "20 MB of EXIF as text": [bomb(b"zTXt", b"Raw profile type exif\0\0")],
    "20 MB of colour profile": [bomb(b"iCCP", b"a\0\0")],
    "profile of another kind": [chunk(b"iCCP", b"a\0\7abc")],
    "text with a wrong checksum": [chunk(b"tEXt", b"Comment\0x", checksum=1)],
    "private chunk with a wrong checksum": [chunk(b"prIv", b"x", checksum=1)],
    "gamma with a wrong checksum": [chunk(b"gAMA", b"\0\0\xb1\x8f", checksum=1)],
    "resolution cut off": [chunk(b"pHYs", b"\0")],
    "EXIF damaged": [chunk(b"eXIf", damaged_exif()[6:])],
    "text without an end": [chunk(b"iTXt", b"a")],
    "10,000 chunks": [chunk(b"tEXt", b"k\0v")] * 10_000,
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_pixels_are_read_whatever_stands_beside_them(tmp_path, name):
    path = tmp_path / "a.png"
    path.write_bytes(png(16, 12, *SOUND[name], lines=LINES))
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.pixels, PIXELS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_exif_does_not_hide_the_picture(tmp_path, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(encoded(kind, exif=damaged_exif(), **options))
    picture = read_picture(path)
    assert picture.size == (12, 16)
    if kind != "JPEG":
        np.testing.assert_array_equal(picture.pixels, PIXELS)


def test_chunk_that_is_longer_than_the_file_is_damage(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(16, 12, chunk(b"tEXt", b"abc", length=2**31 - 1), lines=LINES))
    with pytest.raises(ValueError, match=r"damaged.*a\.png"):
        read_picture(path)


def test_default_is_half_of_the_machine():
    pages, size = (os.sysconf(name) for name in ("SC_PHYS_PAGES", "SC_PAGE_SIZE"))
    assert 0 < default_memory_limit() <= pages * size // 2


def test_default_is_half_of_the_container(monkeypatch, tmp_path):
    (tmp_path / "max").write_text("max\n")
    (tmp_path / "bytes").write_text("100000000\n")
    files = (tmp_path / "none", tmp_path / "max", tmp_path / "bytes")
    monkeypatch.setattr(opening, "_CONTAINER_LIMITS", files)
    assert default_memory_limit() == 50_000_000


def test_default_is_two_gib_where_the_machine_does_not_tell(monkeypatch):
    monkeypatch.delattr(os, "sysconf")
    assert default_memory_limit() == 2 * GIB
