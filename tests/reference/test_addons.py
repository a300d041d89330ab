"""What tensorflow-addons would have been asked for, against numbers made by it."""

from pathlib import Path

import numpy as np
from keras import ops


def test_gaussian_blur_with_reflected_borders():
    arrays = np.load(Path(__file__).parent / "tensorflow_addons.npz")
    reflected = np.pad(arrays["image"], ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    blurred = ops.image.gaussian_blur(reflected, kernel_size=(5, 5), sigma=(1.0, 1.0))
    np.testing.assert_allclose(
        blurred[:, 2:-2, 2:-2], arrays["gaussian_5x5_sigma1"], rtol=0, atol=1e-5
    )
