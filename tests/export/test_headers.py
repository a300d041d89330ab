"""Sizes of files are those of their headers, and what is too large is never decoded."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

tf = pytest.importorskip("tensorflow")

from keras_inpaint.export.graph import check_files  # noqa: E402
from keras_inpaint.export.headers import header_sizes  # noqa: E402

HEIGHT, WIDTH = 37, 531
PHOTO = Image.fromarray(np.arange(HEIGHT * WIDTH * 3, dtype="uint8").reshape(HEIGHT, WIDTH, 3))


def encode(kind, picture=PHOTO, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


JPEG, PNG, BMP = encode("JPEG"), encode("PNG"), encode("BMP")
EXIF = PHOTO.getexif()
EXIF[0x010E] = "a description" * 900
STROKES = PHOTO.convert("RGBA")
STROKES.putalpha(PHOTO.getchannel("R"))


# As in an exported model: outside of a graph, each step of a loop takes a millisecond.
sizes_of = tf.function(header_sizes, input_signature=[tf.TensorSpec((None,), tf.string)])


def top_to_bottom(bmp):
    return bmp[:22] + struct.pack("<i", -HEIGHT) + bmp[26:]


READ = {
    "png": PNG,
    "png of 16 bits": encode("PNG", Image.fromarray(np.zeros((HEIGHT, WIDTH), "uint16"))),
    "bmp": BMP,
    "bmp from the top": top_to_bottom(BMP),
    "jpeg": JPEG,
    "jpeg progressive": encode("JPEG", progressive=True),
    "jpeg grey": encode("JPEG", PHOTO.convert("L")),
    "jpeg with segments": encode(
        "JPEG", exif=EXIF, icc_profile=bytes(150_000), comment=b"\xff\xc0" * 9
    ),
    "jpeg padded": JPEG[:2] + b"\xff" * 7 + JPEG[2:],
    "jpeg with bytes between": JPEG[:2] + b"junk\xff\0\xff" + JPEG[2:],
    "webp": encode("WEBP"),
    "webp lossless": encode("WEBP", lossless=True),
    "webp extended": encode("WEBP", exif=EXIF),
    "webp strokes": encode("WEBP", STROKES),
}
UNKNOWN = {
    "nothing": b"",
    "gif": encode("GIF"),
    "words": b"BB or not BB",
    "sound": b"RIFF\0\0\0\0WAVE" + bytes(60),
    "start of a png": PNG[:19],
    "start of a jpeg": JPEG[:10],
    "jpeg without a frame": JPEG[: JPEG.index(b"\xff\xc0")] + JPEG[JPEG.index(b"\xff\xda") :],
    "jpeg of no length": b"\xff\xd8" + b"\xff\xe0\0\0" * 30,
    "jpeg of many segments": b"\xff\xd8" + b"\xff\xe0\0\2" * 100_000 + JPEG[2:],
    "jpeg of many scans": JPEG + b"\xff\xda\0\2" * 500,
}


def test_sizes_are_those_of_the_pictures():
    sizes = sizes_of(tf.constant(list(READ.values())))
    for kind, size in zip(READ, sizes.numpy(), strict=True):
        assert tuple(size) == (HEIGHT, WIDTH), kind


def test_other_files_have_no_size():
    sizes = sizes_of(tf.constant(list(UNKNOWN.values())))
    for kind, size in zip(UNKNOWN, sizes.numpy(), strict=True):
        assert not size.all(), kind
    assert sizes_of(tf.constant([], tf.string)).shape == (0, 2)


def chunk(kind, content):
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def black_png(height, width):
    """A picture of one colour, whose file is a thousandth of it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * height), 9)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def huge_jpeg():
    """Sizes as large as JPEG has them, in place of those of a small photo."""
    index = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:index] + struct.pack(">HH", 65500, 65500) + JPEG[index + 4 :]


@pytest.fixture(scope="module")
def bombs():
    webp = READ["webp extended"]
    large = (2**14 - 2).to_bytes(3, "little")
    return {
        "png": black_png(13_000, 13_000),
        "jpeg": huge_jpeg(),
        "bmp": BMP[:18] + struct.pack("<ii", 30_000, -30_000) + BMP[26:],
        "webp": webp[:24] + large + large + webp[30:],
        "line": black_png(1, 300_000),
    }


@pytest.mark.parametrize("name", ["image_bytes", "mask_bytes"])
@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "webp", "line"])
def test_large_picture_is_refused_before_it_is_decoded(bombs, name, kind):
    files = {"image_bytes": [PNG, PNG], "mask_bytes": [PNG, PNG]}
    # Cut off, so that whoever decodes it first has another error.
    files[name] = [PNG, bombs[kind][: len(bombs[kind]) // 2]]
    contents = {key: tf.constant(value) for key, value in files.items()}
    message = rf"`{name}\[1\]` must have at most 16777216 pixels.*`max_pixels`.*Received: h"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        check_files(**contents, max_pixels=2**24)


def test_canvas_smaller_than_its_picture_is_not_believed():
    webp = READ["webp extended"]
    small = tf.constant([webp[:24] + b"\x07\0\0\x07\0\0" + webp[30:]])
    np.testing.assert_array_equal(sizes_of(small), [[8, 8]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="cannot be decoded"):
        check_files(small, small)
