"""An inpainter as an ONNX file, and as an inpainter again: `export_onnx` and `from_onnx`."""

import builtins
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from export.odd_networks import Fickle, Untranslatable
from PIL import Image

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")

from keras_inpaint import Inpainter, export_onnx  # noqa: E402
from keras_inpaint.inpainting.exported import DescribedGenerator  # noqa: E402
from keras_inpaint.inpainting.memory import estimate_memory  # noqa: E402
from keras_inpaint.inpainting.onnx_generator import OnnxGenerator  # noqa: E402
from keras_inpaint.layers import ContextualAttention, PaddedConv2D  # noqa: E402
from keras_inpaint.masks import Mosaic  # noqa: E402

DOCS = pathlib.Path(__file__).parents[2] / "docs" / "runtimes.md"
SIZES = [(1, 64, 64), (2, 75, 90), (1, 5, 130)]


class Attentive(keras.Model):
    """A network of the two layers that converters find hard, and little else."""

    channels, size_multiple = 3, 8

    def __init__(self):
        super().__init__()
        self.dilated = PaddedConv2D(4, 3, dilation_rate=3, padding="centred")
        self.attention = ContextualAttention(memory=1)
        self.last = PaddedConv2D(3, 3, activation="tanh")

    def call(self, inputs):
        small = keras.ops.average_pool(inputs["corrupted"], 4)
        features = self.attention(self.dilated(small), inputs["masks"])["features"]
        large = keras.ops.repeat(keras.ops.repeat(features, 4, axis=1), 4, axis=2)
        return {"refined": self.last(large)}


@pytest.fixture(scope="module")
def attentive():
    keras.utils.set_random_seed(0)
    return Inpainter(Attentive(), "attentive", image_size=64)


@pytest.fixture(scope="module")
def path(attentive, tmp_path_factory):
    return export_onnx(attentive, tmp_path_factory.mktemp("onnx") / "attentive.onnx")


@pytest.fixture(scope="module")
def loaded(path):
    return Inpainter.from_onnx(path)


def test_one_file_says_what_it_takes_and_what_it_is(path):
    assert [each.name for each in path.parent.iterdir()] == ["attentive.onnx"]
    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert {each.domain: each.version for each in model.opset_import}[""] == 17

    def described(values):
        kinds = {}
        for value in values:
            tensor = value.type.tensor_type
            sizes = tuple(each.dim_param or each.dim_value for each in tensor.shape.dim)
            kinds[value.name] = (onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type), sizes)
        return kinds

    size = ("num", "height", "width")
    assert described(model.graph.input) == {
        "images": (np.uint8, (*size, 3)),
        "masks": (np.uint8, (*size, 1)),
    }
    assert described(model.graph.output) == {
        "completed": (np.uint8, (*size, 3)),
        "predicted": (np.uint8, (*size, 3)),
    }
    (metadata,) = model.metadata_props
    assert metadata.key == "keras_inpaint"
    assert json.loads(metadata.value) == {
        "name": "attentive",
        "image_size": 64,
        "size_multiple": 8,
        "width": None,
        "is_blanked": True,
        "attention": None,
    }


def test_dilated_convolutions_stay_convolutions(path):
    nodes = onnx.load(path).graph.node
    dilations = [
        list(attribute.ints)
        for node in nodes
        for attribute in node.attribute
        if attribute.name == "dilations"
    ]
    assert [3, 3] in dilations
    assert not {node.op_type for node in nodes} & {"If", "Loop", "Scan", "SpaceToDepth"}


