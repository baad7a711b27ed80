"""What is said of pages in tests."""

from __future__ import annotations

from typeahead.text.markup.flow import Page


def outline(page: Page) -> list[tuple[int, str, str]]:
    """Level, title and anchor of each heading; every heading's words stand where its section begins."""
    for heading in page.headings:
        assert page.text[heading.start :].startswith(heading.title)
    return [(heading.level, heading.title, heading.anchor) for heading in page.headings]
