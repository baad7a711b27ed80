"""Search an index in the terminal: results follow what is typed.

With QUERY, print its results and end. Without, on a terminal, results are shown at every key; in a pipe each line of
standard input is a query.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typeahead
from typeahead.commands import input_lines

if TYPE_CHECKING:
    from typeahead.index import Hit, Index
    from typeahead.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("index", type=Path, metavar="DIR", help="folder of the index")
    parser.add_argument("query", nargs="?", metavar="QUERY", help="print the results of this query and end")
    parser.add_argument("--encoder", default="minilm-gru", help="encoder of what is typed: a model's name or folder")
    parser.add_argument("-k", type=int, default=8, help="number of results")
    parser.add_argument("--json", action="store_true", help="print results as JSON lines")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def describe(hits: Sequence[Hit]) -> list[str]:
    """Two lines a hit: score and title, then the text."""
    lines = []
    for hit in hits:
        lines.append(f"{hit.score:6.3f}  {_one_line(hit.title) or hit.id}")
        text = _one_line(hit.text) or hit.url
        if text:
            lines.append(f"        {text}")
    return lines


class _Searcher:
    """A session and an index."""

    def __init__(self, session: Session, index: Index, k: int) -> None:
        self._session, self._index, self._k = session, index, k

    def hits(self, text: str) -> list[Hit]:
        self._session.update(text)
        if self._session.embedding is None:
            return []
        return self._index.search(self._session.embedding[None], self._k)[0]

    def lines(self, text: str) -> list[str]:
        start = time.perf_counter()
        try:
            lines = describe(self.hits(text))
        except typeahead.TypeaheadError as error:
            return [str(error)]
        took = (time.perf_counter() - start) * 1000
        return [*lines, f"{took:.1f} ms" if text else "Type a query. Enter keeps its results, Ctrl+C ends."]


def run(options: argparse.Namespace) -> None:
    """Answer one query, each line of a pipe, or every key."""
    from typeahead.encoders.base import IncrementalEncoder
    from typeahead.index import open_index
    from typeahead.terminal import clean, prompt

    if options.k < 1:
        raise typeahead.TypeaheadError(f"-k is {options.k}, it must be at least 1")
    encoder = typeahead.load(options.encoder)
    if not isinstance(encoder, IncrementalEncoder):
        raise typeahead.TypeaheadError(f"{options.encoder} cannot encode what is typed: give a query encoder")
    with open_index(options.index) as index:
        index.check_teacher(encoder.config)
        searcher = _Searcher(encoder.session(max_chars=4096), index, options.k)

        refused = False

        def answer(query: str) -> None:
            nonlocal refused
            try:
                hits = searcher.hits(query)
            except typeahead.errors.TextError as error:
                # One bad query among many is no reason to lose the others.
                print(f"typeahead search: {error}", file=sys.stderr)
                refused = True
                return
            lines = [json.dumps(hit._asdict(), ensure_ascii=False) for hit in hits] if options.json else describe(hits)
            # Documents are not trusted with the terminal.
            print("\n".join(lines if options.json else map(clean, lines)), flush=True)

        if options.query is not None:
            answer(options.query)
        elif sys.stdin.isatty() and sys.stdout.isatty():
            while (query := prompt("search: ", searcher.lines)) is not None:
                answer(query)
        else:
            for line in input_lines():
                answer(line)
    if refused:
        raise SystemExit(1)
