"""Search an index in the terminal: results follow what is typed.

With QUERY, print its results and end. Without, on a terminal, results are shown at every key; in a pipe each line of
standard input is a query.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

import typeahead
from typeahead.commands import add_search_options, input_lines, load_typed, warn

if TYPE_CHECKING:
    from typeahead.box import Box
    from typeahead.search.ranking import Found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("index", metavar="INDEX", help="folder of the index, or the address of another back end")
    parser.add_argument("query", nargs="?", metavar="QUERY", help="print the results of this query and end")
    add_search_options(parser)
    parser.add_argument("-k", type=int, default=8, help="number of results")
    parser.add_argument("--json", action="store_true", help="print results as JSON lines")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def describe(found: Found) -> list[str]:
    """Two lines a hit, score and title, then the text; above them, whether all of them are poor."""
    lines = ["No good match. Closest results:"] if found.weak and found.hits else []
    for hit in found.hits:
        copies = f"  ({hit.copies} copies)" if hit.copies > 1 else ""
        lines.append(f"{hit.score:6.3f}  {_one_line(hit.title) or hit.id}{copies}")
        text = _one_line(hit.text) or hit.url
        if text:
            lines.append(f"        {text}")
    return lines


def _lines(box: Box, text: str, k: int) -> list[str]:
    """The lines to show below a text that is being typed."""
    start = time.perf_counter()
    try:
        lines = describe(box.search(text, k))
    except typeahead.TypeaheadError as error:
        return [str(error)]
    took = (time.perf_counter() - start) * 1000
    return [*lines, f"{took:.1f} ms" if text else "Type a query. Enter keeps its results, Ctrl+C ends."]


def run(options: argparse.Namespace) -> None:
    """Answer one query, each line of a pipe, or every key."""
    from typeahead.box import Box
    from typeahead.search.addresses import OpenOptions
    from typeahead.terminal import clean, prompt

    if options.k < 1:
        raise typeahead.TypeaheadError(f"-k is {options.k}, it must be at least 1")
    with Box(
        options.index,
        load_typed(options.encoder),
        words=options.words == "on",
        continuations=options.complete,
        options=OpenOptions(warn=warn),
    ) as box:
        typing = options.query is None and sys.stdin.isatty() and sys.stdout.isatty()
        refused = False

        def answer(query: str) -> None:
            nonlocal refused
            try:
                found = box.search(query, options.k)
            except typeahead.errors.TextError as error:
                # One bad query among many is no reason to lose the others.
                print(f"typeahead search: {error}", file=sys.stderr)
                refused = True
                return
            if options.json:
                lines = [json.dumps(hit._asdict(), ensure_ascii=False) for hit in found.hits]
            else:
                lines = describe(found)
            # Documents are not trusted with the terminal.
            print("\n".join(lines if options.json else map(clean, lines)), flush=True)

        if options.query is not None:
            answer(options.query)
        elif typing:
            while (query := prompt("search: ", lambda text: _lines(box, text, options.k))) is not None:
                answer(query)
        else:
            for line in input_lines():
                answer(line)
    if refused:
        raise SystemExit(1)
