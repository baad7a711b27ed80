"""The words of an index, opened: what finds documents by words, and what weighs them.

Files of a generation::

    forms.safetensors   ``forms`` uint8 and ``form_starts`` int64 (V + 1,): the forms of all words in UTF-8, sorted;
                        ``document_frequencies`` uint32 (V,); ``starts`` int64 (2 · count + 1,), ``ids`` uint32 (e,) and
                        ``counts`` uint8 (e,): the forms of the title and of the text of each document, and how often
                        each occurs there; ``lengths`` uint32 (count, 2): how many forms each has. Metadata:
                        ``format_version``, ``documents`` (their number), and ``segments`` (documents of each)
    passages.safetensors  if any document is divided: ``firsts`` int64 (count + 1,), the first passage of each document,
                        and ``starts``, ``ids``, ``counts`` and ``lengths`` of passages instead of documents. Passages
                        of documents that are not divided have none. Metadata: ``format_version``, ``documents`` and
                        ``passages`` (their numbers)
    words*.*            the inverted index, see :mod:`~typeahead.index.lexical.inverted`

A form is what :func:`typeahead.text.analysis.analyse` makes of a word: its whole, and its parts if it has several.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from tantivy import Query

from typeahead.core.encoder import Vectors
from typeahead.errors import IndexCorrupt
from typeahead.index.changes.remaining import Leaving, RemainingWords
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
from typeahead.index.lexical.together import Together
from typeahead.index.lexical.writer import FORMAT_VERSION, FORMS, PASSAGES
from typeahead.index.parts import PassageMap, WordEvidence
from typeahead.search.terms import Term
from typeahead.search.vocabulary import Vocabulary
from typeahead.storage.tensors import map_tensors

#: Documents that are found by their titles alone, beside those that are found by all their words.
TITLED: Final = 32


class Lexical:
    """The words of ``count`` documents. May be used from several threads; searches do not hold Python's global lock."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        forward: Forward,
        inverted: Inverted,
        passages: PassageMap | None = None,
        divided: Forward | None = None,
    ) -> None:
        #: All forms, with the number of documents that hold each.
        self.vocabulary = vocabulary
        #: The forms of each document.
        self.forward = forward
        self._inverted = inverted
        #: Which passages belong to which document.
        self.passages = passages or PassageMap(forward.count, None)
        #: The forms of passages, if any document is divided.
        self.divided = divided
        self._together = Together(divided)
        self._count = forward.count
        self._queries = Queries(vocabulary, inverted, forward.count)
        self._leaving = Leaving(self, forward)

    @classmethod
    def open(cls, folder: Path, count: int, passages: int | None = None) -> Self:
        """Open the words in the folder of a generation with ``count`` documents and ``passages``, by default as many.

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
            raise _corrupt(folder / FORMS, error) from error
        places, divided = None, None
        if passages not in (None, count):
            assert passages is not None
            places, divided = _open_passages(folder / PASSAGES, count, passages)
        return cls(vocabulary, forward, Inverted(folder, segments), places, divided)

    @cached_property
    def total_lengths(self) -> NDArray[np.float64]:
        """Number of forms of each field, in all documents: float64 (fields,)."""
        total: NDArray[np.float64] = self.forward.lengths.sum(axis=0, dtype=np.float64)
        return total

    @property
    def average_lengths(self) -> NDArray[np.float64]:
        """The mean number of forms of each field: float64 (fields,)."""
        return self.total_lengths / max(1, self._count)

    def look_up(self, terms: Sequence[Term] | LookedUp) -> LookedUp:
        """Look terms up, for several of the following methods; looked-up ones are returned as they are."""
        return terms if isinstance(terms, LookedUp) else look_up(terms, self.vocabulary, self._inverted, self._count)

    def without(self, dead: NDArray[np.int64]) -> RemainingWords:
        """Return the same words, which no longer count some documents; rows ascending, int64 (n,)."""
        return self._leaving.of(dead)

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
        ratio = WEIGHED if self.forward.compiled else WEIGHED_SLOWLY
        return rows <= MOST_WEIGHED and rows * rows <= ratio * max(depth, 1) * self._count

    def _weighed(self, terms: LookedUp, rows: NDArray[np.int64], depth: int, without: Sequence[Term]) -> Found:
        """Find the best of ``rows`` by the forms of each."""
        frequencies = np.minimum(terms.document_frequencies, self._count)
        telling = np.log1p((self._count - frequencies + 0.5) / (frequencies + 0.5)).astype(np.float32)
        scores = self.forward.score(rows, terms.spans, telling)
        holding = np.flatnonzero(scores[:, 0])
        if without and len(holding):
            held, _ = self.forward.weigh(rows[holding], self.look_up(without).spans, len(without))
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
        frequencies, weights = self.forward.weigh(asked, looked_up.spans, len(looked_up.known))
        return WordEvidence(frequencies, weights, self.forward.lengths[asked].astype(np.float32))

    def passage_evidence(self, passages: NDArray[np.int64], terms: Sequence[Term] | LookedUp) -> WordEvidence:
        """Count terms in n passages of divided documents, whose titles count with each; others have no evidence.

        Raises ``IndexError`` for a passage that does not exist.
        """
        looked_up = self.look_up(terms)
        if self.divided is None:
            if len(passages) and not 0 <= passages.min() <= passages.max() < self._count:
                raise IndexError(f"there are {self._count} passages")
            shape = (len(passages), self.forward.lengths.shape[1])
            none = np.zeros((*shape, len(looked_up.known)), np.float32)
            return WordEvidence(none, none.copy(), np.zeros(shape, np.float32))
        frequencies, weights = self.divided.weigh(passages, looked_up.spans, len(looked_up.known))
        return WordEvidence(frequencies, weights, self.divided.lengths[passages].astype(np.float32))

    def together(
        self,
        begins: NDArray[np.int64],
        ends: NDArray[np.int64],
        terms: LookedUp,
        shares: NDArray[np.float64],
        whole: WordEvidence,
    ) -> Vectors:
        """See :meth:`typeahead.index.parts.Words.together`."""
        return self._together.weigh(begins, ends, terms, shares, whole)

    def document_frequencies(self, terms: Sequence[Term] | LookedUp) -> NDArray[np.float64]:
        """Return in how many documents each term occurs: float64 (terms,).

        For exact words it is the number of the heaviest one, and of the commonest among equals. For a beginning it is
        that of all forms that begin so: exact for up to three characters, and for longer ones an upper bound, the sum
        over these forms.
        """
        return self.look_up(terms).document_frequencies


def _open_passages(path: Path, count: int, passages: int) -> tuple[PassageMap, Forward]:
    try:
        tensors, said = map_tensors(path)
        if said.get("format_version") != str(FORMAT_VERSION):
            raise ValueError(f"its format is {said.get('format_version')!r}, not {FORMAT_VERSION}")
        if (said.get("documents"), said.get("passages")) != (str(count), str(passages)):
            raise ValueError(
                f"it is for {said.get('documents')} documents with {said.get('passages')} passages, but the index has "
                f"{count} with {passages}"
            )
        places = PassageMap(count, tensors["firsts"])
        if places.count != passages:
            raise ValueError(f"it has {places.count} passages, not {passages}")
        forward = Forward(passages, *(tensors[name] for name in ("starts", "ids", "counts", "lengths")))
    except (OSError, KeyError, ValueError) as error:
        raise _corrupt(path, error) from error
    return places, forward


def _corrupt(path: Path, error: Exception) -> IndexCorrupt:
    reason = f"no {error}" if isinstance(error, KeyError) else getattr(error, "strerror", None) or str(error)
    return IndexCorrupt(f"{path} cannot be read ({reason}): rebuild the index", folder=path.parent.parent)
