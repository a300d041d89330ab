"""Pure functions of tensors."""

from keras_inpaint.ops.attention import (
    attend,
    fuse_scores,
    paste_patches,
    patch_norms,
    patch_scores,
    valid_keys,
)
from keras_inpaint.ops.compositing import composite, corrupt
from keras_inpaint.ops.resampling import (
    enlarge_nearest,
    nearest_corners,
    nearest_strided,
)

__all__ = [
    "attend",
    "composite",
    "corrupt",
    "enlarge_nearest",
    "fuse_scores",
    "nearest_corners",
    "nearest_strided",
    "paste_patches",
    "patch_norms",
    "patch_scores",
    "valid_keys",
]
