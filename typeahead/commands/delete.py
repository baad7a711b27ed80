"""Delete documents of an index, by their ids or by a filter.

A running server shows them no more within a second. IDs that begin with - stand after --. A filter is JSON, such as
'{"country": "France", "year": {"lt": 2000}}'.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from typeahead.commands.index import share

#: Ids that a message names.
_NAMED = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.usage = f"{parser.prog} DIR (ID [ID …] | --filter JSON [--max-shrink SHARE])"
    parser.set_defaults(refuse=parser.error)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the index")
    parser.add_argument("ids", nargs="*", metavar="ID", help="id of a document")
    parser.add_argument("--filter", type=_json, metavar="JSON", help="which documents, instead of ids")
    parser.add_argument(
        "--max-shrink",
        type=share,
        default=0.5,
        metavar="SHARE",
        help="with --filter, delete nothing if it admits more than this share of all documents, from 0 to 1",
    )


def _json(text: str) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is no object: give conditions, such as '{{\"year\": 2000}}'")
    return found


def run(options: argparse.Namespace) -> None:
    """Delete the documents, and say how many these were."""
    from typeahead.index.opened import OpenIndex

    if bool(options.ids) == (options.filter is not None):
        options.refuse("give either ids or --filter")
    with OpenIndex(options.folder) as index:
        if options.filter is not None:
            removed = index.delete_matching(options.filter, options.max_shrink)
        else:
            ids = dict.fromkeys(key.strip() for key in options.ids)
            there = index.get(ids)
            removed = index.delete(ids)
            if missing := [key for key in ids if key not in there]:
                named = ", ".join(missing[:_NAMED]) + (", …" if len(missing) > _NAMED else "")
                print(f"{len(missing):,} of {len(ids):,} ids are not in the index: {named}", file=sys.stderr)
        print(f"{options.folder}: {removed.count:,} documents deleted, {len(index):,} left; version {removed.version}")
