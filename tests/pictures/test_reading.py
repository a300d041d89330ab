"""Whatever a picture file holds comes out as upright 8-bit RGB."""

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageCms

from keras_inpaint.pictures import is_plain, read_picture

HEIGHT, WIDTH = 5, 7
GREY = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH) * 7
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)
ALPHA = 255 - GREY
DEEP = (GREY.astype(np.uint16) << 8) | np.uint16(200)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# What each EXIF orientation did to the upright picture (EXIF 2.32, 4.6.4 A).
TURNED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


def grey_rgb(grey):
    return np.stack([grey] * 3, axis=-1)


def palette_picture():
    image = Image.fromarray((GREY % 3).astype(np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    return image


PALETTE_RGB = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]], np.uint8)[GREY % 3]
ROUNDED = np.rint(DEEP / 257).astype(np.uint8)

# Name of the file, the image, options of `save`, pixels and alpha expected.
KINDS = {
    "rgb png": ("a.png", Image.fromarray(COLOUR), {}, COLOUR, None),
    "rgb bmp": ("a.bmp", Image.fromarray(COLOUR), {}, COLOUR, None),
    "rgb tiff": ("a.tiff", Image.fromarray(COLOUR), {}, COLOUR, None),
    "rgb webp": ("a.webp", Image.fromarray(COLOUR), {"lossless": True}, COLOUR, None),
    "grey png": ("a.png", Image.fromarray(GREY), {}, grey_rgb(GREY), None),
    "grey tif": ("a.tif", Image.fromarray(GREY), {}, grey_rgb(GREY), None),
    "grey bmp": ("a.bmp", Image.fromarray(GREY), {}, grey_rgb(GREY), None),
    "1 bit": (
        "a.png",
        Image.fromarray(GREY > 100),
        {},
        grey_rgb((GREY > 100).astype(np.uint8) * 255),
        None,
    ),
    "alpha png": ("a.png", Image.fromarray(np.dstack([COLOUR, ALPHA])), {}, COLOUR, ALPHA),
    "alpha tiff": ("a.tif", Image.fromarray(np.dstack([COLOUR, ALPHA])), {}, COLOUR, ALPHA),
    "alpha webp": (
        "a.webp",
        Image.fromarray(np.dstack([COLOUR, ALPHA])),
        {"lossless": True, "exact": True},
        COLOUR,
        ALPHA,
    ),
    "grey and alpha": (
        "a.png",
        Image.fromarray(np.dstack([GREY, ALPHA]), "LA"),
        {},
        grey_rgb(GREY),
        ALPHA,
    ),
    "palette": ("a.png", palette_picture(), {}, PALETTE_RGB, None),
    "transparent palette": (
        "a.png",
        palette_picture(),
        {"transparency": 1},
        PALETTE_RGB,
        np.where(GREY % 3 == 1, 0, 255),
    ),
    "translucent palette": (
        "a.png",
        palette_picture(),
        {"transparency": bytes([0, 100, 255])},
        PALETTE_RGB,
        np.array([0, 100, 255])[GREY % 3],
    ),
    "transparent grey": (
        "a.png",
        Image.fromarray(GREY),
        {"transparency": 14},
        grey_rgb(GREY),
        np.where(GREY == 14, 0, 255),
    ),
    "16-bit png": ("a.png", Image.fromarray(DEEP), {}, grey_rgb(ROUNDED), None),
    "16-bit tiff": ("a.tiff", Image.fromarray(DEEP), {}, grey_rgb(ROUNDED), None),
    "big-endian tiff": (
        "a.tiff",
        Image.fromarray(DEEP.astype(">u2")),
        {},
        grey_rgb(ROUNDED),
        None,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_comes_out_as_rgb(kind, tmp_path):
    name, image, options, pixels, alpha = KINDS[kind]
    image.save(tmp_path / name, **options)
    picture = read_picture(tmp_path / name)
    assert picture.pixels.dtype == np.uint8
    np.testing.assert_array_equal(picture.pixels, pixels)
    if alpha is None:
        assert picture.alpha is None
    else:
        assert picture.alpha.dtype == np.uint8
        np.testing.assert_array_equal(picture.alpha, alpha)


def write_png16(path, levels):
    """Writes 16-bit RGB PNG, which Pillow cannot (PNG specification, 11.2)."""

    def chunk(kind, body):
        checksum = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)

    height, width, _ = levels.shape
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in levels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


def test_16_bit_colour_is_rounded_to_the_nearest_level_and_kept(tmp_path):
    levels = np.random.default_rng(0).integers(0, 65536, (8, 9, 3), np.uint16)
    write_png16(tmp_path / "deep.png", levels)
    picture = read_picture(tmp_path / "deep.png")
    np.testing.assert_array_equal(picture.pixels, np.rint(levels / 257))
    np.testing.assert_array_equal(picture.deep, levels)


def test_cmyk_without_profile_is_read_by_the_plain_formula(tmp_path):
    inks = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
    Image.fromarray(inks, "CMYK").save(tmp_path / "a.tiff")
    paper = 255 - inks.astype(float)
    expected = paper[..., :3] * paper[..., 3:] / 255
    pixels = read_picture(tmp_path / "a.tiff").pixels
    assert np.abs(pixels - expected).max() <= 1


def red_ink_profile():
    """A minimal CMYK profile (ICC.1:2001-04, 6.5.8) that calls cyan ink red."""
    grid = np.zeros((2, 2, 2, 2, 3), np.uint8)  # Lab for each ink off and on.
    grid[..., :] = (0, 128, 128)
    grid[0, 0, 0, 0] = (255, 128, 128)
    grid[1, 0, 0, 0] = (138, 209, 198)
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * value for value in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity
    table += ramp * 4 + grid.tobytes() + ramp * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    body = struct.pack(">I", 2)
    body += struct.pack(">4sII", b"wtpt", 156, len(white))
    body += struct.pack(">4sII", b"A2B0", 156 + len(white), len(table)) + white + table
    header = struct.pack(
        ">I4sI4s4s4s", 128 + len(body), bytes(4), 0x02400000, b"prtr", b"CMYK", b"Lab "
    )
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + body


def test_cmyk_is_converted_by_its_profile(tmp_path):
    inks = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255]]], np.uint8)
    Image.fromarray(inks, "CMYK").save(tmp_path / "a.tiff", icc_profile=red_ink_profile())
    picture = read_picture(tmp_path / "a.tiff")
    # Lab (54.3, 80.8, 69.9), under D50, is the red of sRGB.
    expected = [[[255, 255, 255], [255, 0, 0], [0, 0, 0]]]
    assert np.abs(picture.pixels.astype(int) - expected).max() <= 3
    assert picture.icc_profile is None


