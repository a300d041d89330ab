"""Classical methods of inpainting."""

from collections.abc import Callable

import numpy as np

from keras_inpaint.pictures.pixels import Bytes, Holes

Fill = Callable[[Bytes, Holes], Bytes]

# Pixels around each one that OpenCV looks at: the value of its own examples.
_RADIUS = 3


def baselines() -> dict[str, Fill]:
    """The classical methods that a model is compared with.

    Returns:
        dict of functions of a photo, uint8 of shape `(height, width, 3)`, and its holes,
        bool of shape `(height, width)`, that return the filled photo: `"telea"` and
        `"navier-stokes"` of OpenCV with a radius of 3 pixels, and `"mean colour"` of what
        is known.

    Raises:
        ValueError: If OpenCV is not installed.

    Example:
    >>> photo, holes = np.full((16, 16, 3), 90, "uint8"), np.zeros((16, 16), bool)
    >>> holes[4:8, 4:8] = True
    >>> sorted(keras_inpaint.evaluation.baselines())
    ['mean colour', 'navier-stokes', 'telea']
    >>> int(keras_inpaint.evaluation.baselines()["telea"](photo, holes)[5, 5, 0])
    90

    Reference:
    - [Telea, 2004](https://doi.org/10.1080/10867651.2004.10487596)
    - [Bertalmio et al., 2001](https://doi.org/10.1109/CVPR.2001.990497)
    """
    try:
        import cv2
    except ImportError as error:
        raise ValueError(
            "The baselines are OpenCV's, which is not installed. Run `pip install "
            "'keras-inpaint[baselines]'`. Received: use_baselines=True"
        ) from error

    def classical(method: int) -> Fill:
        def fill(photo: Bytes, holes: Holes) -> Bytes:
            painted = cv2.inpaint(photo, holes.astype("uint8"), _RADIUS, method)
            return np.where(holes[..., None], painted, photo).astype("uint8")

        return fill

    return {
        "telea": classical(cv2.INPAINT_TELEA),
        "navier-stokes": classical(cv2.INPAINT_NS),
        "mean colour": fill_with_mean,
    }


def fill_with_mean(photo: Bytes, holes: Holes) -> Bytes:
    """Fills the hole with the mean colour of what is known."""
    mean = np.rint(photo[~holes].mean(axis=0))
    return np.where(holes[..., None], mean, photo).astype("uint8")
