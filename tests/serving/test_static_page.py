"""The page as a folder: whole or not at all, and in the place of no other folder."""

import hashlib
import json

import pytest

from keras_inpaint import Inpainter
from keras_inpaint.models import Generator
from keras_inpaint.serving import export_page, static_page


@pytest.fixture
def inpainter():
    return Inpainter(Generator.deepfill_v2(width=8), "tiny", image_size=64)


@pytest.fixture
def written(monkeypatch):
    """What the export of the network, which is tested elsewhere, was asked for."""
    asked = []

    def export_onnx(inpainter, path):
        asked.append(inpainter)
        path.write_bytes(b"network")
        return path

    monkeypatch.setattr(static_page, "export_onnx", export_onnx)
    return asked


def test_the_folder_holds_all_that_the_page_needs(inpainter, written, tmp_path):
    folder = export_page(inpainter, tmp_path / "new" / "site")
    assert folder == tmp_path / "new" / "site"
    assert written == [inpainter]
    settings = json.loads((folder / "page.json").read_text(encoding="utf-8"))
    assert settings["engine"] == "browser"
    assert settings["imageSize"] == 64
    assert (folder / settings["model"]).read_bytes() == b"network"
    assert 'src="page/main.js"' in (folder / "index.html").read_text(encoding="utf-8")
    vendor = folder / "page" / "vendor"
    assert (vendor / "LICENSE").is_file()
    (runtime,) = vendor.glob("*.wasm*")
    digest = hashlib.sha256(runtime.read_bytes()).hexdigest()
    # What its README says of the file as it was published.
    assert digest in (vendor / "README.md").read_text(encoding="utf-8")
    assert "http.server" in (folder / "README.md").read_text(encoding="utf-8")


def test_an_earlier_page_is_replaced_and_another_folder_is_not(inpainter, written, tmp_path):
    export_page(inpainter, tmp_path / "site")
    (tmp_path / "site" / "old.txt").write_text("old")
    export_page(inpainter, tmp_path / "site")
    assert not (tmp_path / "site" / "old.txt").exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"Choose another folder\. Received: .*other"):
        export_page(inpainter, other)
    assert (other / "thesis.txt").read_text() == "mine"


def test_nothing_is_left_where_the_network_cannot_be_written(inpainter, monkeypatch, tmp_path):
    def fail(inpainter, path):
        raise ValueError("The network cannot be written.")

    monkeypatch.setattr(static_page, "export_onnx", fail)
    with pytest.raises(ValueError, match="cannot be written"):
        export_page(inpainter, tmp_path / "new" / "site")
    assert list(tmp_path.iterdir()) == []
