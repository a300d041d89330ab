"""Heights and widths of picture files, read from their headers inside of a graph.

What a file would be once decoded is known from a few of its bytes: no decoder runs, and no
memory is taken, for a picture that is too large. All of it is TensorFlow, as the exported graph
has nothing else.
"""

from typing import Any

import tensorflow as tf

Tensor = Any

# Bytes in which all but JPEG have their size.
_HEAD = 64
_BIG, _LITTLE = "big", "little"
# Markers of JPEG: of frames, which have the size; of segments without a length; of a scan.
_FRAMES = (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_ALONE = (0x00, 0x01, *range(0xD0, 0xDA))
_SCAN, _FILL = 0xDA, 0xFF
# A photo has about twenty segments before its frame; profiles of colour come in parts of 64 KB.
_MOST_SEGMENTS = 4096
# Each scan of a progressive JPEG is a pass over all pixels. Ten are usual.
_MOST_SCANS = 100


def header_sizes(contents: Tensor) -> Tensor:
    """Reads the heights and widths of picture files from their headers.

    Args:
        contents: String tensor of shape `(num,)`: JPEG, PNG, WebP or BMP files.

    Returns:
        int64 tensor of shape `(num, 2)`: height and width in pixels; 0 for a file of another
        kind or without a header, and for a JPEG of more scans than any program writes.
    """
    signature = tf.TensorSpec((2,), tf.int64)
    return tf.map_fn(_header_size, contents, fn_output_signature=signature)


def _header_size(content: Tensor) -> Tensor:
    # Zeros after the end: short files have no size, and all bytes can be looked at.
    start = tf.strings.join([tf.strings.substr(content, 0, _HEAD), b"\0" * _HEAD])
    head = tf.cast(tf.io.decode_raw(start, tf.uint8), tf.int64)
    is_webp = _starts(start, b"RIFF") & (tf.strings.substr(start, 8, 4) == b"WEBP")
    size = tf.case(
        [
            (_starts(start, b"\xff\xd8"), lambda: _jpeg_size(content)),
            (_starts(start, b"\x89PNG\r\n\x1a\n"), lambda: _png_size(head)),
            (is_webp, lambda: _webp_size(head, tf.strings.substr(start, 12, 4))),
            (_starts(start, b"BM"), lambda: _bmp_size(head)),
        ],
        default=_none,
        exclusive=True,
    )
    return tf.ensure_shape(size, (2,))


def _none() -> Tensor:
    return tf.zeros(2, tf.int64)


def _starts(content: Tensor, magic: bytes) -> Tensor:
    return tf.strings.substr(content, 0, len(magic)) == magic


def _number(head: Tensor, index: int, length: int, order: str) -> Tensor:
    """An unsigned number of `length` bytes."""
    exponents = range(length - 1, -1, -1) if order == _BIG else range(length)
    weights = tf.constant([256**exponent for exponent in exponents], tf.int64)
    return tf.reduce_sum(head[index : index + length] * weights)


def _png_size(head: Tensor) -> Tensor:
    # IHDR is the first chunk: libpng refuses any other.
    return tf.stack([_number(head, 20, 4, _BIG), _number(head, 16, 4, _BIG)])


def _bmp_size(head: Tensor) -> Tensor:
    # Signed: the rows of a picture of negative height lie from top to bottom.
    size = tf.stack([_number(head, 22, 4, _LITTLE), _number(head, 18, 4, _LITTLE)])
    return tf.abs(tf.where(size >= 2**31, size - 2**32, size))


def _webp_size(head: Tensor, kind: Tensor) -> Tensor:
    """Of the three kinds of its first chunk; libwebp refuses a canvas of another size."""

    def lossy() -> Tensor:
        size = tf.stack([_number(head, 28, 2, _LITTLE), _number(head, 26, 2, _LITTLE)])
        return size % 2**14

    def lossless() -> Tensor:
        bits = _number(head, 21, 4, _LITTLE)
        return 1 + tf.stack([bits // 2**14, bits]) % 2**14

    def extended() -> Tensor:
        return 1 + tf.stack([_number(head, 27, 3, _LITTLE), _number(head, 24, 3, _LITTLE)])

    kinds = {b"VP8 ": lossy, b"VP8L": lossless, b"VP8X": extended}
    return tf.case([(kind == name, kinds[name]) for name in kinds], _none, exclusive=True)


def _jpeg_size(content: Tensor) -> Tensor:
    """Goes from segment to segment, as libjpeg does, until one has the size."""
    data = tf.io.decode_raw(content, tf.uint8)
    length = tf.size(data)

    def byte(index: Tensor) -> Tensor:
        return tf.cast(data[index], tf.int32)

    def two_bytes(index: Tensor) -> Tensor:
        return 256 * byte(index) + byte(index + 1)

    def is_before_frame(step: Tensor, index: Tensor, size: Tensor) -> Tensor:
        is_inside = (step < _MOST_SEGMENTS) & (index + 9 <= length)
        return is_inside & tf.reduce_all(size == 0)

    def look(step: Tensor, index: Tensor, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        marker = byte(index + 1)
        is_frame = tf.reduce_any(marker == _FRAMES)
        size = tf.stack([two_bytes(index + 5), two_bytes(index + 7)])
        # What lies between segments is passed over, and so is a marker's padding.
        next_index = tf.case(
            [
                ((byte(index) != _FILL) | (marker == _FILL), lambda: index + 1),
                (tf.reduce_any(marker == _ALONE), lambda: index + 2),
                # Pixels, and no frame before them.
                (marker == _SCAN, lambda: length),
            ],
            default=lambda: index + 2 + two_bytes(index + 2),
        )
        is_found = (byte(index) == _FILL) & is_frame
        return step + 1, next_index, tf.where(is_found, tf.cast(size, tf.int64), 0)

    state = (tf.constant(0), tf.constant(2), tf.zeros(2, tf.int64))
    _, _, size = tf.while_loop(is_before_frame, look, state)
    # Within pixels, 0xff is followed by 0.
    num_scans = tf.size(tf.strings.split([content], b"\xff\xda").values) - 1
    return tf.where(num_scans > _MOST_SCANS, tf.zeros_like(size), size)
