"""The words of a text: one rule for documents, queries, completions and marks.

A word is a run of letters and digits, with single or double punctuation inside it: ``os.path.join``, ``AB-1234``,
``don't``, ``std::vector``. Its first form is the whole of it, folded, without the punctuation. The others are its
parts, so that ``path`` finds ``os.path.join``. C++, C# and .NET keep the signs that make them names.

Scripts without spaces are cut into overlapping pairs of characters, whose parts are the characters. An emoji is a
word. So is a chunk of text that has only symbols, such as ``&&`` or ``[``, if it is short.

:mod:`~typeahead.text.analysis.folding` folds words, :mod:`~typeahead.text.analysis.shapes` tells kinds of characters,
and :mod:`~typeahead.text.analysis.parts` finds the forms of words that are not plain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from typeahead.text.analysis.folding import fold
from typeahead.text.analysis.parts import LETTERS, LONGEST, MARKS, PLUS, SHARP, Span, cut
from typeahead.text.analysis.shapes import (
    EMOJI,
    FLAG,
    HIRAGANA,
    JOINER,
    KATAKANA,
    LONG,
    UNSPACED,
    shape_of,
)

__all__ = ["Analysis", "Word", "analyse", "fold", "forms"]

#: Longer chunks of symbols are rulers and drawings.
_LONGEST_SYMBOL = 4
#: Symbols of prose and lists. They are words only of a text that has no others, as they would be in every document.
_PROSE = frozenset("- -- --- – — • · ‣ ●".split())
_PAIRED = frozenset(["()", "[]", "{}", "<>", '""', "''", "``", "“”", "‘’", "«»", "「」", "『』"])

_JOINING = r".:/\-@#+'&\\·"
#: What may stand between two letters of a word. A comma may, where it parts thousands. Underscores do not count.
_CONNECTOR = rf"(?:_+[{_JOINING}]{{0,2}}_*|[{_JOINING}]{{1,2}}_*|(?<=[0-9]),(?=[0-9]{{3}}(?![0-9])))"
_RUN = f"[{LETTERS}][{LETTERS}{MARKS}]*"
#: The dot of .NET and .gitignore, which is not the end of anything.
_DOT = rf"(?:(?<![{LETTERS}{MARKS}_.)\]}}{UNSPACED}])\.(?=[a-zA-Z]))?"
_WORD = rf"{_DOT}{_RUN}(?:{_CONNECTOR}{_RUN})*(?:{PLUS}|{SHARP})?"
_BLANK = r"\x00-\x20\x7f"
_SYMBOLS = rf"(?<![^{_BLANK}])[^{_BLANK}{LETTERS}{UNSPACED}{LONG}{EMOJI}{FLAG}]+(?![^{_BLANK}])"
_KANA = f"[{KATAKANA}{LONG}][{KATAKANA}{LONG}{MARKS}]*|{HIRAGANA}[{HIRAGANA}{LONG}{MARKS}]*"
_OTHERS = "|".join(f"{one}[{one}{MARKS}]*" for one in UNSPACED if one not in KATAKANA + HIRAGANA)
_EMOJI = f"{EMOJI}[{MARKS}]*(?:(?<={JOINER}){EMOJI}[{MARKS}]*)*|{FLAG}{{1,2}}"
_TOKEN = re.compile(f"{_WORD}|({_SYMBOLS})|({_KANA}|{_OTHERS})|({_EMOJI})")
_SYMBOL_KIND, _UNSPACED_KIND, _EMOJI_KIND = 1, 2, 3
_ASCII_TOKEN = re.compile(f"{_WORD}|({_SYMBOLS})")
_PLAIN = re.compile(f"(?:[A-Z][{MARKS}]*)?(?:[a-z][{MARKS}]*)+|(?:[A-Z][{MARKS}]*)+|(?:[0-9][{MARKS}]*)+")
_CHARACTER = re.compile(f"[^{MARKS}][{MARKS}]*")
#: What may stand behind a word while it is typed.
_UNFINISHED = re.compile(rf"_*[{_JOINING}]{{0,2}}_*")


class Word(NamedTuple):
    """A word of a text. Those of scripts without spaces overlap."""

    #: Where it stands in the text, in code points.
    start: int
    end: int
    #: Different folded forms, none longer than 64 code points: the whole word, then its parts if it has several.
    forms: tuple[str, ...]


class Analysis(NamedTuple):
    """The words of a text, in order."""

    words: tuple[Word, ...]
    #: Whether the next letter would belong to the last word.
    open: bool


def analyse(text: str) -> Analysis:
    """Find the words of a text, in linear time. Any text has an analysis: one of lone surrogates has no words."""
    shape = shape_of(text)
    words = [Word(*span) for span in _spans(text, shape)]
    return Analysis(tuple(words), bool(words) and _is_open(shape, words[-1]))


def forms(text: str) -> list[tuple[str, ...]]:
    """The forms of the words of a text, in order: what :func:`analyse` finds, sooner."""
    return [found for _, _, found in _spans(text, shape_of(text))]


def _spans(text: str, shape: str) -> list[Span]:
    found: list[Span] = []
    prose: list[Span] = []
    ascii_only = text.isascii()
    for match in (_ASCII_TOKEN if ascii_only else _TOKEN).finditer(shape):
        start, end = match.span()
        token = text[start:end]
        kind = match.lastindex
        if kind is None:
            if ascii_only:
                folded = token.lower()
                plain = (token.isalpha() and (token[1:] == folded[1:] or token.isupper())) or token.isdigit()
            elif plain := _PLAIN.fullmatch(shape, start, end) is not None:
                folded = fold(token)
            if not plain:
                found += cut(text, shape, start, end)
            elif folded:
                found.append((start, end, (folded[:LONGEST],)))
        elif kind == _SYMBOL_KIND:
            for symbol in _symbols(token, start):
                (prose if symbol[2][0] in _PROSE else found).append(symbol)
        elif kind == _UNSPACED_KIND:
            found += _pairs(text, shape, start, end)
        elif folded := fold(token):
            found.append((start, end, (folded[:LONGEST],)))
    return found or prose


def _symbols(token: str, start: int) -> Iterator[Span]:
    """The word of a chunk of symbols: without the brackets or quotes round it, and the comma behind it."""
    end = start + len(token)
    if token[-1] in ",;" and len(token) > 1 and token[-2] != token[-1]:
        token, end = token[:-1], end - 1
    if len(token) > 2 and token[0] + token[-1] in _PAIRED:
        token, start, end = token[1:-1], start + 1, end - 1
    folded = "".join(fold(token).split())
    if 0 < len(folded) <= _LONGEST_SYMBOL:
        yield start, end, (folded,)


def _pairs(text: str, shape: str, start: int, end: int) -> Iterator[Span]:
    """The pairs of characters of a run. The parts of a pair are its first character and, in the last pair, both.

    So each character is found once, and a character that is typed alone is the beginning of a pair.
    """
    found = []
    for one in _CHARACTER.finditer(shape, start, end):
        folded = fold(text[one.start() : one.end()])[: LONGEST // 2]
        if folded:
            found.append((one.start(), one.end(), folded))
    if len(found) == 1:
        at, to, folded = found[0]
        yield at, to, (folded,)
    last = len(found) - 2
    for row in range(len(found) - 1):
        (at, _, first), (_, to, second) = found[row], found[row + 1]
        parts = (first + second, first, second) if row == last and first != second else (first + second, first)
        yield at, to, parts


def _is_open(shape: str, last: Word) -> bool:
    behind = shape[last.end :]
    if not behind:
        return True
    # A quote that was opened before the word is closed behind it.
    if "'" in behind and shape[: last.start].endswith("'"):
        return False
    end = shape[last.end - 1]
    return end not in UNSPACED + LONG and _UNFINISHED.fullmatch(behind) is not None
