"""Every block of Python on a page runs, after those before it, on tiny photos and networks.

A block that cannot run here says why in the line before it: `<!-- not run: the reason -->`.
Sybil and pytest-markdown-docs run blocks as they stand: those that train would take hours.
"""

import ast
import importlib
import pathlib
import re

import keras
import numpy as np
import pytest
from PIL import Image

import keras_inpaint
from keras_inpaint.presets import reading

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [
    *sorted(ROOT.glob("docs/**/*.md")),
    *(ROOT / name for name in ("README.md", "notebooks/README.md", "recipes/README.md")),
    ROOT / ".github" / "CONTRIBUTING.md",
]
BLOCK = re.compile(r"(?:^<!-- not run: ([^\n]+) -->\n)?^```python\n(.*?)^```", re.M | re.S)
# What numbers of the pages are here: sizes of images, batches and networks; epochs and trials.
SMALL = {512: 64, 256: 32, 128: 32, 64: 16, 32: 2, 24: 4, 16: 2, 1000: 1, 10: 1, 8: 4, 5: 1}
# Of parts of a stream that stay as many as the page has them.
NUM_PHOTOS = {"docs/data.md": 8}
# Pages that train or export.
SLOW = {
    "docs/five_minutes.md",
    "docs/masks.md",
    "docs/photos-128.md",
    "docs/runtimes.md",
    "docs/training.md",
    "docs/tuning.md",
}


def blocks(page):
    """The Python of a page: line, code, and why it is not run."""
    text = page.read_text("utf-8")
    for match in BLOCK.finditer(text):
        yield text[: match.start(2)].count("\n"), match[2], match[1]


WITH_PYTHON = [page for page in PAGES if any(True for _ in blocks(page))]


def name(page):
    return page.relative_to(ROOT).as_posix()


def pages():
    for page in WITH_PYTHON:
        marks = [pytest.mark.slow] if name(page) in SLOW else []
        yield pytest.param(page, id=name(page), marks=marks)


class Small(ast.NodeTransformer):
    """Makes the numbers small, and leaves out what the reader has to fill in."""

    def visit_Constant(self, node):
        if type(node.value) is int:
            node.value = SMALL.get(node.value, node.value)
        return node

    def visit_Assign(self, node):
        is_left_open = isinstance(node.value, ast.Constant) and node.value.value is ...
        return None if is_left_open else self.generic_visit(node)


def names_read(tree):
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


@pytest.fixture(scope="module")
def tiny():
    keras.utils.set_random_seed(0)
    return keras_inpaint.InpaintingGAN.deepfill_v2(width=4, critic_width=4, image_size=32)


@pytest.fixture
def things(tiny):
    """What a page means by a name that it does not explain in Python, made when it is read."""
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    masks = np.zeros((2, 32, 32, 1), "float32")
    masks[:, 8:24, 8:24] = 1

    def gan():
        made = keras_inpaint.InpaintingGAN.deepfill_v2(width=4, critic_width=4, image_size=32)
        made.compile()
        return made

    return {
        "critic": lambda: tiny.critic,
        "gan": gan,
        "generator": lambda: tiny.generator,
        "images": lambda: images,
        "inpainter": lambda: keras_inpaint.Inpainter(tiny.generator),
        "keras": lambda: keras,
        "ki": lambda: keras_inpaint,
        "mask": lambda: (masks[0, ..., 0] * 255).astype("uint8"),
        "masks": lambda: masks,
        "objective": lambda: tiny.objective,
        "others": lambda: images,
        "photo": lambda: ((images[0] + 1) * 127).astype("uint8"),
        "photos": lambda: images,
        "pytest": lambda: pytest,
    }


@pytest.fixture
def folder(tiny, page, tmp_path, monkeypatch):
    """The folder that a reader works in, and a bundled preset that is tiny."""
    rng = np.random.default_rng(1)
    mask = np.zeros((40, 48), "uint8")
    mask[10:30, 10:30] = 255
    numbers = range(NUM_PHOTOS.get(name(page), 2))
    for kind in ("photos", "masks", "other"):
        (tmp_path / kind).mkdir()
    others = [f"{kind}/{number}.png" for kind in ("photos", "other") for number in numbers]
    for file in ("photo.jpg", *others):
        photo = rng.integers(0, 256, (40, 48, 3)).astype("uint8")
        Image.fromarray(photo).save(tmp_path / file)
    for file in ("mask.png", "lines.png", *(f"masks/{number}.png" for number in numbers)):
        Image.fromarray(mask).save(tmp_path / file)
    tiny.save_to_preset(tmp_path / "bundled" / "photos-128")
    tiny.inpainter.save_to_preset(tmp_path / "my_preset")
    monkeypatch.setattr(reading, "_BUNDLED", tmp_path / "bundled")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def eager():
    """Steps run once: to compile them takes longer."""
    tf = pytest.importorskip("tensorflow")
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("folder", "eager")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("page", list(pages()))
def test_python_of_a_page_runs(page, things):
    known = {}
    for line, code, reason in blocks(page):
        if reason:
            continue
        if "photos-128.onnx" in code:
            # What the command before it writes.
            keras_inpaint.export_onnx(
                keras_inpaint.Inpainter.from_preset("photos-128"), "photos-128.onnx"
            )
        tree = Small().visit(ast.parse(code))
        # Errors name the line of the page.
        ast.increment_lineno(ast.fix_missing_locations(tree), line)
        for each in sorted(names_read(tree) & set(things) - set(known)):
            known[each] = things[each]()
        exec(compile(tree, str(page), "exec"), known)


def dotted(node):
    """The name that an expression is, such as `ki.masks.Boxes`; an empty one for others."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and dotted(node.value):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def resolve(path):
    """What a dotted name of the package is; fails where it is nothing."""
    thing = importlib.import_module("keras_inpaint")
    for part in path.split(".")[1:]:
        thing = getattr(thing, part)
    return thing


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name)
def test_python_of_a_page_names_what_there_is(page):
    for _, code, _ in blocks(page):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("keras_inpaint"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), node.module
            path = re.sub(r"^ki(?=\.)", "keras_inpaint", dotted(node))
            if path.startswith("keras_inpaint."):
                assert resolve(path) is not None


def test_every_reason_stands_before_a_block():
    for page in PAGES:
        marks = re.findall(r"^<!-- not run:", page.read_text("utf-8"), re.M)
        assert len(marks) == sum(reason is not None for _, _, reason in blocks(page)), page
