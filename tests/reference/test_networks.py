"""The networks give the numbers of the published code."""

import numpy as np
import pytest
from reference.published import (
    arrays,
    official_batch,
    official_generator,
    port_batch,
    port_generator,
)


@pytest.mark.parametrize("name", ["official_v1", "official_v2"])
def test_official_outputs_are_reproduced(name):
    images, masks = official_batch(name)
    outputs = official_generator(name)({"corrupted": images * (1 - masks), "masks": masks})
    np.testing.assert_allclose(outputs["coarse"], arrays(name)["x1"], rtol=0, atol=2e-4)
    np.testing.assert_allclose(outputs["refined"], arrays(name)["x2"], rtol=0, atol=2e-4)


def test_port_outputs_are_reproduced():
    images, masks = port_batch()
    outputs = port_generator()({"corrupted": images * (1 - masks), "masks": masks})
    expected = {key: arrays("pytorch_port")[key].transpose(0, 2, 3, 1) for key in ("x1", "x2")}
    np.testing.assert_allclose(outputs["coarse"], expected["x1"], rtol=0, atol=2e-4)
    np.testing.assert_allclose(outputs["refined"], expected["x2"], rtol=0, atol=2e-4)