def test_the_example_of_the_docs_fills_without_this_package(
    attentive, path, make_pictures, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(path, "photos-128.onnx")
    (photo,), (mask,) = make_pictures(1, 70, 90)
    Image.fromarray(photo).save("photo.jpg")
    Image.fromarray(mask[..., 0]).save("mask.png")
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    exec(example, {})
    wanted = attentive.inpaint("photo.jpg", "mask.png", method="whole").astype(int)
    assert np.abs(np.asarray(Image.open("filled.png")) - wanted).max() <= 1


class Reflecting(keras.Model):
    """A network whose convolutions reflect the picture, as those of MMagic."""

    channels, size_multiple = 3, 8

    def __init__(self):
        super().__init__()
        self.dilated = PaddedConv2D(4, 3, dilation_rate=4, padding="reflect")
        self.larger = PaddedConv2D(3, 3, padding="reflect", upsample=True)

    def call(self, inputs):
        small = keras.ops.average_pool(inputs["corrupted"], 2)
        return {"refined": self.larger(self.dilated(small))}


def test_reflected_pictures_are_filled_as_by_the_inpainter(tmp_path):
    # Compared before it appears.
    assert export_onnx(Inpainter(Reflecting()), tmp_path / "reflecting.onnx").is_file()


@pytest.mark.parametrize("size", SIZES)
def test_every_size_is_filled_as_by_the_inpainter(attentive, path, make_pictures, size):
    photos, masks = make_pictures(*size)
    wanted = attentive.inpaint_batch(photos, masks).astype(int)
    filled = OnnxGenerator(path).fill(photos, masks)
    known = masks[..., 0] <= 127
    np.testing.assert_array_equal(filled["completed"][known], photos[known])
    np.testing.assert_array_equal(filled["completed"][~known], filled["predicted"][~known])
    assert np.abs(filled["completed"] - wanted).max() <= 1
    assert (filled["predicted"] != photos)[known].any()


def test_masks_mean_what_they_mean_in_a_saved_model(path, make_pictures):
    (photo,), (mask,) = make_pictures(1, 64, 64)
    fill = OnnxGenerator(path).fill
    holes = (mask > 127).astype("uint8")
    wanted = fill(photo[None], 255 * holes[None])["completed"]
    np.testing.assert_array_equal(fill(photo[None], holes[None])["completed"], wanted)
    for level in (0, 1, 255):
        alike = np.full_like(mask, level)
        np.testing.assert_array_equal(fill(photo[None], alike[None])["completed"][0], photo)


def test_photos_are_filled_window_by_window_with_a_feather(attentive, loaded, make_pictures):
    (photo,), (mask,) = make_pictures(1, 200, 330)
    for options in ({"method": "crop", "feather": 5}, {"method": "resize", "detail": "none"}):
        wanted = attentive.inpaint(photo, mask, **options).astype(int)
        filled = loaded.inpaint(photo, mask, **options)
        # Feathering rounds once more.
        assert np.abs(filled - wanted).max() <= 2
        assert (filled != photo).any()


def test_a_hole_all_over_is_filled(attentive, loaded):
    photo, everywhere = np.full((64, 72, 3), 9, "uint8"), np.ones((64, 72), bool)
    wanted = attentive.inpaint(photo, everywhere)
    assert (wanted != photo).any()
    np.testing.assert_allclose(loaded.inpaint(photo, everywhere).astype(int), wanted, atol=1)


def test_it_knows_its_name_its_size_and_its_limit_of_memory(loaded, make_pictures):
    assert (loaded.name, loaded.image_size, loaded.corruption) == ("attentive", 64, None)
    (photo,), (mask,) = make_pictures(1, 64, 64)
    need = estimate_memory(loaded.generator, (64, 64))
    with pytest.raises(ValueError, match=f"memory_limit={need // 2}"):
        loaded.inpaint(photo, mask, memory_limit=need // 2)


def test_attention_without_a_budget_is_estimated_as_what_it_takes():
    description = {
        "size_multiple": 8,
        "width": 4,
        "is_blanked": True,
        "attention": {"rate": 2, "memory": None},
    }
    generator = DescribedGenerator("dense", description)
    num_positions = (1024 // 8) ** 2
    assert estimate_memory(generator, (1024, 1024)) > 16 * num_positions**2


def test_the_hole_is_shown_where_something_stands_in_it(echo, make_pictures, tmp_path):
    photos, masks = make_pictures(2, 30, 70)
    path = export_onnx(Inpainter(echo, corruption=Mosaic(8)), tmp_path / "echo.onnx")
    np.testing.assert_array_equal(OnnxGenerator(path).fill(photos, masks)["completed"], photos)
    restored = Inpainter.from_onnx(path)
    assert restored.corruption is not None
    np.testing.assert_array_equal(restored.inpaint_batch(photos, masks), photos)


def test_model_that_differs_is_not_kept(tmp_path):
    with pytest.raises(ValueError, match=r"a difference of \d+ levels in pictures of 2 x 80"):
        export_onnx(Inpainter(Fickle()), tmp_path / "fickle.onnx")
    assert not list(tmp_path.iterdir())


def test_operations_that_onnx_has_not_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be written as ONNX.*Igamma"):
        export_onnx(Inpainter(Untranslatable()), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_wrong_use_is_refused_before_anything_is_converted(echo, loaded, tmp_path, monkeypatch):
    inpainter = Inpainter(echo)
    with pytest.raises(ValueError, match=r"must end in \.onnx.*model\.bin"):
        export_onnx(inpainter, tmp_path / "model.bin")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        export_onnx(inpainter, tmp_path / "nowhere" / "model.onnx")
    with pytest.raises(ValueError, match=r"Export the preset.*attentive"):
        export_onnx(loaded, tmp_path / "model.onnx")
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'keras-inpaint\[onnx\]'"):
        export_onnx(inpainter, tmp_path / "model.onnx")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"KERAS_BACKEND=tensorflow.*--format onnx.*'jax'"):
        export_onnx(inpainter, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_what_is_no_exported_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such ONNX file"):
        Inpainter.from_onnx(tmp_path / "missing.onnx")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"no protocol buffer")
    with pytest.raises(ValueError, match=r"ONNX Runtime cannot read.*damaged\.onnx"):
        Inpainter.from_onnx(damaged)
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "other",
        [value],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])],
    )
    other = tmp_path / "other.onnx"
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, ir_version=8, opset_imports=opsets), other)
    with pytest.raises(ValueError, match=r"`keras-inpaint export --format onnx`.*other\.onnx"):
        Inpainter.from_onnx(other)


