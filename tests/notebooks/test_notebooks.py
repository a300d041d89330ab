"""The notebooks run from top to bottom, and are kept as they were written: without outputs."""

import pathlib
import re

import keras
import nbclient
import nbformat
import pytest
from ipykernel.kernelspec import write_kernel_spec

FOLDER = pathlib.Path(__file__).parents[2] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
MOST_CELLS = 15
# Of a cell that hangs; all cells of a notebook together take less than a minute.
SECONDS_A_CELL = 600

each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """Kernels of the Python that runs the tests, whatever else the user has installed."""
    write_kernel_spec(tmp_path / "jupyter" / "kernels" / "python3")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))


def read(path):
    """A notebook, once it is certain that its file is a valid one."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def sources(notebook, kind):
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def test_notebooks_are_numbered_from_one():
    numbers = [int(path.stem[:2]) for path in PATHS]
    assert numbers == list(range(1, len(PATHS) + 1))
    assert len(PATHS) >= 6
    assert all(re.fullmatch(r"\d\d_[a-z_]+\.ipynb", path.name) for path in PATHS)


def test_the_table_names_every_notebook_once():
    named = re.findall(r"\]\((\d\d_\w+\.ipynb)\)", (FOLDER / "README.md").read_text("utf-8"))
    assert named == [path.name for path in PATHS]


@each_notebook
def test_notebook_is_short_and_has_no_outputs(path):
    notebook = read(path)
    assert len(notebook.cells) <= MOST_CELLS
    for cell in notebook.cells:
        assert not cell.get("outputs"), cell.source
        assert cell.get("execution_count") is None, cell.source
        # What editors leave behind: whether a cell is folded, how long it took.
        assert not cell.metadata, cell.source


@each_notebook
def test_notebook_begins_with_its_number_and_explains_before_it_shows(path):
    notebook = read(path)
    assert notebook.cells[0].source.startswith(f"# {int(path.stem[:2])}. ")
    assert len(sources(notebook, "markdown")) >= len(sources(notebook, "code"))


@each_notebook
def test_notebook_defines_nothing_and_needs_nothing_private(path):
    for source in sources(read(path), "code"):
        assert not re.search(r"^\s*(def|class|async def) |\blambda\b", source, re.M), source
        # `__path__` is Python's own.
        assert not re.search(r"\._(?!_path__)|\bimport _", source), source


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow only")
@pytest.mark.usefixtures("kernels")
@each_notebook
def test_notebook_runs(path, tmp_path):
    notebook = read(path)
    # Its files go where it runs.
    place = {"metadata": {"path": str(tmp_path)}}
    client = nbclient.NotebookClient(
        notebook, timeout=SECONDS_A_CELL, kernel_name="python3", resources=place
    )
    client.execute()
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", [])]
    assert any("image/png" in each.get("data", {}) for each in outputs), "no picture is shown"
