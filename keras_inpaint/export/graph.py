"""Steps of the exported graph: files to pixels and back, padding, and checks."""

from typing import Any

import tensorflow as tf

from keras_inpaint.export.headers import header_sizes
from keras_inpaint.inpainting.pixels import SMALLEST_SIZE
from keras_inpaint.pictures.pixels import MASK_THRESHOLD

Tensor = Any

# What guided generators are shown, as tensors and as files.
SKETCHES, SKETCH_BYTES = "sketches", "sketch_bytes"


def require(condition: Tensor, *parts: Any) -> Tensor:
    """Fails with an `InvalidArgumentError` where a condition does not hold.

    Args:
        condition: Scalar bool tensor.
        *parts: The message: strings and tensors, one after the other.

    Returns:
        Operation that what depends on the condition must wait for.
    """
    texts = [part if isinstance(part, str) else _text(part) for part in parts]
    return tf.debugging.Assert(condition, [tf.strings.join(texts)])


def check_pairs(
    images: Tensor,
    masks: Tensor,
    names: tuple[str, str],
    max_pixels: int | None = None,
    sketches: Tensor | None = None,
) -> Tensor:
    """Fails unless there is one mask for each picture, of the picture's size.

    Args:
        images: Tensor of shape `(num, height, width, channels)`.
        masks: Tensor of shape `(num, height, width, 1)`.
        names: Pair of str. Names of the two in the request.
        max_pixels: int or `None`. Pixels that all pictures may have together.
        sketches: As `masks`, or `None` where there are none.

    Returns:
        Operation, see `require`.
    """
    picture, mask = names
    size = tf.shape(images)[:3]
    limit = _NO_LIMIT if max_pixels is None else max_pixels
    drawn = {} if sketches is None else {SKETCHES: sketches}
    return tf.group(
        require(
            tf.reduce_all(size > 0),
            f"`{picture}` must hold at least one picture of one pixel. Received: number, "
            "height and width ",
            size,
        ),
        require(
            tf.cast(size[0], tf.int64) * tf.reduce_prod(_at_least_padded(size[1:])) <= limit,
            f"`{picture}` must have at most {max_pixels} pixels in all. {_WAY_OUT}. Received: "
            "number, height and width ",
            size,
        ),
        *(
            _check_sizes(each, name, size, picture)
            for name, each in {mask: masks, **drawn}.items()
        ),
    )


def _check_sizes(others: Tensor, name: str, size: Tensor, picture: str) -> Tensor:
    """Fails unless there is one mask, or sketch, for each picture, of the picture's size."""
    found = tf.shape(others)[:3]
    return tf.group(
        _check_number(found[0], name, size[0], picture),
        require(
            tf.reduce_all(size[1:] == found[1:]),
            f"`{name}` must have the height and width of `{picture}`, ",
            size[1:],
            ". Received: ",
            found[1:],
        ),
    )


def _check_number(found: Tensor, name: str, num: Tensor, picture: str) -> Tensor:
    kind, kinds, _ = _words(name)
    return require(
        num == found,
        f"`{name}` must hold one {kind} for each of `{picture}`. Received: ",
        found,
        f" {kinds}, ",
        num,
        " pictures",
    )


def _words(name: str) -> tuple[str, str, str]:
    """What an input holds, several of these, and what is marked in one."""
    if name in (SKETCHES, SKETCH_BYTES):
        return "sketch", "sketches", "on the lines"
    return "mask", "masks", "in the hole"


def check_levels(least: Tensor, most: Tensor, name: str) -> Tensor:
    """Fails unless it is clear what is marked in each of several masks, or sketches.

    As `keras_inpaint.pictures.read_mask` for what a server takes: levels above 127, or zeros
    and ones. What it reads otherwise, or refuses, fails here.

    Args:
        least: Integer tensor of shape `(num,)`: the lowest level of each mask.
        most: As `least`, the highest.
        name: str. Name of the masks in the request.

    Returns:
        Operation, see `require`.
    """
    is_split = (least <= MASK_THRESHOLD) & (most > MASK_THRESHOLD)
    is_unclear = ~(is_split | (least == most) | (most == 1))
    index = _first(is_unclear)
    *_, where = _words(name)
    return require(
        ~tf.reduce_any(is_unclear),
        f"`{name}[",
        index,
        f"]` must be above {MASK_THRESHOLD} {where} and not elsewhere, or hold zeros and "
        f"ones (1 {where}). Received: levels, from lowest to highest, ",
        _row(tf.stack([least, most], axis=1), index),
    )


