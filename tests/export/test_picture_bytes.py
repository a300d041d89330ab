import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFilter

tf = pytest.importorskip("tensorflow")

from keras_inpaint.export.graph import (  # noqa: E402
    check_files,
    check_levels,
    decode_mask,
    decode_photo,
    find_holes,
    level_range,
)
from keras_inpaint.pictures import read_mask, read_picture  # noqa: E402

ROWS, COLUMNS = np.mgrid[:37, :53]
RGB = np.stack([ROWS * 6, COLUMNS * 4, (ROWS + COLUMNS) * 2], axis=-1).astype("uint8")
STROKES = np.where(ROWS > 20, 200, 0).astype("uint8")[..., None]
PHOTO = Image.fromarray(RGB)


def encode(picture, kind, **options):
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


PNG = encode(PHOTO, "PNG")
READ = {
    "png": PNG,
    "png 1 bit": encode(PHOTO.convert("1"), "PNG"),
    "png palette": encode(PHOTO.convert("P"), "PNG"),
    "png 2 bits": encode(PHOTO.convert("P", palette=1, colors=4), "PNG", bits=2),
    "png grey": encode(PHOTO.convert("L"), "PNG"),
    "png grey alpha": encode(PHOTO.convert("LA"), "PNG"),
    "png strokes": encode(np.dstack([RGB, STROKES]), "PNG"),
    "png strokes of one colour": encode(np.dstack([0 * RGB, STROKES]), "PNG"),
    "png palette with a transparent colour": encode(PHOTO.convert("P"), "PNG", transparency=3),
    "jpeg": encode(PHOTO, "JPEG", quality=95),
    "jpeg progressive": encode(PHOTO, "JPEG", progressive=True, subsampling=2),
    "jpeg grey": encode(PHOTO.convert("L"), "JPEG"),
    "webp": encode(PHOTO, "WEBP", lossless=True),
    "webp lossy": encode(PHOTO, "WEBP", quality=80),
    "webp strokes": encode(np.dstack([RGB, STROKES]), "WEBP", lossless=True, exact=True),
    "bmp": encode(PHOTO, "BMP"),
}
REFUSED = {
    "nothing": b"",
    "words": b"no picture",
    "half of a png": PNG[: len(PNG) // 2],
    "half of a jpeg": READ["jpeg"][: len(READ["jpeg"]) // 2],
    "half of a webp": READ["webp"][: len(READ["webp"]) // 2],
    "start of a webp": READ["webp"][:9],
    "start of a bmp": READ["bmp"][:9],
    "gif": encode(PHOTO.convert("P"), "GIF"),
    "animated webp": encode(PHOTO, "WEBP", save_all=True, append_images=[PHOTO.rotate(90)]),
    "bmp of a palette": encode(PHOTO.convert("P"), "BMP"),
    "tiff": encode(PHOTO, "TIFF"),
}


@pytest.mark.parametrize("kind", READ)
def test_files_are_read_as_the_command_line_reads_them(tmp_path, kind):
    file = tmp_path / "picture"
    file.write_bytes(READ[kind])
    content = tf.constant(READ[kind])
    np.testing.assert_array_equal(decode_photo(content), read_picture(file).pixels)


HOLE = np.zeros((37, 53), bool)
HOLE[10:20, 15:40] = True
INK = np.where(HOLE, 255, 0).astype("uint8")
SOFT = Image.fromarray(INK).filter(ImageFilter.GaussianBlur(1))
MASKS = {
    "grey": encode(INK, "PNG"),
    "zeros and ones": encode(INK // 255, "PNG"),
    "1 bit": encode(Image.fromarray(HOLE), "PNG"),
    "palette": encode(Image.fromarray(INK).convert("P"), "PNG"),
    "16 bits": encode(INK.astype("uint16") * 257, "PNG"),
    "zeros and ones of 16 bits": encode(INK.astype("uint16") // 255, "PNG"),
    "soft edges": encode(SOFT, "PNG"),
    "soft edges of 16 bits": encode(np.asarray(SOFT).astype("uint16") * 257, "PNG"),
    "jpeg": encode(INK, "JPEG", quality=70),
    "webp": encode(Image.fromarray(INK).convert("RGB"), "WEBP", lossless=True),
    "bmp of colours": encode(Image.fromarray(np.dstack([INK, INK, 0 * INK])), "BMP"),
    "strokes on an empty layer": encode(np.dstack([INK, 0 * INK, 0 * INK, INK]), "PNG"),
    "white and black, partly transparent": encode(
        np.dstack([INK, INK, INK, np.where(COLUMNS > 30, 160, 255)]).astype("uint8"), "PNG"
    ),
    "opaque": encode(np.dstack([INK, INK, INK, 0 * INK + 255]), "PNG"),
    **{
        f"one value, {value}": encode(np.full((37, 53), value, "uint8"), "PNG")
        for value in (0, 1, 127, 128, 255)
    },
    "one colour": encode(Image.new("RGBA", (53, 37), (255, 255, 255, 255)), "PNG"),
}


def deep_png(values):
    """A PNG file of 16 bits: grey, grey with alpha, colours, or these with alpha."""
    height, width, channels = values.shape

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 16, (0, 4, 2, 6)[channels - 1], 0, 0, 0)
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines))
    return b"\x89PNG\r\n\x1a\n" + content + chunk(b"IEND", b"")


# Two values of 16 bits, and whether a server takes them; else it refuses them.
DEEP = {
    (0, 1): True,
    (0, 2): False,
    (0, 128): False,
    (0, 256): False,
    (0, 257): True,
    (1, 257): True,
    (0, 385): False,
    (0, 32767): False,
    (0, 32768): True,
    (32767, 32768): True,
    (32768, 32769): False,
    (65534, 65535): False,
    (0, 65535): True,
}


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("values", DEEP)
def test_16_bits_mean_the_same_to_the_graph_and_the_function(values, channels):
    hole = np.zeros((16, 16, 1), bool)
    hole[4:8, 4:12] = True
    deep = np.where(hole, values[1], values[0]).repeat(channels, axis=-1)
    if channels in (2, 4):
        deep[..., -1] = 65535
    content = deep_png(deep)
    np.testing.assert_array_equal(read_mask(content), hole[..., 0])
    np.testing.assert_array_equal(read_mask(Image.open(io.BytesIO(content))), hole[..., 0])
    levels = decode_mask(tf.constant(content))[None]
    if DEEP[values]:
        check_levels(*level_range(levels), "masks")
        np.testing.assert_array_equal(find_holes(levels)[0, ..., 0], hole[..., 0])
    else:
        with pytest.raises(tf.errors.InvalidArgumentError):
            check_levels(*level_range(levels), "masks")


@pytest.mark.parametrize("channels", [1, 3])
def test_levels_of_16_bits_are_split_at_half_of_white(channels):
    levels = np.full((64, 64, channels), 65535)
    levels[:, :32] = 0
    levels[:, 31] = (32767 + np.arange(64) % 2)[:, None]
    levels[:4, 32:36] = 40000 + np.arange(4)[:, None]
    levels[4:8, 28:31] = np.array([9, 10, 11])[:, None] * 257
    content = deep_png(levels)
    np.testing.assert_array_equal(read_mask(content), levels[..., 0] >= 32768)
    graph = decode_mask(tf.constant(content))[None]
    check_levels(*level_range(graph), "masks")
    np.testing.assert_array_equal(find_holes(graph)[0, ..., 0], levels[..., 0] >= 32768)


@pytest.mark.parametrize("kind", MASKS)
def test_the_graph_reads_a_mask_as_the_one_function_does(kind):
    levels = decode_mask(tf.constant(MASKS[kind]))[None]
    check_levels(*level_range(levels), "masks")
    np.testing.assert_array_equal(find_holes(levels)[0, ..., 0], read_mask(MASKS[kind]))


@pytest.mark.parametrize(
    "levels", [(0, 2), (0, 100), (0, 127), (128, 255), (1, 2), (200, 201)], ids=str
)
def test_the_graph_refuses_levels_whose_meaning_it_cannot_tell(levels):
    masks = tf.constant(np.stack([INK, np.where(HOLE, levels[1], levels[0])])[..., None])
    message = rf"`masks\[1\]` must be above 127.*\[{levels[0]} {levels[1]}\]"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        check_levels(*level_range(masks), "masks")


def test_mask_file_that_is_unclear_is_named_before_any_picture_is_filled():
    unclear = encode(np.where(HOLE, 90, 0).astype("uint8"), "PNG")
    masks = tf.constant([MASKS["grey"], unclear])
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"`mask_bytes\[1\]` must be above"
    ):
        check_files(tf.constant([PNG] * 2), masks)


def test_files_of_all_kinds_pass():
    files = tf.constant([*READ.values()])
    check_files(files, tf.constant([MASKS["grey"]] * len(READ)))


@pytest.mark.parametrize(
    ("name", "kind"), [("mask_bytes", "gif"), *(("image_bytes", kind) for kind in REFUSED)]
)
def test_file_that_cannot_be_read_is_named(name, kind):
    files = {"image_bytes": [PNG, PNG], "mask_bytes": [MASKS["grey"]] * 2}
    files[name] = [files[name][0], REFUSED[kind]]
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"`{name}\[1\]` cannot be dec"):
        check_files(**{key: tf.constant(contents) for key, contents in files.items()})


def test_turned_photos_are_not_set_upright():
    # TensorFlow's decoders know no EXIF; the documentation says so.
    exif = PHOTO.getexif()
    exif[0x112] = 6
    content = encode(PHOTO, "JPEG", exif=exif, quality=95)
    np.testing.assert_array_equal(decode_photo(content), decode_photo(READ["jpeg"]))


def test_mask_of_another_size_is_named():
    small = encode(RGB[:9], "PNG")
    message = r"`mask_bytes\[1\]` must have.*\[37 53\]. Received: \[9 53\]"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        check_files(tf.constant([PNG, PNG, small]), tf.constant([PNG, small, PNG]))


def test_missing_mask_is_told():
    with pytest.raises(tf.errors.InvalidArgumentError, match="Received: 1 masks, 2 pictures"):
        check_files(tf.constant([PNG, PNG]), tf.constant([PNG]))
