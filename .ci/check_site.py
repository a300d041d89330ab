"""Looks for dead links in the built site, and for public names that it does not explain.

python .ci/check_site.py site/
"""

import pathlib
import sys
import urllib.parse
from html.parser import HTMLParser

import site_pages


class _Page(HTMLParser):
    """The links and the anchors of one page."""

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keeps what leads elsewhere, and what may be led to."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.anchors.add(value)


def dead_links(site: pathlib.Path) -> tuple[list[str], int]:
    """The links within the site that lead nowhere, and how many there are in all."""
    # The page of the export is checked by tests of its own.
    paths = [path for path in site.rglob("*.html") if path.relative_to(site).parts[0] != "try"]
    pages = {path: _Page(path) for path in paths}
    dead, count = [], 0
    for path, page in pages.items():
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc or path.name == "404.html":
                continue
            count += 1
            name = urllib.parse.unquote(parts.path)
            target = path.parent / name if name else path
            target = (target / "index.html" if target.is_dir() else target).resolve()
            anchor = urllib.parse.unquote(parts.fragment)
            known = pages.get(target)
            if not target.is_file() or (anchor and known and anchor not in known.anchors):
                dead.append(f"{path.relative_to(site)}: {link}")
    return dead, count


def unexplained(site: pathlib.Path) -> tuple[list[str], int]:
    """The public names without a text in the reference, and how many there are in all."""
    missing, count = [], 0
    for package, names in site_pages.public_names().items():
        page = site / "reference" / package / "index.html"
        text = page.read_text(encoding="utf-8")
        for name in names:
            count += 1
            _, found, rest = text.partition(f'id="keras_inpaint.{package}.{name}"')
            if not package:
                # A line of a table, which leads to the name's home.
                _, found, rest = text.partition(f'id="keras_inpaint.{name}"')
                rest = rest.partition("</tr>")[0].replace("<td>", "<p>")
            if not found or "<p>" not in rest.partition('<span class="public"')[0]:
                missing.append(f"keras_inpaint.{package}.{name}")
    return missing, count


def main(folder: str) -> int:
    """Prints what is wrong, or that nothing is."""
    site = pathlib.Path(folder).resolve()
    dead, links = dead_links(site)
    bare, names = unexplained(site)
    for line in [f"Dead link: {each}" for each in dead] + [f"No text: {each}" for each in bare]:
        print(line)
    print(f"{links} links, {len(dead)} dead; {names} public names, {len(bare)} without a text.")
    return int(bool(dead or bare))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
