"""How good the fillings are: what `evaluate`, and `fit` for validation, measure."""

from typing import Any

import keras
from keras import ops

from keras_inpaint.metrics import l1, psnr, ssim
from keras_inpaint.ops.compositing import composite

# Masks for validation are drawn as no training step draws them.
VALIDATION_INDEX = 2**32 - 1

_MEASURES = {
    "hole_l1": l1,
    "l1": lambda images, completed, masks: l1(images, completed),
    "psnr": lambda images, completed, masks: psnr(images, completed),
    "ssim": lambda images, completed, masks: ssim(images, completed),
}


class Measuring(keras.Model):
    """The part of `InpaintingGAN` that measures: the same pictures have the same holes.

    Where batches bring no masks, a picture's follows from its place in the whole of the
    pictures, whatever the size of the batches and the number of devices.
    """

    def _make_measures(self) -> None:
        self.measures = {name: keras.metrics.Mean(name=name) for name in _MEASURES}
        self._measured = dict(_MEASURES)
        self.pictures_seen = keras.metrics.Sum(name="pictures_seen", dtype="float32")

    def add_measure(self, name: str, measure: Any) -> None:
        """Measures one thing more in validation; it is not saved with the model.

        Args:
            name: str. Its name in what `evaluate` returns; `fit` puts `val_` before it.
            measure: function of images, filled images and masks to a tensor of shape
                `(batch,)`, such as a `keras_inpaint.metrics.PerceptualDistance`.

        Raises:
            ValueError: If something is measured under that name already.
        """
        if name in self._measured:
            raise ValueError(
                f"Each measure needs a name of its own beside {', '.join(self._measured)}. "
                f"Received: name={name!r}"
            )
        self.measures[name] = keras.metrics.Mean(name=name)
        self._measured[name] = measure
        # Compiled without it.
        self.test_function = None

    def _test(self, data: Any) -> Any:
        data, size = self._fill(data)
        batch = self._draw(data, VALIDATION_INDEX, first=self._count_pictures(size))
        images, masks = batch["images"], batch["masks"]
        outputs = self.generator(self._corrupt(batch), training=False)
        completed = composite(images, outputs["refined"], masks)
        return self._track(
            self.measures,
            {
                name: measure(images, completed, masks)[:size]
                for name, measure in self._measured.items()
            },
        )

    def _count_pictures(self, size: Any) -> Any:
        """Counts this batch's pictures; returns how many came before, in all replicas."""
        seen = self._sum(self.pictures_seen.result())
        self.pictures_seen.update_state(ops.cast(size, "float32"))
        return ops.cast(seen, "int32")
