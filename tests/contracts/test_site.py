"""The site explains each public name, and links lead somewhere there and on the forge."""

import importlib
import pathlib
import re
import sys

import pytest
from contracts.test_public_names import PUBLIC_NAMES

pytest.importorskip("mkdocs", reason="the extra `docs` is not installed")
nbformat = pytest.importorskip("nbformat")
yaml = pytest.importorskip("yaml")

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [
    *sorted(ROOT.glob("docs/**/*.md")),
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md")),
    *(ROOT / name for name in ("notebooks/README.md", "recipes/README.md")),
    ROOT / ".github" / "CONTRIBUTING.md",
]
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))


def name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def tools():
    """The hook of mkdocs, and the extension of griffe."""
    sys.path.insert(0, str(ROOT / ".ci"))
    yield importlib.import_module("site_pages"), importlib.import_module("docstrings")
    sys.path.remove(str(ROOT / ".ci"))


def nav_pages(nav):
    for entry in nav:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from nav_pages(value) if isinstance(value, list) else [value]


def navigation():
    return list(nav_pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]))


def test_every_page_of_the_docs_is_in_the_navigation_once(tools):
    (site_pages, _), pages = tools, navigation()
    assert len(set(pages)) == len(pages)
    written = {path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/*.md")}
    assert written <= set(pages)
    others = set(site_pages.PAGES.values()) | set(site_pages.reference_pages())
    notebooks = {f"notebooks/{path.name}" for path in NOTEBOOKS}
    assert set(pages) <= written | others | notebooks
    assert set(site_pages.reference_pages()) | notebooks <= set(pages)


def test_number_of_public_names_without_a_page_is_zero(tools):
    site_pages, _ = tools
    pages = site_pages.reference_pages()
    packages = [package for package in PUBLIC_NAMES if package]
    without = [
        f"keras_inpaint.{package}.{public}"
        for package in packages
        for public in PUBLIC_NAMES[package]
        if f'id="keras_inpaint.{package}.{public}"' not in pages[f"reference/{package}.md"]
    ]
    without += [
        public
        for public in PUBLIC_NAMES[""]
        if f'id="keras_inpaint.{public}"' not in pages["reference/index.md"]
    ]
    assert not without


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_relative_links_lead_somewhere_on_the_forge(path):
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", path.read_text("utf-8"), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert not [target for target in local if not (path.parent / target).exists()]


@pytest.mark.parametrize(
    ("page", "link", "there"),
    [
        ("index.md", "docs/masks.md#masks-and-files", "masks.md#masks-and-files"),
        ("index.md", "notebooks/", "notebooks/index.md"),
        ("index.md", ".github/CONTRIBUTING.md", "contributing.md"),
        ("index.md", "LICENSE", "files/LICENSE.txt"),
        ("recipes.md", "../docs/masks.md", "masks.md"),
        ("training.md", "../recipes/", "recipes.md"),
        ("training.md", "masks.md", "masks.md"),
        ("notebooks/index.md", "01_masks.ipynb", "01_masks.ipynb"),
        ("index.md", "https://example.org/docs/x.md", "https://example.org/docs/x.md"),
        ("index.md", "#words", "#words"),
        ("index.md", "nowhere.md", "nowhere.md"),
    ],
)
def test_links_of_the_forge_become_those_of_the_site(tools, page, link, there):
    site_pages, _ = tools
    assert site_pages.site_links(f"see [this]({link}).", page) == f"see [this]({there})."


def test_links_in_blocks_of_code_are_left_alone(tools):
    block = "```\n[x](docs/masks.md)\n```\n"
    assert tools[0].site_links(block, "index.md") == block


def test_sections_of_keras_are_rendered_and_public_names_linked(tools):
    _, docstrings = tools
    text = (
        "Doubles, see `keras_inpaint.masks.Boxes`.\n\nCall arguments:\n    images: Tensor.\n\n"
        "Example:\n>>> 1 + 1\n2\n\nReference:\n- [Yu](https://arxiv.org)\n"
    )
    assert docstrings.rendered(text) == (
        'Doubles, see <a href="../masks/#keras_inpaint.masks.Boxes"><code>'
        "keras_inpaint.masks.Boxes</code></a>.\n\nOther Args: Call arguments\n"
        "    images: Tensor.\n\nExamples: Example\n    >>> 1 + 1\n    2\n\n"
        "Reference:\n    - [Yu](https://arxiv.org)\n"
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_executed_copy_of_a_notebook_is_of_this_notebook_and_has_pictures(path):
    source = nbformat.read(path, as_version=4)
    executed = nbformat.read(ROOT / "docs" / "notebooks" / path.name, as_version=4)
    pairs = [[cell.source for cell in each.cells] for each in (source, executed)]
    assert pairs[0] == pairs[1], "`make notebooks` runs it again"
    outputs = [each for cell in executed.cells for each in cell.get("outputs", [])]
    assert any(kind.startswith("image/") for each in outputs for kind in each.get("data", {}))
    assert not any(each.output_type == "error" for each in outputs)
    assert (ROOT / "docs" / "notebooks" / path.name).stat().st_size < 1_000_000
