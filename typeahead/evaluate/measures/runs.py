"""Runs: the hits of a retriever for each query, in memory and in the file formats of TREC and MS MARCO.

:mod:`~typeahead.evaluate.vectors.search` gives row numbers and scores. A run has the documents' ids in trec_eval's
order, and :mod:`~typeahead.evaluate.measures.metrics` scores it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from typeahead.errors import SourceError
from typeahead.evaluate.vectors.search import NO_ROW
from typeahead.text.reading import parsed, utf8_lines


class Hits(Sequence[tuple[str, float]]):
    """Documents and scores of one query, best first: a sequence of pairs, kept as two columns.

    Seven million pairs as tuples would take 1 GB more.
    """

    __slots__ = ("ids", "scores")

    def __init__(self, ids: list[str], scores: NDArray[np.float32]) -> None:
        self.ids = ids
        self.scores = scores

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, at: int) -> tuple[str, float]: ...
    @overload
    def __getitem__(self, at: slice) -> Hits: ...
    def __getitem__(self, at: int | slice) -> tuple[str, float] | Hits:
        if isinstance(at, slice):
            return Hits(self.ids[at], self.scores[at])
        return self.ids[at], float(self.scores[at])

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return iter(zip(self.ids, self.scores.tolist(), strict=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __repr__(self) -> str:
        return f"Hits({list(self)!r})"


class Run:
    """Hits of each query, best first.

    Hits may be given in any order. They are ranked as by trec_eval: by score as float32, then by document id, both
    descending. A query without hits may be missing.

    Raises :class:`~typeahead.errors.SourceError` for a document that a query has twice, and for a score that is not
    finite: the rank of such a document would depend on the tool.
    """

    def __init__(self, name: str, hits: Mapping[str, Iterable[tuple[str, float]]]) -> None:
        self.name = name
        self.hits: dict[str, Hits] = {}
        for query, pairs in hits.items():
            ids, scores = list[str](), list[float]()
            for document, score in pairs:
                ids.append(document)
                scores.append(score)
            self.hits[query] = _ranked(name, query, ids, scores)

    @classmethod
    def from_hits(cls, name: str, hits: Iterable[tuple[str, Iterable[tuple[str, float]]]]) -> Run:
        """Make a run of queries with their hits; no query may come twice."""
        found: dict[str, Iterable[tuple[str, float]]] = {}
        for query, pairs in hits:
            if query in found:
                raise SourceError(f"run {name!r} has query {query!r} twice")
            found[query] = pairs
        return cls(name, found)

    @classmethod
    def from_rows(
        cls,
        name: str,
        queries: Sequence[str],
        rows: NDArray[np.int64],
        scores: NDArray[np.float32],
        ids_of: Callable[[NDArray[np.int64]], list[str]],
    ) -> Run:
        """Make a run of a search: ``rows`` and ``scores`` (n, depth) for n query ids, as :func:`.search.search` gives.

        ``ids_of`` names rows: :meth:`.passages.PassageVectors.ids_of`.
        """
        run = cls(name, {})
        # One string for each document, however many queries find it.
        different = np.unique(rows)
        different = different[different != NO_ROW]
        ids = ids_of(different)
        for query, found, values in zip(queries, rows, scores, strict=True):
            if query in run.hits:
                raise SourceError(f"run {name!r} has query {query!r} twice")
            taken = found != NO_ROW
            names = [ids[at] for at in np.searchsorted(different, found[taken]).tolist()]
            run.hits[query] = _ranked(name, query, names, values[taken])
        return run


def _ranked(name: str, query: str, ids: list[str], values: Sequence[float] | NDArray[np.float32]) -> Hits:
    with np.errstate(over="ignore"):
        scores = np.asarray(values, np.float32)
    if len(set(ids)) < len(ids):
        twice = next(document for at, document in enumerate(ids) if document in ids[:at])
        raise SourceError(f"run {name!r}: query {query!r} has document {twice!r} twice")
    if not (finite := np.isfinite(scores)).all():
        at = int(np.argmin(finite))
        raise SourceError(
            f"run {name!r}: the score of document {ids[at]!r} for query {query!r} is {scores[at]}, not a finite number"
        )
    gaps = np.diff(scores)
    if (gaps >= 0).any():
        # Python compares strings by code point, and so does strcmp their UTF-8, which is how trec_eval does it.
        order = sorted(range(len(ids)), key=lambda at: (scores[at], ids[at]), reverse=True)
        ids, scores = [ids[at] for at in order], scores[order]
    return Hits(ids, scores)


def write_trec(run: Run, path: Path) -> None:
    """Write a run in TREC's format: ``query Q0 document rank score name``, ranks from 1.

    Tools order documents of equal score differently: trec_eval by id, descending; MS MARCO's measure in ir_measures by
    id, ascending; others by the file. To give all of them the same ranks, a score that is not below the one before is
    written as the next lower float32; Anserini does the same. Scores have nine digits, enough for a float32. A query
    without hits has no line; measures count it as 0.
    """
    name = "_".join(run.name.split()) or "run"
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for query, hits in run.hits.items():
            _check_ids(run, query, hits.ids)
            for rank, (document, score) in enumerate(zip(hits.ids, _untied(hits.scores), strict=True), 1):
                file.write(f"{query} Q0 {document} {rank} {score:.9g} {name}\n")


def _untied(scores: NDArray[np.float32]) -> list[float]:
    falling: list[float] = scores.tolist()
    if (np.diff(scores) < 0).all():
        return falling
    for at in range(1, len(falling)):
        if falling[at] >= falling[at - 1]:
            falling[at] = float(np.nextafter(np.float32(falling[at - 1]), np.float32(-np.inf)))
    return falling


def write_msmarco(run: Run, path: Path) -> None:
    """Write a run in MS MARCO's format: query, document and rank, separated by tabs, ranks from 1."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for query, hits in run.hits.items():
            _check_ids(run, query, hits.ids)
            file.writelines(f"{query}\t{document}\t{rank}\n" for rank, document in enumerate(hits.ids, 1))


def _check_ids(run: Run, query: str, documents: list[str]) -> None:
    for identifier in (query, *documents):
        if len(identifier.split()) != 1 or identifier != identifier.strip():
            raise SourceError(
                f"run {run.name!r} has the id {identifier!r}: run files separate columns by white space, "
                "so an id must not be empty or contain any"
            )


def read_trec(path: Path, *, name: str | None = None) -> Run:
    """Read a run in TREC's format. Like trec_eval, this ignores ranks and the order of lines; only scores count.

    Without ``name``, the run is called as in the last column. Raises :class:`~typeahead.errors.SourceError`, which
    names the line, for a line without six columns, a score that is no finite number, and a document that the query
    already has.
    """
    hits: dict[str, dict[str, float]] = {}

    def parse(line: str) -> str:
        columns = line.split()
        if len(columns) != 6:
            raise ValueError(f"expected query, Q0, document, rank, score and name, got {len(columns)} columns")
        query, _, document, _, score, tag = columns
        found = hits.setdefault(query, {})
        if document in found:
            raise ValueError(f"query {query!r} has document {document!r} twice")
        found[document] = _score(score, f"document {document!r} for query {query!r}")
        return tag

    last = deque((tag for _, tag in parsed(utf8_lines(path), parse, path)), maxlen=1)
    return Run(name or (last[0] if last else path.stem), {query: found.items() for query, found in hits.items()})


def _score(text: str, what: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not abs(score) <= float(np.finfo(np.float32).max):
        raise ValueError(f"the score of {what} is {text!r}, not a finite number")
    return score
