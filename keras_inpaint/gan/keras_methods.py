"""`fit`, `evaluate`, `predict` and their like: Keras's own, given data in the one form.

They are methods of `InpaintingGAN`.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias

import keras

from keras_inpaint.gan.batches import BATCH_SIZE
from keras_inpaint.gan.callbacks import LazyCallbackList, TerminateOnNonFinite
from keras_inpaint.gan.data_adapters import AdaptedData, adapt_batch, adapt_data, split_arrays
from keras_inpaint.gan.validation import (
    USUAL_FORMAT,
    BatchChecker,
    Purpose,
    check_callbacks,
    check_sampler,
    check_weights_of_samples,
    is_old_export,
)
from keras_inpaint.gan.warm_up import PhaseChanges
from keras_inpaint.inpainting.sketches import is_guided
from keras_inpaint.models.exporting import export_signature

if TYPE_CHECKING:
    from keras_inpaint.gan.inpainting_gan import InpaintingGAN

# The arguments of a method by name, those that were left out with their defaults.
Arguments: TypeAlias = dict[str, Any]
Adapt: TypeAlias = Callable[["InpaintingGAN", Arguments], AbstractContextManager[Arguments]]


def with_arguments_of(method: Callable[..., Any], adapt: Adapt) -> Callable[..., Any]:
    """Gives a method the signature of one of Keras's, and its arguments as Keras takes them.

    Args:
        method: Method of `keras.Model`.
        adapt: Function of the model and the arguments that returns a context, in which
            Keras's method is to run, of the arguments for it.
    """
    signature = inspect.signature(method)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            bound = signature.bind(*args, **options)
            bound.apply_defaults()
            arguments = dict(bound.arguments)
            self, others = arguments.pop("self"), arguments.pop("kwargs", {})
            with adapt(self, {**arguments, **others}) as adapted:
                return function(self, **adapted)

        call.__signature__ = signature  # type: ignore[attr-defined]
        return call

    return decorate


@contextmanager
def for_fit(gan: "InpaintingGAN", arguments: Arguments) -> Iterator[Arguments]:
    """In which Keras's `fit` is to run.

    Args:
        gan: `InpaintingGAN`.
        arguments: dict. All arguments of `fit`.

    Yields:
        dict: the arguments for Keras.

    Raises:
        ValueError: If something cannot be trained on.
    """
    if not gan.compiled:  # Keras says so.
        yield arguments
        return
    adapted = dict(arguments)
    check_weights_of_samples(adapted.pop("sample_weight"), adapted.pop("class_weight"))
    check_callbacks(gan.optimizer, arguments["callbacks"])
    x, y, checker = adapted["x"], adapted.pop("y"), BatchChecker(gan, "fit")
    fraction, validation_data = adapted.pop("validation_split"), arguments["validation_data"]
    if fraction and validation_data is None:
        x, validation_data = split_arrays(x, y, fraction, checker)
        y = None
    batch_size = arguments["batch_size"]
    data = [adapt_data(x, y, checker, batch_size, arguments["steps_per_epoch"])]
    check_sampler(gan.masks, checker)
    gan.backend.check_devices(data[0].source, data[0].num_images, batch_size or BATCH_SIZE)
    adapted["x"] = data[0].x
    adapted["shuffle"] = arguments["shuffle"] and not data[0].is_sequential
    if validation_data is not None:
        # Of a tuple, Keras takes the second part for `y`.
        if isinstance(validation_data, (tuple, list)) and len(validation_data) == 1:
            validation_data = validation_data[0]
        validation = adapt_data(
            validation_data,
            None,
            BatchChecker(gan, "validation"),
            arguments["validation_batch_size"] or batch_size,
            arguments["validation_steps"],
        )
        adapted["validation_data"] = (validation.x,)
        data.append(validation)
    steps = arguments["steps_per_epoch"] or data[0].num_batches
    adapted["callbacks"] = _callbacks_of_fit(gan, arguments, steps)
    with _running(gan, data):
        yield adapted


def _callbacks_of_fit(
    gan: "InpaintingGAN", arguments: Arguments, steps: int | None
) -> keras.callbacks.CallbackList:
    callbacks, verbose = arguments["callbacks"], arguments["verbose"]
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = LazyCallbackList(
            callbacks, verbose, epochs=arguments["epochs"], steps=steps, model=gan
        )
    if not any(isinstance(each, TerminateOnNonFinite) for each in callbacks.callbacks):
        guard = TerminateOnNonFinite()
        guard.set_model(gan)
        callbacks.callbacks.append(guard)
    if gan.reconstruction_steps or gan.critic_only_steps:
        changes = PhaseChanges()
        changes.set_model(gan)
        callbacks.callbacks.append(changes)
    return callbacks


@contextmanager
def for_evaluate(gan: "InpaintingGAN", arguments: Arguments) -> Iterator[Arguments]:
    """In which Keras's `evaluate` is to run; see `for_fit`."""
    # `fit` evaluates so on data that were looked at already.
    is_in_fit = isinstance(arguments["callbacks"], keras.callbacks.CallbackList)
    if not gan.compiled or is_in_fit:
        yield arguments
        return
    adapted = dict(arguments)
    check_weights_of_samples(adapted.pop("sample_weight"))
    data = adapt_data(
        adapted["x"],
        adapted.pop("y"),
        BatchChecker(gan, "evaluate"),
        arguments["batch_size"],
        arguments["steps"],
    )
    gan.backend.check_devices()
    with _running(gan, [data]):
        yield {**adapted, "x": data.x}


