"""The JSON file of a measurement: its figures, its command, its hardware and its versions.

Each measurement has its own figures; :mod:`~typeahead.evaluate.report.page` puts many such files on one page.
"""

from __future__ import annotations

import json
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from typeahead.errors import SourceError
from typeahead.tables import hardware

FORMAT_VERSION = 1

KINDS = ("retrieval", "prefixes", "hybrid", "typed", "box", "latency", "mteb")


def write_results(path: Path | None, kind: str, figures: dict[str, Any]) -> None:
    """Write the ``figures`` of a measurement of one of :data:`KINDS`, with their origin; without a path, do nothing.

    The path "-" prints them. NaN is refused with ``ValueError``: JSON has no NaN.
    """
    if path is None:
        return
    text = json.dumps(record_of(kind, figures), indent=1, allow_nan=False, ensure_ascii=False)
    if str(path) == "-":
        print(text)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


def record_of(kind: str, figures: dict[str, Any]) -> dict[str, Any]:
    """The ``figures`` of a measurement that ends now, with their origin."""
    return {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "command": shlex.join(["typeahead", *sys.argv[1:]]),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "hardware": hardware(),
        **figures,
    }


def read_results(path: Path) -> dict[str, Any]:
    """Read what :func:`write_results` wrote; :class:`~typeahead.errors.SourceError` for anything else."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SourceError(f"not JSON: {error}", path=path) from error
    if not isinstance(record, dict) or record.get("kind") not in KINDS:
        raise SourceError(f"no file of typeahead evaluate: its kind is none of {', '.join(KINDS)}", path=path)
    if record.get("format_version") != FORMAT_VERSION:
        raise SourceError(
            f"format version {record.get('format_version')}, this version reads {FORMAT_VERSION}", path=path
        )
    return record