def test_where_onnx_runtime_is_missing_it_says_what_to_install(path, monkeypatch):
    really = builtins.__import__

    def without(name, *arguments, **options):
        if name == "onnxruntime":
            raise ModuleNotFoundError("No module named 'onnxruntime'", name=name)
        return really(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'keras-inpaint\[onnx\]'"):
        Inpainter.from_onnx(path)


def test_a_server_answers_with_a_file_and_takes_the_one_that_replaces_it(path, tmp_path):
    models = pytest.importorskip("keras_inpaint.serving.models")
    from keras_inpaint.serving import Limits, sources

    served = tmp_path / "served.onnx"
    shutil.copy(path, served)
    keeper = models.ModelKeeper(sources.PresetSource(str(served)), Limits(), warm_up=False)
    try:
        assert (keeper.name, keeper.current.version) == ("served", 1)
        photo, mask = np.full((64, 64, 3), 9, "uint8"), np.eye(64)
        wanted = Inpainter.from_onnx(path).inpaint(photo, mask)
        np.testing.assert_array_equal(keeper.current.inpainter.inpaint(photo, mask), wanted)
        assert not keeper.refresh()
        os.utime(served, ns=(0, 0))
        assert keeper.refresh()
        assert keeper.current.version == 2
    finally:
        keeper.close()


@pytest.mark.slow
def test_a_file_is_filled_by_where_there_is_no_tensorflow(attentive, path, tmp_path):
    program = f"""
import sys
sys.modules["tensorflow"] = None
import numpy as np
from keras_inpaint import Inpainter
photo, mask = np.full((64, 64, 3), 9, "uint8"), np.eye(64)
np.save("filled.npy", Inpainter.from_onnx({str(path)!r}).inpaint(photo, mask, feather=2))
"""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(DOCS.parents[1])}
    subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True, timeout=300
    )
    wanted = attentive.inpaint(np.full((64, 64, 3), 9, "uint8"), np.eye(64), feather=2)
    np.testing.assert_allclose(np.load(tmp_path / "filled.npy").astype(int), wanted, atol=2)


@pytest.mark.slow
def test_a_preset_becomes_one_file_that_fills_as_it_does(make_pictures, tmp_path):
    preset = Inpainter.from_preset("photos-128")
    path = export_onnx(preset, tmp_path / "flowers.onnx")
    loaded = Inpainter.from_onnx(path)
    (photo,), (mask,) = make_pictures(1, 150, 170)
    options = {"method": "crop", "feather": 3}
    wanted = preset.inpaint(photo, mask, **options).astype(int)
    assert np.abs(loaded.inpaint(photo, mask, **options) - wanted).max() <= 2
    # As dear in pictures of the size that it was made for; larger ones have no blocks.
    costs = [estimate_memory(each.generator, (128, 128)) for each in (preset, loaded)]
    assert costs[0] == costs[1]
    costs = [estimate_memory(each.generator, (1024, 1024)) for each in (preset, loaded)]
    assert costs[0] < costs[1]
