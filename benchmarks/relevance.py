"""How well one formula ranks what people type, on development data: for choosing its weights.

    python -m benchmarks.relevance DATA [--split dev-a] [--weights words=0.6,rare=0.4 …] [--fit ROUNDS]

DATA is what ``python -m benchmarks.development_data`` writes. Its documents are indexed in ``DATA/index`` the first time.
Every text is read, encoded and looked for once, as at a key (at Enter it is the same); then the evidence of its
candidates is scored with each set of weights. ``--fit`` changes one weight at a time, and keeps what is better for the
mean of all measures. Weights are chosen on ``dev-a``; ``dev-b`` tells whether the choice was luck.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

import typeahead
from benchmarks import options
from typeahead.core.encoder import IncrementalEncoder, Vectors
from typeahead.core.engine import Engine
from typeahead.index.build import build_index
from typeahead.progress import ProgressBar
from typeahead.search.addresses import open_backend
from typeahead.search.calibration import calibrate
from typeahead.search.port import Backend, Candidates, Request
from typeahead.search.ranking import DEPTH
from typeahead.search.reading import Reader
from typeahead.search.scoring import WEIGHTS, Scale, Weights, score
from typeahead.search.seeking import Seeker
from typeahead.tables import report
from typeahead.text.sources import read_source

#: Characters of a query that are typed, as shares.
SHARES: Final = (0.3, 0.5, 0.7, 1.0)
_PATIENCE: Final = 600.0
_BATCH: Final = 32
#: What a weight is multiplied by in a round of ``--fit``.
_STEPS: Final = (0.0, 0.5, 0.8, 1.25, 2.0)


class Typed(NamedTuple):
    """A text, what it should find, and what does not count."""

    measure: str
    text: str
    relevant: frozenset[str]
    excluded: frozenset[str] = frozenset()


def typed(folder: Path, split: str) -> Iterator[Typed]:
    """The texts of one half of the development data."""
    relevant: dict[str, set[str]] = defaultdict(set)
    for line in (folder / "qrels" / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, _ = line.split("\t")
        relevant[query].add(document)
    for query in _records(folder / "queries.jsonl"):
        # A heading is its own document's title, so it is searched for without titles, or not at all.
        if query["_id"] in relevant and query["kind"] != "heading":
            for share in SHARES:
                text = query["text"][: max(1, round(share * len(query["text"])))]
                measure = f"{query['kind']} {share:.0%}"
                yield Typed(measure, text, frozenset(relevant[query["_id"]]), frozenset(query["exclude"]))
    for name in _records(folder / "names.jsonl"):
        if name["split"] == split:
            yield Typed("name", name["text"], frozenset([name["id"]]))
            for how in ("70", "swap", "deletion"):
                if how in name["typed"]:
                    yield Typed(f"name {how}", name["typed"][how], frozenset([name["id"]]))
    for word in _records(folder / "rare.jsonl"):
        if word["split"] == split:
            yield Typed("rare word", word["text"], frozenset([word["id"]]))
    for string in _records(folder / "nonsense.jsonl"):
        if string["split"] == split:
            yield Typed("no meaning", string["text"], frozenset())


def _records(path: Path) -> Iterator[dict[str, object]]:
    ...
