"""Runs the notebooks, and keeps copies with their outputs for the site in docs/notebooks/.

python .ci/execute_notebooks.py [NAME.ipynb ...]
"""

import base64
import io
import os
import pathlib
import re
import sys
import tempfile

import nbclient
import nbformat
from ipykernel.kernelspec import write_kernel_spec
from PIL import Image

ROOT = pathlib.Path(__file__).parents[1]
SOURCES = ROOT / "notebooks"
EXECUTED = ROOT / "docs" / "notebooks"


def execute(path: pathlib.Path, folder: str) -> nbformat.NotebookNode:
    """Runs one notebook in a folder of its own, and takes out what the machine alone said."""
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": folder}}
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata = {}
        if "outputs" in cell:
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
            for output in cell.outputs:
                output.get("metadata", {}).clear()
                _shrink(output.get("data", {}))
                # A folder of this run says nothing to a reader.
                if "text" in output:
                    output["text"] = re.sub(re.escape(folder) + "/?", "", output["text"])
    notebook.metadata.pop("language_info", None)
    return notebook


def _shrink(data: dict[str, str]) -> None:
    """Makes a JPEG of a picture that is smaller so: photos are."""
    if "image/png" in data:
        picture = io.BytesIO()
        png = base64.b64decode(data["image/png"])
        Image.open(io.BytesIO(png)).convert("RGB").save(picture, "JPEG", quality=90)
        if 2 * picture.tell() < len(png):
            del data["image/png"]
            data["image/jpeg"] = base64.b64encode(picture.getvalue()).decode()


def main(names: list[str]) -> None:
    """Executes the notebooks of these names, or all."""
    with tempfile.TemporaryDirectory() as folder:
        # Kernels of the Python that runs this, whatever else the user has installed.
        write_kernel_spec(pathlib.Path(folder, "jupyter", "kernels", "python3"))
        os.environ["JUPYTER_PATH"] = str(pathlib.Path(folder, "jupyter"))
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        EXECUTED.mkdir(exist_ok=True)
        for path in sorted(SOURCES.glob("*.ipynb")):
            if not names or path.name in names:
                with tempfile.TemporaryDirectory() as run:
                    nbformat.write(execute(path, run), EXECUTED / path.name)
                print(EXECUTED.relative_to(ROOT) / path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
