"""Looking at the first batch before the first step."""

from typing import Any

import keras

from keras_inpaint.gan.batches import unpack
from keras_inpaint.gan.validation import check_patches, check_shapes, check_values

# What Keras takes for a batch of arrays unless told.
_BATCH_SIZE = 32


class Checking(keras.Model):
    """The part of `InpaintingGAN` that refuses data it cannot learn from.

    Bytes in the place of images, or grey levels in that of masks, train for days before
    somebody sees that nothing is learned. The first batch of arrays, of a
    `tf.data.Dataset` or of a `keras.utils.PyDataset` is looked at once, before training.
    A generator's batches would be lost: of those, shapes and types are seen in the first
    step.
    """

    def fit(
        self, x: Any = None, y: Any = None, batch_size: Any = None, *args: Any, **options: Any
    ) -> Any:
        """Trains, see `keras.Model.fit`.

        Args:
            x: Images, or a dataset or generator of batches: images, `(images, masks)` or
                `(images, masks, boxes)`.
            y: Masks, where `x` are images in an array.
            batch_size: int or `None`. Images a batch, where `x` are images in an array.
            *args: Further arguments of `keras.Model.fit`.
            **options: The same, by name.

        Raises:
            ValueError: If the first batch has another type, shape or range than
                `InpaintingGAN` says, a hole larger than the critic's patch, or cannot be
                shared by the model's devices.
        """
        images, masks, boxes = self._check((x, y, options.get("sample_weight")), batch_size)
        if masks is not None:
            check_patches(masks, boxes, self.critic)
        # Keras would split arrays first: of what is left the steps themselves see the size.
        is_split = bool(options.get("validation_split"))
        self._check_devices(x, images, None if is_split else batch_size or _BATCH_SIZE)
        validation = options.get("validation_data")
        if validation is not None:
            validation = keras.utils.unpack_x_y_sample_weight(validation)
            try:
                self._check(validation, options.get("validation_batch_size") or batch_size)
            except ValueError as error:
                raise ValueError(f"In `validation_data`: {error}") from error
        return super().fit(x, y, batch_size, *args, **options)

    def evaluate(
        self, x: Any = None, y: Any = None, batch_size: Any = None, *args: Any, **options: Any
    ) -> Any:
        """Measures, see `keras.Model.evaluate`.

        Args:
            x: As `fit` takes them.
            y: As `fit` takes them.
            batch_size: As `fit` takes it.
            *args: Further arguments of `keras.Model.evaluate`.
            **options: The same, by name.

        Raises:
            ValueError: As `fit` does.
        """
        # `fit` asks so for data that it has shown already.
        if not options.get("_use_cached_eval_dataset"):
            data = (x, y, options.get("sample_weight"))
            self._check(data, batch_size)
            self._check_devices()
        return super().evaluate(x, y, batch_size, *args, **options)

    def _check(self, data: Any, batch_size: int | None) -> Any:
        """Returns the first batch's images, masks and boxes, where they can be looked at."""
        batch = _first_batch(data, batch_size or _BATCH_SIZE)
        if batch is None:
            return None, None, None
        images, masks, boxes = unpack(batch)
        check_shapes(images, masks, boxes, self.generator, self.critic)
        check_values(images, masks, boxes, self.critic)
        return images, masks, boxes

    def _check_devices(
        self, data: Any = None, images: Any = None, batch_size: int | None = None
    ) -> None:
        """Refuses what this model's devices cannot learn from; one device can from all."""


def _first_batch(data: Any, batch_size: int) -> Any:
    """The first batch of what `fit` was given; `None` where looking would take it away."""
    source = data[0]
    if isinstance(source, keras.utils.PyDataset):
        return source[0]
    if hasattr(source, "take") and hasattr(source, "element_spec"):
        return next(iter(source.take(1)), None)
    if hasattr(source, "shape") or isinstance(source, (tuple, list, dict)):
        return tuple(part[:batch_size] if hasattr(part, "shape") else part for part in data)
    return None
