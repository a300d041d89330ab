"""The inpainter: photos and masks in, filled photos out."""

import contextlib
import threading
import warnings
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_inpaint.arguments import check_choice, check_int, check_memory_limit, is_int
from keras_inpaint.inpainting.detail import DETAILS
from keras_inpaint.inpainting.filling import Progress, fill
from keras_inpaint.inpainting.memory import (
    affordable_batch,
    affordable_windows,
    check_batch,
)
from keras_inpaint.inpainting.pixels import check_photos, pad
from keras_inpaint.inpainting.planning import METHODS
from keras_inpaint.inpainting.sketches import check_guided, find_lines, is_guided
from keras_inpaint.pictures import Picture, read_picture
from keras_inpaint.pictures.masks import Mask, check_mask_size, find_holes
from keras_inpaint.pictures.opening import default_memory_limit
from keras_inpaint.pictures.pixels import Bytes, Holes, to_images, to_photos
from keras_inpaint.presets.reading import (
    preset_name,
    read_all,
    read_metadata,
    read_network,
    read_object,
)
from keras_inpaint.presets.writing import write_preset

# On JAX, Keras gives the weights away to the compiled function and takes them back from it:
# a second thread would find them deleted. TensorFlow's functions may be called by several.
_one_at_a_time: Any = (
    threading.Lock() if keras.backend.backend() == "jax" else contextlib.nullcontext()
)
# What a file may be given as.
_FILES = (str, PathLike, bytes, Image.Image)
# What is used of a generator.
_ATTRIBUTES = ("channels", "size_multiple", "predict_on_batch")
# Of networks of which it is not known; the publications' size.
_PUBLISHED_SIZE = 256


