"""The forms of a word that is not plain: ``os.path.join``, ``useEffect``, ``4711KX20``, ``don't``, ``C++17``.

A word is cut at its punctuation into segments, and a segment at capitals, and between letters and digits, into runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from typeahead.text.analysis.folding import fold
from typeahead.text.analysis.shapes import COMPOUND, JOINER, MARK, shape_of

#: Longer forms, in code points, are cut. A word whose whole form is longer is several words.
LONGEST = 64
#: What a letter or digit is in a shape, and what may follow it, as contents of ``[]``.
LETTERS = f"a-zA-Z0-9{COMPOUND}"
MARKS = MARK + JOINER
#: Two signs end names: C++ and C#, which is one letter. Elsewhere # begins a part of a page.
PLUS = r"\+\+(?!\+)"
SHARP = rf"(?<=[a-zA-Z])(?<![{LETTERS}{MARKS}][a-zA-Z])#"

_RUN = f"[{LETTERS}][{LETTERS}{MARKS}]*"
_SEGMENT = re.compile(rf"{_RUN}(?:'{_RUN})*(?:{PLUS}(?![a-zA-Z])|{SHARP}(?![{LETTERS}]))?")
#: What English puts behind an apostrophe: the word before it is a word. Not so in "don't".
_CONTRACTION = re.compile(r"'(?:s|re|ve|ll|m|d)\Z", re.IGNORECASE)
_CAPITAL, _SMALL, _DIGIT = (f"[{kind}][{MARKS}]*" for kind in ("A-Z", "a-z", "0-9"))
#: URL in URLs, HTTP in HTTPServer, Server, server, HTTP, 81.
_RUNS = re.compile(
    f"((?:{_CAPITAL}){{2,}}(?=s(?![a-z]))|(?:{_CAPITAL})+(?={_CAPITAL}{_SMALL})|(?:{_CAPITAL})?(?:{_SMALL})+"
    f"|(?:{_CAPITAL})+)|(?:{_DIGIT})+"
)
_MARK = re.compile(f"[{MARKS}]+")
#: A segment of more numbers is a hash, of which nobody types the parts.
_MOST_NUMBERS = 3

Span = tuple[int, int, tuple[str, ...]]


def cut(text: str, shape: str, start: int, end: int) -> list[Span]:
    """The word at ``text[start:end]``: one span with its forms, or one for each segment if it is too long for one."""
    found = [(one.start(), one.end()) for one in _SEGMENT.finditer(shape, start, end)]
    segments = [(at, to, forms) for at, to in found if (forms := _segment(text[at:to], shape[at:to]))]
    if not segments:
        return []
    whole = "".join([forms[0] for _, _, forms in segments])
    if len(segments) > 1 and len(whole) > LONGEST:
        return segments
    forms = [whole, *(form for _, _, forms in segments for form in forms)]
    if shape[start] == ".":
        forms.insert(0, "." + whole)
    return [(start, end, _different(forms))]


def _different(forms: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([form[:LONGEST] for form in forms if form]))


def _segment(text: str, shape: str) -> tuple[str, ...]:
    """The forms of a segment, the whole first."""
    if COMPOUND in shape:
        text = fold(text)
        shape = shape_of(text)
        parts = [text[one.start() : one.end()] for one in re.finditer(_RUN, shape)]
        return _different(["".join(parts), *parts])
    sign = len(shape) - len(shape.rstrip("+#"))
    name = text[: len(text) - sign]
    # A sign may have been written in full width.
    forms = [fold(name) + shape[len(name) :]] if sign else []
    words = shape[: len(name)].split("'")
    pieces, at = [], 0
    for word in words:
        pieces.append((name[at : at + len(word)], word))
        at += len(word) + 1
    joined = "".join([fold(piece) for piece, _ in pieces])
    forms.append(joined)
    if len(pieces) == 1:
        forms += _runs(*pieces[0])
        return _different(forms)
    last = fold(pieces[-1][0])
    if _CONTRACTION.match("'" + last):
        forms.append(joined[: -len(last)])
        pieces.pop()
    elif last == "t":
        return _different(forms)
    for piece, word in pieces:
        # The article of l'amour and the O of O'Brien say nothing.
        if _length(word) > 1:
            forms += [fold(piece), *_runs(piece, word)]
    return _different(forms)


def _runs(text: str, shape: str) -> Iterator[str]:
    """The runs of capitals, small letters and digits of a segment, if it has several that say something.

    A single letter stays with its digits, as in v1, x86, h264 and k8s. Any other is left out.
    """
    runs = [(one.start(), one.end(), one.lastindex is not None) for one in _RUNS.finditer(shape)]
    if len(runs) < 2 or sum(not letters for _, _, letters in runs) > _MOST_NUMBERS:
        return
    joined: list[tuple[int, int, bool, bool]] = []
    for start, end, letters in runs:
        single = letters and _length(shape[start:end]) == 1
        if joined and joined[-1][1] == start and joined[-1][2] != letters and (single or joined[-1][3]):
            joined[-1] = (joined[-1][0], end, letters, single)
        else:
            joined.append((start, end, letters, single))
    for start, end, letters, _ in joined:
        if not letters or _length(shape[start:end]) > 1:
            yield fold(text[start:end])
    if shape[0] in "vV" and shape[1:].isdigit():
        yield fold(text[1:])


def _length(shape: str) -> int:
    return len(_MARK.sub("", shape))
