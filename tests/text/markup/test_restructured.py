"""reStructuredText becomes plain text, with and without Sphinx's own words."""

from __future__ import annotations

from pathlib import Path

import pytest
from docutils.parsers.rst import directives, roles

from tests.text.markup.pages import outline
from typeahead.text.markup.restructured import read_restructured


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a `link <http://x.org>`_ *b* **c** ``d  e``", "a link b c d e"),
        ("* a\n* b\n\n  * c\n\nd", "a\nb\n\nc\n\nd"),
        ("term\n  definition", "term\ndefinition"),
        ("x::\n\n   code\n     more", "x:\n\ncode\n  more"),
        (".. code-block:: python\n\n   x = 1", "x = 1"),
        ("=== ===\na   b\n=== ===\nc   d\n=== ===", "a\tb\nc\td"),
        (".. note::\n\n   Mind *this*.", "Mind this."),
        (".. image:: x.png\n   :alt: a cat", "a cat"),
        (".. a comment\n\ntext\n\n.. _target:\n", "text"),
        (":func:`open` :py:meth:`~a.b.c` :ref:`Title <target>` :doc:`/x`", "open c Title /x"),
        (".. toctree::\n   :maxdepth: 2\n\n   a\n   b\n\ntext", "text"),
        (".. function:: f(x)\n   :noindex:\n\n   Does *it*.", "f(x)\n\nDoes it."),
        (".. unknown:: a title\n\n   text", "a title\n\ntext"),
        (".. raw:: html\n\n   <b>x</b>\n\ntext", "text"),
        ("broken `markup and :role:", "broken `markup and :role:"),
    ],
)
def test_markup_becomes_text(source: str, text: str) -> None:
    assert read_restructured(f"first\n\n{source}\n").text.removeprefix("first").strip() == text


def test_headings_have_their_ids() -> None:
    page = read_restructured("T\n=\n\nx\n\nU v\n---\n\ny\n\n.. _own:\n\nW\n---\n\nU v\n---\n\nz\n")
    assert page.title == "T"
    assert [(level, title) for level, title, _ in outline(page)] == [(2, "U v"), (2, "W"), (2, "U v")]
    assert outline(page)[0][2] == "u-v"


def test_the_fields_at_the_beginning_become_fields() -> None:
    page = read_restructured(":author: Ann\n:tags: a, b\n:orphan:\n\nT\n=\n\nx\n")
    assert page.fields == {"author": "Ann", "tags": "a, b"}
    assert page.text.endswith("x")


def test_no_other_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    page = read_restructured(
        f"a\n\n.. include:: {tmp_path}/secret.txt\n\n.. csv-table::\n   :file: {tmp_path}/secret.txt\n"
    )
    assert "secret" not in page.text


def test_docutils_is_left_as_it_was() -> None:
    before = directives.directive, roles.role
    read_restructured("a")
    assert (directives.directive, roles.role) == before