class Inpainter:
    """Fills holes of photographs of any size, bytes in and bytes out.

    A generator works on images in `[-1, 1]` whose size it can divide. Around it, an
    inpainter checks and converts what users have, continues the photo by mirroring
    where its size does not divide, and puts the prediction into the hole and nowhere
    else: known pixels come back bit for bit. Of a large photo, it shows the generator
    what lies around each hole, at a scale that the generator knows.

    The first photo of a size is slower, as the generator is compiled for it. TensorFlow
    takes any size from the third one on, JAX compiles for each.

    Several threads may use one inpainter, or several of one generator, at once: each gets
    what it would get alone. On JAX they wait for each other while the generator runs. Each
    takes memory of its own: divide `memory_limit` by their number. No thread may train the
    generator, or load weights into it, meanwhile.

    Args:
        generator: `keras_inpaint.models.Generator`, or a `keras.Model` called like it
            and with its `channels` and `size_multiple`.
        name: str. What to call it.
        image_size: int or `None`. Height and width of the images that the generator
            was trained on; `None` if unknown, which is taken for 256.
        corruption: What stood in the hole in training, such as
            `keras_inpaint.masks.Mosaic`; `None` for nothing. Given one, the generator
            sees what stands in the hole of a photo: the mosaic to be restored.

    Raises:
        ValueError: If `generator` lacks something, or `image_size` is no such number.

    Example:
    >>> generator = keras_inpaint.models.Generator.deepfill_v2(width=8)
    >>> inpainter = keras_inpaint.Inpainter(generator)
    >>> photo, mask = np.full((50, 70, 3), 90, "uint8"), np.zeros((50, 70), bool)
    >>> mask[20:30, 40:60] = True
    >>> filled = inpainter.inpaint(photo, mask)
    >>> filled.shape, bool((filled == photo)[~mask].all())
    ((50, 70, 3), True)
    """

    def __init__(
        self,
        generator: Any,
        name: str = "inpainter",
        image_size: int | None = None,
        corruption: Any = None,
    ) -> None:
        _check_generator(generator)
        image_size = check_int(
            "image_size",
            image_size,
            "is the side of the images that the generator was trained on",
            at_least=1,
            or_none="256",
        )
        self.generator = generator
        self.name = name
        self.image_size = image_size
        self.corruption = corruption

    @classmethod
    def from_preset(cls, preset: str | PathLike[str]) -> Self:
        """Loads a trained inpainter.

        Args:
            preset: str or path. A name that
                `keras_inpaint.presets.bundled_presets` lists, a folder that
                `save_to_preset` wrote, or `hf://owner/name` for such a folder on the
                Hugging Face hub (`hf://owner/name@revision` for a branch, a tag or a
                commit).

        Returns:
            `Inpainter`.

        Raises:
            FileNotFoundError: If there is no such preset, or a file of it is missing.
            OSError: If the hub refuses or does not answer.
            ValueError: If the preset is damaged, or written by a newer version; if an
                address on the hub is malformed, or `huggingface_hub` is not installed.

        Example:
        >>> import os, tempfile
        >>> folder = os.path.join(tempfile.mkdtemp(), "untrained")
        >>> generator = keras_inpaint.models.Generator.deepfill_v2(width=8)
        >>> keras_inpaint.Inpainter(generator).save_to_preset(folder)
        >>> keras_inpaint.Inpainter.from_preset(folder).name
        'untrained'
        """

        def read(folder: Path) -> tuple[Any, Any, Any]:
            generator, _ = read_network(folder)
            corruption = read_object(folder, "corruption", optional=True)
            return generator, read_metadata(folder).get("image_size"), corruption

        generator, size, corruption = read_all(preset, read)
        # Authors may have written it in words.
        known = size if is_int(size, at_least=1) else None
        return cls(generator, preset_name(preset), known, corruption)

    @classmethod
    def from_saved_model(cls, folder: str | PathLike[str]) -> Self:
        """Loads a model that `export_saved_model` wrote.

        It needs TensorFlow, and no preset. What it fills differs from its preset's by one
        level of 255 at most; its generator can neither be trained nor saved.

        Args:
            folder: str or path. One version of the model, such as `saved_models/NAME/1`.

        Returns:
            `Inpainter`, named like the model's folder.

        Raises:
            OSError: If it cannot be read.
            ValueError: If it is no such model.
        """
        from keras_inpaint.inpainting.exported import ExportedGenerator

        return cls._around(ExportedGenerator(folder))

    @classmethod
    def from_onnx(
        cls, path: str | PathLike[str], providers: Sequence[str] | None = None
    ) -> Self:
        """Loads an ONNX file that `export_onnx` wrote, to be run by ONNX Runtime.

        It needs `pip install "keras-inpaint[onnx]"`, and neither a preset nor TensorFlow: Keras
        alone runs on any backend. What it fills differs from its preset's by one level of 255
        at most; its generator can neither be trained nor saved.

        Args:
            path: str or path of the file.
            providers: Sequence of str or `None`. ONNX Runtime's execution providers, such as
                `["CUDAExecutionProvider", "CPUExecutionProvider"]`; `None` for all that are
                installed.

        Returns:
            `Inpainter`, named like the one that was exported.

        Raises:
            ModuleNotFoundError: If ONNX Runtime is not installed.
            OSError: If it cannot be read.
            ValueError: If it is no such file.
        """
        from keras_inpaint.inpainting.onnx_generator import OnnxGenerator

        return cls._around(OnnxGenerator(path, providers))

    @classmethod
    def _around(cls, exported: Any) -> Self:
        size = exported.description["image_size"]
        return cls(exported, exported.name, size, exported.corruption)

    def save_to_preset(
        self,
        folder: str | PathLike[str],
        metadata: dict[str, Any] | None = None,
        card: str | None = None,
        dtype: str = "float32",
    ) -> None:
        """Saves the generator, and what is known of it, into a folder.

        See `keras_inpaint.presets.write_preset`, which does the work.

        Args:
            folder: str or path. Made where it is missing; a preset there is replaced,
                any other folder that holds files is refused.
            metadata: dict or `None`. What is known of the weights: `architecture`,
                `trained_on`, `image_size`, `licence`, and whatever else JSON can hold.
            card: str or `None`. The text of README.md; `None` to write one from
                `metadata`.
            dtype: `"float32"` or `"float16"`: half the size, and weights rounded to
                11 bits.

        Raises:
            OSError: If the folder cannot be written.
            ValueError: If the folder holds other files, or `dtype` is neither.
        """
        known = {} if self.image_size is None else {"image_size": self.image_size}
        metadata = {**known, **(metadata or {})}
        objects = None if self.corruption is None else {"corruption": self.corruption}
        write_preset(folder, {"model": self.generator}, metadata, card, dtype, objects)

    def export(self, folder: str | PathLike[str], **options: Any) -> Path:
        """Writes a SavedModel, the next version of a model for TensorFlow Serving.

        See `keras_inpaint.export_saved_model`, which does the work.

        Args:
            folder: str or path. The model: its versions are the folders `1`, `2` and so
                on in it. Made where it is missing.
            **options: Other arguments of `keras_inpaint.export_saved_model`.

        Returns:
            Path: the folder of the new version.

        Raises:
            OSError: As `keras_inpaint.export_saved_model`, and so `ValueError`.
        """
        # A shorthand for what stands above this package, known by its public name alone.
        from keras_inpaint import export_saved_model

        version: Path = export_saved_model(self, folder, **options)
        return version

    def inpaint(
        self,
        photo: Any,
        mask: Any,
        method: str | None = None,
        feather: int = 0,
        memory_limit: int | None = None,
        progress: Progress | None = None,
        *,
        invert_mask: bool = False,
        mask_from_alpha: bool = False,
        grow: int = 0,
        detail: str = "copy",
        out: Bytes | None = None,
        sketch: Any = None,
        invert_sketch: bool = False,
    ) -> Any:
        """Fills the hole of one photo.

        Args:
            photo: uint8 array of shape `(height, width, 3)`: RGB, any size. Or a file: its
                path or bytes, or a `PIL.Image.Image`. Arrays of `(height, width)`, grey, and
                of `(height, width, 4)`, with alpha, are taken for RGB as such files are. For
                a generator of grey images, whose `channels` are 1, it must show no colour;
                for one of other channels, it has these.
            mask: Array of shape `(height, width)` or `(height, width, 1)`, or of colours as
                `photo`, or a file as `photo`. Of two values the brighter one is the hole, of
                more levels those above 127, and of bools True, see
                `keras_inpaint.pictures.read_mask`. Where it has no hole, such as where it
                has one value, the photo comes back unchanged. `None` with
                `mask_from_alpha`: what is transparent in `photo`.
            method: `"whole"`: the generator sees all of the photo. `"crop"`: it sees
                each hole with its surroundings, smaller where the hole is thicker than
                it knows holes to be. `"resize"`: it sees all of the photo, smaller.
                `None` chooses by the size of photo and hole.
            feather: int, at least 0. Known pixels up to this far from the hole blend
                into the filling; 0 changes none.
            memory_limit: int or `None`. Bytes that filling may take, on top of what the
                process has; `None` for half of the machine's memory.
            progress: Function or `None`. Called as parts of the photo are filled, with
                the number of those done and of all.
            invert_mask: bool. Whether the mask marks what is known.
            mask_from_alpha: bool. Whether what is transparent in the mask is the hole.
            grow: int, at least 0. Pixels by which the hole is widened on all sides.
            detail: `"copy"`: where the generator sees a part of the photo, or the photo
                made smaller, the fine detail of its filling is replaced by that of known
                pixels that look alike. `"none"`: the filling is as soft as the generator
                leaves it. Nothing is replaced in a photo that is seen as a whole.
            out: uint8 array like `photo` in RGB, which takes the filled one, or `None` for a
                new one. `photo` itself, where it is such an array, saves a copy of it.
            sketch: What the hole is to show, for guided generators: lines, brighter than what
                is around them, in whatever `mask` may be. `None` draws nothing.
            invert_sketch: bool. Whether the lines are the darker ones.

        Returns:
            uint8 array like `photo` in RGB: `out`, or a new one. Of a `PIL.Image.Image`, such
            an image in RGB, upright, unless `out` is given. Known pixels are those of `photo`,
            but for `feather`.

        Raises:
            OSError: If a file cannot be read.
            ValueError: If type, shape or size are others, the mask is ambiguous (such as a
                photograph), an argument is out of bounds, or the memory does not suffice.
        """
        check_choice("method", method, METHODS, or_none="the one that suits the photo")
        check_choice("detail", detail, DETAILS)
        check_int("feather", feather, "counts pixels", at_least=0)
        check_memory_limit(memory_limit)
        grow = check_int("grow", grow, "counts pixels", at_least=0)
        if mask is None and not mask_from_alpha:
            raise ValueError(
                "`mask` must be an array or a file. Where the hole is what is transparent in "
                "the photo, pass `mask_from_alpha=True`. Received: mask=None"
            )
        mask = photo if mask is None else mask
        is_image = isinstance(photo, Image.Image) and out is None
        photo = _pixels(photo, self.generator.channels)
        check_photos(photo[None], self.generator.channels)
        (holes,) = _holes([find_holes(mask, invert_mask, mask_from_alpha, grow)], photo[None])
        lines = None
        if sketch is not None:
            check_guided(self)
            lines = find_lines(sketch, invert_sketch, holes.shape) & holes
        if out is not None:
            _check_out(out, photo)
        if not holes.any():
            filled = np.empty_like(photo) if out is None else out
            filled[...] = photo
            return Image.fromarray(filled) if is_image else filled
        limit = default_memory_limit() if memory_limit is None else memory_limit
        size, is_copied = self.image_size or _PUBLISHED_SIZE, out is None
        windows = affordable_windows(
            self.generator, holes, size, method, feather, limit, is_copied, detail
        )
        num = affordable_batch(self.generator, holes, windows, limit, is_copied, detail)
        filled = fill(
            photo, holes, windows, self._predict, feather, progress, num, detail, out, lines
        )
        return Image.fromarray(filled) if is_image else filled

    def inpaint_batch(
        self,
        photos: Any,
        masks: Any,
        memory_limit: int | None = None,
        *,
        sketches: Any = None,
    ) -> Bytes:
        """Fills the holes of photos of one size, all at once and each seen as a whole.

        Args:
            photos: uint8 array of shape `(num, height, width, 3)`, or a list of photos
                of one size: whatever `inpaint` takes.
            masks: Array of shape `(num, height, width)` or `(num, height, width, 1)`, or
                a list of whatever `inpaint` takes.
            memory_limit: int or `None`, as `inpaint` takes.
            sketches: What the holes are to show, for guided generators: as `masks`, each
                whatever `inpaint` takes for its `sketch`. `None`, of all or of one, draws
                nothing.

        Returns:
            uint8 array of shape `(num, height, width, 3)`.

        Raises:
            ValueError: As `inpaint`, and if there is not one mask per photo, and one sketch
                where there are any.
        """
        check_memory_limit(memory_limit)
        channels = self.generator.channels
        photos, masks = _listed("photos", photos), _listed("masks", masks)
        photos = _stack([_pixels(photo, channels) for photo in photos])
        if len(photos) != len(masks):
            raise ValueError(
                "Each photo needs a mask of its own. "
                f"Received: {len(photos)} photos, {len(masks)} masks"
            )
        check_photos(photos, channels)
        # One by one: zeros and ones in one mask and grey levels in the next are both clear.
        holes = np.stack(_holes([find_holes(mask) for mask in masks], photos))
        lines = None if sketches is None else self._batched_lines(sketches, holes)
        if not holes.any():
            return np.array(photos)
        limit = default_memory_limit() if memory_limit is None else memory_limit
        check_batch(self.generator, photos.shape[1:3], len(photos), limit)
        return np.where(holes[..., None], self._predict(photos, holes, lines), photos)

    def _batched_lines(self, sketches: Any, holes: Holes) -> Holes:
        """What each of several sketches draws into its hole."""
        check_guided(self, "sketches")
        sketches = _listed("sketches", sketches)
        if len(sketches) != len(holes):
            raise ValueError(
                "Each photo needs a sketch of its own, or `None` where nothing is drawn. "
                f"Received: {len(holes)} photos, {len(sketches)} sketches"
            )
        drawn = zip(sketches, holes, strict=True)
        return np.stack(
            [
                np.zeros_like(hole)
                if sketch is None
                else find_lines(sketch, is_inverted=False, size=hole.shape) & hole
                for sketch, hole in drawn
            ]
        )

    def _predict(self, photos: Bytes, holes: Holes, lines: Holes | None = None) -> Bytes:
        multiple = self.generator.size_multiple
        # Of grey photos in RGB, all three are alike.
        shown = photos[..., :1] if self.generator.channels == 1 else photos
        images = pad(to_images(shown), multiple)
        masks = pad(holes[..., None].astype("float32"), multiple)
        if self.corruption is None:
            # What `ops.corrupt` does, without a way to the device and back.
            images = np.where(masks, np.float32(0), images)
        inputs = {"corrupted": images, "masks": masks}
        if is_guided(self.generator):
            drawn = np.zeros_like(holes) if lines is None else lines
            inputs["sketches"] = pad(drawn[..., None].astype("float32"), multiple)
        # Compiled; a plain call of the generator would run operation by operation.
        with _one_at_a_time:
            outputs = self.generator.predict_on_batch(inputs)
        num, height, width, _ = photos.shape
        # A generator made under a distribution strategy answers once a replica.
        predicted = to_photos(np.asarray(outputs["refined"])[:num, :height, :width])
        return np.broadcast_to(predicted, photos.shape)

    def __repr__(self) -> str:
        return f"<Inpainter name={self.name}, generator={self.generator.name}>"


