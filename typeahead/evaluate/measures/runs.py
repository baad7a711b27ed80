"""Runs: what a retriever found for each query, in memory and as the files that TREC and MS MARCO exchange.

:mod:`~typeahead.evaluate.vectors.search` gives row numbers and scores; a run has the documents' ids, in the order in
which trec_eval ranks them. :mod:`~typeahead.evaluate.measures.metrics` scores it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from typeahead.errors import SourceError
from typeahead.evaluate.vectors.search import NO_ROW


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

    Ranks are trec_eval's, whatever the order in which hits are given: by score as float32, then by document id, both
    descending. A query without hits may be there or not.

    Raises :class:`~typeahead.errors.SourceError` for a document that a query has twice, and for a score that is not
    finite: where such a document ranks would depend on the tool.
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
        """The run of queries with their hits, one query after the other; no query may come twice."""
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
        """The run of a search: ``rows`` and ``scores`` (n, depth) of n query ids, as :func:`.search.search` gives them.

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

    Tools differ in how they order documents of equal score: trec_eval by id, descending; MS MARCO's measure in
    ir_measures by id, ascending; others by the file. So that all of them see the same ranks, a score that is not
    below the one before is written as the next lower float32, as Anserini too keeps ties apart. Scores have nine
    digits, which a float32 survives. A query without hits has no line; measures count it as 0.
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
    """Write a run in MS MARCO's format: query, document and rank, tabs between, ranks from 1."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for query, hits in run.hits.items():
            _check_ids(run, query, hits.ids)
            file.writelines(f"{query}\t{document}\t{rank}\n" for rank, document in enumerate(hits.ids, 1))


def _check_ids(run: Run, query: str, documents: list[str]) -> None:
    for identifier in (query, *documents):
        if len(identifier.split()) != 1 or identifier != identifier.strip():
            raise SourceError(
                f"run {run.name!r} has the id {identifier!r}: run files separate columns by white space, "
                "so that ids can neither be empty nor hold any"
            )


def read_trec(path: Path, *, name: str | None = None) -> Run:
    """Read a run in TREC's format; the order of lines and the ranks do not count, scores do, as for trec_eval.

    ``name`` is the last column's, if none is given. Raises :class:`~typeahead.errors.SourceError`, which names the
    line, for one that does not have six columns, a score that is no finite number, and a document that the query
    already has.
    """
    hits: dict[str, dict[str, float]] = {}
    tag = ""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                columns = line.split()
                if not columns:
                    continue
                if len(columns) != 6:
                    raise SourceError(
                        f"expected query, Q0, document, rank, score and name, got {len(columns)} columns",
                        path=path,
                        line=number,
                    )
                query, _, document, _, text, tag = columns
                found = hits.setdefault(query, {})
                if document in found:
                    raise SourceError(f"query {query!r} has document {document!r} twice", path=path, line=number)
                found[document] = _score(text, f"document {document!r} for query {query!r}", path, number)
    except UnicodeDecodeError as error:
        raise SourceError(f"not UTF-8: {error}", path=path) from error
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path=path) from error
    return Run(name or tag or path.stem, {query: found.items() for query, found in hits.items()})


def _score(text: str, what: str, path: Path, line: int) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not abs(score) <= float(np.finfo(np.float32).max):
        raise SourceError(f"the score of {what} is {text!r}, not a finite number", path=path, line=line)
    return score
