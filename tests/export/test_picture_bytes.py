import io

import numpy as np
import pytest
from PIL import Image

tf = pytest.importorskip("tensorflow")

from keras_inpaint.export.graph import check_files, decode_holes, decode_photo  # noqa: E402
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
    np.testing.assert_array_equal(decode_holes(content)[..., 0], read_mask(file))


def test_files_of_all_kinds_pass():
    files = tf.constant(list(READ.values()))
    check_files(files, files)


@pytest.mark.parametrize(
    ("name", "kind"), [("mask_bytes", "gif"), *(("image_bytes", kind) for kind in REFUSED)]
)
def test_file_that_cannot_be_read_is_named(name, kind):
    files = {"image_bytes": [PNG, PNG], "mask_bytes": [PNG, PNG]}
    files[name] = [PNG, REFUSED[kind]]
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
