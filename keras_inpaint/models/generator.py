"""The network that fills holes."""

import keras
from keras import ops

from keras_inpaint.arguments import check_choice, check_int
from keras_inpaint.models.coarse_network import CoarseNetwork
from keras_inpaint.models.exporting import export_signature
from keras_inpaint.models.refine_network import RefineNetwork
from keras_inpaint.ops.compositing import composite

_DIALECTS = {
    "tensorflow": {"padding": "same", "attention": {}},
    "pytorch": {
        "padding": "centred",
        "attention": {"resampling": "strided", "key_norm": "sum"},
    },
    "mmagic": {
        "padding": "reflect",
        "attention": {"resampling": "strided"},
        "refine_sees_mask": True,
        "key_activation": "elu",
    },
}


@keras.saving.register_keras_serializable(package="keras_inpaint")
class Generator(keras.Model):
    """Fills the holes of pictures: a coarse guess, then a refined one.

    The refine network receives the corrupted picture with the coarse guess in its hole.
    Both guesses are full pictures; `keras_inpaint.ops.composite` keeps of them what
    lies in the hole.

    Args:
        width: int. Filters of the first convolution: a multiple of 4, of 2 if not gated.
        gated: bool. Whether the convolutions are gated (v2) or plain (v1).
        output_activation: `"tanh"` (v2) or `"clip"` (v1).
        refine_sees_mask: bool. Whether the refine network is given the mask (v1) or not.
        channels: int, at least 1. Channels of the pictures.
        padding: `"same"` (TensorFlow), `"centred"` (PyTorch) or `"reflect"` (MMagic), see
            `keras_inpaint.layers.PaddedConv2D`.
        attention: dict or `None`. Arguments of
            `keras_inpaint.layers.ContextualAttention`.
        stop_coarse_gradient: bool. Whether the refine network's losses leave the coarse
            network alone (the paper's reading; the published code lets them through).
        kernel_initializer: str, dict or `None`. Name of the initializer of all kernels but
            those of the output, such as the published code's `"glorot_uniform"`, or what
            `keras.initializers.serialize` returns; unless given, that of
            `keras_inpaint.layers.GatedConv2D`, or Keras's own for plain convolutions.
        decoder_width: int or `None`. What the filters of the refine network's decoder are
            multiples of; `width` if `None`. MMagic's v2 has 64, beside a width of 48.
        gated_output: bool. Whether the two output convolutions are gated as well.
        key_activation: str. Activation of the features that the attention compares:
            `"relu"` as published, `"elu"` in MMagic.
        guided: bool. Whether a sketch of what the hole is to show is an input (v2's guided
            mode). The refine network sees it in the coarse guess alone.

    Call arguments:
        inputs: dict of `"corrupted"`, a tensor of shape `(batch, height, width,
            channels)` in `[-1, 1]`, 0 in the hole, and `"masks"`, a tensor of shape
            `(batch, height, width, 1)`: 1 in the hole, else 0. Height and width are
            multiples of 8. If guided, also `"sketches"`, a tensor like `masks`: 1 on a line,
            else 0; what lies outside of the hole is not looked at. Without it, nothing is
            drawn.

    Returns:
        dict: `"coarse"` and `"refined"`, tensors like `corrupted` in `[-1, 1]`, and
        `"offsets"`, an int32 tensor of shape `(batch, height // 8, width // 8, 2)`:
        where the attention looks, see `keras_inpaint.layers.ContextualAttention`.

    Raises:
        ValueError: If an argument is out of bounds, or the pictures' size is no multiple
            of 8.

    Example:
    >>> generator = keras_inpaint.models.Generator.deepfill_v2(width=8)
    >>> corrupted, masks = keras.ops.zeros((1, 64, 48, 3)), keras.ops.ones((1, 64, 48, 1))
    >>> outputs = generator({"corrupted": corrupted, "masks": masks})
    >>> {name: tuple(output.shape) for name, output in sorted(outputs.items())}
    {'coarse': (1, 64, 48, 3), 'offsets': (1, 8, 6, 2), 'refined': (1, 64, 48, 3)}

    Reference:
    - [Yu et al., 2018](https://arxiv.org/abs/1801.07892) (v1)
    - [Yu et al., 2019](https://arxiv.org/abs/1806.03589) (v2)
    """

    def __init__(
        self,
        width=48,
        gated=True,
        output_activation="tanh",
        refine_sees_mask=False,
        channels=3,
        padding="same",
        attention=None,
        stop_coarse_gradient=False,
        kernel_initializer=None,
        decoder_width=None,
        gated_output=False,
        key_activation="relu",
        guided=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        channels = check_int("channels", channels, "counts the images' channels", at_least=1)
        decoder_width = check_int(
            "decoder_width", decoder_width, "counts filters", at_least=1, or_none="`width`"
        )
        self.width = width
        self.gated = gated
        self.output_activation = output_activation
        self.refine_sees_mask = refine_sees_mask
        self.channels = channels
        self.padding = padding
        self.attention = dict(attention or {})
        self.stop_coarse_gradient = stop_coarse_gradient
        self.kernel_initializer = kernel_initializer
        self.decoder_width = decoder_width
        self.gated_output = gated_output
        self.key_activation = key_activation
        self.guided = bool(guided)
        network = {
            "width": width,
            "gated": gated,
            "output_activation": output_activation,
            "channels": channels,
            "padding": padding,
            "kernel_initializer": kernel_initializer,
            "gated_output": gated_output,
            "dtype": self.dtype_policy,
        }
        self.coarse_network = CoarseNetwork(
            **network, guided=self.guided, name="coarse_network"
        )
        self.refine_network = RefineNetwork(
            **network,
            sees_mask=refine_sees_mask,
            attention=attention,
            decoder_width=decoder_width,
            key_activation=key_activation,
            name="refine_network",
        )
        # The sizes of the weights follow from the arguments alone: they exist from now
        # on, so that weights can be loaded without a first call.
        self.build()

    @classmethod
    def deepfill_v1(cls, width=32, dialect="tensorflow", **kwargs):
        """The network of the CVPR 2018 paper: plain convolutions, outputs clipped.

        Args:
            width: int. Filters of the first convolution; the published weights have 32.
            dialect: `"tensorflow"`, `"pytorch"` or `"mmagic"`. The padding and the attention
                of the published code, of its PyTorch port, or of MMagic.
            **kwargs: Other arguments of `Generator`.

        Example:
        >>> keras_inpaint.models.Generator.deepfill_v1().count_params()
        3601542
        """
        arguments = {"gated": False, "output_activation": "clip", "refine_sees_mask": True}
        return cls(width, **{**arguments, **_in_dialect(dialect, kwargs)})

    @classmethod
    def deepfill_v2(cls, width=48, dialect="tensorflow", **kwargs):
        """The network of the ICCV 2019 paper: gated convolutions.

        Args:
            width: int. Filters of the first convolution, half of which are gates; the
                published weights have 48.
            dialect: `"tensorflow"`, `"pytorch"` or `"mmagic"`, see `deepfill_v1`. Of MMagic's
                weights, the width of the decoder is 64 and the output may be gated.
            **kwargs: Other arguments of `Generator`.

        Example:
        >>> keras_inpaint.models.Generator.deepfill_v2().count_params()
        4052478
        """
        return cls(width, **_in_dialect(dialect, kwargs))

    def build(self, input_shape=None):
        pictures, masks = (None, None, None, self.channels), (None, None, None, 1)
        self.coarse_network.build(pictures, masks)
        self.refine_network.build(pictures, masks)
        self.built = True

    def call(self, inputs):
        corrupted, masks = inputs["corrupted"], inputs["masks"]
        self._check_size(corrupted.shape)
        # Composited in the weights' precision: half precision is for what lies between.
        coarse = self.coarse_network(corrupted, masks, inputs.get("sketches"))
        coarse = ops.cast(coarse, self.variable_dtype)
        guess = ops.stop_gradient(coarse) if self.stop_coarse_gradient else coarse
        refined, offsets = self.refine_network(composite(corrupted, guess, masks), masks)
        refined = ops.cast(refined, self.variable_dtype)
        return {"coarse": coarse, "refined": refined, "offsets": offsets}

    def compute_output_spec(self, inputs, training=False):
        coarse = keras.KerasTensor(inputs["corrupted"].shape, self.variable_dtype)
        _, offsets = self.refine_network.compute_output_spec(coarse, inputs["masks"])
        return {"coarse": coarse, "refined": coarse, "offsets": offsets}

    @property
    def size_multiple(self):
        """int: What a picture's height and width must be divisible by."""
        return 4 * self.refine_network.attention.rate

    def _check_size(self, shape):
        multiple = self.size_multiple
        if any(size is not None and size % multiple for size in shape[1:3]):
            raise ValueError(
                f"The pictures' height and width must be divisible by {multiple}, the stride "
                "of the attention's grid. Pad or crop them first, or use "
                "`keras_inpaint.Inpainter`, which takes any size. "
                f"Received: corrupted.shape={tuple(shape)}"
            )

    def export(
        self,
        filepath,
        format="tf_saved_model",
        verbose=None,
        input_signature=None,
        **kwargs,
    ):
        """Writes the network for inference, see `keras.Model.export`.

        By default it takes any number of images of any size that divides. What fills photos
        of bytes, and writes versions for a server, is `keras_inpaint.export_saved_model`.

        Raises:
            ValueError: On JAX, where sizes are unknown.
        """
        channels = {"corrupted": self.channels, "masks": 1}
        if self.guided:
            channels["sketches"] = 1
        input_signature = export_signature(input_signature, channels)
        return super().export(filepath, format, verbose, input_signature, **kwargs)

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "gated": self.gated,
            "output_activation": self.output_activation,
            "refine_sees_mask": self.refine_sees_mask,
            "channels": self.channels,
            "padding": self.padding,
            "attention": dict(self.attention),
            "stop_coarse_gradient": self.stop_coarse_gradient,
            "kernel_initializer": self.kernel_initializer,
            "decoder_width": self.decoder_width,
            "gated_output": self.gated_output,
            "key_activation": self.key_activation,
            "guided": self.guided,
        }


def _in_dialect(name, arguments):
    """Arguments of `Generator`, those of the dialect where no others are given."""
    check_choice("dialect", name, _DIALECTS)
    dialect = _DIALECTS[name]
    attention = {**dialect["attention"], **(arguments.get("attention") or {})}
    return {**dialect, **arguments, "attention": attention}
