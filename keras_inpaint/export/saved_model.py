"""A SavedModel for servers: written, loaded again and compared before it appears."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

from keras_inpaint.export.exportable import check_exportable
from keras_inpaint.export.targets import (
    MAX_PIXELS,
    check_max_pixels,
    check_model_folder,
    names_in,
)
from keras_inpaint.files import atomic_write, weights_size
from keras_inpaint.inpainting.exported import write_description
from keras_inpaint.inpainting.sketches import is_guided


def write_version(folder: Path, write: Callable[[Path], None], size: int = 0) -> Path:
    """Writes the next version of a model: whole, or not at all.

    Args:
        folder: Path of the model. Made where it is missing.
        write: Function that writes the version into the folder it is given.
        size: int. Bytes that it will write, see `keras_inpaint.files.atomic_write`.

    Returns:
        Path: `folder / "1"`, or what comes after the highest number there is.
    """
    version = folder / str(next_version(folder))

    def take_next() -> Path:
        # Other processes may have taken numbers in the meantime.
        nonlocal version
        version = folder / str(next_version(folder))
        return version

    with atomic_write(version, is_folder=True, size=size, next_path=take_next) as draft:
        write(draft)
    return version


def next_version(folder: Path) -> int:
    """Returns one more than the highest version, and 1 where there is none."""
    return 1 + max((int(name) for name in names_in(folder) if name.isdecimal()), default=0)


# Bytes at most of the graph, and of the requests to warm up for each pixel of a picture.
_GRAPH_SIZE, _REQUESTS_SIZE = 2**22, 32


def export_saved_model(
    inpainter: Any, folder: str | PathLike[str], max_pixels: int | None = MAX_PIXELS
) -> Path:
    """Writes an inpainter as the next version of a model for TensorFlow Serving.

    All that `keras_inpaint.Inpainter` does around its generator is part of the graph:
    pictures of any size and number go in, known pixels come back bit for bit. Each picture
    is seen as a whole, as by `Inpainter.inpaint_batch`. The signatures:

    - `serving_default`: `images`, uint8 of shape `(num, height, width, 3)`, and `masks`,
      uint8 of shape `(num, height, width, 1)`, above 127 in the hole, or zeros and ones,
      to `completed`, uint8 like `images`.
    - `serving_bytes`: `image_bytes` and `mask_bytes`, strings of shape `(num,)`, each a
      JPEG, PNG, WebP or BMP file, to `completed_bytes`, PNG files. Pictures of one
      request may differ in size.
    - `features`: `corrupted` and `masks`, float32 as the generator takes them but of any
      size, to what it returns: `coarse` and `refined`, and `offsets` of the picture
      continued to the size that divides.

    Of a guided generator, each takes one input more: `sketches`, uint8 like `masks` and read as
    these are, above 127 on the lines; `sketch_bytes`, files; and in `features` `sketches`,
    float32. What lies outside of the hole is not looked at; all zeros draw nothing.

    The version appears once it has been loaded again and found to repeat the inpainter to
    one level of 255; else nothing is left. Requests to warm up a server lie in it too.

    Args:
        inpainter: `keras_inpaint.Inpainter` of a generator for colour pictures.
        folder: str or path. The model: its versions are the folders `1`, `2` and so on
            in it. Made where it is missing.
        max_pixels: int or `None`. Height times width of the largest picture that is taken; of
            `serving_default` and `features`, which fill all pictures at once, of all together.
            Others are refused before they are decoded. `None` for no limit.

    Returns:
        Path: the folder of the new version.

    Raises:
        OSError: If the folder cannot be written to, or its disk is full.
        ValueError: If the backend is not TensorFlow, the pictures have other than 3
            channels, `max_pixels` is below those of a picture of 256 x 256 or of the size
            that the network was made for, the folder holds other things, or the exported
            graph differs.
    """
    check_exportable(inpainter, "A SavedModel", "--output saved_models/NAME")
    side = inpainter.image_size or 0
    max_pixels = check_max_pixels(max_pixels, side)
    folder = check_model_folder(folder)
    # Not before: where there is no TensorFlow, the message above says what to do.
    from keras_inpaint.export.parity import check_saved_model
    from keras_inpaint.export.signatures import save_signatures
    from keras_inpaint.export.warm_up import PUBLISHED_SIZE, write_warm_up

    def write(draft: Path) -> None:
        save_signatures(inpainter, draft, max_pixels)
        guided = is_guided(inpainter.generator)
        write_warm_up(draft, folder.name, inpainter.image_size, guided)
        write_description(inpainter, draft)
        check_saved_model(inpainter, draft)

    side = side or PUBLISHED_SIZE
    size = _GRAPH_SIZE + _REQUESTS_SIZE * side**2
    return write_version(folder, write, size + weights_size(inpainter.generator.variables))
