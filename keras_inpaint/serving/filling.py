"""What is done for a request, without HTTP: files decoded, holes filled, answers encoded."""

import contextlib
import dataclasses
import io
import logging
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from keras_inpaint.inpainting.memory import MemoryLimitError
from keras_inpaint.inpainting.sketches import check_sketch_size
from keras_inpaint.pictures import Picture, read_header, read_picture, write_picture
from keras_inpaint.pictures.masks import check_mask_size, find_holes
from keras_inpaint.pictures.opening import PictureHeader
from keras_inpaint.pictures.pixels import Bytes, Holes
from keras_inpaint.serving.dialects import ARRAYS, Request
from keras_inpaint.serving.limits import Call, Limits, MemoryBudget, Refusal
from keras_inpaint.serving.models import Model

_LOG = logging.getLogger(__name__)
# Bytes of a photo and its mask for each pixel: decoded, converted, filled, and blended.
_BYTES_A_PIXEL = 24
# Of an array: as it came, filled, and the answer.
_BYTES_AN_ELEMENT = 6
# What a body of JSON takes while it is read, for each of its bytes.
JSON_FACTOR = 25
MEDIA_TYPES = {"image/png": ".png", "image/webp": ".webp", "image/jpeg": ".jpg"}


@dataclass(frozen=True)
class Wish:
    """How the hole of one photo is to be filled, see `Inpainter.inpaint`."""

    method: str | None = None
    feather: int = 0
    detail: str = "copy"
    grow: int = 0
    invert_mask: bool = False
    mask_from_alpha: bool = False
    invert_sketch: bool = False
    media_type: str = "image/png"


@dataclass(frozen=True)
class Files:
    """The files of one photo.

    Args:
        photo: bytes.
        mask: bytes, or `None` where the photo's transparency is the mask.
        sketch: bytes, or `None` where nothing is drawn.
    """

    photo: bytes
    mask: bytes | None = None
    sketch: bytes | None = None


class Names(NamedTuple):
    """What the files of one photo were sent as."""

    photo: str = "photo"
    mask: str = "mask"
    sketch: str = "sketch"


def fill_tensors(
    model: Model, request: Request, limits: Limits, budget: MemoryBudget, call: Call
) -> Any:
    """Fills the pictures of a request in one of the dialects, each seen as a whole.

    Args:
        model: `Model`.
        request: `Request`.
        limits: `Limits`.
        budget: `MemoryBudget` that all requests share.
        call: `Call`.

    Returns:
        uint8 array of shape `(num, height, width, 3)`, or a list of PNG files.

    Raises:
        Refusal: If it cannot be done.
    """
    with call.active(), model.used(), refusals():
        if request.signature == ARRAYS:
            return _fill_arrays(model, **request.inputs, budget=budget, call=call)
        return _fill_files(model, **request.inputs, limits=limits, budget=budget, call=call)


def fill_photo(
    model: Model,
    files: Files,
    wish: Wish,
    limits: Limits,
    budget: MemoryBudget,
    call: Call,
) -> bytes:
    """Fills the hole of one photo file, window by window where it is large.

    Args:
        model: `Model`.
        files: `Files`.
        wish: `Wish`.
        limits: `Limits`.
        budget: `MemoryBudget` that all requests share.
        call: `Call`.

    Returns:
        bytes of a file of the kind that was asked for, with the photo's metadata.

    Raises:
        Refusal: If it cannot be done.
    """
    with call.active(), model.used(), refusals():
        names = Names()
        photo, *others = _headers(files, names)
        with budget.reserve(_photo_memory([photo], others, limits), call):
            picture, holes, lines = _read(files, names, wish)
            pixels = model.inpainter.inpaint(
                picture.pixels,
                holes,
                method=wish.method,
                feather=wish.feather,
                detail=wish.detail,
                memory_limit=model.memory_limit,
                progress=lambda num_done, num: call.check(),
                sketch=lines,
            )
            call.check()
            return _encode(dataclasses.replace(picture, pixels=pixels), wish.media_type)


def _fill_arrays(
    model: Model,
    images: Bytes,
    masks: Bytes,
    sketches: Bytes | None = None,
    *,
    budget: MemoryBudget,
    call: Call,
) -> Bytes:
    holes = _marked(masks, "masks")
    lines = None if sketches is None else _marked(sketches, "sketches")
    num_at_once = model.capacity(images.shape[1:3])
    with budget.reserve(_BYTES_AN_ELEMENT * images.size, call):
        return np.concatenate(
            [
                model.inpainter.inpaint_batch(
                    images[start : start + num_at_once],
                    holes[start : start + num_at_once],
                    model.memory_limit,
                    sketches=None if lines is None else lines[start : start + num_at_once],
                )
                for start in range(0, len(images), num_at_once)
            ]
        )


def _marked(masks: Bytes, name: str) -> Holes:
    """What each of several masks marks, or each of several sketches."""
    try:
        return np.stack([find_holes(mask).holes for mask in masks])
    except ValueError as error:
        raise Refusal(400, f"`{name}`: {error}") from error


