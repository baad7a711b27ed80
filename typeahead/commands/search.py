"""Search an index in the terminal: results follow what is typed.

With QUERY, print its results and end. Without, on a terminal, results are shown at every key; in a pipe each line of
standard input is a query.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typeahead
from typeahead.commands import add_search_options, input_lines, load_typed, make_asker, warn

if TYPE_CHECKING:
    from typeahead.search.asking import Asker
    from typeahead.search.port import Backend
    from typeahead.search.ranking import Hit
    from typeahead.search.scoring import Scale

#: Seconds that one search may take.
_PATIENCE = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("index", metavar="INDEX", help="folder of the index, or the address of another back end")
    parser.add_argument("query", nargs="?", metavar="QUERY", help="print the results of this query and end")
    add_search_options(parser)
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
    """A back end, and what asks it: every key and Enter find the same for the same text."""

    def __init__(self, asker: Asker, backend: Backend, scale: Scale, runner: asyncio.Runner, k: int) -> None:
        self._asker, self._backend, self._scale, self._runner, self._k = asker, backend, scale, runner, k
        # Whatever is typed here is one person's.
        self._scope = asker.engine.scope()

    def hits(self, text: str) -> list[Hit]:
        """Search for a text."""
        from typeahead.search.ranking import find

        requests = self._asker.ask([text], self._k, scope=self._scope)
        deadline = time.monotonic() + _PATIENCE
        return self._runner.run(find(self._backend, requests, deadline, self._scale))[0].hits

    def lines(self, text: str) -> list[str]:
        """The lines to show below a text that is being typed."""
        start = time.perf_counter()
        try:
            lines = describe(self.hits(text))
        except typeahead.TypeaheadError as error:
            return [str(error)]
        took = (time.perf_counter() - start) * 1000
        return [*lines, f"{took:.1f} ms" if text else "Type a query. Enter keeps its results, Ctrl+C ends."]


def run(options: argparse.Namespace) -> None:
    """Answer one query, each line of a pipe, or every key."""
    from typeahead.search.addresses import OpenOptions, open_backend
    from typeahead.search.learning import learn
    from typeahead.search.space import check_space
    from typeahead.terminal import clean, prompt

    if options.k < 1:
        raise typeahead.TypeaheadError(f"-k is {options.k}, it must be at least 1")
    encoder = load_typed(options.encoder)
    with asyncio.Runner() as runner:
        backend = runner.run(open_backend(options.index, OpenOptions(warn=warn)))
        check_space(backend.space, encoder.config)
        asker = make_asker(encoder, backend, options)
        scale = runner.run(learn(backend, asker, time.monotonic() + _PATIENCE))
        searcher = _Searcher(asker, backend, scale, runner, options.k)
        typing = options.query is None and sys.stdin.isatty() and sys.stdout.isatty()
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
        elif typing:
            while (query := prompt("search: ", searcher.lines)) is not None:
                answer(query)
        else:
            for line in input_lines():
                answer(line)
    if refused:
        raise SystemExit(1)
