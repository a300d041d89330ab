"""The page as a folder for any web space: it fills in the browser, without a server."""

import json
import lzma
import shutil
from os import PathLike
from pathlib import Path
from typing import Any

from keras_inpaint.export import export_onnx
from keras_inpaint.export.targets import PAGE_SETTINGS, check_page_folder
from keras_inpaint.files import atomic_write

PAGE = Path(__file__).with_name("page")
_INDEX, _MODEL = "index.html", "model.onnx"
# Of networks of which it is not known; the publications' size.
_PUBLISHED_SIZE = 256
_README = """\
# A page to paint on

Put this folder on any web space, or try it here:

    python -m http.server --bind 127.0.0.1 8000

and open http://127.0.0.1:8000/. It must come over HTTP: browsers run no modules of files that
are opened from the disk. Photos are filled by the browser itself; nothing is sent anywhere.

The network runs on the GPU where the browser has WebGPU, else on the CPU: in one thread, in
several where the web space sends these headers with every file:

    Cross-Origin-Opener-Policy: same-origin
    Cross-Origin-Embedder-Policy: require-corp

`page/vendor/` is ONNX Runtime Web, under its own licence there.
"""


def export_page(inpainter: Any, folder: str | PathLike[str]) -> Path:
    """Writes a static site on which photos are painted and filled, with no server at all.

    The folder holds the page, the network as an ONNX file (`keras_inpaint.export_onnx`), what
    runs it in the browser, and a README. It appears whole or not at all. Nothing is fetched
    from elsewhere, and photos stay where they are.

    Args:
        inpainter: `keras_inpaint.Inpainter` of a generator for colour pictures.
        folder: str or path. Made where it is missing; an earlier page there is replaced, any
            other folder that holds files is refused.

    Returns:
        Path of the folder.

    Raises:
        ModuleNotFoundError: If the extra `onnx` is not installed.
        OSError: If the folder cannot be written.
        ValueError: If the folder holds other files; or as `keras_inpaint.export_onnx`.
    """
    folder = check_page_folder(folder)
    with atomic_write(folder, is_folder=True) as draft:
        # First: it refuses what cannot be exported.
        export_onnx(inpainter, draft / _MODEL)
        copy_page(draft)
        settings = {
            "engine": "browser",
            "model": _MODEL,
            "name": inpainter.name,
            "imageSize": inpainter.image_size or _PUBLISHED_SIZE,
        }
        (draft / PAGE_SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
        (draft / "README.md").write_text(_README, encoding="utf-8")
    return folder


def copy_page(folder: Path) -> None:
    """Copies the page and its runtime, without a network and `page.json`, into a folder."""
    shutil.copytree(PAGE, folder / "page", ignore=shutil.ignore_patterns(_INDEX))
    shutil.copyfile(PAGE / _INDEX, folder / _INDEX)
    # Packed, as wheels compress half as well.
    for packed in folder.rglob("*.xz"):
        with lzma.open(packed) as source, packed.with_suffix("").open("wb") as target:
            shutil.copyfileobj(source, target)
        packed.unlink()
