"""What the site holds beside docs/: pages of other folders, the reference, and links that fit.

A hook of mkdocs. Links are written for the forge, `docs/masks.md` in the README; here they are
turned into those of the site.
"""

import contextlib
import importlib
import inspect
import io
import os
import pathlib
import posixpath
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = pathlib.Path(__file__).parents[1]
# Pages that stand elsewhere on the forge.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
    "SECURITY.md": "security.md",
    ".github/CONTRIBUTING.md": "contributing.md",
    "notebooks/README.md": "notebooks/index.md",
    "recipes/README.md": "recipes.md",
    "saved_models/README.md": "saved_models.md",
    **{
        card.relative_to(ROOT).as_posix(): f"model_cards/{card.parent.name}.md"
        for card in sorted(ROOT.glob("keras_inpaint/presets/builtin/*/README.md"))
    },
}
# A link of Markdown, or of HTML within it.
_LINK = re.compile(
    r"""(?P<before>\]\(|(?:href|src)=")(?P<target>[^)"\s#]+)(?P<after>[^)"\s]*)"""
)
# On the start page, under its picture: what the forge cannot have.
_TRY = """
<p><a class="md-button md-button--primary" href="try/">Try it on a photo of yours</a></p>
<p><small>The photo is filled by your browser, and never leaves your machine.</small></p>
"""
_CODE = re.compile(r"^```.*?^```", re.M | re.S)


def on_pre_build(config: MkDocsConfig) -> None:
    """Reads nothing that an earlier build left."""
    _copied.clear()


