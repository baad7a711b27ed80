"""Retrieval quality of query encoders over one frozen index of the teacher's vectors.

A collection is a BEIR folder. Passages are encoded once, by the passage encoder, and kept on disk; they are searched
exactly, in float32. Metrics come from ``ir_measures`` (trec_eval's definitions: linear gain, ties by document id).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from typeahead.encoders.base import Vectors
from typeahead.errors import MissingExtra, SourceError

METRICS = ("nDCG@10", "RR@10", "R@50")
_DEPTH = 1000
_BATCH = 2048


class QueryEncoder(Protocol):
    """All that is asked of an encoder here."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts to float32 (n, dim)."""


@dataclass(frozen=True)
class Collection:
    """A BEIR folder: passages, judged queries, judgements."""

    name: str
    passage_ids: list[str]
    passages: list[str]
    query_ids: list[str]
    queries: list[str]
    qrels: dict[str, dict[str, int]]
    #: From which grade on a passage counts as relevant for RR and R.
    relevant_from: int


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    if not path.is_file():
        raise SourceError("not found; a BEIR folder has corpus.jsonl, queries.jsonl and qrels/test.tsv", path=path)
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise SourceError(f"not JSON: {error}", path=path, line=number) from error


def read_collection(folder: Path, *, split: str = "test", relevant_from: int = 1) -> Collection:
    """Read a BEIR folder; queries without a judgement are left out, as BEIR does."""
    qrels: dict[str, dict[str, int]] = {}
    path = folder / "qrels" / f"{split}.tsv"
    if not path.is_file():
        raise SourceError("not found", path=path)
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            parts = line.rstrip("\n").split("\t")
            if number == 1 and parts[-1] == "score":
                continue
            if len(parts) != 3 or not parts[2].lstrip("-").isdigit():
                raise SourceError("expected query id, passage id, grade", path=path, line=number)
            qrels.setdefault(parts[0], {})[parts[1]] = int(parts[2])
    passages: dict[str, str] = {}
    for number, row in _lines(folder / "corpus.jsonl"):
        if row["_id"] in passages:
            raise SourceError(f"passage id {row['_id']!r} stands twice", path=folder / "corpus.jsonl", line=number)
        passages[row["_id"]] = f"{row.get('title', '')} {row['text']}".strip()
    queries = {row["_id"]: row["text"] for _, row in _lines(folder / "queries.jsonl") if row["_id"] in qrels}
    if missing := [query for query in qrels if query not in queries]:
        raise SourceError(f"{len(missing)} judged queries are not in queries.jsonl, such as {missing[0]!r}", path=path)
    return Collection(
        name=folder.name,
        passage_ids=list(passages),
        passages=list(passages.values()),
        query_ids=list(queries),
        queries=list(queries.values()),
        qrels=qrels,
        relevant_from=relevant_from,
    )


def encode_passages(
    encoder: QueryEncoder,
    collection: Collection,
    *,
    key: str,
    cache: Path | None,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> Vectors:
    """Encode all passages to float32 (n, dim), or read them from ``cache``.

    The file in the cache is named by ``key``, which stands for the encoder, and by a hash of all passages.
    """
    digest = hashlib.sha256("\0".join([key, *collection.passage_ids, *collection.passages]).encode()).hexdigest()
    path = cache / f"{collection.name}-{digest[:16]}.npy" if cache else None
    if path and path.is_file():
        stored: Vectors = np.load(path, allow_pickle=False)
        return stored
    total = len(collection.passages)
    parts = []
    for first in range(0, total, _BATCH):
        parts.append(encoder.encode(collection.passages[first : first + _BATCH]))
        if progress:
            progress(f"passages of {collection.name}", min(first + _BATCH, total), total)
    vectors = np.concatenate(parts)
    if not np.isfinite(vectors).all():
        raise SourceError(f"{key} gave a vector that is not finite for a passage of {collection.name}")
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.save(file, vectors)
        partial.replace(path)
    return vectors


def search(queries: Vectors, passages: Vectors, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Exact search by inner product: row numbers and scores, best first, (n, depth)."""
    depth = min(depth, len(passages))
    scores = queries @ passages.T
    rows = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
    found = np.take_along_axis(scores, rows, 1)
    order = np.argsort(-found, axis=1, kind="stable")
    return np.take_along_axis(rows, order, 1), np.take_along_axis(found, order, 1)


def evaluate(encoder: QueryEncoder, collection: Collection, passages: Vectors) -> dict[str, float]:
    """Metrics of one query encoder over the passages' vectors, as fractions."""
    queries = encoder.encode(collection.queries)
    if not np.isfinite(queries).all():
        raise SourceError(f"the query encoder gave a vector that is not finite on {collection.name}")
    rows, scores = search(queries, passages, _DEPTH)
    run = {
        query: {collection.passage_ids[row]: float(score) for row, score in zip(found, values, strict=True)}
        for query, found, values in zip(collection.query_ids, rows, scores, strict=True)
    }
    return score_run(run, collection)


def _without_ties(run: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Ranks as scores, ties broken as trec_eval does, by document id, descending; measures disagree about ties."""
    ranked = {}
    for query, scores in run.items():
        order = sorted(scores, key=lambda document: (scores[document], document), reverse=True)
        ranked[query] = {document: float(len(order) - rank) for rank, document in enumerate(order)}
    return ranked


def score_run(run: Mapping[str, Mapping[str, float]], collection: Collection) -> dict[str, float]:
    """Metrics of a run by ``ir_measures``."""
    try:
        import ir_measures
    except ImportError as error:
        raise MissingExtra("ir_measures", "evaluate") from error
    threshold = collection.relevant_from
    measures = {
        "nDCG@10": ir_measures.nDCG @ 10,
        "RR@10": ir_measures.RR(rel=threshold) @ 10,
        "R@50": ir_measures.R(rel=threshold) @ 50,
    }
    found = ir_measures.calc_aggregate(measures.values(), collection.qrels, _without_ties(run))
    return {name: float(found[measure]) for name, measure in measures.items()}