def _fill_files(
    model: Model,
    image_bytes: list[bytes],
    mask_bytes: list[bytes],
    sketch_bytes: Sequence[bytes | None] | None = None,
    *,
    limits: Limits,
    budget: MemoryBudget,
    call: Call,
) -> list[bytes]:
    sketch_bytes = sketch_bytes or [None] * len(image_bytes)
    each = [
        Files(*contents) for contents in zip(image_bytes, mask_bytes, sketch_bytes, strict=True)
    ]
    names = [
        Names(*(f"{name}[{index}]" for name in ("image_bytes", "mask_bytes", "sketch_bytes")))
        for index in range(len(each))
    ]
    headers = [_headers(*pair) for pair in zip(each, names, strict=True)]
    photos = [photo for photo, *_ in headers]
    others = [other for _, *them in headers for other in them]
    with budget.reserve(_photo_memory(photos, others, limits), call):
        # All are read before the first is filled: nobody waits for an answer that there
        # will not be.
        read = [_read(*pair, Wish()) for pair in zip(each, names, strict=True)]
        filled = []
        for picture, holes, lines in read:
            call.check()
            pixels = model.inpainter.inpaint(
                picture.pixels,
                holes,
                method="whole",
                memory_limit=model.memory_limit,
                sketch=lines,
            )
            filled.append(_encode(Picture(pixels), "image/png"))
        return filled


def _headers(files: Files, names: Names) -> list[PictureHeader]:
    """What the headers of the files of one photo say, the photo's first."""
    return [
        _header(content, name)
        for content, name in zip(vars(files).values(), names, strict=True)
        if content is not None
    ]


def _header(content: bytes, name: str) -> PictureHeader:
    """What the header of a file says, which must be that of one picture."""
    try:
        header = read_header(content)
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from error
    if header.num_frames > 1:
        raise Refusal(
            400,
            f"`{name}` must be one picture, not an animation or several pages. Received: "
            f"{header.num_frames} of them",
        )
    return header


def _photo_memory(
    photos: Sequence[PictureHeader], others: Sequence[PictureHeader], limits: Limits
) -> int:
    """Memory of reading, filling and writing photos, and what is read beside them."""
    headers = [*photos, *others]
    num_pixels = [math.prod(header.size) for header in headers]
    largest = max(sum(num_pixels[: len(photos)]), *num_pixels)
    if largest > limits.max_pixels:
        raise Refusal(
            413,
            f"The pictures of a request must have at most {limits.max_pixels} pixels. Send "
            f"smaller ones, or fewer. Received: {largest}",
        )
    # They are read one after the other; what is read is kept.
    reading = max(header.memory for header in headers)
    return reading + _BYTES_A_PIXEL * sum(num_pixels)


def _read(files: Files, names: Names, wish: Wish) -> tuple[Picture, Holes, Holes | None]:
    """A photo, its hole, and what is drawn there."""
    try:
        picture = read_picture(files.photo)
    except (OSError, ValueError) as error:
        raise _unreadable(names.photo, error) from error
    source = files.photo if files.mask is None else files.mask
    try:
        found = find_holes(source, wish.invert_mask, wish.mask_from_alpha, wish.grow)
    except (OSError, ValueError) as error:
        raise _unreadable(names.mask, error) from error
    try:
        check_mask_size(found.holes.shape, picture.size)
    except ValueError as error:
        raise Refusal(400, f"`{names.mask}`: {error}") from error
    if files.sketch is None:
        return picture, found.holes, None
    try:
        lines = find_holes(files.sketch, wish.invert_sketch).holes
    except (OSError, ValueError) as error:
        raise _unreadable(names.sketch, error) from error
    try:
        check_sketch_size(lines.shape, picture.size)
    except ValueError as error:
        raise Refusal(400, f"`{names.sketch}`: {error}") from error
    return picture, found.holes, lines


def _unreadable(name: str, error: Exception) -> Refusal:
    # What was received is a number of bytes, which the client knows.
    message = str(error).split(" Received: ")[0].replace("`path`", f"`{name}`")
    named = message if f"`{name}`" in message else f"`{name}`: {message}"
    return Refusal(400, named)


def _encode(picture: Picture, media_type: str) -> bytes:
    # What it holds beside its pixels is written by the function that knows all of it.
    others = (
        value
        for name, value in vars(picture).items()
        if name not in ("pixels", "alpha", "num_frames", "unkept")
    )
    is_bare = all(value is None or len(value) == 0 for value in others)
    if media_type == "image/png" and is_bare:
        buffer = io.BytesIO()
        pixels = picture.pixels
        if picture.alpha is not None:
            pixels = np.dstack([pixels, picture.alpha])
        Image.fromarray(pixels).save(buffer, "PNG")
        return buffer.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "filled" + MEDIA_TYPES[media_type])
        try:
            write_picture(path, picture)
        except ValueError as error:
            # Such as WebP of more than 16383 pixels.
            message = str(error).split(" Received: ")[0]
            raise Refusal(406, f"`Accept`: {message}") from error
        return path.read_bytes()


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Makes refusals of what the package says of a request that is too large."""
    try:
        yield
    except MemoryLimitError as error:
        raise Refusal(413, str(error)) from error
    except Exception as error:
        # TensorFlow's own kind of MemoryError, known by name: other backends have none.
        name = type(error).__name__
        if not isinstance(error, MemoryError) and "ResourceExhausted" not in name:
            raise
        _LOG.warning("The memory did not suffice for a request: %s", error)
        raise Refusal(
            503,
            "The memory does not suffice for this request now. Send a smaller picture, or "
            "try again when there is less to do.",
            {"Retry-After": "10"},
        ) from error
