"""The functions of an exported model, each under the name by which a server calls it."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_inpaint.export.graph import (
    check_files,
    check_levels,
    check_pairs,
    crop,
    decode_mask,
    decode_photo,
    encode,
    find_holes,
    level_range,
    pad,
    to_images,
    to_photos,
)
from keras_inpaint.ops.compositing import composite, corrupt

Tensor = Any

NAMES = ("serving_default", "serving_bytes", "features")


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

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, None, 3), tf.uint8, name="images"),
            tf.TensorSpec((None, None, None, 1), tf.uint8, name="masks"),
        ]
    )
    def serving_default(self, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """Fills the holes of pictures of one size."""
        names = "images", "masks"
        with tf.control_dependencies([check_pairs(images, masks, names, self._max_pixels)]):
            is_clear = check_levels(*level_range(masks), "masks")
        with tf.control_dependencies([is_clear]):
            return {"completed": self._complete(images, find_holes(masks))}

    @tf.function(
        input_signature=[
            tf.TensorSpec((None,), tf.string, name="image_bytes"),
            tf.TensorSpec((None,), tf.string, name="mask_bytes"),
        ]
    )
    def serving_bytes(self, image_bytes: Tensor, mask_bytes: Tensor) -> dict[str, Tensor]:
        """Fills the holes of picture files, whatever their sizes, one after the other."""
        checked = check_files(image_bytes, mask_bytes, self._max_pixels)
        with tf.control_dependencies([checked]):
            files = tf.identity(image_bytes), tf.identity(mask_bytes)
        completed = tf.map_fn(
            lambda pair: self._complete_file(*pair),
            files,
            fn_output_signature=tf.TensorSpec((), tf.string),
            parallel_iterations=1,
        )
        return {"completed_bytes": completed}

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, None, 3), tf.float32, name="corrupted"),
            tf.TensorSpec((None, None, None, 1), tf.float32, name="masks"),
        ]
    )
    def features(self, corrupted: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """Returns what the generator returns, pictures at the size they came in."""
        names = "corrupted", "masks"
        with tf.control_dependencies([check_pairs(corrupted, masks, names, self._max_pixels)]):
            outputs = self._generate(pad(corrupted, self._multiple), pad(masks, self._multiple))
        # Those of pictures: offsets are on a grid of their own.
        cropped = {
            name: crop(outputs[name], like=corrupted)
            for name in ("coarse", "refined")
            if name in outputs
        }
        return {**outputs, **cropped}

    def _complete_file(self, image: Tensor, mask: Tensor) -> Tensor:
        holes = find_holes(decode_mask(mask)[None])
        return encode(self._complete(decode_photo(image)[None], holes)[0])

    def fill(self, images: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """Fills the holes of pictures of one size, for runtimes that cannot refuse any.

        A plain function: what calls it decides for what sizes a graph is made of it.

        Args:
            images: As `serving_default` takes, and so `masks`.

        Returns:
            dict: `completed`, as `serving_default` returns, and `predicted`, what the network
            sees at known pixels too, both uint8 like `images`.
        """
        holes = find_holes(masks)
        predicted = self._predict(images, holes, self._generate_plainly)
        # As floats, which hold bytes exactly: LiteRT cannot select among bytes.
        known, levels = (tf.cast(each, tf.float32) for each in (images, predicted))
        completed = tf.cast(composite(known, levels, holes), tf.uint8)
        return {"completed": completed, "predicted": predicted}

    def _complete(self, photos: Tensor, holes: Tensor) -> Tensor:
        return composite(photos, self._predict(photos, holes, self._generate), holes)

    def _predict(self, photos: Tensor, holes: Tensor, generate: Any) -> Tensor:
        images = pad(to_images(photos), self._multiple)
        masks = pad(tf.cast(holes, tf.float32), self._multiple)
        corrupted = corrupt(images, masks) if self._is_blanked else images
        return to_photos(crop(generate(corrupted, masks)["refined"], like=photos))

    # A function of its own, of which the graph holds one however many signatures call it.
    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, None, 3), tf.float32),
            tf.TensorSpec((None, None, None, 1), tf.float32),
        ]
    )
    def _generate(self, corrupted: Tensor, masks: Tensor) -> Any:
        return self._generate_plainly(corrupted, masks)

    def _generate_plainly(self, corrupted: Tensor, masks: Tensor) -> Any:
        return self._generator({"corrupted": corrupted, "masks": masks}, training=False)


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
