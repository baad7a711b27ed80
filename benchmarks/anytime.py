"""What it saves, and costs, to keep the last results while the embedding hardly moves.

    python -m benchmarks.anytime [--data DIR] [--vectors FILE.npy] [--queries 500] [--traces 300]

Searches the passages of ``msmarco-mini`` with three kinds of typing, one keystroke a character: the judged queries;
queries drawn evenly from ``train_queries.tsv``; and recorded people, corrections included, from
``keystrokes.jsonl.gz``. After each keystroke ``typeahead.search.reuse`` compares the embedding with that of the last
search and decides by a threshold whether its results may stay. The columns compare what is then shown with a search at
every keystroke:

*saved*: share of keystrokes with an embedding that need no search. At threshold 1 these are the keys that leave the
tokens, and so the embedding, unchanged. *overlap@8*: mean share of the full search's 8 passages that are shown, over
all keystrokes, and over those that kept old results. *same best*: share of all keystrokes whose first result is that of
the full search. *nDCG@10 while typing*: mean over the keystrokes of a judged query, then over queries. *at Enter,
without a search there*: the quality if Enter kept old results, too. In fact Enter always searches.

``--vectors`` keeps the passages' vectors, float32 (38995, 384), by ``minilm-doc``; they take one core 5 minutes.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import typeahead
from benchmarks.typed import DATA
from typeahead.core.encoder import IncrementalEncoder, Vectors
from typeahead.core.engine import Engine
from typeahead.evaluate.data.datasets import Dataset, open_dataset
from typeahead.evaluate.data.traces import read_traces
from typeahead.evaluate.measures.prefixes import DEPTH, NOTHING, Judge
from typeahead.evaluate.vectors.search import search
from typeahead.search.reuse import may_stand
from typeahead.tables import report

THRESHOLDS = (1.0, 0.999, 0.998, 0.995, 0.99, 0.98, 0.97, 0.95, 0.9)
SHOWN = 8

Rows = NDArray[np.int64]


class Passages:
    """The collection's passages, in the form that evaluation searches."""

    def __init__(self, dataset: Dataset, file: Path | None) -> None:
        passages = list(dataset.passages())
        self._ids = [passage.id for passage in passages]
        if file is not None and file.is_file():
            self.vectors: Vectors = np.load(file)
        else:
            encoder = typeahead.load("minilm-doc")
            # Group texts by length: every text of a batch costs as much as the longest.
            order = sorted(range(len(passages)), key=lambda row: len(passages[row].text))
            self.vectors = np.empty((len(passages), encoder.dim), np.float32)
            for start in range(0, len(order), 64):
                part = order[start : start + 64]
                self.vectors[part] = encoder.encode([passages[row].text for row in part])
            if file is not None:
                np.save(file, self.vectors)
        self.count, self.dim = self.vectors.shape
        if self.count != len(passages):
            raise SystemExit(f"{file} holds {self.count} vectors for {len(passages)} passages")

    def shards(self) -> Iterator[tuple[int, NDArray[np.floating[Any]]]]:
        """All vectors at once."""
        yield 0, self.vectors

    def ids_of(self, rows: Sequence[int]) -> list[str]:
        """Passage ids of row numbers."""
        return [self._ids[row] for row in rows]