@contextmanager
def for_predict(gan: "InpaintingGAN", arguments: Arguments) -> Iterator[Arguments]:
    """In which Keras's `predict` is to run; see `for_fit`."""
    data = adapt_data(
        arguments["x"],
        None,
        BatchChecker(gan, "predict"),
        arguments["batch_size"],
        arguments["steps"],
        add_indices=True,
    )
    with _running(gan, [data]):
        yield {**arguments, "x": data.x}


def _for_batch(purpose: Purpose) -> Adapt:
    """Contexts in which Keras's `train_on_batch` and its like are to run; see `for_fit`."""

    @contextmanager
    def adapt(gan: "InpaintingGAN", arguments: Arguments) -> Iterator[Arguments]:
        num_devices = gan.backend.num_devices
        if num_devices > 1 and purpose != "predict":
            raise ValueError(
                "A method for one batch would give each device the whole batch. Call "
                f"`{purpose}(images, batch_size=len(images))`, which splits it. "
                f"Received: {num_devices} devices"
            )
        adapted = dict(arguments)
        weights = (adapted.pop(f"{name}_weight", None) for name in ("sample", "class"))
        check_weights_of_samples(*weights)
        data = adapt_batch(adapted["x"], adapted.pop("y", None), BatchChecker(gan, purpose))
        if purpose == "fit" and gan.compiled:
            gan.enter_phase_of(gan.num_steps)
        with _running(gan, [data]):
            yield {**adapted, "x": data.x}

    return adapt


@contextmanager
def _running(gan: "InpaintingGAN", data: list[AdaptedData]) -> Iterator[None]:
    with ExitStack() as stack:
        has_known_sizes = all(each.has_known_sizes for each in data)
        stack.enter_context(gan.backend.running(has_known_sizes, data[0].checker.image_shape))
        for each in data:
            stack.enter_context(each.checker)
        yield


@with_arguments_of(keras.Model.fit, for_fit)
def fit(gan: "InpaintingGAN", **arguments: Any) -> keras.callbacks.History:
    """Trains, see `keras.Model.fit`, whose arguments it has.

    `x` may be images, `(images, masks)`, `(images, masks, boxes)` or a dict of them, in
    arrays; or a `tf.data.Dataset`, a `keras.utils.PyDataset`, a PyTorch `DataLoader` or a
    generator of batches of them, and so may `validation_data`. `y` holds masks where `x`
    are images in an array.

    Raises:
        ValueError: If something cannot be trained on: of the first batch before the
            first step, and of every batch with `check_values=True`.
    """
    return keras.Model.fit(gan, **arguments)


@with_arguments_of(keras.Model.evaluate, for_evaluate)
def evaluate(gan: "InpaintingGAN", **arguments: Any) -> Any:
    """Measures, see `keras.Model.evaluate`, whose arguments it has.

    Takes what `fit` takes. Where batches bring no masks, an image's follows from its
    index in the whole of the data, whatever the size of the batches and the number of
    devices. `loss` is the weighted reconstruction, which does not depend on the critic.
    """
    return keras.Model.evaluate(gan, **arguments)


@with_arguments_of(keras.Model.predict, for_predict)
def predict(gan: "InpaintingGAN", **arguments: Any) -> Any:
    """Fills holes, see `keras.Model.predict`, whose arguments it has.

    Takes what `fit` takes as `x`, in any size that the generator takes. Without masks it
    draws them as `evaluate` does.
    """
    return keras.Model.predict(gan, **arguments)


@with_arguments_of(keras.Model.train_on_batch, _for_batch("fit"))
def train_on_batch(gan: "InpaintingGAN", **arguments: Any) -> Any:
    """Makes one step, see `keras.Model.train_on_batch`; on one device only."""
    return keras.Model.train_on_batch(gan, **arguments)


@with_arguments_of(keras.Model.test_on_batch, _for_batch("evaluate"))
def test_on_batch(gan: "InpaintingGAN", **arguments: Any) -> Any:
    """Measures a batch, see `keras.Model.test_on_batch`; on one device only."""
    return keras.Model.test_on_batch(gan, **arguments)


@with_arguments_of(keras.Model.predict_on_batch, _for_batch("predict"))
def predict_on_batch(gan: "InpaintingGAN", **arguments: Any) -> Any:
    """Fills the holes of a batch, see `keras.Model.predict_on_batch`."""
    return keras.Model.predict_on_batch(gan, **arguments)


def export(
    gan: "InpaintingGAN",
    filepath: str | PathLike[str] | None = None,
    format: str = USUAL_FORMAT,
    verbose: bool | None = None,
    input_signature: Any = None,
    **kwargs: Any,
) -> Any:
    """Writes the model for inference, see `keras.Model.export`.

    It takes what a call takes, by default any number of images of any size. What fills
    photos of bytes, and writes versions for a server, is `export_saved_model`.

    Raises:
        ValueError: If the folder holds versions for a server, or sizes are unknown on
            JAX.
    """
    if is_old_export(filepath, format, kwargs):
        return gan.inpainter.export(kwargs["folder"])
    channels = {"images": gan.generator.channels, "masks": 1}
    if is_guided(gan.generator):
        channels["sketches"] = 1
    input_signature = export_signature(input_signature, channels)
    return keras.Model.export(gan, filepath, format, verbose, input_signature, **kwargs)