def _check_generator(generator: Any) -> None:
    missing = [name for name in _ATTRIBUTES if not hasattr(generator, name)]
    if missing:
        raise ValueError(
            f"`generator` must have {', '.join(_ATTRIBUTES)}, as a "
            "`keras_inpaint.models.Generator` has. Of a preset, `Inpainter.from_preset` makes "
            f"an inpainter. Received: generator={generator!r}, without {', '.join(missing)}"
        )


def _pixels(photo: Any, channels: int) -> NDArray[Any]:
    pixels = read_picture(photo).pixels if isinstance(photo, _FILES) else np.asarray(photo)
    if pixels.dtype.kind in "OSU":
        raise ValueError(
            "`photo` must be one photo: an array of bytes, a path, the bytes of a file, or a "
            "PIL image. Of several, `inpaint_batch` takes a list, and "
            f"`keras_inpaint.inpaint_folder` paths. Received: a {type(photo).__name__}"
        )
    others = {1: ((), (4,)), 3: ((), (1,), (4,))}.get(channels, ())
    is_other = pixels.ndim in (2, 3) and pixels.shape[2:] in others
    if is_other and pixels.dtype == np.uint8 and pixels.size:
        pixels = Picture.of(pixels, "photo").pixels
    if channels == 1 and pixels.shape[2:] == (3,) and (pixels != pixels[..., :1]).any():
        raise ValueError(
            "The generator fills grey photos alone. Make the photo grey, such as by Pillow's "
            "`convert('L')`. Received: a photo in colour"
        )
    return pixels


