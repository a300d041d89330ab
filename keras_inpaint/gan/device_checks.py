"""What several devices need, said before anything is trained on them."""

from typing import Any

import tensorflow as tf


def check_share(size: int | None, num_devices: int, num_shares: int) -> None:
    """Refuses a batch that devices and updates of the critic cannot share.

    Args:
        size: int. Pictures in the global batch; `None` where that is not known.
        num_devices: int. Devices that share it.
        num_shares: int. Shares that each device needs, one for each critic update.

    Raises:
        ValueError: If the batch does not divide.

    Example:
    >>> from keras_inpaint.gan.device_checks import check_share
    >>> check_share(20, num_devices=2, num_shares=5)
    """
    unit = num_devices * num_shares
    if size is not None and size % unit:
        raise ValueError(
            f"A batch must divide by {unit}: {num_devices} devices share it, and each needs "
            f"pictures for critic_steps={num_shares}. Take {-(-size // unit) * unit}, and "
            f"leave out a smaller last batch. Received: a batch of {size}"
        )


def check_batches(data: Any, num_devices: int, num_shares: int, batch_size: int | None) -> None:
    """Refuses data whose last batch is a smaller one that devices cannot share.

    Args:
        data: An array of images, a `tf.data.Dataset` of batches, or something else, of
            which the steps themselves see.
        num_devices: int, as the next, see `check_share`.
        num_shares: int.
        batch_size: int. Images a batch, where `data` is an array; `None` where the
            arrays are split first.

    Raises:
        ValueError: If there is such a batch, or could be one.
    """
    if hasattr(data, "element_spec"):
        images = tf.nest.flatten(data.element_spec)[0]
        shape = getattr(images, "shape", None)
        if shape is not None and (shape.rank is None or shape[0] is None):
            raise ValueError(
                f"The {num_devices} devices must share every batch equally, the last one too: "
                "make batches of a known size, `dataset.batch(size, drop_remainder=True)`. "
                f"Received: a dataset of images of shape {shape}"
            )
    elif hasattr(data, "shape") and batch_size is not None:
        check_share(min(len(data), batch_size), num_devices, num_shares)
        if len(data) > batch_size:
            check_share(len(data) % batch_size, num_devices, num_shares)


def check_options(num_devices: int, jit_compile: Any, steps_per_execution: int) -> None:
    """Refuses what `compile` may be told for one device only.

    Args:
        num_devices: int. Devices that share a batch.
        jit_compile: bool or `"auto"`.
        steps_per_execution: int.

    Raises:
        ValueError: If one of them stands in the way of several devices.
    """
    if num_devices > 1 and jit_compile is True:
        raise ValueError(
            "XLA cannot exchange gradients between devices here: leave `jit_compile` to "
            f"'auto'. Received: jit_compile=True for {num_devices} devices"
        )
    if num_devices > 1 and steps_per_execution != 1:
        raise ValueError(
            "Several devices meet after each step, so that each is an execution of its own: "
            "compile with `steps_per_execution=1`. Received: "
            f"steps_per_execution={steps_per_execution} for {num_devices} devices"
        )


def check_scope(strategy: Any, variables: Any) -> None:
    """Refuses a strategy under which a model was not made.

    Args:
        strategy: `tf.distribute.Strategy`. The model's.
        variables: list of `keras.Variable`. All that training changes.

    Raises:
        ValueError: If another strategy is active, or a variable was made outside.
    """
    active = tf.distribute.get_strategy()
    if not tf.distribute.has_strategy() and active is strategy:
        return
    # Outside of all scopes, a model goes by the strategy that it was made under.
    if tf.distribute.has_strategy() and active is not strategy:
        raise ValueError(
            "A model is trained under the strategy that it was made under. Make one strategy "
            "a process and keep it, or make the model anew under the other one. Received: "
            f"{_told(active)} for a model of {_told(strategy)}, another object"
        )
    for variable in variables:
        if not strategy.extended.variable_created_in_scope(variable.value):
            raise ValueError(
                "Networks, model and optimizers must be made inside of the `with "
                "strategy.scope():` that they are trained under. Received: "
                f"{variable.path!r}, made outside of {_told(strategy)}"
            )


def _told(strategy: Any) -> str:
    return f"a {type(strategy).__name__} of {strategy.num_replicas_in_sync} devices"
