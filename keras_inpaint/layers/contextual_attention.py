"""Filling the hole's features with patches of the known part."""

import contextlib
import contextvars

import keras
from keras import ops

from keras_inpaint.arguments import check_choice, check_int
from keras_inpaint.ops.attention import (
    attend,
    fuse_scores,
    paste_patches,
    patch_norms,
    patch_scores,
    valid_keys,
)
from keras_inpaint.ops.attention_blocks import (
    attend_by_lines,
    attention_memory,
    fits_at_once,
    lines_within,
)
from keras_inpaint.ops.resampling import nearest_corners, nearest_strided

_RESAMPLINGS = {"corners": nearest_corners, "strided": nearest_strided}
_at_once = contextvars.ContextVar("attention_at_once", default=False)


@contextlib.contextmanager
def attention_at_once():
    """Lets every `ContextualAttention` that is called attend as with `memory=None`.

    For graphs whose readers know no loops. It holds in the thread that asks for it, and no
    layer is changed.

    Example:
    >>> from keras_inpaint.layers.contextual_attention import attention_at_once
    >>> layer = keras_inpaint.layers.ContextualAttention(memory=1)
    >>> features, masks = keras.ops.ones((1, 8, 8, 4)), keras.ops.zeros((1, 8, 8, 1))
    >>> with attention_at_once():
    ...     outputs = layer(features, masks)
    """
    token = _at_once.set(True)
    try:
        yield
    finally:
        _at_once.reset(token)


