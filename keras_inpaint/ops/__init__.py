"""Pure functions of tensors."""

from keras_inpaint.moved_names import moved_names
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
from keras_inpaint.ops.compositing import composite, corrupt
from keras_inpaint.ops.distance import distance_to_known
from keras_inpaint.ops.local_patches import (
    boxes_around_holes,
    boxes_hold_holes,
    crop_patches,
    hole_sizes,
)
from keras_inpaint.ops.mosaic import mosaic
from keras_inpaint.ops.offset_colors import offset_colors
from keras_inpaint.ops.random import (
    as_seeds,
    derived_seeds,
    integers,
    normal,
    picture_seeds,
    uniform,
)
from keras_inpaint.ops.resampling import (
    nearest_corners,
    nearest_strided,
    upsample_nearest,
)

__all__ = [
    "as_seeds",
    "attend",
    "attend_by_lines",
    "attention_memory",
    "boxes_around_holes",
    "boxes_hold_holes",
    "composite",
    "corrupt",
    "crop_patches",
    "derived_seeds",
    "distance_to_known",
    "fits_at_once",
    "fuse_scores",
    "hole_sizes",
    "integers",
    "lines_within",
    "mosaic",
    "nearest_corners",
    "nearest_strided",
    "normal",
    "offset_colors",
    "paste_patches",
    "patch_norms",
    "patch_scores",
    "picture_seeds",
    "uniform",
    "upsample_nearest",
    "valid_keys",
]

__getattr__ = moved_names(
    __name__, {"enlarge_nearest": "keras_inpaint.ops.resampling.upsample_nearest"}
)


def __dir__() -> list[str]:
    return sorted(__all__)
