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
from functools import cached_property
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from tantivy import Query

from typeahead.errors import IndexCorrupt
from typeahead.index.changes.remaining import Leaving, RemainingWords
from typeahead.index.lexical.among import best_among, deep_enough, kept
from typeahead.index.lexical.candidates import Clause, Queries
from typeahead.index.lexical.forward import Forward
from typeahead.index.lexical.inverted import Inverted
from typeahead.index.lexical.lookup import LookedUp, look_up
from typeahead.index.lexical.writer import FORMAT_VERSION, FORMS, PASSAGES
from typeahead.index.parts import PassageMap, WordEvidence
from typeahead.search.terms import Term
from typeahead.search.vocabulary import Vocabulary
from typeahead.storage.tensors import map_tensors

#: Where a filter admits no more documents than this, each is weighed; at most so many are where a search finds too few.
_FEW: Final = 8192
_MOST_WEIGHED: Final = 65_536
#: How often a search that finds too few admitted documents is made deeper, and how many times.
_DEEPER: Final = 2
_TIMES_DEEPER: Final = 8
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

        Args:
            terms: what to look for. Without any, documents are found by their phrases.
            depth: how many documents, at most; up to :data:`TITLED` more are found by their titles.
            phrases: forms that must follow each other in the title or in the text, all of them. A word that has several
            parts stands there as its parts, without its whole: ``("os", "path", "join")``.
            without: no form of these may occur.
            admitted: which documents count, bool (count,); None for all.
        """
        looked_up, left_out = self.look_up(terms), self.look_up(without) if without else None
        if admitted is None:
            return self._candidates(looked_up, depth, phrases, left_out)
        number = int(np.count_nonzero(admitted))
        asked = deep_enough(depth, number, self._count)
        # Few documents hold a phrase, whatever is admitted.
        if number > _FEW or phrases:
            for _ in range(_DEEPER):
                every = self._candidates(looked_up, asked, phrases, left_out)
                found = kept(every, admitted, depth + TITLED)
                if len(found[0]) >= depth or len(every[0]) < asked or asked >= self._count:
                    return found
                asked = min(_TIMES_DEEPER * asked, self._count)
            if number > _MOST_WEIGHED or phrases:
                return found
        return best_among(self.forward, self._count, np.flatnonzero(admitted), looked_up, left_out, depth, TITLED)

    def _candidates(
        self, terms: LookedUp, depth: int, phrases: Sequence[Sequence[str]], without: LookedUp | None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        known = terms.known
        must = [self._inverted.phrase(phrase) for phrase in phrases if phrase]
        must_not = [] if without is None else self._queries.no_term(without.known)
        telling = self._queries.any_term(known, every=False)
        found = self._search(telling, must, must_not, depth)
        # A phrase admits documents without any other term.
        if len(found[0]) < depth and known and not must:
            every = self._queries.any_term(known, every=True)
            if len(every) > len(telling):
                more = self._search(every, must, must_not, 2 * depth)
                found = _appended(found, more, depth)
        titled = self._search(telling, must, must_not, TITLED, titled=True)
        return _appended(found, titled, depth + TITLED)

    def _search(
        self,
        clauses: Sequence[Clause],
        must: Sequence[Query],
        must_not: Sequence[Query],
        depth: int,
        *,
        titled: bool = False,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        boost = 1.0
        if len(clauses) == 1 and not must:
            # Tantivy passes over blocks of documents that cannot be among the best, but not under a boost.
            boost = clauses[0].boost
            clauses = [clauses[0]._replace(boost=1.0)]
        rows, scores = self._inverted.search(self._queries.made(clauses, titled=titled), must, must_not, depth)
        return rows, scores if boost == 1 else scores * np.float32(boost)

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

    def document_frequencies(self, terms: Sequence[Term] | LookedUp) -> NDArray[np.float64]:
        """Return in how many documents each term occurs: float64 (terms,).

        For exact words it is the number of the heaviest one, and of the commonest among equals. For a beginning it is
        that of all forms that begin so: exact for up to three characters, and for longer ones an upper bound, the sum
        over these forms.
        """
        return self.look_up(terms).document_frequencies


def _appended(
    found: tuple[NDArray[np.int32], NDArray[np.float32]],
    more: tuple[NDArray[np.int32], NDArray[np.float32]],
    depth: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The documents of ``found``, and those that only ``more`` has, with lower scores."""
    known = set(found[0].tolist())
    new = [place for place, row in enumerate(more[0].tolist()) if row not in known]
    rows, scores = more[0][new], more[1][new]
    if len(found[0]) and len(scores):
        # The second search scores by more terms, so its scores may be higher.
        scores = scores * np.float32(min(1.0, found[1][-1] / max(float(scores[0]), 1e-30)))
    return np.concatenate([found[0], rows])[:depth], np.concatenate([found[1], scores])[:depth]


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
