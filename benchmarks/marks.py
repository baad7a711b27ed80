"""What choosing a snippet and marking the query's words add to each hit of each keystroke.

    python -m benchmarks.marks PASSAGES.jsonl

PASSAGES has a title and a text a line, like BEIR's corpora. The first 2,000 are shown in lists of eight hits, as a
server does, for queries of different lengths. "First time" means that no text has been folded before. The long texts
are those texts one after the other, cut to 1,500 code points and to a megabyte.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from typeahead.search.marks import Marker
from typeahead.search.snippets import snippet
from typeahead.search.sought import remembered
from typeahead.tables import report

QUERIES = ("a", "breast canc", "does the risk of breast cancer rise with dairy consum", "AB1234 os.path.join")
HITS = 8
REPETITIONS = 7
SNIPPET = 300
PASSAGE, HUGE = 1500, 1_000_000


def marking(query: str, hits: Sequence[tuple[str, str]], *, forget: bool = False) -> float:
    """Microseconds that marking takes for each hit: the best of several repetitions, because the machine is shared."""
    best = float("inf")
    for _ in range(REPETITIONS):
        if forget:
            remembered.cache_clear()
        started = time.perf_counter()
        for first in range(0, len(hits), HITS):
            marker = Marker(query)
            for title, text in hits[first : first + HITS]:
                marker.spans(title)
                marker.spans(text)
        best = min(best, time.perf_counter() - started)
    return best / len(hits) * 1e6


def choosing(query: str, texts: Sequence[str], *, forget: bool = False) -> float:
    """Microseconds that choosing a snippet takes for each text."""
    best = float("inf")
    words = Marker(query).words
    for _ in range(REPETITIONS):
        if forget:
            remembered.cache_clear()
        started = time.perf_counter()
        for text in texts:
            snippet(text, words, SNIPPET)
        best = min(best, time.perf_counter() - started)
    return best / len(texts) * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("passages", type=Path)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--query", action="append", help="a query to show them for, instead of the usual ones")
    options = parser.parse_args()
    with options.passages.open(encoding="utf-8") as lines:
        read = [json.loads(line) for line in islice(lines, 2000)]
    hits = [(row.get("title", "")[:300], row.get("text", "")[:SNIPPET]) for row in read]
    plain = [(title, text) for title, text in hits if (title + text).isascii()]
    other = [(title + "é", text + "é") for title, text in hits]
    whole = " ".join(row.get("text", "") for row in read).encode("ascii", "replace").decode()
    passages = [whole[at : at + PASSAGE] for at in range(0, min(len(whole), 200 * PASSAGE), PASSAGE)]
    accented = [text[: PASSAGE // 2] + "é" + text[PASSAGE // 2 + 1 :] for text in passages]
    huge = [(whole * (1 + HUGE // len(whole)))[:HUGE]]
    rows = [
        {
            "query": query,
            "marks: ASCII µs a hit": marking(query, plain),
            "other, first time": marking(query, other, forget=True),
            "other, seen before": marking(query, other[:200]),
            "snippet: ASCII µs a passage": choosing(query, passages),
            "other passage, first time": choosing(query, accented, forget=True),
            "other passage, seen before": choosing(query, accented),
            "1 MB": choosing(query, huge),
            "1 MB with an é": choosing(query, ["é" + huge[0]]),
        }
        for query in options.query or QUERIES
    ]
    report("Snippets and marks", rows, json_path=options.json, passages=len(hits))


if __name__ == "__main__":
    main()
