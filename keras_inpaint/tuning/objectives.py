"""What trials are compared by."""

import keras_tuner

# None depends on a loss weight. A loss does, and would call the lightest weights the best.
_DIRECTIONS = {
    "val_hole_l1": "min",
    "val_l1": "min",
    "val_psnr": "max",
    "val_ssim": "max",
    "val_perceptual": "min",
}
PERCEPTUAL = "val_perceptual"


def measure_objective(name: str) -> keras_tuner.Objective:
    """Says what a search looks for, and which way is better.

    Args:
        name: str. `"val_hole_l1"`, `"val_l1"` and `"val_perceptual"` are better when they
            are small, `"val_psnr"` and `"val_ssim"` when they are great.

    Returns:
        `keras_tuner.Objective`.

    Raises:
        ValueError: If the name is another one.

    Example:
    >>> from keras_inpaint.tuning import measure_objective
    >>> measure_objective("val_psnr").direction
    'max'
    """
    if name not in _DIRECTIONS:
        raise ValueError(
            f"Trials are compared by one of {', '.join(_DIRECTIONS)}: by a loss, trials of "
            f"different weights do not compare. Received: objective={name!r}"
        )
    return keras_tuner.Objective(name, _DIRECTIONS[name])
