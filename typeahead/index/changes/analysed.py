"""The words of one document, as the journal stores them: whoever writes analyses the texts, and readers need not.

Forms are counted as :class:`~typeahead.index.lexical.writer.LexicalWriter` counts them. The parts of words are kept in
their order, too, as a phrase is a sequence of these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from typeahead.index.lexical.writer import parts_and_wholes
from typeahead.search.terms import FIELDS
from typeahead.text.document import Document, Passage

_LARGEST_COUNT: Final = 255
_HEADER: Final = 3
_NUMBER: Final = np.dtype("<u4")
#: Stands between the forms of a document. No form has white space.
_BETWEEN: Final = "\n"


class DocumentWords(NamedTuple):
    """The words of a document: of its title, its whole text and, if it has several passages, the text of each.

    Each of these u texts has the numbers of its forms, and how often each occurs.
    """

    #: The different forms of all texts, sorted.
    forms: Sequence[str]
    #: How many different forms each text has, and how many in all: uint32 (u,).
    sizes: NDArray[np.uint32]
    lengths: NDArray[np.uint32]
    #: The places of the forms of each text in ``forms``, rising within a text: uint32 (e,).
    ids: NDArray[np.uint32]
    #: How often each occurs; 255 stands for any more, too: uint8 (e,).
    counts: NDArray[np.uint8]
    #: How many parts of words the title and the text have: uint32 (fields,).
    sequence_sizes: NDArray[np.uint32]
    #: The places in ``forms`` of these parts, in their order: uint32.
    sequence: NDArray[np.uint32]

    @classmethod
    def of(cls, document: Document, passages: Sequence[Passage]) -> Self:
        """Analyse a document."""
        sequences: list[list[str]] = []
        counts: list[Counter[str]] = []
        lengths: list[int] = []
        texts = [document.title, document.text, *(one.text for one in passages if len(passages) > 1)]
        for text in texts:
            parts, wholes = parts_and_wholes(text)
            sequences.append(parts)
            lengths.append(len(parts) + len(wholes))
            counts.append(Counter(parts + wholes))
        del sequences[len(FIELDS) :]
        # What a passage alone holds, as a word was cut in two, is no word of the document.
        forms = sorted(counts[0].keys() | counts[1].keys())
        places = dict(zip(forms, range(len(forms)), strict=True))
        sizes: list[int] = []
        ids: list[int] = []
        times: list[int] = []
        for counted in counts:
            held = sorted(counted.keys() & places.keys())
            sizes.append(len(held))
            ids += map(places.__getitem__, held)
            times += map(counted.__getitem__, held)
        return cls(
            forms,
            np.array(sizes, np.uint32),
            np.array(lengths, np.uint32),
            np.array(ids, np.uint32),
            np.minimum(times, _LARGEST_COUNT).astype(np.uint8),
            np.array(list(map(len, sequences)), np.uint32),
            np.array(list(map(places.__getitem__, chain.from_iterable(sequences))), np.uint32),
        )

    def encoded(self) -> tuple[str, bytes]:
        """Return what the journal stores: the forms, and all numbers."""
        head = np.array([len(self.sizes), *self.sequence_sizes], np.uint32)
        numbers = np.concatenate([head, self.sizes, self.lengths, self.ids, self.sequence])
        return _BETWEEN.join(self.forms), numbers.astype(_NUMBER).tobytes() + self.counts.tobytes()

    @classmethod
    def decoded(cls, forms: str, numbers: bytes, passages: int) -> Self:
        """Read what :meth:`encoded` returned for a document with so many passages.

        Raises ``ValueError`` for anything else. The order of the numbers is not checked; a wrong one makes wrong
        evidence and nothing worse.
        """
        if not isinstance(forms, str):
            raise ValueError("its forms are no text")
        names = forms.split(_BETWEEN) if forms else []
        if forms.startswith(_BETWEEN) or forms.endswith(_BETWEEN) or 2 * _BETWEEN in forms:
            raise ValueError("a form is empty")
        texts = len(FIELDS) + (passages if passages > 1 else 0)
        head = np.frombuffer(numbers, _NUMBER, min(_HEADER + 2 * texts, len(numbers) // 4))
        # Python's numbers are faster while there are few.
        told = head.tolist()
        if len(told) < _HEADER + 2 * texts or told[0] != texts:
            raise ValueError("the words are not those of its texts")
        entries, length = sum(told[_HEADER : _HEADER + texts]), sum(told[1:_HEADER])
        if len(numbers) != 4 * (len(told) + entries + length) + entries:
            raise ValueError("the words are cut off")
        rest = np.frombuffer(numbers, _NUMBER, entries + length, 4 * len(told))
        if len(rest) and rest.max() >= len(names):
            raise ValueError("a form is missing")
        counts = np.frombuffer(numbers, np.uint8, entries, 4 * (len(told) + len(rest)))
        sizes, lengths = head[_HEADER : _HEADER + texts], head[_HEADER + texts :]
        return cls(names, sizes, lengths, rest[:entries], counts, head[1:_HEADER], rest[entries:])
