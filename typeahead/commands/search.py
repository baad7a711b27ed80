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
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typeahead
from typeahead.commands import input_lines, warn

if TYPE_CHECKING:
    from typeahead.core.encoder import IncrementalEncoder, Vectors
    from typeahead.search.port import Backend
    from typeahead.search.ranking import Hit

#: Seconds that one search may take.
_PATIENCE = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("index", metavar="INDEX", help="folder of the index, or the address of another back end")
    parser.add_argument("query", nargs="?", metavar="QUERY", help="print the results of this query and end")
    parser.add_argument("--encoder", default="minilm-gru", help="encoder of what is typed: a model's name or folder")
    parser.add_argument("-k", type=int, default=8, help="number of results")
    parser.add_argument(
        "--complete",
        type=int,
        default=0,
        metavar="N",
        help="on a terminal, finish the last word at each key in N ways, by the commonest words of the index that "
        "begin like it (8 is a good number); Enter searches for the text as it is",
    )
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
    """A session and a back end; with ``words``, unfinished words are finished while the text is being typed."""

    def __init__(
        self,
        encoder: IncrementalEncoder,
        backend: Backend,
        runner: asyncio.Runner,
        k: int,
        *,
        complete: int = 0,
        words: Mapping[str, int] | None = None,
    ) -> None:
        from typeahead.core.completion import Completions, Vocabulary
        from typeahead.core.engine import Engine

        engine = Engine(encoder)
        self._session, self._backend, self._runner, self._k = engine.session(max_chars=4096), backend, runner, k
        self._completions = None if words is None else Completions(engine, Vocabulary(words), count=complete)

    def hits(self, text: str) -> list[Hit]:
        """Search for a whole text."""
        self._session.update(text)
        return self._found(self._session.embedding)

    def _typed(self, text: str) -> list[Hit]:
        """Search for a text that is still being typed."""
        self._session.update(text)
        if self._completions is None or not self._session.tokens:
            return self._found(self._session.embedding)
        return self._found(self._completions.ahead([self._session])[0])

    def _found(self, vector: Vectors | None) -> list[Hit]:
        from typeahead.search.port import Request
        from typeahead.search.ranking import find

        if vector is None:
            return []
        request = Request(vector, self._session.text, self._k)
        return self._runner.run(find(self._backend, [request], time.monotonic() + _PATIENCE))[0].hits

    def lines(self, text: str) -> list[str]:
        """The lines to show below a text that is being typed."""
        start = time.perf_counter()
        try:
            lines = describe(self._typed(text))
        except typeahead.TypeaheadError as error:
            return [str(error)]
        took = (time.perf_counter() - start) * 1000
        return [*lines, f"{took:.1f} ms" if text else "Type a query. Enter keeps its results, Ctrl+C ends."]


async def _words(backend: Backend) -> Mapping[str, int]:
    """Count the words of the documents."""
    if backend.capabilities.vocabulary is None:
        raise typeahead.TypeaheadError(f"--complete: {backend.address} does not count words: leave the flag out")
    return await backend.capabilities.vocabulary()


def run(options: argparse.Namespace) -> None:
    """Answer one query, each line of a pipe, or every key."""
    from typeahead.core.completion import MAX_COUNT
    from typeahead.core.encoder import IncrementalEncoder
    from typeahead.search.addresses import OpenOptions, open_backend
    from typeahead.search.space import check_space
    from typeahead.terminal import clean, prompt

    if options.k < 1:
        raise typeahead.TypeaheadError(f"-k is {options.k}, it must be at least 1")
    if not 0 <= options.complete <= MAX_COUNT:
        raise typeahead.TypeaheadError(
            f"--complete is {options.complete}: give 0 for no words, and {MAX_COUNT} at most"
        )
    encoder = typeahead.load(options.encoder)
    if not isinstance(encoder, IncrementalEncoder):
        raise typeahead.TypeaheadError(f"{options.encoder} cannot encode what is typed: give a query encoder")
    with asyncio.Runner() as runner:
        backend = runner.run(open_backend(options.index, OpenOptions(warn=warn)))
        check_space(backend.space, encoder.config)
        # Words are finished at each key, not at Enter.
        typing = options.query is None and sys.stdin.isatty() and sys.stdout.isatty()
        words = None
        if typing and options.complete:
            words = runner.run(_words(backend))
        searcher = _Searcher(encoder, backend, runner, options.k, complete=options.complete, words=words)
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
