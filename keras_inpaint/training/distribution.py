"""The devices that a run is spread over."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import keras

from keras_inpaint.gan.validation import check_equal_parts
from keras_inpaint.training.settings import Settings

_LOG = logging.getLogger("keras_inpaint.training")


def devices_scope(
    settings: Settings, report: Callable[[str], None] = _LOG.info
) -> AbstractContextManager[Any]:
    """Finds the devices of a run; its model is made, and its photos dealt out, for them.

    Args:
        settings: `keras_inpaint.training.settings.Settings`.
        report: Function. Called with each message.

    Returns:
        The scope in which the model is to be made.

    Raises:
        ValueError: If the devices cannot share a batch, or the backend knows of no
            `"mirrored"`.

    Example:
    >>> from keras_inpaint.training.distribution import devices_scope
    >>> with devices_scope(keras_inpaint.training.Settings("photos", "run")) as strategy:
    ...     strategy is None
    True
    """
    is_wanted = settings.distribution == "mirrored"
    if keras.backend.backend() != "tensorflow":
        if is_wanted:
            raise ValueError(
                "Runs are spread over devices on the TensorFlow backend alone; in Python, "
                "`fit` is on JAX under `keras.distribution.DataParallel`. Received: "
                f"distribution='mirrored' on the backend {keras.backend.backend()!r}"
            )
        return nullcontext()
    if settings.distribution == "none":
        return nullcontext()
    # Late: on JAX, TensorFlow may not be installed.
    import tensorflow as tf

    # Other devices than accelerators only if asked for: the parts of one CPU gain nothing.
    kinds = ("GPU", "CPU") if is_wanted else ("GPU",)
    found = [tf.config.list_logical_devices(kind) for kind in kinds]
    names = tuple(device.name for device in next(filter(None, found), []))
    if len(names) < 2:
        if is_wanted:
            report("There is one device: it does not share with any.")
        return nullcontext()
    try:
        check_equal_parts(settings.batch_size, len(names), max(1, settings.critic_steps))
    except ValueError as error:
        raise ValueError(f"{error}. On one device: distribution='none'") from error
    report(f"{len(names)} devices share each batch.")
    scope: AbstractContextManager[Any] = _strategy(names).scope()
    return scope


@cache
def _strategy(names: tuple[str, ...]) -> Any:
    # One a process, also for several runs: a model cannot change from one to another.
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(names)