@keras.saving.register_keras_serializable(package="keras_inpaint")
class ContextualAttention(keras.layers.Layer):
    """Rebuilds features from patches of the known part of the same picture.

    Inside a hole, convolutions only see what is near. This layer lets every position
    look at the whole picture: the 3x3 patches of the known part act as kernels of a
    convolution, cosine similarity and a softmax choose those that resemble the
    position, and the patches themselves are pasted back with overlaps averaged. It has
    no weights.

    Args:
        rate: int, at least 1. Patches are compared on a grid coarser than the features
            by this factor, and pasted at full size.
        scale: float. Factor before the softmax: the larger, the more the best patch
            counts.
        fuse: bool. Whether neighbouring positions should copy neighbouring patches.
        resampling: `"corners"` or `"strided"`. How features and masks are brought to
            the grid: as the published TensorFlow code does, or as its PyTorch port.
        key_norm: `"floor"` or `"sum"`. How a patch's norm is kept away from zero:
            `max(norm, 1e-4)`, or the root of the sum of `w^2 + 1e-4`.
        paste: `"soft"` or `"best"`. The softmax-weighted mean of all patches, or the
            best patch alone (no gradient reaches the scores then).
        memory: int, at least 1, or `None`. About how many bytes the scores may take: where
            those of all positions take more, blocks of lines are worked on one after the
            other, and once more for their gradients. The numbers are the same. `None` for no
            limit: all at once, and a graph of any size without branches and loops.

    Call arguments:
        features: Tensor of shape `(batch, height, width, channels)`; height and width
            are multiples of `rate`.
        masks: Tensor of shape `(batch, picture height, picture width, 1)`, one for each
            picture and at the picture's size, a multiple of that of `features`: 1 in
            the hole, 0 where the picture is known.

    Returns:
        dict: `"features"`, a tensor like `features`, and `"offsets"`, an int32 tensor of
        shape `(batch, height // rate, width // rate, 2)`: how many rows down and columns
        to the right of each position its best patch lies, on the grid.

    Raises:
        ValueError: If an argument is not one of those named, or a size does not divide.

    Example:
    >>> layer = keras_inpaint.layers.ContextualAttention()
    >>> around = ((0, 0), (24, 24), (24, 24), (0, 0))
    >>> masks = keras.ops.pad(keras.ops.ones((1, 16, 16, 1)), around)
    >>> outputs = layer(keras.random.normal((1, 16, 16, 8)), masks)
    >>> tuple(outputs["features"].shape), tuple(outputs["offsets"].shape)
    ((1, 16, 16, 8), (1, 8, 8, 2))

    Reference:
    - [Yu et al., 2018](https://arxiv.org/abs/1801.07892), section 3.2
    """

    def __init__(
        self,
        rate=2,
        scale=10.0,
        fuse=True,
        resampling="corners",
        key_norm="floor",
        paste="soft",
        memory=2**29,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_choice("resampling", resampling, _RESAMPLINGS)
        check_choice("key_norm", key_norm, ("floor", "sum"))
        check_choice("paste", paste, ("soft", "best"))
        self.rate = check_int("rate", rate, "counts feature pixels per grid position", 1)
        self.scale = scale
        self.fuse = fuse
        self.resampling = resampling
        self.key_norm = key_norm
        self.paste = paste
        self.memory = check_int(
            "memory", memory, "is what the scores may take in bytes", 1, or_none="no limit"
        )

    def call(self, features, masks):
        batch, height, width, _ = ops.shape(features)
        self._check_sizes(features.shape, masks.shape)
        grid = (height // self.rate, width // self.rate)
        # In float32 under half precision too, where the norms' floor would vanish.
        keys = ops.cast(_RESAMPLINGS[self.resampling](features, grid), "float32")
        norms = patch_norms(keys, self.key_norm)
        valid = valid_keys(self._masks_on_grid(masks, (height, width), grid))

        inputs = (keys, norms, valid, features)
        has_limit = self.memory is not None and not _at_once.get()
        at_once = fits_at_once(self.memory, grid, batch) if has_limit else True
        if not isinstance(at_once, bool):
            copied, best = ops.cond(
                at_once,
                lambda: self._attend_at_once(*inputs),
                lambda: self._attend_by_lines(*inputs),
            )
        else:
            copied, best = (self._attend_at_once if at_once else self._attend_by_lines)(*inputs)
        return {"features": copied, "offsets": _offsets(best, grid)}

    def estimate_memory(self, size, batch=1):
        """Estimates how many bytes a call takes at most, in inference.

        Args:
            size: pair of ints. Height and width of the features.
            batch: int. Pictures at once.

        Returns:
            int: bytes, see `keras_inpaint.ops.attention_memory`.

        Example:
        >>> keras_inpaint.layers.ContextualAttention().estimate_memory((64, 64))
        16777216
        """
        grid = (size[0] // self.rate, size[1] // self.rate)
        return attention_memory(grid, batch, self.memory)

    def _attend_at_once(self, keys, norms, valid, features):
        _, height, width, _ = ops.shape(keys)
        scores = patch_scores(keys, keys) / norms[:, None, :]
        if self.fuse:
            scores = fuse_scores(scores, (height, width))
        # The published fusion sums nine scores, `fuse_scores` gives their mean.
        attention = attend(scores, valid, 9 * self.scale if self.fuse else self.scale)

        # Not `argmax`, for which Keras takes five more passes, for the sake of -0.0.
        best = ops.top_k(attention, 1)[1][..., 0]
        if self.paste == "best":
            attention = ops.one_hot(best, height * width, dtype="float32") * valid[:, None, :]
        attention = ops.cast(attention, features.dtype)
        return paste_patches(attention, features, (height, width), self.rate), best

    def _attend_by_lines(self, keys, norms, valid, features):
        batch, height, width, _ = ops.shape(keys)
        return attend_by_lines(
            keys,
            norms,
            valid,
            features,
            rate=self.rate,
            scale=self.scale,
            fuse=self.fuse,
            best_only=self.paste == "best",
            num_lines=lines_within(self.memory, (height, width), batch),
        )

    def _masks_on_grid(self, masks, feature_size, grid):
        masks = ops.cast(masks, "float32")
        if self.resampling == "strided":
            return nearest_strided(masks, grid)
        # In two steps, as the published networks do: one step would pick other rows.
        return nearest_corners(nearest_corners(masks, feature_size), grid)

    def _check_sizes(self, feature_shape, mask_shape):
        for axis in (1, 2):
            features, mask = feature_shape[axis], mask_shape[axis]
            if features is not None and features % self.rate:
                raise ValueError(
                    f"`features` must have a height and width divisible by rate={self.rate}. "
                    f"Pad them first. Received: features.shape={tuple(feature_shape)}"
                )
            if features is not None and mask is not None and mask % features:
                raise ValueError(
                    "`masks` must be given at the picture's size, a multiple of that of "
                    f"`features`. Received: masks.shape={tuple(mask_shape)}, "
                    f"features.shape={tuple(feature_shape)}"
                )

    def compute_output_spec(self, features, masks):
        batch, height, width, channels = features.shape
        grid = [None if size is None else size // self.rate for size in (height, width)]
        return {
            "features": keras.KerasTensor((batch, height, width, channels), features.dtype),
            "offsets": keras.KerasTensor((batch, *grid, 2), "int32"),
        }

    def get_config(self):
        return {
            **super().get_config(),
            "rate": self.rate,
            "scale": self.scale,
            "fuse": self.fuse,
            "resampling": self.resampling,
            "key_norm": self.key_norm,
            "paste": self.paste,
            "memory": self.memory,
        }


def _offsets(best, grid):
    """Arg-max keys as displacements from their queries: `(batch, height, width, 2)`."""
    height, width = grid
    best = ops.reshape(ops.cast(best, "int32"), (-1, height, width))
    rows = best // width - ops.arange(height, dtype="int32")[:, None]
    columns = best % width - ops.arange(width, dtype="int32")
    return ops.stack([rows, columns], axis=-1)
