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
    from typeahead.core.encoder import IncrementalEncoder, Vectors
    from typeahead.index import Hit, Index


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("index", type=Path, metavar="DIR", help="folder of the index")
    parser.add_argument("query", nargs="?", metavar="QUERY", help="print the results of this query and end")
    parser.add_argument("--encoder", default="minilm-gru", help="encoder of what is typed: a model's name or folder")
    parser.add_argument("-k", type=int, default=8, help="number of results")
    parser.add_argument(
        "--complete",
        type=int,
        default=0,
        metavar="N",
        help="on a terminal, show at each key what the text will find once its last word is finished, taken for the N "
        "commonest words of the index that begin like it (8 is a good number), and at Enter what it finds as it is",
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
    """A session and an index; while one types, the words that the last one of the text may become."""

    def __init__(self, encoder: IncrementalEncoder, index: Index, k: int, complete: int) -> None:
        from typeahead.core.completion import Completions, Vocabulary
        from typeahead.core.engine import Engine

        engine = Engine(encoder)
        self._session, self._index, self._k = engine.session(max_chars=4096), index, k
        self._completions = Completions(engine, Vocabulary(index.word_counts()), count=complete) if complete else None

    def hits(self, text: str) -> list[Hit]:
        """What a whole text finds."""
        self._session.update(text)
        return self._found(self._session.embedding)

    def _typed(self, text: str) -> list[Hit]:
        """What a text finds that is being typed."""
        self._session.update(text)
        if self._completions is None or not self._session.tokens:
            return self._found(self._session.embedding)
        return self._found(self._completions.ahead([self._session])[0])

    def _found(self, vector: Vectors | None) -> list[Hit]:
        return [] if vector is None else self._index.search(vector[None], self._k)[0]

    def lines(self, text: str) -> list[str]:
        """What stands below a text that is being typed."""
        start = time.perf_counter()
        try:
            lines = describe(self._typed(text))
        except typeahead.TypeaheadError as error:
            return [str(error)]
        took = (time.perf_counter() - start) * 1000
        return [*lines, f"{took:.1f} ms" if text else "Type a query. Enter keeps its results, Ctrl+C ends."]


def run(options: argparse.Namespace) -> None:
    """Answer one query, each line of a pipe, or every key."""
    from typeahead.core.completion import MAX_COUNT
    from typeahead.core.encoder import IncrementalEncoder
    from typeahead.index import open_index
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
    with open_index(options.index) as index:
        index.check_teacher(encoder.config)
        if index.manifest.warning:
            print(f"warning: {index.manifest.warning}", file=sys.stderr)
        # Words matter at each key alone.
        typing = options.query is None and sys.stdin.isatty() and sys.stdout.isatty()
        searcher = _Searcher(encoder, index, options.k, options.complete if typing else 0)
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
