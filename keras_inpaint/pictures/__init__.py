"""Reading and writing picture files, upright and whole."""

from keras_inpaint.pictures.formats import (
    SUFFIXES,
    is_lossy,
    is_picture_file,
    is_picture_name,
    list_pictures,
)
from keras_inpaint.pictures.masks import read_mask
from keras_inpaint.pictures.opening import MAX_PIXELS, read_header
from keras_inpaint.pictures.picture import Picture
from keras_inpaint.pictures.pixels import to_images, to_photos
from keras_inpaint.pictures.plain import is_plain
from keras_inpaint.pictures.reading import read_frames, read_picture
from keras_inpaint.pictures.sheets import sheet
from keras_inpaint.pictures.writing import (
    check_writable,
    what_is_lost,
    write_frames,
    write_picture,
)

__all__ = [
    "MAX_PIXELS",
    "SUFFIXES",
    "Picture",
    "check_writable",
    "is_lossy",
    "is_picture_file",
    "is_picture_name",
    "is_plain",
    "list_pictures",
    "read_frames",
    "read_header",
    "read_mask",
    "read_picture",
    "sheet",
    "to_images",
    "to_photos",
    "what_is_lost",
    "write_frames",
    "write_picture",
]


def __dir__() -> list[str]:
    return sorted(__all__)
