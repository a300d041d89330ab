"""The functions of an exported model, each under the name by which a server calls it."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_inpaint.export.graph import (
    SKETCH_BYTES,
    SKETCHES,
    check_files,
    check_levels,
    check_pairs,
    crop,
    decode_mask,
    decode_photo,
    encode,
    find_holes,
    find_lines,
    level_range,
    pad,
    to_images,
    to_photos,
)
from keras_inpaint.inpainting.sketches import is_guided
from keras_inpaint.ops.compositing import composite, corrupt

Tensor = Any

NAMES = ("serving_default", "serving_bytes", "features")


_PICTURES = (None, None, None)
# The inputs of each function. Sketches come last, and only where the generator is guided.
_SPECS = {
    "serving_default": [
        tf.TensorSpec((*_PICTURES, 3), tf.uint8, name="images"),
        tf.TensorSpec((*_PICTURES, 1), tf.uint8, name="masks"),
        tf.TensorSpec((*_PICTURES, 1), tf.uint8, name=SKETCHES),
    ],
    "serving_bytes": [
        tf.TensorSpec((None,), tf.string, name="image_bytes"),
        tf.TensorSpec((None,), tf.string, name="mask_bytes"),
        tf.TensorSpec((None,), tf.string, name=SKETCH_BYTES),
    ],
    "features": [
        tf.TensorSpec((*_PICTURES, 3), tf.float32, name="corrupted"),
        tf.TensorSpec((*_PICTURES, 1), tf.float32, name="masks"),
        tf.TensorSpec((*_PICTURES, 1), tf.float32, name=SKETCHES),
    ],
}


def _specs(name: str, generator: Any) -> list[tf.TensorSpec]:
    return _SPECS[name][: 3 if is_guided(generator) else 2]


def picture_specs(
    generator: Any, size: tuple[int | None, int | None, int | None] = _PICTURES
) -> list[tf.TensorSpec]:
    """Returns what `Signatures.fill` takes of a generator: photos, masks, and sketches.

    Args:
        generator: That of the inpainter. Sketches are left out unless it is guided.
        size: Number, height and width of the pictures; `None` where any will do.
    """
    return [
        tf.TensorSpec((*size, spec.shape[-1]), spec.dtype, name=spec.name)
        for spec in _specs("serving_default", generator)
    ]


class Signatures(tf.Module):
    """An inpainter as functions of a graph.

    Args:
        inpainter: `keras_inpaint.Inpainter`.
        max_pixels: int or `None`. Pixels that may go through the network at once.
    """

    def __init__(self, inpainter: Any, max_pixels: int | None = None) -> None:
        super().__init__(name="inpainter")
        self._max_pixels = max_pixels
        self._generator = inpainter.generator.__call__
        self._multiple = inpainter.generator.size_multiple
        self._is_blanked = inpainter.corruption is None
        if not inpainter.generator.built:
            # Networks of users may have no weights before their first picture.
            holes = np.ones((1, 8, 8), bool)
            inpainter.inpaint_batch(np.zeros((1, 8, 8, 3), np.uint8), holes)
        # Nothing else of Keras is to be saved.
        self.weights = [variable.value for variable in inpainter.generator.variables]

        def function(run: Any, name: str) -> Any:
            return tf.function(run, input_signature=_specs(name, inpainter.generator))

        self.serving_default = function(self._fill_tensors, "serving_default")
        self.serving_bytes = function(self._fill_files, "serving_bytes")
        self.features = function(self._features, "features")
        # A function of its own, of which the graph holds one however many signatures call it.
        self._generate = function(self._generate_plainly, "features")

    def _fill_tensors(
        self, images: Tensor, masks: Tensor, sketches: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Fills the holes of pictures of one size."""
        names = "images", "masks"
        fitting = check_pairs(images, masks, names, self._max_pixels, sketches)
        with tf.control_dependencies([fitting]):
            are_clear = [check_levels(*level_range(masks), "masks")]
            if sketches is not None:
                are_clear.append(check_levels(*level_range(sketches), SKETCHES))
        with tf.control_dependencies(are_clear):
            return {"completed": self._complete(images, masks, sketches)}

    def _fill_files(
        self, image_bytes: Tensor, mask_bytes: Tensor, sketch_bytes: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Fills the holes of picture files, whatever their sizes, one after the other."""
        checked = check_files(image_bytes, mask_bytes, self._max_pixels, sketch_bytes)
        given = [image_bytes, mask_bytes, *([] if sketch_bytes is None else [sketch_bytes])]
        with tf.control_dependencies([checked]):
            files = tuple(map(tf.identity, given))
        completed = tf.map_fn(
            lambda those_of_one: self._complete_file(*those_of_one),
            files,
            fn_output_signature=tf.TensorSpec((), tf.string),
            parallel_iterations=1,
        )
        return {"completed_bytes": completed}

    def _features(
        self, corrupted: Tensor, masks: Tensor, sketches: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Returns what the generator returns, pictures at the size they came in."""
        names = "corrupted", "masks"
        fitting = check_pairs(corrupted, masks, names, self._max_pixels, sketches)
        shown = [corrupted, masks, *([] if sketches is None else [sketches])]
        with tf.control_dependencies([fitting]):
            outputs = self._generate(*(pad(each, self._multiple) for each in shown))
        # Those of pictures: offsets are on a grid of their own.
        cropped = {
            name: crop(outputs[name], like=corrupted)
            for name in ("coarse", "refined")
            if name in outputs
        }
        return {**outputs, **cropped}

    def _complete_file(self, image: Tensor, *drawn: Tensor) -> Tensor:
        masks = (decode_mask(content)[None] for content in drawn)
        return encode(self._complete(decode_photo(image)[None], *masks)[0])

    def fill(
        self, images: Tensor, masks: Tensor, sketches: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Fills the holes of pictures of one size, for runtimes that cannot refuse any.

        A plain function: what calls it decides for what sizes a graph is made of it.

        Args:
            images: As `serving_default` takes, and so `masks` and `sketches`.

        Returns:
            dict: `completed`, as `serving_default` returns, and `predicted`, what the network
            sees at known pixels too, both uint8 like `images`.
        """
        holes = find_holes(masks)
        predicted = self._predict(images, holes, sketches, self._generate_plainly)
        # As floats, which hold bytes exactly: LiteRT cannot select among bytes.
        known, levels = (tf.cast(each, tf.float32) for each in (images, predicted))
        completed = tf.cast(composite(known, levels, holes), tf.uint8)
        return {"completed": completed, "predicted": predicted}

    def _complete(
        self, photos: Tensor, masks: Tensor, sketches: Tensor | None = None
    ) -> Tensor:
        holes = find_holes(masks)
        return composite(photos, self._predict(photos, holes, sketches, self._generate), holes)

    def _predict(
        self, photos: Tensor, holes: Tensor, sketches: Tensor | None, generate: Any
    ) -> Tensor:
        images = pad(to_images(photos), self._multiple)
        drawn = [] if sketches is None else [find_lines(sketches, holes)]
        masks, *lines = (
            pad(tf.cast(each, tf.float32), self._multiple) for each in (holes, *drawn)
        )
        corrupted = corrupt(images, masks) if self._is_blanked else images
        return to_photos(crop(generate(corrupted, masks, *lines)["refined"], like=photos))

    def _generate_plainly(
        self, corrupted: Tensor, masks: Tensor, sketches: Tensor | None = None
    ) -> Any:
        inputs = {"corrupted": corrupted, "masks": masks}
        drawn = {} if sketches is None else {SKETCHES: sketches}
        return self._generator({**inputs, **drawn}, training=False)


def save_signatures(inpainter: Any, folder: Path, max_pixels: int | None = None) -> None:
    """Writes a SavedModel whose signatures are those of `Signatures`."""
    module = Signatures(inpainter, max_pixels)
    tf.saved_model.save(
        module,
        folder,
        signatures={name: getattr(module, name) for name in NAMES},
        # Attention in blocks has a gradient of its own, which nobody asks for here.
        options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
    )
