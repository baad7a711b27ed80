"""Stands in for the analysis of texts until it is there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from typeahead.core.folding import fold

_WORD = re.compile(r"[^\W_]+(?:[._'-]+[^\W_]+)*")
_PART = re.compile(r"[^\W_]+")


class Word(NamedTuple):
    """A word."""

    start: int
    end: int
    forms: tuple[str, ...]


@dataclass(frozen=True)
class Analysis:
    """The words of a text."""

    words: tuple[Word, ...]
    open: bool


def analyse(text: str) -> Analysis:
    """Cut a text."""
    words = []
    for found in _WORD.finditer(text):
        parts = tuple(_PART.findall(fold(found[0])))
        if parts:
            words.append(Word(found.start(), found.end(), parts if len(parts) == 1 else ("".join(parts), *parts)))
    return Analysis(tuple(words), bool(words) and words[-1].end == len(text))