def _holes(masks: list[Mask], photos: Bytes) -> list[Holes]:
    """The holes of masks, seen to be of their photos' size."""
    for mask, photo in zip(masks, photos, strict=True):
        check_mask_size(mask.holes.shape, photo.shape[:2])
        if mask.is_constant:
            warnings.warn(
                f"The mask has no hole: it holds {mask.seen}. The photo stays as it is.",
                stacklevel=3,
            )
    return [mask.holes for mask in masks]


def _check_out(out: Any, photo: Bytes) -> None:
    is_array = isinstance(out, np.ndarray) and out.flags.writeable
    if not is_array or out.shape != photo.shape or out.dtype != np.uint8:
        raise ValueError(
            "`out` must be a uint8 array of the photo's shape that can be written to. "
            f"Received: out of type {type(out).__name__} and shape {np.shape(out)}"
        )


def _listed(name: str, things: Any) -> list[Any]:
    if isinstance(things, _FILES) or not hasattr(things, "__iter__"):
        raise ValueError(
            f"`{name}` must be an array or a list of several, one per photo. One photo is "
            f"filled by `inpaint`. Received: {name} of type {type(things).__name__}"
        )
    return list(things)


def _stack(photos: list[NDArray[Any]]) -> NDArray[Any]:
    shapes = {photo.shape for photo in photos}
    if len(shapes) != 1:
        raise ValueError(
            "A batch needs at least one photo, and all of one size. Fill others one by "
            f"one with `inpaint`. Received: photo shapes {sorted(shapes)}"
        )
    return np.stack(photos)
