"""Pseudo-queries: short texts from documents, for where a log is small. Titles, headings, first sentences, phrases."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from training.data import Example
from training.gathering.cleaning import clean
from training.gathering.gathered import GatheredText
from training.gathering.phrases import cut, cut_unspaced
from typeahead.text.boundaries import sentences
from typeahead.text.document import Document

#: Words of a first sentence, and its characters.
_FEWEST, _MOST, _LONGEST = 3, 30, 200
#: Code and addresses, which nobody types into a search box.
_MARKUP = re.compile(r"[<>={}\\]|://|\S{30}")


class Read(NamedTuple):
    """A document, the name of its file, and its windows."""

    document: Document
    source: str
    windows: Sequence[str]


def names_of(documents: Sequence[Read]) -> Iterator[GatheredText]:
    """Yield the titles, headings and first sentences of documents. A text may come more than once."""
    for one in documents:
        if title := clean(one.document.title):
            yield GatheredText(title, "title", one.source)
        for heading in one.document.headings:
            if text := clean(heading.title):
                yield GatheredText(text, "heading", one.source)
        if sentence := first_sentence(one.document.text):
            yield GatheredText(sentence, "sentence", one.source)


def phrases_of(documents: Sequence[Read], seed: int) -> Iterator[GatheredText]:
    """Yield a phrase for each window that has one; another seed cuts others. A text may come more than once."""
    rng = random.Random(seed)
    spaced: list[Example] = []
    for one in documents:
        for window in one.windows:
            phrase = cut_unspaced(window, rng)
            if phrase is None:
                spaced.append(Example(one.source, window))
            else:
                yield GatheredText(phrase, "phrase", one.source)
    for example in cut(spaced, rng):
        if not _MARKUP.search(example.text):
            yield GatheredText(example.text, "phrase", example.source)


def first_sentence(text: str) -> str | None:
    """The first sentence of a text, if it has one of a query's length."""
    text = text.lstrip()
    # It ends within its longest length or is too long.
    end, _ = next(sentences(text, 0, min(len(text), _LONGEST + 1)), (0, None))
    sentence = clean(text[:end])
    words = sum(any(map(str.isalpha, word)) for word in sentence.split())
    is_short = end <= _LONGEST and words <= _MOST
    return sentence if is_short and (words >= _FEWEST or cut_unspaced(sentence, random.Random(0)) is not None) else None