# Before the plugin of the notebooks, which looks at all files.
@event_priority(100)
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are not in docs/, and what all pages link to."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    for page, text in reference_pages().items():
        files.append(File.generated(config, page, content=text))
    for file in list(files.documentation_pages()):
        if file.src_uri.endswith(".md"):
            site_links(file.content_string, file.src_uri)
    for source, target in _copied.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns the links of a page into those of the site."""
    if page.file.src_uri == "index.md":
        markdown = re.sub(
            r"^!\[.*\n", lambda match: match[0] + _TRY, markdown, count=1, flags=re.M
        )
    return site_links(markdown, page.file.src_uri)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns the links of a notebook, which are HTML by then, into those of the site."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html

    def address(match: re.Match[str]) -> str:
        source = posixpath.normpath(posixpath.join("notebooks", match["target"]))
        target = files.get_file_from_path(_target(source) or "")
        return f'href="{target.url_relative_to(page.file)}' if target else match[0]

    return re.sub(r'href="(?P<target>[^":#]+\.(?:md|ipynb))', address, html)


# Files of the repository that pages link to, and where they are on the site.
_copied: dict[str, str] = {}


def _target(source: str) -> str | None:
    """Where the site has a file or a folder of the repository; `None` where there is none."""
    folder = posixpath.join(source, "README.md")
    if source in PAGES or folder in PAGES:
        return PAGES.get(source) or PAGES[folder]
    if source.startswith("notebooks/"):
        source = f"docs/{source}"
    if source.startswith("docs/"):
        return source.removeprefix("docs/")
    return _copy(source) if (ROOT / source).is_file() else None


def _copy(source: str) -> str:
    # A text without a suffix would be downloaded instead of shown.
    suffix = "" if posixpath.splitext(source)[1] not in ("", ".md") else ".txt"
    return _copied.setdefault(source, f"files/{source.lstrip('.')}{suffix}")


def site_links(markdown: str, page: str) -> str:
    """Turns the links of a page that was written for the forge into those of the site.

    Args:
        markdown: str. The page.
        page: str. Where the site has it, such as `notebooks/index.md`.

    Returns:
        str. The page with its links to files of the repository turned; all others, and those
        in blocks of code, are left alone.
    """
    sources = {target: source for source, target in PAGES.items()}
    folder = posixpath.dirname(sources.get(page, f"docs/{page}"))

    def link(match: re.Match[str]) -> str:
        target = match["target"]
        if ":" in target or target.startswith("/") or page.startswith("reference/"):
            return match[0]
        found = _target(posixpath.normpath(posixpath.join(folder, target)))
        if found is None:
            return match[0]
        address = posixpath.relpath(found, posixpath.dirname(page) or ".")
        return match["before"] + address + match["after"]

    parts, end = [], 0
    for code in _CODE.finditer(markdown):
        parts += [_LINK.sub(link, markdown[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, _LINK.sub(link, markdown[end:])])


def public_names() -> dict[str, list[str]]:
    """The public names of the package by subpackage; "" is the package itself."""
    top = importlib.import_module("keras_inpaint")
    packages = [name for name in top.__all__ if inspect.ismodule(getattr(top, name))]
    # By name, not as an attribute: `keras_inpaint.convert` is a function.
    modules = {name: importlib.import_module(f"keras_inpaint.{name}") for name in packages}
    names = {name: sorted(module.__all__) for name, module in sorted(modules.items())}
    return {"": sorted(set(top.__all__) - set(packages)), **names}


def definition(package: str, name: str) -> str:
    """Where a public name is defined, as Python writes it."""
    module = importlib.import_module(f"keras_inpaint.{package}".rstrip("."))
    thing = getattr(module, name)
    if inspect.isclass(thing) or inspect.isroutine(thing):
        return f"{thing.__module__}.{thing.__qualname__}"
    return f"{module.__name__}.{name}"


def reference_pages() -> dict[str, str]:
    """The pages of the reference, in Markdown: one per package, and the command line."""
    names = public_names()
    pages = {"reference/command_line.md": _command_line()}
    for package in names:
        if not package:
            continue
        module = importlib.import_module(f"keras_inpaint.{package}")
        lines = [f"# keras_inpaint.{package}\n", f"{module.__doc__}\n"]
        for name in names[package]:
            # The public name is an anchor too, beside where it is defined.
            lines.append(f'<span class="public" id="keras_inpaint.{package}.{name}"></span>\n')
            lines.append(f"::: {definition(package, name)}")
            lines.append(f"    options: {{heading: {name}, toc_label: {name}}}\n")
        pages[f"reference/{package}.md"] = "\n".join(lines)
    pages["reference/index.md"] = _index(names)
    return pages


def _index(names: dict[str, list[str]]) -> str:
    lines = [
        "# Reference\n",
        "`import keras_inpaint as ki` gives:\n",
        "| name | |",
        "|---|---|",
    ]
    for name in names[""]:
        anchor = f"keras_inpaint.{name}"
        home = next((package for package in names if package and name in names[package]), "")
        summary = "the version of the package"
        if home:
            thing = getattr(importlib.import_module(f"keras_inpaint.{home}"), name)
            summary = (thing.__doc__ or "").partition("\n")[0]
            lines.append(
                f"| [`ki.{name}`]({home}.md#keras_inpaint.{home}.{name})"
                f'<a id="{anchor}"></a> | {summary} |'
            )
        else:
            lines.append(f'| `ki.{name}`<a id="{anchor}"></a> | {summary} |')
    lines += ["\nand these packages:\n", "| package | holds |", "|---|---|"]
    for package in names:
        if package:
            module = importlib.import_module(f"keras_inpaint.{package}")
            lines.append(
                f"| [`ki.{package}`]({package}.md)"
                f'<a id="keras_inpaint.{package}"></a> | {module.__doc__} |'
            )
    return "\n".join(lines) + "\n"


def _command_line() -> str:
    """What each command says of itself with `--help`."""
    # As wide as a page of the site.
    os.environ["COLUMNS"] = "96"
    main = importlib.import_module("keras_inpaint.cli.main").main
    parts = [
        "# Command line\n",
        "What `keras-inpaint --help` says, and each command after it.\n",
    ]
    overview = _help(main)
    parts.append(f"```text\n{overview}```\n")
    for command in re.findall(r"^    ([a-z]+)  ", overview, re.M):
        parts.append(f"## {command}\n\n```text\n{_help(main, command)}```\n")
    return "\n".join(parts)


def _help(main, *words: str) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    return said.getvalue()
