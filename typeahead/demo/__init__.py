"""The demo's index: the documentation of the running Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typeahead.moved import moved_names

if not TYPE_CHECKING:
    __getattr__ = moved_names(
        __name__,
        {
            "ensure_demo_index": "typeahead.demo.building:ensure_demo_index",
            "stdlib_documents": "typeahead.demo.building:stdlib_documents",
            "shorten": "typeahead.demo.building:shorten",
        },
    )
