"""Reads reStructuredText with docutils, and what Sphinx adds to it without Sphinx.

A role or directive that docutils does not know is read for its text. Nothing is inserted from other files, nothing is
run, and no system message gets into the text.
"""

from __future__ import annotations

import contextlib
import io
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

from typeahead.text.document import Values
from typeahead.text.markup.flow import Flow, Page
from typeahead.text.markup.libraries import library

_SETTINGS: Final[Mapping[str, Any]] = {
    "report_level": 5,
    "halt_level": 5,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "syntax_highlight": "none",
    "_disable_config": True,
    "embed_stylesheet": False,
    "doctitle_xform": False,
    "warning_stream": None,
}
#: Directives whose content names files, modules and options, and is no text.
_SILENT = frozenset(
    "toctree index include literalinclude automodule autoclass autofunction automethod autodata autoattribute "
    "autoexception autosummary automodapi currentmodule module sectionauthor codeauthor highlight tabularcolumns "
    "default-domain program graphviz inheritance-diagram plot raw contents meta ifconfig".split()
)
_SKIPPED = frozenset("comment system_message substitution_definition target raw meta pending index decoration".split())
_ROLE_TARGET = re.compile(r"^(.*?)\s*<[^<>]*>$", re.DOTALL)
_VERBATIM = frozenset(["literal_block", "doctest_block", "math_block", "line_block"])
_LINES = frozenset("list_item definition_list_item term definition field row thead tbody option_list_item line".split())
#: Where paragraphs are lines.
_HOLDERS = frozenset(["list_item", "field_body", "definition"])
_SPACED = frozenset(["field_name", "option_group", "classifier", "field_body", "description"])

#: docutils finds roles and directives by functions that are replaced while a page is read.
_lock = threading.Lock()


def read_restructured(source: str) -> Page:
    """Read a page whose line breaks are LF."""
    core = library("docutils.core", "docutils")
    with _lock, _lenient():
        # docutils limits lines to 10,000 characters, and what it says of broken markup is not for the text.
        settings = {**_SETTINGS, "line_length_limit": len(source) + 1, "warning_stream": io.StringIO()}
        tree = core.publish_doctree(source, settings_overrides=settings)
    flow = Flow()
    fields: dict[str, Values] = {}
    _Reader(flow, fields).read(tree)
    page = flow.page(str(fields.pop("title", "")))
    return Page(page.title, page.text, page.headings, fields)


class _Reader:
    """Goes through the tree of a page once."""

    def __init__(self, flow: Flow, fields: dict[str, Values]) -> None:
        self._flow = flow
        self._fields = fields

    def read(self, tree: Any) -> None:
        stack: list[tuple[Any, int, bool]] = [(tree, 0, False)]
        while stack:
            node, level, is_read = stack.pop()
            kind = node.tagname
            if is_read:
                self._leave(node, kind)
            elif self._enter(node, kind, level):
                deeper = level + (kind == "section")
                stack.append((node, level, True))
                stack += [(child, deeper, False) for child in reversed(node.children)]

    def _enter(self, node: Any, kind: str, level: int) -> bool:
        """Read the beginning of a node. Say whether its content is to be read, too."""
        if kind == "#text":
            self._flow.write(node.astext())
            return False
        if kind in _SKIPPED or "contents" in node.get("classes", ()):
            return False
        if kind == "docinfo":
            self._docinfo(node)
            return False
        if kind == "title" and node.parent.tagname == "section":
            ids = node.parent["ids"]
            self._flow.heading(level, node.astext(), ids[0] if ids else "")
            return False
        if kind in _VERBATIM:
            self._flow.verbatim(node.astext())
            return False
        if kind == "image":
            self._flow.write(node.get("alt", ""))
            return False
        if kind == "entry":
            self._flow.begin_cell()
        elif kind in _LINES:
            self._flow.end_block("\n")
        elif kind in _SPACED:
            self._flow.write(" ")
        elif not _is_inline(node) and not (kind == "paragraph" and node.parent.tagname in _HOLDERS):
            self._flow.end_block()
        return True

    def _leave(self, node: Any, kind: str) -> None:
        if kind == "entry":
            self._flow.end_cell()
        elif kind in _LINES or kind == "paragraph":
            self._flow.end_block("\n" if kind in _LINES or node.parent.tagname in _HOLDERS else "\n\n")
        elif kind in _SPACED:
            self._flow.write(" ")

    def _docinfo(self, node: Any) -> None:
        """Make fields of the list of fields at the beginning of a page."""
        for child in node.children:
            parts = child.children
            name, value = (parts[0], parts[1]) if child.tagname == "field" else (None, child)
            key = name.astext() if name is not None else child.tagname
            if text := " ".join(value.astext().split()):
                self._fields[key] = text


class _Anything(dict[str, Any]):
    """Options of any name."""

    def __missing__(self, name: str) -> Any:
        return next(iter(self.values()))


def _is_inline(node: Any) -> bool:
    nodes = library("docutils.nodes", "docutils")
    return isinstance(node, nodes.Inline)


@contextlib.contextmanager
def _lenient() -> Iterator[None]:
    """Let docutils take every role and directive, as Sphinx does it for its own."""
    directives = library("docutils.parsers.rst.directives", "docutils")
    roles = library("docutils.parsers.rst.roles", "docutils")
    nodes = library("docutils.nodes", "docutils")
    directive: Any = library("docutils.parsers.rst", "docutils").Directive

    anything = _Anything({"name": directives.unchanged})

    class Lenient(directive):  # type: ignore[misc]
        optional_arguments = 1000
        final_argument_whitespace = False
        option_spec = anything
        has_content = True

        def run(self) -> list[Any]:
            if self.name in _SILENT:
                return []
            holder = nodes.container()
            if self.arguments:
                holder += nodes.paragraph("", " ".join(self.arguments))
            self.state.nested_parse(self.content, self.content_offset, holder)
            return [holder]

    def role(name: str, raw: str, text: str, line: int, inliner: Any, options: Any = None, content: Any = None) -> Any:
        del raw, line, inliner, options, content
        text = re.sub(r"\x00(.)", r"\1", text)
        if match := _ROLE_TARGET.match(text):
            text = match[1]
        elif ":" in name or name in ("meth", "func", "class", "mod", "attr", "exc", "obj", "data"):
            text = text.rpartition(".")[2] if text.startswith("~") else text.lstrip("!.")
        else:
            text = text.lstrip("!~")
        return [nodes.inline("", text)], []

    known_directive, known_role = directives.directive, roles.role

    def find_directive(name: str, language: Any, document: Any) -> Any:
        if name not in _SILENT and (found := known_directive(name, language, document))[0] is not None:
            return found
        return Lenient, []

    def find_role(name: str, language: Any, line: int, reporter: Any) -> Any:
        found, messages = known_role(name, language, line, reporter)
        return (found, messages) if found is not None and name != "raw" else (role, [])

    directives.directive, roles.role = find_directive, find_role
    try:
        yield
    finally:
        directives.directive, roles.role = known_directive, known_role
