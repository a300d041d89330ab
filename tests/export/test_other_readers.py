"""A program that is not TensorFlow reads the export, and fills the same."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

# OpenVINO has a reader of its own; with TensorFlow out of reach it cannot use another.
READER = """
import sys
sys.modules["tensorflow"] = None
import numpy as np
import openvino as ov

version, arrays, output = sys.argv[1:]
core = ov.Core()
# Processors with instructions for bfloat16 would be given it otherwise.
core.set_property("CPU", {"INFERENCE_PRECISION_HINT": "f32"})
model = core.compile_model(ov.convert_model(version), "CPU")
inputs = np.load(arrays)
completed = [
    next(iter(model({"images": inputs[f"photos{n}"], "masks": inputs[f"masks{n}"]}).values()))
    for n in range(2)
]
np.savez(output, *completed)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed"
)
def test_openvino_fills_as_tensorflow_does(version, signatures, make_pictures, tmp_path):
    pictures = [make_pictures(1, 72, 96), make_pictures(2, 40, 130)]
    arrays = {}
    for index, (photos, masks) in enumerate(pictures):
        arrays |= {f"photos{index}": photos, f"masks{index}": masks}
    np.savez(tmp_path / "inputs.npz", **arrays)
    paths = [str(version), str(tmp_path / "inputs.npz"), str(tmp_path / "outputs.npz")]
    subprocess.run([sys.executable, "-c", READER, *paths], check=True, timeout=240)
    found = np.load(tmp_path / "outputs.npz")
    for (photos, masks), name in zip(pictures, found.files, strict=True):
        answer = signatures["serving_default"](
            images=tf.constant(photos), masks=tf.constant(masks)
        )
        expected = answer["completed"].numpy()
        assert found[name].dtype == np.uint8
        assert np.abs(found[name].astype(int) - expected).max() <= 1
        known = masks[..., 0] <= 127
        np.testing.assert_array_equal(found[name][known], photos[known])
        assert (expected != photos).any()
