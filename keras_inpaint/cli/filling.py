"""Photo files, their holes filled and written again."""

import argparse
import dataclasses
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_inpaint.cli.progress import Progress
from keras_inpaint.cli.quiet_start import quiet_start
from keras_inpaint.files import atomic_write
from keras_inpaint.pictures import Picture, is_lossy, read_mask, read_picture, write_picture
from keras_inpaint.pictures.formats import FORMATS
from keras_inpaint.pictures.writing import what_is_lost

_LOG = logging.getLogger(__name__)
Masks = NDArray[np.uint8]


class Filling:
    """Fills one photo file after the other as a command's arguments say.

    Args:
        arguments: Namespace with `preset`, `invert_mask`, `method`, `feather` and
            `memory_limit`.
        progress: Progress. What is told of each photo's parts.
    """

    def __init__(self, arguments: argparse.Namespace, progress: Progress) -> None:
        self.arguments = arguments
        self.progress = progress
        self._inpainter: Any = None
        self._is_loss_told = False

    def load(self) -> Any:
        """Returns the inpainter, which takes seconds the first time."""
        if self._inpainter is None:
            self._inpainter = load_inpainter(self.arguments.preset)
        return self._inpainter

    def fill(self, photo: Path, mask: Path, output: Path) -> None:
        """Fills the hole of one photo and prints where the filled one is.

        A photo without a hole is copied, where its suffix stays: no pixel changes then,
        whatever the format.

        Raises:
            ValueError: If it cannot be done.
            OSError: If a file cannot be read or written.
        """
        picture, holes = self._read(photo, mask)
        if holes.any():
            pixels = self._inpaint(picture, holes)
            write_picture(output, dataclasses.replace(picture, pixels=pixels))
            self._tell_losses(picture, output)
        elif _kind(photo) == _kind(output):
            with atomic_write(output) as draft:
                shutil.copyfile(photo, draft)
        else:
            write_picture(output, picture)
            self._tell_losses(picture, output)
        print(output, flush=True)

    def _read(self, photo: Path, mask: Path) -> tuple[Picture, Masks]:
        is_inverted = self.arguments.invert_mask
        picture, holes = read_picture(photo), read_mask(mask, invert=is_inverted)
        if holes.shape != picture.size:
            (height, width), (mask_height, mask_width) = picture.size, holes.shape
            raise ValueError(
                f"The mask must be of the photo's size, {width} x {height} pixels. Resize it. "
                f"Received: {str(mask)!r} of {mask_width} x {mask_height}"
            )
        self._tell_extremes(mask, holes)
        return picture, holes

    def _tell_extremes(self, mask: Path, holes: Masks) -> None:
        shade, remedy = ("bright", "omit") if self.arguments.invert_mask else ("dark", "add")
        advice = f"If {shade} marks the hole, {remedy} --invert-mask."
        if not holes.any():
            _LOG.warning("%s has no hole: the photo stays as it is. %s", mask, advice)
        elif holes.all():
            _LOG.warning("%s leaves nothing known: all is invented. %s", mask, advice)

    def _inpaint(self, picture: Picture, holes: Masks) -> NDArray[np.uint8]:
        arguments = self.arguments
        try:
            pixels = self.load().inpaint(
                picture.pixels,
                holes,
                method=arguments.method,
                feather=arguments.feather,
                memory_limit=arguments.memory_limit,
                progress=self.progress.update,
            )
        except Exception as error:
            # TensorFlow's own kind of MemoryError, known by name: other backends have none.
            name = type(error).__name__
            if not isinstance(error, MemoryError) and "ResourceExhausted" not in name:
                raise
            height, width = picture.size
            raise ValueError(
                "The memory does not suffice for this photo. Try --method crop, make it "
                f"smaller, or end other programs. Received: {width} x {height} pixels"
            ) from error
        return np.asarray(pixels)

    def _tell_losses(self, picture: Picture, output: Path) -> None:
        lost = what_is_lost(output, picture)
        if lost:
            parts = " and ".join(lost)
            _LOG.warning("%s cannot hold the photo's %s; PNG can.", output, parts)
        if is_lossy(output) and not self._is_loss_told:
            self._is_loss_told = True
            _LOG.info(
                "JPEG is encoded anew, which changes known pixels a little; PNG, TIFF and "
                "WebP keep them."
            )


def load_inpainter(preset: str) -> Any:
    """Loads a preset. Not before the arguments are seen to be right: it takes seconds."""
    with quiet_start():
        from keras_inpaint.inpainting import Inpainter

        return Inpainter.from_preset(preset)


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    return FORMATS.get(suffix, suffix)
