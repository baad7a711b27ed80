"""Tables, curves and pages of what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typeahead.moved import moved_names

if not TYPE_CHECKING:
    __getattr__ = moved_names(
        __name__,
        {
            "write_report": "typeahead.evaluate.report.page:write_report",
        },
    )