def test_16_bit_tiff_whose_white_is_zero_is_inverted(tmp_path):
    path = tmp_path / "a.tiff"
    Image.fromarray(DEEP).save(path)
    entry = struct.pack("<HHI", 262, 3, 1)
    content = path.read_bytes()
    assert content.count(entry) == 1
    path.write_bytes(content.replace(entry + b"\1", entry + b"\0"))
    expected = np.rint((65535 - DEEP.astype(int)) / 257)
    np.testing.assert_array_equal(read_picture(path).pixels[..., 0], expected)


def test_cmyk_jpeg_is_not_inverted(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "red.jpg")
    red, green, blue = read_picture(tmp_path / "red.jpg").pixels[8, 8].tolist()
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize("space", [b"CMYK", b"GRAY"])
def test_profile_of_another_colour_space_is_dropped(space, tmp_path):
    mode = {b"CMYK": "CMYK", b"GRAY": "L"}[space]
    profile = SRGB[:16] + space + SRGB[20:]
    Image.new(mode, (4, 4)).save(tmp_path / "a.tiff", icc_profile=profile)
    assert read_picture(tmp_path / "a.tiff").icc_profile is None


def test_rgb_profile_is_kept(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "a.png", icc_profile=SRGB)
    assert read_picture(tmp_path / "a.png").icc_profile == SRGB


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff"])
def test_turned_photos_are_set_upright(orientation, suffix, tmp_path):
    exif = Image.Exif()
    exif[274], exif[271] = orientation, "Camera"
    path = tmp_path / f"a{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {}
    stored = np.ascontiguousarray(TURNED[orientation](COLOUR))
    Image.fromarray(stored).save(path, exif=exif, **options)
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.pixels, COLOUR)
    kept = Image.Exif()
    kept.load(picture.exif)
    assert dict(kept) == {271: "Camera"}


