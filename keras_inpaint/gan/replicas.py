"""Several devices that learn as one, on TensorFlow."""

from typing import Any

import keras
import tensorflow as tf

from keras_inpaint.gan.device_checks import (
    check_batches,
    check_options,
    check_scope,
    check_share,
)


class Replicas(keras.Model):
    """The part of `InpaintingGAN` that knows of `tf.distribute` strategies.

    Each device holds a replica of the networks and a contiguous part of the global batch.
    Optimizers sum gradients over the replicas; what else a step needs of the other
    replicas is asked for here.
    """

    def _replica(self) -> Any:
        """This replica's number, and how many there are."""
        context = tf.distribute.get_replica_context()
        if context is None:  # A plain call outside of `fit`.
            return 0, 1
        return context.replica_id_in_sync_group, context.num_replicas_in_sync

    def _sum(self, values: Any) -> Any:
        """Sums a float tensor over the replicas."""
        if self._replica()[1] == 1:
            return values
        return tf.distribute.get_replica_context().all_reduce("SUM", values)

    def _places(self, images: Any, num_shares: int | None = None) -> Any:
        """The places of this replica's pictures in the global batch.

        Args:
            images: Tensor of shape `(batch, ...)`, this replica's.
            num_shares: int. Stops unless all replicas hold equally many pictures, a
                multiple of it; `None` for parts of any size, also of none.

        Returns:
            int tensor of shape `(batch,)`.
        """
        size = tf.shape(images)[0]
        number, count = self._replica()
        # Not in integers, which GPUs do not sum over devices.
        sizes = self._sum(tf.one_hot(number, count) * tf.cast(size, tf.float32))
        sizes = tf.cast(sizes, tf.int32)  # (count,)
        # What is known beforehand `deal` sees.
        if num_shares is not None and (count > 1 or images.shape[0] is None):
            self._require(
                tf.reduce_all((sizes == sizes[0]) & (sizes % num_shares == 0)),
                "All devices need equally many pictures of a batch, a multiple of "
                f"critic_steps={num_shares}, of the last batch too (`drop_remainder=True`). "
                "Received: this many a device: ",
                sizes,
            )
        before = tf.reduce_sum(tf.where(tf.range(count) < number, sizes, 0))
        return before + tf.range(size)

    def _fill(self, data: Any) -> Any:
        """Puts a blank picture where a last, small batch left this replica none.

        Convolutions refuse to run on nothing.

        Args:
            data: Structure of tensors of shape `(batch, ...)`, and of `None`.

        Returns:
            tuple: a structure like it of at least one picture, and how many are true.
        """
        size = tf.shape(next(part for part in tf.nest.flatten(data) if part is not None))[0]
        if self._replica()[1] == 1:
            return data, size
        missing = tf.cast(size == 0, tf.int32)

        def fill(values: Any) -> Any:
            if values is None:
                return None
            padding = [[0, missing]] + [[0, 0]] * (len(values.shape) - 1)
            return tf.ensure_shape(tf.pad(values, padding), (None, *values.shape[1:]))

        return tf.nest.map_structure(fill, data), size

    def predict_step(self, data: Any) -> Any:
        data, size = self._fill(data)
        outputs = super().predict_step(data)
        return tf.nest.map_structure(lambda output: output[:size], outputs)

    def _results(self, trackers: Any) -> Any:
        """Means over the pictures of all replicas, which may have seen unequally many."""
        if self._replica()[1] == 1:
            return {name: tracker.result() for name, tracker in trackers.items()}
        sums = [
            [
                tf.convert_to_tensor(tracker.total.value),
                tf.convert_to_tensor(tracker.count.value),
            ]
            for tracker in trackers.values()
        ]
        totals, counts = tf.unstack(self._sum(tf.stack(sums)), axis=1)
        means = tf.unstack(tf.math.divide_no_nan(totals, counts), num=len(sums))
        return dict(zip(trackers, means, strict=True))

    # ---- What can go wrong before the first step ---------------------------------------

    def _scope(self) -> Any:
        """In which variables are made, one on each device."""
        return self.distribute_strategy.scope()

    def _num_devices(self) -> int:
        return int(self.distribute_strategy.num_replicas_in_sync)

    def _check_options(
        self, jit_compile: Any = "auto", steps_per_execution: int = 1, **others: Any
    ) -> None:
        """Refuses what `compile` may be told for one device only, or of networks elsewhere."""
        del others
        check_scope(self.distribute_strategy, self.variables)
        check_options(self._num_devices(), jit_compile, steps_per_execution)

    def _check_devices(
        self, data: Any = None, images: Any = None, batch_size: int | None = None
    ) -> None:
        """Refuses what this model's devices cannot learn from.

        Args:
            data: What `fit` was given as `x`; nothing where it is only measured.
            images: The first batch's images, or `None` where they were not looked at.
            batch_size: int or `None`, see `check_batches`.
        """
        check_scope(self.distribute_strategy, [*self.variables, *self.optimizer.variables])
        num_devices, num_shares = self._num_devices(), max(1, self.critic_steps)
        if num_devices > 1 and data is not None:
            check_batches(data, num_devices, num_shares, batch_size)
            if images is not None:
                check_share(len(images), num_devices, num_shares)

    def train_on_batch(self, *args: Any, **options: Any) -> Any:
        """Makes one step, see `keras.Model.train_on_batch`; on one device only."""
        self._refuse_single_batch("train_on_batch", "fit")
        return super().train_on_batch(*args, **options)

    def test_on_batch(self, *args: Any, **options: Any) -> Any:
        """Measures a batch, see `keras.Model.test_on_batch`; on one device only."""
        self._refuse_single_batch("test_on_batch", "evaluate")
        return super().test_on_batch(*args, **options)

    def _refuse_single_batch(self, name: str, other: str) -> None:
        if self._num_devices() > 1:
            raise ValueError(
                f"`{name}` would give each device the whole batch. Call "
                f"`{other}(images, batch_size=len(images))`, which deals it out. "
                f"Received: {self._num_devices()} devices"
            )

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # All is built already, and Keras would take a batch away from a generator for it.
        pass