def level_range(masks: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest and the highest level of each of several masks, as int32."""
    levels = tf.cast(masks, tf.int32)
    return tf.reduce_min(levels, axis=[1, 2, 3]), tf.reduce_max(levels, axis=[1, 2, 3])


def find_holes(masks: Tensor) -> Tensor:
    """Finds the holes of masks that `check_levels` lets pass: True where they lie.

    Args:
        masks: Integer tensor of shape `(num, height, width, 1)`.

    Returns:
        bool tensor like `masks`. A mask of one value has no hole.
    """
    levels = tf.cast(masks, tf.int32)
    least, most = (end[:, None, None, None] for end in level_range(levels))
    threshold = tf.where(most == 1, 0, MASK_THRESHOLD)
    return (levels > threshold) & (least != most)


def find_lines(sketches: Tensor, holes: Tensor) -> Tensor:
    """Finds what sketches, which `check_levels` lets pass, draw into holes: as `find_holes`."""
    return find_holes(sketches) & holes


def _text(values: Tensor) -> Tensor:
    return tf.strings.format("{}", values)


def to_images(photos: Tensor) -> Tensor:
    """Photos `[0, 255]` as images `[-1, 1]`."""
    return tf.cast(photos, tf.float32) / 127.5 - 1.0


def to_photos(images: Tensor) -> Tensor:
    """Images `[-1, 1]` as photos: rounded to the nearest byte, clipped."""
    levels = tf.round((images + 1.0) * 127.5)
    return tf.cast(tf.clip_by_value(levels, 0.0, 255.0), tf.uint8)


def pad(pictures: Tensor, multiple: int) -> Tensor:
    """Continues pictures below and to the right as mirrors would.

    Args:
        pictures: Tensor of shape `(num, height, width, channels)`.
        multiple: int. The new height and width are divisible by it, and at least 64.

    Returns:
        Tensor of the size that `keras_inpaint.inpainting.pixels.padded_size` returns.
    """
    # Not `tf.pad`: it mirrors once, and a small picture takes several mirrors.
    for axis in (1, 2):
        side = tf.shape(pictures)[axis]
        # Not the negative of a quotient of negatives: converters round these otherwise.
        padded = (tf.maximum(side, SMALLEST_SIZE) + multiple - 1) // multiple * multiple
        indices = tf.range(padded) % (2 * side)
        indices = tf.minimum(indices, 2 * side - 1 - indices)
        pictures = tf.gather(pictures, indices, axis=axis)
    return pictures


def crop(pictures: Tensor, like: Tensor) -> Tensor:
    """Cuts off what `pad` has appended to pictures of the size of others."""
    _, height, width, _ = tf.unstack(tf.shape(like), num=4)
    return pictures[:, :height, :width]


# Beside `max_pixels` in messages.
_WAY_OUT = "Send fewer or smaller ones, or export the model with a larger `max_pixels`"
_NO_LIMIT = 2**62
FORMATS = "JPEG, PNG, WebP or BMP (of 24 or 32 bits)"
_NOT_DECODED = (
    f"cannot be decoded. Send a file that is whole and one of {FORMATS}, not animated"
)
# Index of the flags of a WebP container, and the flag of an animation.
_WEBP_FLAGS, _ANIMATED = 20, 2
_BMP_BITS = 28


def check_files(
    image_bytes: Tensor,
    mask_bytes: Tensor,
    max_pixels: int | None = None,
    sketch_bytes: Tensor | None = None,
) -> Tensor:
    """Fails unless all files can be decoded, and each mask is clear and of its picture's size.

    Sizes are compared as the headers have them, before anything is decoded; all files are
    decoded before the first picture is filled, so that nobody waits for an answer that there
    will not be.

    Args:
        image_bytes: String tensor of shape `(num,)`.
        mask_bytes: String tensor of shape `(num,)`.
        max_pixels: int or `None`. Pixels that each picture may have.
        sketch_bytes: As `mask_bytes`, and all that is said of masks; `None` where there are
            none.

    Returns:
        Operation, see `require`.
    """
    drawn = {} if sketch_bytes is None else {SKETCH_BYTES: sketch_bytes}
    others = {"mask_bytes": mask_bytes, **drawn}
    num = tf.size(image_bytes)
    one_each = [
        _check_number(tf.size(contents), name, num, "image_bytes")
        for name, contents in others.items()
    ]
    with tf.control_dependencies(one_each):
        sizes = _checked_sizes(image_bytes, "image_bytes", max_pixels)
        are_fitting = [
            _check_fits(_checked_sizes(contents, name, max_pixels), name, sizes)
            for name, contents in others.items()
        ]
    with tf.control_dependencies(are_fitting):
        are_decodable = [
            _check_decodable(contents, name)
            for name, contents in {"image_bytes": image_bytes, **others}.items()
        ]
    with tf.control_dependencies(are_decodable):
        return tf.group(
            *(_check_levels_of_files(contents, name) for name, contents in others.items())
        )


def _check_fits(found: Tensor, name: str, sizes: Tensor) -> Tensor:
    """Fails unless files are of their pictures' sizes."""
    is_wrong = tf.reduce_any(sizes != found, axis=1)
    index = _first(is_wrong)
    return require(
        ~tf.reduce_any(is_wrong),
        f"`{name}[",
        index,
        "]` must have the height and width of its picture, ",
        _row(sizes, index),
        ". Received: ",
        _row(found, index),
    )


def _check_levels_of_files(contents: Tensor, name: str) -> Tensor:
    least, most = tf.map_fn(
        lambda content: level_range(decode_mask(content)[None]),
        contents,
        fn_output_signature=(tf.TensorSpec((1,), tf.int32),) * 2,
        parallel_iterations=1,
    )
    return check_levels(least[:, 0], most[:, 0], name)


def decode_photo(content: Tensor) -> Tensor:
    """Decodes a picture file to uint8 of shape `(height, width, 3)`; alpha is dropped."""
    return _decode(content)[..., :3]


def decode_mask(content: Tensor) -> Tensor:
    """Decodes a mask file to int32 levels of shape `(height, width, 1)`.

    As `keras_inpaint.pictures.read_mask` reads them: by luminance; transparent pixels count
    as black, and where all that can be seen has one colour, alpha is the mask.
    """
    pixels, alpha = tf.split(tf.cast(_decode(content, is_mask=True), tf.int32), [3, 1], axis=-1)
    is_seen, has_shape = alpha > 0, tf.reduce_any(alpha != alpha[:1, :1])
    brightest = tf.reduce_max(tf.where(is_seen, pixels, 0), axis=[0, 1])
    is_one_colour = tf.reduce_all(~is_seen | (pixels == brightest))
    # An alpha that is the same everywhere says nothing.
    colours = tf.where(has_shape, pixels * alpha // 255, pixels)
    weighted = tf.reduce_sum(colours * [299, 587, 114], axis=-1, keepdims=True)
    return tf.where(is_one_colour & has_shape, alpha, (weighted + 500) // 1000)


def encode(photo: Tensor) -> Tensor:
    """Encodes a photo of bytes as a PNG file."""
    return tf.io.encode_png(photo)


def _decode(content: Tensor, is_mask: bool = False) -> Tensor:
    """Decodes a file to red, green, blue and alpha, whatever it holds."""
    decode_png = _decode_png_mask if is_mask else tf.io.decode_png
    start = tf.strings.substr(content, 0, 4)
    pixels = tf.case(
        [
            (tf.strings.substr(start, 0, 2) == b"\xff\xd8", lambda: _decode_jpeg(content)),
            # Not `channels=4`: of files with few bits, everything would be transparent.
            (start == b"\x89PNG", lambda: decode_png(content)),
            (start == b"RIFF", lambda: _decode_webp(content)),
            (tf.strings.substr(start, 0, 2) == b"BM", lambda: _decode_bmp(content)),
        ],
        # TensorFlow's decoders look themselves, and would take a GIF.
        default=_refuse,
        exclusive=True,
    )
    return _with_alpha(pixels)


def _decode_png_mask(content: Tensor) -> Tensor:
    # As 16 bits, in which 8 bits are repeated: zeros and ones of 16 bits stay what they are.
    deep = tf.cast(tf.io.decode_png(content, dtype=tf.uint16), tf.int32)
    levels = (deep + 128) // 257
    # Without alpha.
    num_colours = (tf.shape(deep)[-1] - 1) // 2 * 2 + 1
    has_ones = (tf.reduce_max(deep[..., :num_colours]) <= 1) & (deep <= 1)
    # Others that are next to black are neither zeros nor ones, and so refused.
    levels = tf.where((levels <= 1) & (deep > 1) & (deep != 257), 2, levels)
    # Nor are values that differ, and are one in 8 bits, one value.
    is_other, differs = deep != deep[:1, :1], levels != levels[:1, :1]
    is_one = tf.reduce_any(is_other) & ~tf.reduce_any(differs)
    levels = tf.where(is_one, 2 + tf.cast(is_other, tf.int32), levels)
    return tf.cast(tf.where(has_ones, deep, levels), tf.uint8)


def _refuse() -> Tensor:
    with tf.control_dependencies([require(tf.constant(False), "another format")]):
        return tf.zeros((0, 0, 3), tf.uint8)


def _decode_jpeg(content: Tensor) -> Tensor:
    # Accurately: the same pixels as Pillow's.
    return tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE")


def _decode_webp(content: Tensor) -> Tensor:
    flags = _number(content, _WEBP_FLAGS, tf.uint8)
    is_extended = tf.strings.substr(content, 12, 4) == b"VP8X"
    is_animated = is_extended & (tf.bitwise.bitwise_and(flags, _ANIMATED) > 0)
    with tf.control_dependencies([require(~is_animated, "animated")]):
        return tf.io.decode_webp(content)[0]


def _decode_bmp(content: Tensor) -> Tensor:
    # Of fewer bits, TensorFlow would give the numbers of colours for colours.
    bits = _number(content, _BMP_BITS, tf.uint16)
    has_colours = (bits == 24) | (bits == 32)
    with tf.control_dependencies([require(has_colours, "palette")]):
        return tf.io.decode_bmp(content)[..., :3]


def _with_alpha(pixels: Tensor) -> Tensor:
    """Makes four channels of grey, grey and alpha, colours, or colours and alpha."""
    channels = tf.shape(pixels)[-1]
    opaque = tf.fill(tf.shape(pixels[..., :1]), tf.constant(255, tf.uint8))
    alpha = tf.where(channels % 2 == 0, pixels[..., -1:], opaque)
    colours = tf.gather(pixels, tf.where(channels < 3, [0, 0, 0], [0, 1, 2]), axis=-1)
    return tf.ensure_shape(tf.concat([colours, alpha], axis=-1), (None, None, 4))


def _number(content: Tensor, index: int, dtype: Any) -> Tensor:
    return tf.io.decode_raw(tf.strings.substr(content, index, dtype.size), dtype)[0]


def _checked_sizes(contents: Tensor, name: str, max_pixels: int | None) -> Tensor:
    """Height and width of each file, int64 of shape `(num, 2)`, as the headers have them."""
    sizes = header_sizes(contents)
    is_unknown = tf.reduce_any(sizes == 0, axis=1)
    has_sizes = _require_all(~is_unknown, name, _NOT_DECODED)
    if max_pixels is None:
        is_within = tf.no_op()
    else:
        is_large = tf.reduce_prod(_at_least_padded(sizes), axis=1) > max_pixels
        index = _first(is_large)
        is_within = require(
            ~tf.reduce_any(is_large),
            f"`{name}[",
            index,
            f"]` must have at most {max_pixels} pixels. {_WAY_OUT}. Received: height and "
            "width ",
            _row(sizes, index),
        )
    with tf.control_dependencies([has_sizes, is_within]):
        return tf.identity(sizes)


def _at_least_padded(sizes: Tensor) -> Tensor:
    # As the network sees them: a line of pixels takes the time and memory of many.
    return tf.maximum(tf.cast(sizes, tf.int64), SMALLEST_SIZE)


def _check_decodable(contents: Tensor, name: str) -> Tensor:
    """Fails where a file is damaged behind its header."""
    num = tf.size(contents, out_type=tf.int64)
    files = tf.data.Dataset.from_tensor_slices((tf.range(num), contents))
    # A graph has no `try`; datasets have: what cannot be decoded is dropped, and missed.
    found = files.map(lambda index, content: (index, tf.size(_decode(content)) > 0))
    is_decoded = found.ignore_errors(log_warning=False).reduce(
        tf.zeros(num, tf.bool),
        lambda known, one: tf.tensor_scatter_nd_update(known, [[one[0]]], [one[1]]),
    )
    return _require_all(is_decoded, name, _NOT_DECODED)


def _require_all(is_right: Tensor, name: str, message: str) -> Tensor:
    """Fails with a message that begins with the first file that is wrong."""
    parts = (f"`{name}[", _first(~is_right), f"]` {message}")
    return require(tf.reduce_all(is_right), *parts)


def _first(is_wrong: Tensor) -> Tensor:
    # Of an empty request, 0.
    return tf.argmax(tf.concat([is_wrong, [True]], axis=0))


def _row(sizes: Tensor, index: Tensor) -> Tensor:
    # One row more, for messages that are not shown.
    return tf.concat([sizes, tf.zeros((1, 2), sizes.dtype)], axis=0)[index]
