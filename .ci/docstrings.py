"""Docstrings in Keras's form, as the site's reference reads them: an extension of griffe."""

import importlib
import re
import textwrap

import griffe

# Keras's sections, and what the parser of Google's docstrings calls them, with a title.
_SECTIONS = {"Call arguments": "Other Args: Call arguments", "Example": "Examples: Example"}
# Keras does not indent what stands in these.
_UNINDENTED = ("Example", "Reference")
_TITLE = r"^[A-Z][a-z]+(?: [a-z]+)?:\n"
_SECTION = re.compile(rf"({_TITLE})(.*?)(?={_TITLE}|\Z)", re.M | re.S)
_NAME = re.compile(r"`(keras_inpaint\.([a-z_]+)\.(\w+))`")


class Docstrings(griffe.Extension):
    """Turns Keras's sections into those that are rendered, and public names into links."""

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Rewrites the docstring of one object before it is parsed."""
        if obj.docstring is not None:
            obj.docstring.value = rendered(obj.docstring.value)


def rendered(docstring: str) -> str:
    """A docstring in Keras's form, in the form that is rendered."""

    def section(match: re.Match[str]) -> str:
        name, text = match[1].removesuffix(":\n"), match[2]
        if name in _UNINDENTED:
            text = textwrap.indent(text, "    ")
        return f"{_SECTIONS.get(name, f'{name}:')}\n{text}"

    return _NAME.sub(_link, _SECTION.sub(section, docstring))


def _link(match: re.Match[str]) -> str:
    name, package, thing = match.groups()
    try:
        is_public = thing in importlib.import_module(f"keras_inpaint.{package}").__all__
    except (ImportError, AttributeError):
        return match[0]
    # HTML: the page that a docstring lands on is a neighbour of all others of the reference.
    return f'<a href="../{package}/#{name}"><code>{name}</code></a>' if is_public else match[0]
