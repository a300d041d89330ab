"""What runs inside of the exported graph: files to pixels and back, sizes, and checks."""

from typing import Any

import tensorflow as tf

from keras_inpaint.inpainting.pixels import SMALLEST_SIZE
from keras_inpaint.pictures.pixels import MASK_THRESHOLD

Tensor = Any


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


def check_pairs(images: Tensor, masks: Tensor, names: tuple[str, str]) -> Tensor:
    """Fails unless masks are one of each picture, and of the picture's size.

    Args:
        images: Tensor of shape `(num, height, width, channels)`.
        masks: Tensor of shape `(num, height, width, 1)`.
        names: What the two are called in the request.

    Returns:
        Operation, see `require`.
    """
    picture, mask = names
    size, mask_size = tf.shape(images)[:3], tf.shape(masks)[:3]
    return tf.group(
        require(
            tf.reduce_all(size > 0),
            f"`{picture}` must hold at least one picture of one pixel. Received: number, "
            "height and width ",
            size,
        ),
        require(
            size[0] == mask_size[0],
            f"`{mask}` must hold one mask for each of `{picture}`. Received: ",
            mask_size[0],
            " masks, ",
            size[0],
            " pictures",
        ),
        require(
            tf.reduce_all(size[1:] == mask_size[1:]),
            f"`{mask}` must have the height and width of `{picture}`, ",
            size[1:],
            ". Received: ",
            mask_size[1:],
        ),
    )


def check_levels(least: Tensor, most: Tensor, name: str) -> Tensor:
    """Fails unless it is clear what is the hole in each of several masks.

    As `keras_inpaint.pictures.read_mask` for what a server takes: levels above 127, or zeros
    and ones. What it reads otherwise, or refuses, fails here.

    Args:
        least: Integer tensor of shape `(num,)`: the lowest level of each mask.
        most: As `least`, the highest.
        name: str. What the masks are called in the request.

    Returns:
        Operation, see `require`.
    """
    is_split = (least <= MASK_THRESHOLD) & (most > MASK_THRESHOLD)
    is_unclear = ~(is_split | (least == most) | (most == 1))
    index = _first(is_unclear)
    return require(
        ~tf.reduce_any(is_unclear),
        f"`{name}[",
        index,
        f"]` must be above {MASK_THRESHOLD} in the hole and not elsewhere, or hold zeros and "
        "ones (1 in the hole). Received: levels, from lowest to highest, ",
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
        multiple: int. What the new height and width are divisible by.

    Returns:
        Tensor of the size that `keras_inpaint.inpainting.pixels.padded_size` tells.
    """
    # Not `tf.pad`: it mirrors once, and a small picture takes several mirrors.
    for axis in (1, 2):
        side = tf.shape(pictures)[axis]
        padded = -(-tf.maximum(side, SMALLEST_SIZE) // multiple) * multiple
        places = tf.range(padded) % (2 * side)
        places = tf.minimum(places, 2 * side - 1 - places)
        pictures = tf.gather(pictures, places, axis=axis)
    return pictures


def crop(pictures: Tensor, like: Tensor) -> Tensor:
    """Cuts off what `pad` has appended to pictures of the size of others."""
    _, height, width, _ = tf.unstack(tf.shape(like), num=4)
    return pictures[:, :height, :width]


FORMATS = "JPEG, PNG, WebP or BMP (of 24 or 32 bits)"
# Where the container of WebP tells of frames, and how.
_WEBP_FLAGS, _ANIMATED = 20, 2
_BMP_BITS = 28


def check_files(image_bytes: Tensor, mask_bytes: Tensor) -> Tensor:
    """Fails unless all files can be decoded, and each mask is clear and of its picture's size.

    Before the first picture is filled, so that nobody waits for an answer that there will
    not be.

    Args:
        image_bytes: String tensor of shape `(num,)`.
        mask_bytes: String tensor of shape `(num,)`.

    Returns:
        Operation, see `keras_inpaint.export.graph_checks.require`.
    """
    num, num_masks = tf.size(image_bytes), tf.size(mask_bytes)
    one_each = require(
        num == num_masks,
        "`mask_bytes` must hold one mask for each of `image_bytes`. Received: ",
        num_masks,
        " masks, ",
        num,
        " pictures",
    )
    with tf.control_dependencies([one_each]):
        sizes = _sizes(image_bytes, "image_bytes")
        mask_sizes = _sizes(mask_bytes, "mask_bytes")
    is_wrong = tf.reduce_any(sizes != mask_sizes, axis=1)
    index = _first(is_wrong)
    one_size = require(
        ~tf.reduce_any(is_wrong),
        "`mask_bytes[",
        index,
        "]` must have the height and width of its picture, ",
        _row(sizes, index),
        ". Received: ",
        _row(mask_sizes, index),
    )
    with tf.control_dependencies([one_size]):
        least, most = tf.map_fn(
            lambda content: level_range(decode_mask(content)[None]),
            mask_bytes,
            fn_output_signature=(tf.TensorSpec((1,), tf.int32),) * 2,
            parallel_iterations=1,
        )
    return check_levels(least[:, 0], most[:, 0], "mask_bytes")


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
    levels = tf.where(tf.reduce_max(deep) <= 1, deep, deep // 257)
    return tf.cast(levels, tf.uint8)


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


def _number(content: Tensor, place: int, dtype: Any) -> Tensor:
    return tf.io.decode_raw(tf.strings.substr(content, place, dtype.size), dtype)[0]


def _sizes(contents: Tensor, name: str) -> Tensor:
    """Height and width of each file, int32 of shape `(num, 2)`; fails where one is none."""
    num = tf.size(contents, out_type=tf.int64)
    files = tf.data.Dataset.from_tensor_slices((tf.range(num), contents))
    # A graph has no `try`; datasets have: what cannot be decoded is dropped, and missed.
    sizes = files.map(lambda index, content: (index, tf.shape(_decode(content))[:2]))
    sizes = sizes.ignore_errors(log_warning=False).reduce(
        tf.zeros((num, 2), tf.int32),
        lambda known, one: tf.tensor_scatter_nd_update(known, [[one[0]]], [one[1]]),
    )
    is_missed = tf.reduce_all(sizes == 0, axis=1)
    index = _first(is_missed)
    is_read = require(
        ~tf.reduce_any(is_missed),
        f"`{name}[",
        index,
        f"]` cannot be decoded. Send a file that is whole and one of {FORMATS}, not animated",
    )
    with tf.control_dependencies([is_read]):
        return tf.identity(sizes)


def _first(is_wrong: Tensor) -> Tensor:
    # Of an empty request, 0.
    return tf.argmax(tf.concat([is_wrong, [True]], axis=0))


def _row(sizes: Tensor, index: Tensor) -> Tensor:
    # One row more, for messages that are not said.
    return tf.concat([sizes, [[0, 0]]], axis=0)[index]