def test_turned_jpeg_swaps_the_sizes_in_its_exif(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    exif.get_ifd(0x8769).update({0xA002: 40, 0xA003: 20, 0x9003: "2020:01:02 03:04:05"})
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.size == (40, 20)
    kept = Image.Exif()
    kept.load(picture.exif)
    details = kept.get_ifd(0x8769)
    assert (details[0xA002], details[0xA003]) == (20, 40)
    assert details[0x9003] == "2020:01:02 03:04:05"


def test_broken_exif_does_not_hide_the_picture(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.pixels, COLOUR)


def damaged(tmp_path, name):
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(buffer, format={"jpg": "JPEG", "tif": "TIFF"}.get(name, name))
    path = tmp_path / f"half.{name}"
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    return path


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "bmp", "tif"])
def test_truncated_picture_is_an_error_that_names_it(kind, tmp_path):
    path = damaged(tmp_path, kind)
    with pytest.raises(ValueError, match=f"damaged.*Received.*half.{kind}"):
        read_picture(path)


def test_what_is_no_picture_file_is_an_error_that_names_it(tmp_path):
    (tmp_path / "words.jpg").write_text("hello")
    (tmp_path / "empty.png").touch()
    for name in ("words.jpg", "empty.png"):
        with pytest.raises(ValueError, match=f"must name a picture.*{name}"):
            read_picture(tmp_path / name)
    with pytest.raises(ValueError, match="not a folder"):
        read_picture(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no such picture.*gone\.png"):
        read_picture(tmp_path / "gone.png")


def test_numbers_without_a_white_are_refused(tmp_path):
    Image.fromarray(GREY.astype(np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(ValueError, match="8 or 16 bits"):
        read_picture(tmp_path / "a.tiff")


def encoded(kind, exif=None, mode="RGB"):
    buffer = io.BytesIO()
    options = {} if exif is None else {"exif": exif}
    Image.new(mode, (8, 8)).save(buffer, format=kind, **options)
    return buffer.getvalue()


def test_plain_files_are_upright_whole_jpeg_and_8_bit_png():
    upright, turned = Image.Exif(), Image.Exif()
    upright[274], turned[274] = 1, 3
    assert is_plain(encoded("JPEG"))
    assert is_plain(encoded("JPEG", upright))
    assert is_plain(encoded("PNG"))
    assert is_plain(encoded("PNG", mode="RGBA"))
    assert not is_plain(encoded("JPEG", turned))
    assert not is_plain(encoded("PNG", turned))
    assert not is_plain(encoded("JPEG", mode="CMYK"))
    assert not is_plain(encoded("JPEG")[:-2])
    assert not is_plain(encoded("PNG", mode="P"))
    assert not is_plain(encoded("PNG", mode="I;16"))
    assert not is_plain(encoded("WEBP"))
    assert not is_plain(b"")


def test_pillow_warnings_stay_inside_while_many_threads_read(tmp_path, monkeypatch):
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", COLOUR[..., 0].size // 2 + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(read_picture, [tmp_path / "a.png"] * 100))
        assert list(warnings.filters) == before
