"""What marking the query's words adds to each hit of each keystroke.

    python -m benchmarks.marks PASSAGES.jsonl

PASSAGES has a title and a text a line, like BEIR's corpora. The first 2,000 are marked in lists of eight hits, as a
server does, for queries of different lengths. "First time" means that no text has been folded before.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from typeahead.search import marks
from typeahead.tables import report

QUERIES = ("a", "breast canc", "does the risk of breast cancer rise with dairy consum")
HITS = 8
REPETITIONS = 7


def microseconds(query: str, hits: Sequence[tuple[str, str]], *, forget: bool = False) -> float:
    """Microseconds a hit: the best of several repetitions, because the machine is shared."""
    best = float("inf")
    for _ in range(REPETITIONS):
        if forget:
            marks._fold.cache_clear()
        started = time.perf_counter()
        for first in range(0, len(hits), HITS):
            marker = marks.Marker(query)
            for title, text in hits[first : first + HITS]:
                marker.spans(title)
                marker.spans(text)
        best = min(best, time.perf_counter() - started)
    return best / len(hits) * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("passages", type=Path)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    with options.passages.open(encoding="utf-8") as lines:
        read = [json.loads(line) for line in islice(lines, 2000)]
    hits = [(row.get("title", "")[:300], row.get("text", "")[:300]) for row in read]
    plain = [(title, text) for title, text in hits if (title + text).isascii()]
    other = [(title + "é", text + "é") for title, text in hits]
    rows = [
        {
            "query": query,
            "ASCII µs a hit": microseconds(query, plain),
            "other, first time": microseconds(query, other, forget=True),
            "other, seen before": microseconds(query, other[:200]),
        }
        for query in QUERIES
    ]
    report("Marks", rows, json_path=options.json, passages=len(hits))


if __name__ == "__main__":
    main()