class Typed:
    """Texts typed key by key, with the embedding after each key and what a search for it finds."""

    def __init__(self, encoder: IncrementalEncoder, texts: Sequence[Sequence[str]], passages: Passages) -> None:
        self.embeddings: list[list[Vectors | None]] = []
        engine = Engine(encoder)
        for states in texts:
            session = engine.session(max_chars=4096)
            seen: list[Vectors | None] = []
            for text in states:
                session.update(text)
                seen.append(session.embedding)
            self.embeddings.append(seen)
        # A key that does not change the tokens returns the same object.
        distinct = {id(one): one for seen in self.embeddings for one in seen if one is not None}
        places = {key: place for place, key in enumerate(distinct)}
        self.found: Rows = search(np.stack(list(distinct.values())), passages, DEPTH, threads=1)[0]
        #: For each key, the row of ``found`` with its full search, or ``NOTHING``.
        self.places: list[list[int]] = [
            [NOTHING if one is None else places[id(one)] for one in seen] for seen in self.embeddings
        ]

    def shown(self, threshold: float) -> tuple[list[list[int]], int]:
        """For each key, the row of ``found`` that is on the screen; and how many searches that took."""
        shown, searches = [], 0
        for seen, places in zip(self.embeddings, self.places, strict=True):
            searched: Vectors | None = None
            standing, line = NOTHING, []
            for embedding, place in zip(seen, places, strict=True):
                if embedding is None:
                    line.append(NOTHING)
                    continue
                if not may_stand(searched, embedding, threshold):
                    searched, standing = embedding, place
                    searches += 1
                line.append(standing)
            shown.append(line)
        return shown, searches

    def row(self, threshold: float) -> dict[str, Any]:
        """One line of the table."""
        shown, searches = self.shown(threshold)
        pairs = [
            (stands, full)
            for line, places in zip(shown, self.places, strict=True)
            for stands, full in zip(line, places, strict=True)
            if full != NOTHING
        ]
        overlaps = np.array([len(set(self._top(a)) & set(self._top(b))) / SHOWN for a, b in pairs])
        stood = np.array([a != b for a, b in pairs])
        same_best = np.array([self.found[a, 0] == self.found[b, 0] for a, b in pairs])
        return {
            "threshold": threshold,
            "keystrokes": len(pairs),
            "saved %": 100 * (1 - searches / len(pairs)),
            "overlap@8": float(overlaps.mean()),
            "where they stood": float(overlaps[stood].mean()) if stood.any() else 1.0,
            "least overlap in 100 of these": float(np.percentile(overlaps[stood], 1)) if stood.any() else 1.0,
            "same best %": 100 * float(same_best.mean()),
        }

    def quality(self, threshold: float, judge: Judge, keys: Sequence[str]) -> dict[str, float]:
        """nDCG@10 while typing, and at Enter."""
        padded = np.concatenate([self.found, np.full((1, DEPTH), NOTHING, np.int64)])
        screens = {key: padded[line][None] for key, line in zip(keys, self.shown(threshold)[0], strict=True)}
        scores = judge.score(screens).values()
        return {
            "nDCG@10 while typing": float(np.mean([one.quality.mean() for one in scores])),
            "at Enter, without a search there": float(np.mean([one.quality[-1] for one in scores])),
        }

    def _top(self, place: int) -> list[int]:
        rows: list[int] = self.found[place, :SHOWN].tolist()
        return rows


def prefixes(query: str) -> list[str]:
    """The text in the box after each key of a query."""
    return [query[: end + 1] for end in range(len(query))]


def spread(path: Path, count: int) -> list[str]:
    """Take ``count`` queries evenly from a file."""
    with path.open(encoding="utf-8") as file:
        queries = [line.rstrip("\n").partition("\t")[2] for line in file]
    return queries[:: math.ceil(len(queries) / count)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=DATA, help="folder of real data, by default $TYPEAHEAD_DATA (benchmarks/data.md)"
    )
    parser.add_argument("--vectors", type=Path, help="keep the passages' vectors here and reuse them next time")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--traces", type=int, default=300)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    encoder = typeahead.load("minilm-gru")
    assert isinstance(encoder, IncrementalEncoder)
    dataset = open_dataset(options.data / "msmarco-mini")
    passages = Passages(dataset, options.vectors)
    keys = list(dataset.queries)
    kinds = {
        "judged queries": [prefixes(dataset.queries[key]) for key in keys],
        "train_queries": [prefixes(query) for query in spread(options.data / "train_queries.tsv", options.queries)],
        "recorded typing": [
            [keystroke.text for keystroke in trace]
            for trace in islice(read_traces(options.data / "keystrokes.jsonl.gz"), options.traces)
        ],
    }
    judge = Judge(dataset, passages)
    rows = []
    for name, texts in kinds.items():
        typed = Typed(encoder, texts, passages)
        for threshold in THRESHOLDS:
            row = {"typing": name} | typed.row(threshold)
            row |= typed.quality(threshold, judge, keys) if name == "judged queries" else {}
            rows.append(row)
    report(f"Results that stand, {passages.count:,} passages of msmarco-mini", rows, json_path=options.json)


if __name__ == "__main__":
    main()
