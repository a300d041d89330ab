"""Convolution with spectral normalisation."""

import keras
from keras import ops

from keras_inpaint.layers.padded_conv2d import PaddedConv2D


@keras.saving.register_keras_serializable(package="keras_inpaint")
class SpectralConv2D(PaddedConv2D):
    """2D convolution whose kernel is divided by its largest singular value.

    This bounds how fast a critic's score can change, without a gradient penalty. The
    singular value comes from one step of power iteration per call, begun where the last
    call in training ended; gradients flow through the iteration.

    Not `keras.layers.SpectralNormalization`: its gradients differ between TensorFlow and
    JAX, and on TensorFlow it overwrites the kernel.

    Args:
        filters: int, at least 1. Channels of the output.
        kernel_size: odd int or pair of odd ints, in pixels.
        strides: int or pair of ints. Step of the window, in pixels.
        padding: `"same"` or `"centred"`, see `PaddedConv2D`.
        upsample: bool. As `PaddedConv2D` takes it.
        **kwargs: Other arguments of `keras.layers.Conv2D`.

    Call arguments:
        inputs: Tensor of shape `(batch, height, width, channels)`.
        training: bool. Whether the iterated vector is kept for the next call.

    Returns:
        Tensor of shape `(batch, ceil(height / strides), ceil(width / strides), filters)`.

    Raises:
        ValueError: If `padding` is unknown, or a centred kernel has no middle.

    Example:
    >>> layer = keras_inpaint.layers.SpectralConv2D(8, 5, strides=2)
    >>> tuple(layer(keras.ops.ones((1, 32, 32, 4))).shape)
    (1, 16, 16, 8)

    Reference:
    - [Miyato et al., 2018](https://arxiv.org/abs/1802.05957), section 2.1
    - [Yu et al., 2019](https://arxiv.org/abs/1806.03589), section 3.3
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.u = self.add_weight(
            name="u",
            shape=(1, self.filters),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
            autocast=False,
            # All devices compute the same, of the same kernel.
            aggregation="only_first_replica",
        )

    def call(self, inputs, training=False):
        # In float32 under half precision too, where the norms' floor would vanish.
        precision = keras.backend.result_type(self.kernel.dtype, "float32")
        kernel = ops.cast(self.kernel, precision)
        kernel, u = _divide_by_spectral_norm(kernel, ops.convert_to_tensor(self.u))
        # What is frozen stays as it is.
        if training and self.trainable:
            self.u.assign(u)
        kernel = ops.cast(kernel, inputs.dtype)
        return self.convolve(inputs, kernel, self.bias, self.activation)

    # The parent lists kernel and bias by hand, so that the vector must be added.
    def save_own_variables(self, store):
        super().save_own_variables(store)
        if self.built:
            store["u"] = self.u

    def load_own_variables(self, store):
        super().load_own_variables(store)
        if self.built:
            self.u.assign(store["u"])


def _divide_by_spectral_norm(kernel, u):
    matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
    v = _normalize(ops.matmul(u, ops.transpose(matrix)))
    products = ops.matmul(v, matrix)
    u = _normalize(products)
    sigma = ops.sum(products * u)
    # Of an all-zero kernel nothing is left to divide by.
    return kernel / ops.maximum(sigma, 1e-12), u


def _normalize(vector):
    # The square root's gradient is infinite at 0, where an all-zero kernel ends.
    norm = ops.sqrt(ops.maximum(ops.sum(ops.square(vector)), 1e-24))
    return vector / (norm + 1e-12)
