"""Puts the forms of documents together, and takes some of them out, without reading a text again.

Every set of documents has its own numbers for forms. Here they are numbered anew: sorted, and without forms that no
document has any more.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, count
from typing import Any, Final, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from typeahead.index.changes.analysed import DocumentWords
from typeahead.index.lexical.forward import Forward
from typeahead.search.terms import FIELDS
from typeahead.search.vocabulary import beginning_with

_FIELDS: Final = len(FIELDS)


class Held(NamedTuple):
    """The forms of n documents, or passages, field after field: the arrays of :class:`.forward.Forward`."""

    starts: NDArray[np.int64]
    ids: NDArray[np.uint32]
    counts: NDArray[np.uint8]
    lengths: NDArray[np.uint32]


#: What has the arrays of :class:`Held`.
HeldForms = Held | Forward


class Sequences(NamedTuple):
    """The parts of words of n documents in their order, field after field."""

    #: int64 (n · fields + 1,), where those of each field begin in ``ids``.
    starts: NDArray[np.int64]
    #: uint32, the numbers of forms.
    ids: NDArray[np.uint32]


class Names(Sequence[str]):
    """All forms of some documents, sorted; the number of each is its place."""

    def __init__(self, forms: Iterable[str], numbers: Mapping[str, int] | None = None) -> None:
        self._forms = list(forms)
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._forms)

    @overload
    def __getitem__(self, number: int) -> str: ...

    @overload
    def __getitem__(self, number: slice) -> list[str]: ...

    def __getitem__(self, number: int | slice) -> str | list[str]:
        return self._forms[number]

    def __iter__(self) -> Iterator[str]:
        return iter(self._forms)

    @property
    def numbers(self) -> Mapping[str, int]:
        """The number of each form."""
        if self._numbers is None:
            self._numbers = dict(zip(self._forms, range(len(self._forms)), strict=True))
        return self._numbers

    def range(self, prefix: str) -> tuple[int, int]:
        """Return the numbers of the forms that begin with ``prefix``, as the first one and the one after the last."""
        return beginning_with(prefix, self._forms)


class Forms(NamedTuple):
    """The forms of some documents, with numbers of their own."""

    names: Names
    documents: Held
    #: The same of each passage of a divided document, with the title of that; passages of other documents have no
    #: forms. None while no document is divided.
    passages: Held | None
    #: None where the order is not known.
    sequences: Sequences | None


def of_documents(every: Sequence[DocumentWords]) -> Forms:
    """Put documents together."""
    # Numbers as they come, which looks each form up once.
    numbers: defaultdict[str, int] = defaultdict(count().__next__)
    came = array("I")
    # One document at a time, so that other threads can have the interpreter in between.
    for words in every:
        came.extend(map(numbers.__getitem__, words.forms))
    names = Names(sorted(numbers))
    sorted_places = np.empty(len(names), np.uint32)
    sorted_places[np.fromiter(map(numbers.__getitem__, names), np.int64, len(names))] = np.arange(len(names))
    # By document and place in it, the number of the form.
    renumbered: NDArray[np.uint32] = sorted_places[np.array(came)]
    first = _before([len(words.forms) for words in every])[:-1]

    def global_ids(ids: list[NDArray[np.uint32]]) -> NDArray[np.uint32]:
        sizes = np.array([len(one) for one in ids], np.int64)
        return renumbered[_joined(ids, np.uint32).astype(np.int64) + np.repeat(first, sizes)]

    nothing = np.zeros(1, np.uint32)
    # The last text has no words: it stands for passages of documents that are not divided.
    texts = Held(
        _before(_joined([*(words.sizes for words in every), nothing], np.uint32)),
        global_ids([words.ids for words in every]),
        _joined([words.counts for words in every], np.uint8),
        _joined([*(words.lengths for words in every), nothing], np.uint32),
    )
    # Each document has a title and a text, and the texts of its passages if there are several.
    number = np.array([len(words.sizes) for words in every], np.int64)
    titles = np.cumsum(number) - number
    documents = _texts(texts, np.stack([titles, titles + 1], 1))
    passages = None
    if (number > _FIELDS).any():
        parts = np.maximum(number - _FIELDS, 1)
        own = np.arange(int(parts.sum())) - np.repeat(np.cumsum(parts) - parts - titles - _FIELDS, parts)
        pairs = np.stack([np.repeat(titles, parts), own], 1)
        pairs[np.repeat(number == _FIELDS, parts)] = len(texts.lengths) - 1
        passages = _texts(texts, pairs)
    sequences = Sequences(
        _before(_joined([words.sequence_sizes for words in every], np.uint32)),
        global_ids([words.sequence for words in every]),
    )
    return Forms(names, documents, passages, sequences)


def held(forms: HeldForms, rows: NDArray[np.int64]) -> Held:
    """Take the forms of n documents, or passages."""
    at = (rows[:, None] * _FIELDS + np.arange(_FIELDS)).ravel()
    entries, starts = _entries(forms.starts, at)
    return Held(starts, forms.ids[entries], forms.counts[entries], forms.lengths[rows])


def followed(sequences: Sequences, rows: NDArray[np.int64]) -> Sequences:
    """Take the sequences of n documents."""
    at = (rows[:, None] * _FIELDS + np.arange(_FIELDS)).ravel()
    entries, starts = _entries(sequences.starts, at)
    return Sequences(starts, sequences.ids[entries])


def taken(
    name: Callable[[int], str],
    size: int,
    documents: HeldForms,
    passages: HeldForms | None,
    sequences: Sequences | None,
    rows: NDArray[np.int64],
    passage_rows: NDArray[np.int64],
) -> Forms:
    """Take the forms of n documents, and of their passages, out of those with ``size`` forms; ``name`` names one."""
    some = Forms(
        Names(()),
        held(documents, rows),
        None if passages is None else held(passages, passage_rows),
        None if sequences is None else followed(sequences, rows),
    )
    kept, some = used(size, some)
    return some._replace(names=Names(map(name, kept.tolist())))


def used(size: int, forms: Forms) -> tuple[NDArray[np.int64], Forms]:
    """Number forms anew: those of ``size`` that occur in a document. Returns which they are, rising."""
    occurs = np.zeros(size, np.bool_)
    occurs[forms.documents.ids] = True
    kept = np.flatnonzero(occurs)
    if len(kept) == size:
        return kept, forms
    return kept, _renumbered(forms, (np.cumsum(occurs) - 1).astype(np.uint32))


def merged(every: Sequence[Forms]) -> Forms:
    """Put the documents of several together, one after the other."""
    if len(every) == 1:
        return every[0]
    # Sorting finds the runs that are sorted already, so this is a merge.
    names = Names(dict.fromkeys(sorted(chain.from_iterable(one.names for one in every))))
    number_of = names.numbers.__getitem__
    mapped = [_renumbered(one, np.fromiter(map(number_of, one.names), np.uint32, len(one.names))) for one in every]
    divided = any(one.passages is not None for one in mapped)
    sequences = [one.sequences for one in mapped if one.sequences is not None]
    return Forms(
        names,
        _all_held([one.documents for one in mapped]),
        _all_held([one.passages or _nothing(len(one.documents.lengths)) for one in mapped]) if divided else None,
        Sequences(_all_starts([one.starts for one in sequences]), _joined([one.ids for one in sequences], np.uint32))
        if len(sequences) == len(mapped)
        else None,
    )


def _renumbered(forms: Forms, numbers: NDArray[np.uint32]) -> Forms:
    documents, passages, sequences = forms.documents, forms.passages, forms.sequences
    return Forms(
        forms.names,
        documents._replace(ids=numbers[documents.ids]),
        None if passages is None else passages._replace(ids=numbers[passages.ids]),
        None if sequences is None else sequences._replace(ids=numbers[sequences.ids]),
    )


def _nothing(passages: int) -> Held:
    return Held(
        np.zeros(passages * _FIELDS + 1, np.int64),
        np.zeros(0, np.uint32),
        np.zeros(0, np.uint8),
        np.zeros((passages, _FIELDS), np.uint32),
    )


def _texts(texts: Held, wanted: NDArray[np.int64]) -> Held:
    """Take texts as the fields of documents or passages: int64 (n, fields)."""
    entries, starts = _entries(texts.starts, wanted.ravel())
    return Held(starts, texts.ids[entries], texts.counts[entries], texts.lengths[wanted])


def _entries(starts: NDArray[np.int64], at: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The entries of some runs, one after the other, and where each begins then."""
    first = starts[at]
    sizes = starts[at + 1] - first
    new = _before(sizes)
    return np.arange(int(new[-1])) + np.repeat(first - new[:-1], sizes), new


def _all_held(every: Sequence[Held]) -> Held:
    return Held(
        _all_starts([one.starts for one in every]),
        np.concatenate([one.ids for one in every]),
        np.concatenate([one.counts for one in every]),
        np.concatenate([one.lengths for one in every]),
    )


def _all_starts(every: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return _before(np.concatenate([np.diff(one) for one in every]))


def _before(sizes: Sequence[int] | NDArray[np.integer]) -> NDArray[np.int64]:
    """Where runs of some sizes begin, and where the last one ends."""
    starts = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts


def _joined(arrays: Sequence[NDArray[Any]], kind: type) -> NDArray[Any]:
    return np.concatenate(arrays) if arrays else np.zeros(0, kind)
