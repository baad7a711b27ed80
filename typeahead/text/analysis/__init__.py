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
from itertools import pairwise
from typing import NamedTuple

from typeahead.text.analysis.folding import fold, readable
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

__all__ = ["Analysis", "Word", "analyse", "fold", "forms", "readable"]

#: Longer chunks of symbols are rulers and drawings.
_LONGEST_SYMBOL = 4
#: Symbols of prose and lists. They are words only of a text that has no others, as they would be in every document.
_PROSE = frozenset("- -- --- – — • · ‣ ●".split())
#: Punctuation that is no part of the word behind it, or before it. A dot may be the first part of one.
_BEFORE = "([\"'"
_BEHIND = ".,;:!?)]\"'"
_PAIRED = frozenset(["()", "[]", "{}", "<>", '""', "''", "``", "“”", "‘’", "«»", "「」", "『』"])

# Each alternative of a pattern begins with a plain character or set, which the engine checks first. What must stand
# before that character is asked behind it. The other way round takes twice the time.
_JOINING = r".:/\-@#+'&\\·"
#: What may stand between two letters of a word. A comma may, where it parts thousands. Underscores do not count.
_CONNECTOR = rf"(?:[{_JOINING}][{_JOINING}]?_*|__*[{_JOINING}]{{0,2}}_*|,(?<=[0-9],)(?=[0-9]{{3}}(?![0-9])))"
_RUN = f"[{LETTERS}][{LETTERS}{MARKS}]*"
_REST = rf"(?:{_CONNECTOR}{_RUN})*(?:{PLUS}|{SHARP})?"
#: The dot of .NET and .gitignore, which is not the end of anything.
_DOT = rf"\.(?=[a-zA-Z])(?<![{LETTERS}{MARKS}_.)\]}}{UNSPACED}]\.)"
_BLANK = r"\x00-\x20\x7f"
_SIGN = f"[^{_BLANK}{LETTERS}{UNSPACED}{LONG}{EMOJI}{FLAG}]"
_SYMBOLS = rf"{_SIGN}(?<![^{_BLANK}].){_SIGN}*(?![^{_BLANK}])"
_KANA = f"[{KATAKANA}{LONG}][{KATAKANA}{LONG}{MARKS}]*|{HIRAGANA}[{HIRAGANA}{LONG}{MARKS}]*"
_OTHERS = "|".join(f"{one}[{one}{MARKS}]*" for one in UNSPACED if one not in KATAKANA + HIRAGANA)
_EMOJI = f"{EMOJI}[{MARKS}]*(?:(?<={JOINER}){EMOJI}[{MARKS}]*)*|{FLAG}{FLAG}?"
_ASCII_TOKEN = re.compile(f"{_RUN}{_REST}|{_DOT}{_RUN}{_REST}|{_SYMBOLS}")
_TOKEN = re.compile(f"{_ASCII_TOKEN.pattern}|{_KANA}|{_OTHERS}|{_EMOJI}")
_PLAIN = re.compile(f"[A-Za-z][a-z{MARKS}]*|[A-Z][A-Z{MARKS}]*|[0-9][0-9{MARKS}]*")
_LETTER = re.compile(f"[{LETTERS}]")
_MARK = re.compile(f"[{MARKS}]")
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
    """The forms of the words of a text, in order: what :func:`analyse` finds, sooner.

    No word reaches across white space, and most chunks of a text are a plain word with punctuation round it.
    """
    found: list[tuple[str, ...]] = []
    for chunk in text.split():
        word = chunk.lstrip(_BEFORE).rstrip(_BEHIND)
        if word.isascii() and len(word) <= LONGEST:
            if word.isalpha():
                folded = word.lower()
                if word[1:] == folded[1:] or word.isupper():
                    found.append((folded,))
                    continue
            elif word.isdigit():
                found.append((word,))
                continue
        found += [form for _, _, form in _spans(chunk, shape_of(chunk)) if form[0] not in _PROSE]
    # A text that has nothing else keeps the symbols of prose.
    return found or [form for _, _, form in _spans(text, shape_of(text))]


def _spans(text: str, shape: str) -> list[Span]:
    return _ascii_spans(text) if shape is text else _unicode_spans(text, shape)


def _ascii_spans(text: str) -> list[Span]:
    found: list[Span] = []
    prose: list[Span] = []
    for match in _ASCII_TOKEN.finditer(text):
        token = match[0]
        start, end = match.span()
        folded = token.lower()
        if (token.isalpha() and (token[1:] == folded[1:] or token.isupper())) or token.isdigit():
            found.append((start, end, (folded if end - start <= LONGEST else folded[:LONGEST],)))
        elif token[0].isalnum() or (token[0] == "." and token[1:2].isalpha()):
            found += cut(text, text, start, end)
        else:
            for symbol in _symbols(token, start):
                (prose if symbol[2][0] in _PROSE else found).append(symbol)
    return found or prose


def _unicode_spans(text: str, shape: str) -> list[Span]:
    found: list[Span] = []
    prose: list[Span] = []
    for match in _TOKEN.finditer(shape):
        start, end = match.span()
        first = shape[start]
        if first in UNSPACED or first == LONG:
            found += _pairs(text, shape, start, end)
        elif first in (EMOJI, FLAG) or _PLAIN.fullmatch(shape, start, end):
            if folded := fold(text[start:end]):
                found.append((start, end, (folded[:LONGEST],)))
        elif _LETTER.match(first) or (first == "." and _LETTER.match(shape, start + 1, end)):
            found += cut(text, shape, start, end)
        else:
            for symbol in _symbols(text[start:end], start):
                (prose if symbol[2][0] in _PROSE else found).append(symbol)
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
    folded = fold(text[start:end])
    if len(folded) == end - start and not _MARK.search(shape, start, end):
        found = [(start + row, start + row + 1, one) for row, one in enumerate(folded)]
    else:
        found = []
        for match in _CHARACTER.finditer(shape, start, end):
            if folded := fold(text[match.start() : match.end()]):
                found.append((match.start(), match.end(), folded[: LONGEST // 2]))
    if len(found) == 1:
        at, to, one = found[0]
        yield at, to, (one,)
    last = len(found) - 2
    for row, ((at, _, first), (_, to, second)) in enumerate(pairwise(found)):
        yield at, to, (first + second, first, second) if row == last and first != second else (first + second, first)


def _is_open(shape: str, last: Word) -> bool:
    behind = shape[last.end :]
    if not behind:
        return True
    # A quote that was opened before the word is closed behind it.
    if "'" in behind and shape[: last.start].endswith("'"):
        return False
    end = shape[last.end - 1]
    return end not in UNSPACED + LONG and _UNFINISHED.fullmatch(behind) is not None
