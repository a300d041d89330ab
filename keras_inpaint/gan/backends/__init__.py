"""What differs by backend: taking gradients, applying them, several devices."""

import functools
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import keras
from keras import ops

from keras_inpaint.gan.parts import InputGradients, Tensor, Tensors

if TYPE_CHECKING:
    from keras_inpaint.gan.inpainting_gan import InpaintingGAN

# Returns the terms of a loss, one value per image each; the mean of the first is minimised.
Loss: TypeAlias = Callable[[], Tensors]
Variables: TypeAlias = list[keras.Variable]
# What a backend keeps of a network's run: a tape of TensorFlow, a function of JAX.
Record: TypeAlias = Any
# What Keras hands to a step: a structure of tensors.
Batch = TypeVar("Batch")


class Backend(Protocol):
    """What `InpaintingGAN` needs of TensorFlow or of JAX.

    What this class does itself is right for one program that sees all of each batch.
    """

    @abstractmethod
    def call_step(self, step: Callable[[Any], Any], *arguments: Any) -> Any:
        """Runs `step(data)` on the arguments that Keras passes to a step here."""

    @abstractmethod
    def running(
        self, has_known_sizes: bool, image_shape: tuple[int, ...] | None
    ) -> AbstractContextManager[None]:
        """Returns a context in which Keras runs steps.

        Args:
            has_known_sizes: bool. Whether all batches have one size that is known beforehand.
            image_shape: Shape of the images of the first batch, where it was looked at.
        """

    # ---- Gradients -------------------------------------------------------------------

    @abstractmethod
    def update(
        self,
        optimizer: keras.optimizers.Optimizer,
        variables: Variables,
        loss: Loss,
        clipnorm: float | None = None,
    ) -> tuple[Tensors, Tensor]:
        """Makes one update of `variables`.

        Args:
            optimizer: The part of the `PairedOptimizer` for these variables.
            variables: list of `keras.Variable`.
            loss: See `Loss`.
            clipnorm: float or `None`. The largest global norm of the gradients, those of all
                devices together; larger ones are scaled down to it.

        Returns:
            tuple: the terms of the loss, and the global norm before it was clipped.
        """

    @abstractmethod
    def record(
        self, variables: Variables, call: Callable[[], Tensors]
    ) -> tuple[Tensors, Record]:
        """Runs a network, so that `update_recorded` can go on; returns outputs and record."""

    @abstractmethod
    def update_recorded(
        self,
        optimizer: keras.optimizers.Optimizer,
        variables: Variables,
        outputs: Tensors,
        record: Record,
        loss: Callable[[Tensors], Tensors],
        clipnorm: float | None = None,
    ) -> tuple[Tensors, Tensor]:
        """Makes one update by a loss of outputs that were recorded; see `update`."""

    # Gradients of the sum of all that a function returns, differentiable themselves.
    input_gradients: InputGradients

    @abstractmethod
    def require(self, condition: Tensor, message: str, value: Tensor) -> None:
        """Stops with a message and a value unless `condition`, a bool tensor, holds."""

    def assign(self, variables: Variables, values: list[Tensor]) -> None:
        """Assigns values, which are the same on all devices, to variables within a step."""
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def values(self, variables: Variables) -> list[Tensor]:
        """Returns the values that variables have within a step now, whatever they become."""
        return [variable.value for variable in variables]

    def read(self, variable: Any) -> Any:
        """Returns the value of a variable between steps, as an array of NumPy."""
        return ops.convert_to_numpy(variable.value)

    def assign_unless(
        self, condition: Tensor, variables: Variables, values: list[Tensor]
    ) -> None:
        """Assigns values to variables within a step where a bool tensor is false."""
        chosen = [
            ops.where(condition, variable.value, value)
            for variable, value in zip(variables, values, strict=True)
        ]
        self.assign(variables, chosen)

    def make_train_function(self, make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        """Makes the function that runs the steps of an execution.

        Args:
            make: Function that returns Keras's.
        """
        return make()

    def after(self, value: Tensor) -> AbstractContextManager[None]:
        """Returns a context in which variables change only once `value` was computed.

        TensorFlow finds in the graph of a step that the data have ended, and runs what does
        not depend on them all the same.
        """
        return nullcontext()

    # ---- Several devices -------------------------------------------------------------

    @property
    def num_devices(self) -> int:
        """How many devices must be given equal parts of each batch."""
        return 1

    @property
    def is_chief(self) -> bool:
        """Whether this process, of those that train together, writes files."""
        return True

    def alone(self) -> AbstractContextManager[None]:
        """Returns a context in which one of several processes reads the model's weights."""
        return nullcontext()

    def scope(self) -> AbstractContextManager[None]:
        """Returns the scope in which variables are made, one on each device."""
        return nullcontext()

    def sum_over_devices(self, values: Tensor) -> Tensor:
        """Sums a float tensor over the devices."""
        return values

    def image_indices(self, images: Tensor, num_micro_batches: int | None = None) -> Tensor:
        """Indices of this device's images in the global batch.

        Stops unless all devices hold equally many, a multiple of `num_micro_batches`;
        `None` for parts of any size, also of none.
        """
        return ops.arange(ops.shape(images)[0], dtype="int32")

    def fill(self, data: Batch) -> tuple[Batch, Tensor]:
        """Puts a blank image where a last, small batch left this device none.

        Convolutions refuse to run on nothing. Returns a structure like `data` of at least
        one image, and how many are real.
        """
        first = next(part for part in keras.tree.flatten(data) if part is not None)
        return data, ops.shape(first)[0]

    # ---- What is refused before the first step ---------------------------------------

    def check_compile(self, jit_compile: bool | str, steps_per_execution: int) -> None:
        """Refuses what several devices cannot do, and a model made under another strategy."""
        return None

    def check_devices(
        self,
        data: Any = None,
        num_images: int | None = None,
        batch_size: int | None = None,
    ) -> None:
        """Refuses data of which the devices cannot have equal parts.

        Args:
            data: What `fit` was given as `x`; `None` where nothing is trained.
            num_images: int or `None`. Images of the first batch, where it was looked at.
            batch_size: int or `None`. Images per batch, where `data` is an array.
        """
        return None


def mean_loss(terms: Tensors) -> Tensor:
    """What is minimised: the mean of the first term over the images."""
    values = next(iter(terms.values()))
    # A sum in half precision would overflow.
    return ops.mean(ops.cast(values, keras.backend.result_type(values.dtype, "float32")))


def clip_by_norm(gradients: list[Tensor], norm: Tensor, clipnorm: float | None) -> list[Tensor]:
    """Scales gradients of a global norm down where that is larger than `clipnorm`."""
    if clipnorm is None:
        return gradients
    # What is infinite stays so, for `StepGuard` to see.
    factor = clipnorm / ops.maximum(norm, clipnorm)
    return [each if each is None else each * ops.cast(factor, each.dtype) for each in gradients]


def global_norm(gradients: list[Tensor]) -> Tensor:
    """The root of the sum of the squares of all gradients, in float32; 0 of none."""
    squares = [
        ops.sum(ops.square(ops.cast(each, "float32"))) for each in gradients if each is not None
    ]
    # Of a network that is frozen there are none.
    return ops.sqrt(ops.sum(ops.stack(squares))) if squares else ops.zeros((), "float32")


def loss_scale(optimizer: keras.optimizers.Optimizer) -> Tensor:
    """What `optimizer.scale_loss` multiplies a loss with."""
    return optimizer.scale_loss(ops.ones((), "float32"))


def differentiable(outputs: Tensors) -> Tensors:
    """Those outputs of a network that a gradient can flow through: floats."""
    return {
        name: output
        for name, output in outputs.items()
        if "float" in keras.backend.standardize_dtype(output.dtype)
    }


def make_backend(gan: "InpaintingGAN") -> Backend:
    """Makes the backend object of an `InpaintingGAN`.

    Raises:
        ValueError: If Keras runs on a backend other than TensorFlow and JAX.
    """
    check_backend()
    # Imported here: the other backend may not be installed.
    if keras.backend.backend() == "jax":
        from keras_inpaint.gan.backends.jax import JaxBackend

        return JaxBackend(gan)
    from keras_inpaint.gan.backends.tensorflow import TensorFlowBackend

    return TensorFlowBackend(gan)


def check_backend() -> None:
    """Refuses a backend on which nothing can be trained here.

    Raises:
        ValueError: If it is neither TensorFlow nor JAX.
    """
    backend = keras.backend.backend()
    if backend not in ("tensorflow", "jax"):
        raise ValueError(
            "InpaintingGAN trains on the TensorFlow and on the JAX backend: set KERAS_BACKEND "
            f"to 'tensorflow' or 'jax' before Keras is imported. Received: {backend!r}"
        )


def keras_step(step: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Makes a method `step(self, data)` one that Keras can call.

    Keras calls a step with `data` on TensorFlow, and with `state` and `data` on JAX, where
    it wants the new state back too.
    """

    @functools.wraps(step)
    def call(self: Any, *arguments: Any) -> Any:
        return self.backend.call_step(functools.partial(step, self), *arguments)

    return call
