"""A convolution with one of the paddings that published weights were trained with."""

import keras
from keras import ops

from keras_inpaint.arguments import check_choice
from keras_inpaint.ops.resampling import (
    convolve_by_phases,
    convolve_upsampled,
    pad_by_reflection,
)

# Rows and columns of a phase of a dilated convolution from which on phases are worth while.
_LEAST_PHASE = 4
# Kernel size, strides and dilation that a convolution that upsamples must have.
_PLAIN = ((3, 3), (1, 1), (1, 1))


@keras.saving.register_keras_serializable(package="keras_inpaint")
class PaddedConv2D(keras.layers.Conv2D):
    """2D convolution that keeps the picture's size, with a published program's padding.

    TensorFlow and PyTorch differ where the stride is not 1: TensorFlow puts the odd row of
    zeros below and to the right, PyTorch pads all sides alike. Weights trained with one look
    at shifted pixels under the other. MMagic pads as PyTorch does, but with the reflected
    picture in place of zeros.

    Args:
        filters: int, at least 1. Channels of the output.
        kernel_size: odd int or pair of odd ints, in pixels.
        strides: int or pair of ints. Step of the window, in pixels.
        padding: `"same"` (TensorFlow), `"centred"` (PyTorch: `padding=dilation *
            (kernel_size // 2)`) or `"reflect"` (the same with `padding_mode="reflect"`).
        upsample: bool. Whether images are first upsampled to twice their size by nearest
            neighbours, which makes the convolution cheaper instead of dearer.
        **kwargs: Other arguments of `keras.layers.Conv2D`.

    Call arguments:
        inputs: Tensor of shape `(batch, height, width, channels)`.

    Returns:
        Tensor of shape `(batch, ceil(height / strides), ceil(width / strides), filters)`,
        or `(batch, 2 * height, 2 * width, filters)` if it upsamples.

    Raises:
        ValueError: If `padding` is none of these, `data_format` another than
            `"channels_last"`, a kernel that must have a middle has none, or a layer that
            upsamples has not a 3x3 kernel without strides and dilation.

    Example:
    >>> layer = keras_inpaint.layers.PaddedConv2D(8, 5, strides=2, padding="centred")
    >>> tuple(layer(keras.ops.ones((1, 64, 48, 3))).shape)
    (1, 32, 24, 8)
    """

    def __init__(
        self, filters, kernel_size, strides=1, padding="same", upsample=False, **kwargs
    ):
        # The argument's name in files of version 0.1.
        upsample = kwargs.pop("enlarges", upsample)
        check_choice("padding", padding, ("same", "centred", "reflect"))
        # Whatever keras.json says: this package has the channels last.
        data_format = kwargs.pop("data_format", None) or "channels_last"
        check_choice("data_format", data_format, ("channels_last",))
        super().__init__(filters, kernel_size, strides, "same", data_format, **kwargs)
        if padding != "same" and any(size % 2 == 0 for size in self.kernel_size):
            raise ValueError(
                f"`kernel_size` must be odd for padding={padding!r}: an even one has no "
                f"middle. Received: kernel_size={kernel_size}"
            )
        # With stride 1 "same" and "centred" are the same, and the fused one is faster.
        self._pads_itself = padding == "reflect" or (
            padding == "centred" and self.strides != (1, 1)
        )
        if self._pads_itself:
            self.padding = "valid"
        self._padding_argument = padding
        self.upsample = upsample
        if upsample and (self.kernel_size, self.strides, self.dilation_rate) != _PLAIN:
            raise ValueError(
                "A layer that upsamples must have kernel_size=3, strides=1 and "
                f"dilation_rate=1. Received: kernel_size={kernel_size}, strides={strides}, "
                f"dilation_rate={self.dilation_rate}"
            )

    def call(self, inputs):
        return self.convolve(inputs, self.kernel, self.bias, self.activation)

    def convolve(self, inputs, kernel, bias, activation):
        """Does what the layer does, with other weights and another activation.

        Args:
            inputs: Tensor of shape `(batch, height, width, channels)`.
            kernel: Tensor like the layer's kernel, perhaps with other filters.
            bias: Tensor of shape `(filters,)`, or `None`.
            activation: function, number by number.

        Returns:
            Tensor like the layer's output, with the filters of `kernel`.
        """
        if self.upsample:
            is_reflected = self._padding_argument == "reflect"
            return convolve_upsampled(inputs, kernel, bias, activation, is_reflected)
        outputs = self._convolution(self._pad(inputs), kernel)
        # `ops.add`, not `+`: as a bias, TensorFlow adds it within the convolution.
        return activation(outputs if bias is None else ops.add(outputs, bias))

    def _convolution(self, inputs, kernel):
        if self._has_phases(inputs.shape[1:3]):
            return convolve_by_phases(inputs, kernel, self.dilation_rate)
        # On processors, TensorFlow's gradient of a kernel in bfloat16 that strides over
        # pictures one pixel wide is memory that nobody wrote.
        is_thin = inputs.shape[2] == 1 and self.strides != (1, 1)
        dtype = keras.backend.result_type(inputs.dtype, "float32") if is_thin else inputs.dtype
        outputs = self.convolution_op(ops.cast(inputs, dtype), ops.cast(kernel, dtype))
        return ops.cast(outputs, inputs.dtype)

    def _has_phases(self, size):
        """Whether a dilated convolution is better made by phases.

        On an H200, forward and backward of 64 x 32 x 32 x 96 with a rate of 4 took 227
        microseconds instead of 416. On processors phases gain nothing, and those of a few
        pixels cost.
        """
        return (
            keras.backend.backend() == "jax"
            and not self._pads_itself
            and self.dilation_rate != (1, 1)
            and all(
                length is not None and length % rate == 0 and length // rate >= _LEAST_PHASE
                for length, rate in zip(size, self.dilation_rate, strict=True)
            )
        )

    def compute_output_shape(self, input_shape):
        factor = 2 if self.upsample else 1
        sizes = [
            None if size is None else factor * -(-size // stride)
            for size, stride in zip(input_shape[1:3], self.strides, strict=True)
        ]
        return (input_shape[0], *sizes, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "padding": self._padding_argument,
            "upsample": self.upsample,
        }

    def _pad(self, inputs):
        if not self._pads_itself:
            return inputs
        rows, columns = (
            dilation * (size // 2)
            for size, dilation in zip(self.kernel_size, self.dilation_rate, strict=True)
        )
        if self._padding_argument == "reflect":
            return pad_by_reflection(inputs, (rows, columns))
        return ops.pad(inputs, ((0, 0), (rows, rows), (columns, columns), (0, 0)))
