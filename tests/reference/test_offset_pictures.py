"""Where the attention looks, in the colours of the published code."""

import numpy as np
import pytest
from keras import ops
from reference.published import arrays, official_batch, official_generator

from keras_inpaint.ops.offset_colors import offset_colors

# One byte, where a colour lies on the edge between two.
BYTE = 1 / 127.5


@pytest.fixture(params=["official_v1", "official_v2"])
def pictures(request):
    """Our colours on the attention's grid, and the published ones at twice its size."""
    images, masks = official_batch(request.param)
    outputs = official_generator(request.param)(
        {"corrupted": images * (1 - masks), "masks": masks}
    )
    longest_of = {"official_v1": "batch", "official_v2": "picture"}[request.param]
    colors = ops.convert_to_numpy(offset_colors(outputs["offsets"], longest_of))
    return request.param, colors, arrays(request.param)["flow"]


def enlarge(colors, kind):
    """To twice the size with corners aligned, row by row and column by column."""
    places = np.linspace(0, 7, 16)
    if kind == "nearest":
        nearest = np.floor(places + 0.5).astype(int)
        return colors[:, nearest][:, :, nearest]
    weights = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(8)))
    return np.einsum("ih,jw,bhwc->bijc", weights, weights, colors)


def test_offsets_have_the_published_colours(pictures):
    name, colors, published = pictures
    enlarged = enlarge(colors, "nearest" if name == "official_v1" else "bilinear")
    np.testing.assert_allclose(enlarged, published, rtol=0, atol=1.01 * BYTE)
