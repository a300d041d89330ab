"""Many pictures on one sheet, to be compared at a glance."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_inpaint.pictures.pixels import Bytes

_TITLE_SIZE = 14
_SMALLEST_TITLE_SIZE = 8


def sheet(
    rows: Sequence[Sequence[Bytes]],
    titles: Sequence[str] | None = None,
    gap: int = 4,
    background: int = 255,
) -> Bytes:
    """Lays pictures out in rows and columns, with thin gaps between them.

    A column is as wide as its widest picture, a row as high as its highest;
    smaller ones stand at the top left of their cell. Rows may be of
    different length.

    Args:
        rows: Rows of uint8 arrays of shape `(height, width, 3)` or, for grey,
            `(height, width)`.
        titles: Sequence of str or None. A title above each column, made
            smaller or cut where it is wider than the column.
        gap: int. Pixels between pictures.
        background: int from 0 to 255. Grey of gaps and empty cells.

    Returns:
        uint8 array of shape `(height, width, 3)`.

    Raises:
        ValueError: If there is no picture, one is no such array, or there is
            not one title per column.

    Example:
    >>> photo, mask = np.zeros((32, 48, 3), "uint8"), np.zeros((32, 48), "uint8")
    >>> keras_inpaint.pictures.sheet([[photo, mask]], gap=2).shape
    (32, 98, 3)
    """
    pictures = [[_as_rgb(picture) for picture in row] for row in rows]
    num_columns = max((len(row) for row in pictures), default=0)
    if not num_columns:
        raise ValueError(f"`rows` must hold at least one picture. Received: rows={rows!r}")
    if titles is not None and len(titles) != num_columns:
        raise ValueError(
            f"`titles` must name each of the {num_columns} columns. Received: titles={titles!r}"
        )
    widths = [
        max(row[column].shape[1] for row in pictures if column < len(row))
        for column in range(num_columns)
    ]
    heights = [max((picture.shape[0] for picture in row), default=0) for row in pictures]
    lefts = _starts(widths, gap)
    head = _title_row(titles, widths, lefts, gap, background) if titles is not None else None
    body = np.full((_extent(heights, gap), _extent(widths, gap), 3), background, np.uint8)
    for top, row in zip(_starts(heights, gap), pictures, strict=True):
        for left, picture in zip(lefts, row, strict=False):
            body[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return body if head is None else np.concatenate([head, body])


def _as_rgb(picture: Bytes) -> Bytes:
    picture = np.asarray(picture)
    is_grey = picture.ndim == 2
    if picture.dtype != np.uint8 or not (is_grey or picture.shape[2:] == (3,)):
        raise ValueError(
            "Pictures of a sheet must be uint8 arrays of shape (height, width, 3) or "
            "(height, width). Convert them first. "
            f"Received: an array of type {picture.dtype} and shape {picture.shape}"
        )
    return np.repeat(picture[..., None], 3, axis=-1) if is_grey else picture


def _starts(lengths: Sequence[int], gap: int) -> list[int]:
    return [sum(lengths[:index]) + gap * index for index in range(len(lengths))]


def _extent(lengths: Sequence[int], gap: int) -> int:
    return sum(lengths) + gap * (len(lengths) - 1)


def _title_row(
    titles: Sequence[str], widths: list[int], lefts: list[int], gap: int, background: int
) -> Bytes:
    shape = (_TITLE_SIZE + 4 + gap, _extent(widths, gap), 3)
    row = np.full(shape, background, np.uint8)
    ink = 0 if background > 127 else 255
    for title, width, left in zip(titles, widths, lefts, strict=True):
        # One canvas per title: what is too long ends with its own column.
        canvas = Image.new("RGB", (width, shape[0]), (background,) * 3)
        draw = ImageDraw.Draw(canvas)
        size = _TITLE_SIZE
        while size > _SMALLEST_TITLE_SIZE and _text_width(draw, title, size) > width:
            size -= 1
        draw.text((0, 1), title, fill=(ink,) * 3, font=ImageFont.load_default(size))
        row[:, left : left + width] = np.asarray(canvas)
    return row


def _text_width(draw: ImageDraw.ImageDraw, text: str, size: int) -> float:
    return draw.textlength(text, font=ImageFont.load_default(size))
