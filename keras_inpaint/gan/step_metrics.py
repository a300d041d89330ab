"""The metrics of an `InpaintingGAN`: what `fit` and `evaluate` report."""

from collections.abc import Iterable

import keras
import numpy as np
from keras import ops

from keras_inpaint.gan.backends import Backend
from keras_inpaint.gan.parts import Measure, Tensor, Tensors
from keras_inpaint.gan.step_guard import GRADIENT_NORMS
from keras_inpaint.metrics import l1, psnr, ssim

_MEASURES: dict[str, Measure] = {
    "hole_l1": l1,
    "l1": lambda images, completed, masks: l1(images, completed),
    "psnr": lambda images, completed, masks: psnr(images, completed),
    "ssim": lambda images, completed, masks: ssim(images, completed),
}


# The share of steps that were left out, where they are.
SKIPPED = "skipped"


class StepMetrics:
    """Means over the images of an epoch, those of all devices.

    In `fit` they are of the loss, its terms and the norms of both gradients, in `evaluate` of
    the loss and of what is measured on completed images.

    Args:
        backend: The model's `Backend`.
        term_names: Names of the terms of both losses.
    """

    def __init__(self, backend: Backend, term_names: Iterable[str]) -> None:
        self._backend = backend
        self.term_names = tuple(term_names)
        self._loss = keras.metrics.Mean(name="loss")
        names = (*self.term_names, *GRADIENT_NORMS, SKIPPED)
        self._terms = {name: keras.metrics.Mean(name=name) for name in names}
        self._measured = {name: keras.metrics.Mean(name=name) for name in _MEASURES}
        self._measures = dict(_MEASURES)
        self._images_seen = keras.metrics.Sum(name="images_seen", dtype="float32")

    @property
    def all(self) -> list[keras.metrics.Metric]:
        """list of keras.metrics.Metric: those of `fit` and of `evaluate`, the loss first."""
        terms, measured = self._terms.values(), self._measured.values()
        return [self._loss, *terms, *measured, self._images_seen]

    @property
    def evaluated_names(self) -> list[str]:
        """list of str: the names of what `evaluate` returns, in its order."""
        return ["loss", *self._measures]

    def add_measure(self, name: str, measure: Measure) -> None:
        """Measures one more thing, see `InpaintingGAN.add_measure`."""
        if name in self.evaluated_names:
            raise ValueError(
                f"Each measure needs a name of its own beside {', '.join(self._measures)}. "
                f"Received: name={name!r}"
            )
        self._measured[name] = keras.metrics.Mean(name=name)
        self._measures[name] = measure

    def measure(self, images: Tensor, completed: Tensor, masks: Tensor) -> Tensors:
        """Measures completed images; returns a value per image and name."""
        return {
            name: measure(images, completed, masks) for name, measure in self._measures.items()
        }

    def count(self, num_images: Tensor) -> Tensor:
        """Counts images of an evaluation; returns how many came before, on all devices."""
        seen = self._backend.sum_over_devices(self._images_seen.result())
        self._images_seen.update_state(ops.cast(num_images, "float32"))
        return ops.cast(seen, "int32")

    def report_terms(
        self,
        loss: Tensor,
        terms: Tensors,
        others: Iterable[str] = (),
        is_made: Tensor = True,
        skips: bool = False,
    ) -> Tensors:
        """Takes in the terms of a training step, one value per image each.

        Args:
            loss: Tensor of shape `(batch,)`.
            terms: dict of tensors of shape `(batch,)`, or scalars.
            others: Names that are reported also where no terms have them, as 0 unless they
                had a value before: logs have the same names in every phase of a training.
            is_made: bool tensor. Whether the step was made, see `StepGuard`.
            skips: bool. Whether one that was not made is left out; else it is NaN.

        Returns:
            dict of scalar tensors: their means in this epoch so far, the loss first.
        """
        unknown = [name for name in terms if name not in self._terms]
        if unknown:
            raise ValueError(
                "An objective lists its terms in `critic_term_names` and "
                "`generator_term_names`: add what it returns to them. "
                f"Received: {', '.join(unknown)} beside {', '.join(self._terms)}"
            )
        means = {"loss": self._loss, **self._terms}
        values = {"loss": loss, **terms}
        if not skips:
            values = {name: ops.where(is_made, x, np.nan) for name, x in values.items()}
            return self._report(means, values, ("loss", *others, *terms))
        weight = ops.cast(is_made, "float32")
        weights = {name: weight * ops.ones_like(x) for name, x in values.items()}
        values = {name: ops.where(is_made, x, 0.0) for name, x in values.items()}
        values[SKIPPED] = 1.0 - weight
        return self._report(means, values, ("loss", *others, *terms, SKIPPED), weights)

    def report_measured(self, loss: Tensor, measured: Tensors) -> Tensors:
        """Takes in what was measured on a batch; see `report_terms`."""
        means = {"loss": self._loss, **self._measured}
        return self._report(means, {"loss": loss, **measured}, ("loss", *measured))

    def _report(
        self,
        means: dict[str, keras.metrics.Mean],
        values: Tensors,
        names: Iterable[str],
        weights: Tensors | None = None,
    ) -> Tensors:
        names = list(dict.fromkeys(names))
        with self._backend.after(values["loss"]):
            for name, value in values.items():
                means[name].update_state(value, (weights or {}).get(name))
        # Each device has sums of its own.
        sums = [
            ops.stack([ops.convert_to_tensor(part.value) for part in (mean.total, mean.count)])
            for mean in (means[name] for name in names)
        ]
        totals, counts = ops.unstack(self._backend.sum_over_devices(ops.stack(sums)), axis=1)
        results = ops.unstack(ops.divide_no_nan(totals, counts), num=len(sums))
        return dict(zip(names, results, strict=True))
