"""The words of an index, opened: what finds documents by words, and what weighs them.

Files of a generation::

    forms.safetensors   ``forms`` uint8 and ``form_starts`` int64 (V + 1,): the forms of all words in UTF-8, sorted;
                        ``document_frequencies`` uint32 (V,); ``starts`` int64 (2 · count + 1,), ``ids`` uint32 (e,) and
                        ``counts`` uint8 (e,): the forms of the title and of the text of each document, and how often
                        each occurs there; ``lengths`` uint32 (count, 2): how many forms each has. Metadata:
                        ``format_version``, ``documents`` (their number), and ``segments`` (documents of each)
    words*.*            the inverted index, see :mod:`~typeahead.index.lexical.inverted`

A form is what :func:`typeahead.text.analysis.analyse` makes of a word: its whole, and its parts if it has several.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cached_property, partial
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from tantivy import Query

from typeahead.errors import IndexCorrupt
from typeahead.index.exact import check_admitted
from typeahead.index.lexical.admitted import (
    MOST_WEIGHED,
    WEIGHED,
    WEIGHED_SLOWLY,
    Deeper,
    Found,
    Search,
    appended,
    first,
)
from typeahead.index.lexical.candidates import Clause, Queries
from typeahead.index.lexical.forward import Forward
from typeahead.index.lexical.inverted import Inverted
from typeahead.index.lexical.lookup import LookedUp, look_up
from typeahead.index.lexical.writer import FORMAT_VERSION, FORMS
from typeahead.index.parts import WordEvidence
from typeahead.search.terms import Term
from typeahead.search.vocabulary import Vocabulary
from typeahead.storage.tensors import map_tensors

#: Documents that are found by their titles alone, beside those that are found by all their words.
TITLED: Final = 32
#: Dead documents whose forms are counted at once.
_BLOCK: Final = 4096


class Lexical:
    """The words of ``count`` documents. May be used from several threads; searches do not hold Python's global lock."""

    def __init__(self, vocabulary: Vocabulary, forward: Forward, inverted: Inverted) -> None:
        #: All forms, with the number of documents that hold each.
        self.vocabulary = vocabulary
        self._forward, self._inverted = forward, inverted
        self._count = forward.count
        self._queries = Queries(vocabulary, inverted, forward.count)
        #: The dead documents, rising, and how many of them hold each form, None while there are none.
        self._dead: NDArray[np.int64] = np.zeros(0, np.int64)
        self._dead_counts: NDArray[np.int32] | None = None

    @classmethod
    def open(cls, folder: Path, count: int) -> Self:
        """Open the words in the folder of a generation with ``count`` documents.

        Raises :class:`~typeahead.errors.IndexCorrupt` if a file is missing, damaged, or belongs to other documents.
        """
        try:
            tensors, said = map_tensors(folder / FORMS)
            if said.get("format_version") != str(FORMAT_VERSION):
                raise ValueError(f"its format is {said.get('format_version')!r}, not {FORMAT_VERSION}")
            if said.get("documents") != str(count):
                raise ValueError(f"it is for {said.get('documents')} documents, but the index has {count}")
            segments = [int(part) for part in said["segments"].split(",") if part]
            if sum(segments) != count or min(segments, default=1) < 1:
                raise ValueError(f"its segments do not have {count} documents")
            vocabulary = Vocabulary(tensors["forms"], tensors["form_starts"], tensors["document_frequencies"])
            if len(vocabulary) and vocabulary.frequencies.max() > count:
                raise ValueError("a word is in more documents than there are")
            forward = Forward(count, *(tensors[name] for name in ("starts", "ids", "counts", "lengths")))
        except (OSError, KeyError, ValueError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else getattr(error, "strerror", None) or str(error)
            raise IndexCorrupt(
                f"{folder / FORMS} cannot be read ({reason}): rebuild the index", folder=folder.parent
            ) from error
        return cls(vocabulary, forward, Inverted(folder, segments))

    def without(self, dead: NDArray[np.int64]) -> Lexical:
        """Return these words with some more documents dead: ``dead`` int64 (n,) are rows, in any order.

        Rows that are dead already may be among them. Nothing is copied but a count for each form. Only what is counted
        changes, such as document frequencies: searches leave out what is not admitted. Raises ``IndexError`` for a row
        that does not exist.
        """
        new = np.setdiff1d(dead, self._dead)
        if len(new) and not 0 <= new[0] <= new[-1] < self._count:
            raise IndexError(f"rows go from {new[0]} to {new[-1]}, but there are {self._count} documents")
        found = copy(self)
        for name in ("live_frequencies", "total_lengths"):
            vars(found).pop(name, None)
        found._dead = np.union1d(self._dead, new)
        counts = np.zeros(len(self.vocabulary), np.int32) if self._dead_counts is None else self._dead_counts.copy()
        for start in range(0, len(new), _BLOCK):
            np.add.at(counts, self._forward.held_by(new[start : start + _BLOCK]), 1)
        found._dead_counts = counts
        found.total_lengths = self.total_lengths - self._forward.lengths[new].sum(axis=0, dtype=np.int64)
        return found

    def __len__(self) -> int:
        """Number of documents, dead ones too."""
        return self._count

    @property
    def live_count(self) -> int:
        """Number of documents that are not dead."""
        return self._count - len(self._dead)

    @cached_property
    def live_frequencies(self) -> NDArray[np.int64]:
        """By number of form, how many live documents hold it: int64 (V,). Completions leave out forms with 0."""
        frequencies = self.vocabulary.frequencies.astype(np.int64)
        return frequencies if self._dead_counts is None else frequencies - self._dead_counts

    @cached_property
    def total_lengths(self) -> NDArray[np.int64]:
        """The number of forms of each field, over all live documents: int64 (fields,)."""
        total: NDArray[np.int64] = self._forward.lengths.sum(axis=0, dtype=np.int64)
        return total

    @property
    def average_lengths(self) -> NDArray[np.float64]:
        """The mean number of forms of each field in live documents: float64 (fields,)."""
        means: NDArray[np.float64] = self.total_lengths / max(self.live_count, 1)
        return means

    def look_up(self, terms: Sequence[Term] | LookedUp) -> LookedUp:
        """Look terms up, for several of the following methods; looked-up ones are returned as they are."""
        if isinstance(terms, LookedUp):
            return terms
        return look_up(terms, self.vocabulary, self._inverted, self.live_count, self._dead_counts)

    def candidates(
        self,
        terms: Sequence[Term] | LookedUp,
        depth: int,
        phrases: Sequence[Sequence[str]] = (),
        without: Sequence[Term] = (),
        admitted: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Find up to ``depth`` documents that hold any of the terms: rows and scores, best first, ties by row.

        The scores only serve to find them; exact ones are made of :meth:`evidence`. Nearly all of the best documents
        are found, and if fewer than ``depth`` hold the more telling terms, those with the others fill up.

        Where few documents are admitted, all of them are weighed (:mod:`~typeahead.index.lexical.admitted`). Otherwise
        the search goes deeper until ``depth`` admitted ones are found. If a filter admits so few of the best that this
        takes longer than weighing, all admitted documents are weighed after all.

        Args:
            terms: what to look for. Without any, documents are found by their phrases.
            depth: how many documents, at most; up to :data:`TITLED` more are found by their titles.
            phrases: forms that must follow each other in the title or in the text, all of them. A word that has several
            parts stands there as its parts, without its whole: ``("os", "path", "join")``.
            without: no form of these may occur.
            admitted: bool (documents,), which documents count, None for all. Raises ``ValueError`` for another shape.
        """
        looked_up = self.look_up(terms)
        known = looked_up.known
        must = [self._inverted.phrase(phrase) for phrase in phrases if phrase]
        must_not = self._queries.no_term(self.look_up(without).known) if without else []
        search: Search = partial(self._search, must, must_not)
        if admitted is not None:
            check_admitted(admitted, self._count)
            # Counting takes a tenth of the time that it takes to list the rows.
            count = int(np.count_nonzero(admitted))
            if not must and self._is_weighed(count, depth):
                return self._weighed(looked_up, np.flatnonzero(admitted), depth, without)
            search = Deeper(search, admitted, count, unweighed=bool(must))
        telling = self._queries.any_term(known, every=False)
        found = search(telling, depth)
        if isinstance(search, Deeper) and search.gave_up:
            assert admitted is not None
            return self._weighed(looked_up, np.flatnonzero(admitted), depth, without)
        # A phrase admits documents without any other term.
        if len(found[0]) < depth and known and not must:
            every = self._queries.any_term(known, every=True)
            if len(every) > len(telling):
                found = appended(found, search(every, 2 * depth), depth)
        return appended(found, search(telling, TITLED, titled=True), depth + TITLED)

    def _search(
        self,
        must: Sequence[Query],
        must_not: Sequence[Query],
        clauses: Sequence[Clause],
        depth: int,
        *,
        titled: bool = False,
    ) -> Found:
        boost = 1.0
        if len(clauses) == 1 and not must:
            # Tantivy passes over blocks of documents that cannot be among the best, but not under a boost.
            boost = clauses[0].boost
            clauses = [clauses[0]._replace(boost=1.0)]
        rows, scores = self._inverted.search(self._queries.made(clauses, titled=titled), must, must_not, depth)
        return rows, scores if boost == 1 else scores * np.float32(boost)

    def _is_weighed(self, rows: int, depth: int) -> bool:
        ratio = WEIGHED if self._forward.compiled else WEIGHED_SLOWLY
        return rows <= MOST_WEIGHED and rows * rows <= ratio * max(depth, 1) * self._count

    def _weighed(self, terms: LookedUp, rows: NDArray[np.int64], depth: int, without: Sequence[Term]) -> Found:
        """Find the best of ``rows`` by the forms of each."""
        frequencies = np.minimum(terms.document_frequencies, self._count)
        telling = np.log1p((self._count - frequencies + 0.5) / (frequencies + 0.5)).astype(np.float32)
        scores = self._forward.score(rows, terms.spans, telling)
        holding = np.flatnonzero(scores[:, 0])
        if without and len(holding):
            held, _ = self._forward.weigh(rows[holding], self.look_up(without).spans, len(without))
            holding = holding[np.logical_not(held.any(axis=(1, 2)))]
        rows, scores = rows[holding], scores[holding]
        titled = np.flatnonzero(scores[:, 1])
        found = first(rows, scores[:, 0], depth)
        return appended(found, first(rows[titled], scores[titled, 1], TITLED), depth + TITLED)

    def evidence(self, rows: Sequence[int] | NDArray[np.integer], terms: Sequence[Term] | LookedUp) -> WordEvidence:
        """Count terms in n documents.

        A form counts once for each occurrence of its word. All forms that a term has are counted, so a word may count
        more than once for a beginning that its whole and a part of it have in common. Raises ``IndexError`` for a row
        that does not exist.
        """
        asked, looked_up = np.asarray(rows, np.int64), self.look_up(terms)
        frequencies, weights = self._forward.weigh(asked, looked_up.spans, len(looked_up.known))
        return WordEvidence(frequencies, weights, self._forward.lengths[asked].astype(np.float32))

    def document_frequencies(self, terms: Sequence[Term] | LookedUp) -> NDArray[np.float64]:
        """Return in how many live documents each term occurs: float64 (terms,).

        For exact words it is the number of the heaviest one, and of the commonest among equals. For a beginning it is
        that of all forms that begin so. For longer beginnings than three characters this is an upper bound, the sum
        over these forms. For shorter ones it is exact while no document is dead; later it is an upper bound, because
        the inverted index counts dead documents, too.
        """
        return self.look_up(terms).document_frequencies
