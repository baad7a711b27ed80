"""The options that say how documents are read, for the commands that read them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typeahead.index import BadLines, FieldMap, Skipped
    from typeahead.text.sources import Options

#: As :data:`typeahead.text.sources.KINDS`; importing that takes longer than showing help.
_KINDS = ("jsonl", "json", "csv", "tsv", "parquet", "arrow", "beir", "notes")


def add_reading(group: argparse._ArgumentGroup) -> None:
    """Declare how documents are read: :func:`reading` takes what is given."""
    group.add_argument(
        "--format",
        choices=["auto", *_KINDS],
        default="auto",
        help="format of the source (default: by its name)",
    )
    group.add_argument("--query", metavar="SQL", help="query of a database; its columns are the fields of documents")
    group.add_argument("--id-field", metavar="NAME", help="field with the id (default: _id or id)")
    group.add_argument("--url-field", metavar="NAME", help="field with the URL (default: url)")
    group.add_argument(
        "--fields",
        type=_members,
        default="auto",
        metavar="NAMES",
        help="comma-separated members that become fields for filters and facets, such as price,metadata.* for one "
        "member and all of an object; all, or none (default: those of the object 'fields', or else all that are short)",
    )
    group.add_argument(
        "--field",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="one more field, such as country=address.country; may be repeated",
    )
    group.add_argument(
        "--field-type",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=TYPE",
        help="text, number or truth, such as year=text; may be repeated (default: as the first documents have it)",
    )
    group.add_argument(
        "--columns", metavar="NAMES", help="comma-separated column names for a CSV or TSV file without a header"
    )
    group.add_argument(
        "--delimiter",
        type=_delimiter,
        metavar="CHARACTER",
        help="column separator of a CSV file, such as ';' or tab (default: detected)",
    )
    group.add_argument(
        "--encoding", type=_encoding, metavar="NAME", help="encoding of the source, such as cp1252 (default: detected)"
    )


def add_pages(group: argparse._ArgumentGroup) -> None:
    """Declare how pages of documentation are read."""
    group.add_argument(
        "--base-url", default="", metavar="URL", help="where the pages are published (default: hits have no URL)"
    )
    group.add_argument(
        "--url-pattern",
        type=_url_pattern,
        default="{path}",
        metavar="PATTERN",
        help="path of a page below --base-url, such as {path}, {stem} or {stem}/ (default: {path})",
    )
    group.add_argument("--drafts", action="store_true", help="read pages whose front matter marks them as drafts")


def reading(
    options: argparse.Namespace, bad: BadLines | None, skipped: Skipped, known: Mapping[str, str] | None = None
) -> tuple[FieldMap, Options]:
    """Return how documents are read. ``known`` are the kinds that fields have in the index already."""
    from typeahead.index import FieldChoice, FieldMap
    from typeahead.text.sources import Options, Pages

    try:
        choice = FieldChoice(options.fields, dict(options.field), dict(options.field_type), known or {})
    except ValueError as error:
        options.refuse(str(error))
    names = FieldMap(options.id_field, options.title_field, options.text_field, options.url_field)
    how = Options(
        kind=options.format,
        choice=choice,
        columns=options.columns.split(",") if options.columns else None,
        bad=bad,
        # Vectors from a file may be in the order of the documents, so all of these count.
        skipped=None if options.vectors else skipped,
        delimiter=options.delimiter,
        encoding=options.encoding,
        query=options.query,
        notice=tell,
        repeated=options.by_passage,
        pages=Pages(options.base_url, options.url_pattern, options.drafts),
    )
    return names, how


def _members(text: str) -> str | tuple[str, ...]:
    return text if text in ("auto", "all", "none") else tuple(name.strip() for name in text.split(","))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def _delimiter(text: str) -> str:
    text = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(text) != 1 or text in '"\r\n':
        raise argparse.ArgumentTypeError(f"{text!r} is neither a single character nor tab")
    return text


def _encoding(text: str) -> str:
    from typeahead.text.encodings import named

    try:
        return named(text)
    except LookupError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a text encoding known to Python") from None


def _url_pattern(text: str) -> str:
    from typeahead.text.markup.urls import check_pattern

    try:
        return check_pattern(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def tell(message: str) -> None:
    """Write a line to standard error."""
    print(message, file=sys.stderr)
