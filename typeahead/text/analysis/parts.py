"""The forms of a word that is not plain: ``os.path.join``, ``useEffect``, ``4711KX20``, ``don't``, ``C++17``.

A word is cut at its punctuation into segments, and a segment at capitals, and between letters and digits, into runs.
"""

from __future__ import annotations

import re

from typeahead.text.analysis.folding import fold
from typeahead.text.analysis.shapes import COMPOUND, JOINER, MARK, shape_of

#: Longer forms, in code points, are cut. A word whose whole form is longer is several words.
LONGEST = 64
#: What a letter or digit is in a shape, and what may follow it, as contents of ``[]``.
LETTERS = f"a-zA-Z0-9{COMPOUND}"
MARKS = MARK + JOINER
#: Two signs end names: C++ and C#, which is one letter. Elsewhere # begins a part of a page.
PLUS = r"\+\+(?!\+)"
SHARP = rf"#(?<=[a-zA-Z]#)(?<![{LETTERS}{MARKS}][a-zA-Z]#)"

_RUN = f"[{LETTERS}][{LETTERS}{MARKS}]*"
_SEGMENT = re.compile(rf"{_RUN}(?:'{_RUN})*(?:{PLUS}(?![a-zA-Z])|{SHARP}(?![{LETTERS}]))?")
#: What English puts behind an apostrophe: the word before it is a word. Not so in "don't".
_ENDINGS = frozenset("s re ve ll m d".split())
#: URL in URLs, HTTP in HTTPServer, Server, server, HTTP, 81. The group tells letters from digits.
_RUNS = re.compile(
    f"([A-Z][{MARKS}]*[A-Z][A-Z{MARKS}]*(?=s(?![a-z]))|[A-Z][A-Z{MARKS}]*(?=[A-Z][{MARKS}]*[a-z])"
    f"|[A-Z][{MARKS}]*[a-z][a-z{MARKS}]*|[a-z][a-z{MARKS}]*|[A-Z][A-Z{MARKS}]*)|[0-9][0-9{MARKS}]*"
)
_MARK = re.compile(f"[{MARKS}]+")
#: A segment of more numbers is a hash, of which nobody types the parts.
_MOST_NUMBERS = 3

Span = tuple[int, int, tuple[str, ...]]


def cut(text: str, shape: str, start: int, end: int) -> list[Span]:
    """The word at ``text[start:end]``: one span with its forms, or one for each segment if it is too long for one."""
    segments: list[Span] = []
    forms: list[str] = []
    for match in _SEGMENT.finditer(shape, start, end):
        at, to = match.span()
        if found := _segment(text[at:to], shape[at:to]):
            segments.append((at, to, found))
            forms += found
    if len(segments) > 1:
        whole = "".join([found[0] for _, _, found in segments])
        if len(whole) > LONGEST:
            return segments
        forms.insert(0, whole)
    if not forms:
        return []
    if shape[start] == ".":
        forms.insert(0, "." + forms[0])
    return [(start, end, _different(forms))]


def _different(forms: list[str]) -> tuple[str, ...]:
    different = dict.fromkeys(forms)
    if "" in different or max(map(len, different)) > LONGEST:
        different = dict.fromkeys([form[:LONGEST] for form in forms if form])
    return tuple(different)


def _segment(text: str, shape: str) -> tuple[str, ...]:
    """The forms of a segment, the whole first."""
    folded = fold(text)
    if (shape.isalpha() and shape[1:].islower()) or shape.isdigit():
        return (folded[:LONGEST],) if folded else ()
    if COMPOUND in shape:
        shape = shape_of(folded)
        parts = [folded[one.start() : one.end()] for one in re.finditer(_RUN, shape)]
        return _different(["".join(parts), *parts])
    if "'" in shape:
        return _different(_apostrophes(text, shape))
    sign = shape.rstrip("+#")
    if len(sign) < len(shape):
        text, folded = text[: len(sign)], fold(text[: len(sign)])
        # The sign may have been written in full width.
        return _different([folded + shape[len(sign) :], folded, *_runs(text, sign)])
    return _different([folded, *_runs(text, shape)])


def _apostrophes(text: str, shape: str) -> list[str]:
    """The forms of a segment with apostrophes: without them, without an English ending, and what they part."""
    pieces, at = [], 0
    for part in shape.rstrip("+#").split("'"):
        pieces.append((text[at : at + len(part)], part))
        at += len(part) + 1
    joined = "".join([fold(piece) for piece, _ in pieces])
    forms = [joined + shape[at - 1 :], joined]
    last = fold(pieces[-1][0])
    if last == "t":
        return forms
    if last in _ENDINGS:
        forms.append(joined[: -len(last)])
        pieces.pop()
    for piece, part in pieces:
        # The article of l'amour and the O of O'Brien say nothing.
        if _length(part) > 1:
            forms += [fold(piece), *_runs(piece, part)]
    return forms


def _runs(text: str, shape: str) -> list[str]:
    """The runs of capitals, small letters and digits of a segment, if it has several that say something.

    A single letter stays with its digits, as in v1, x86, h264 and k8s. Any other is left out.
    """
    runs: list[list[int]] = []
    numbers = 0
    before = alone = False
    for match in _RUNS.finditer(shape):
        start, end = match.span()
        letters = match.lastindex is not None
        numbers += not letters
        single = letters and _length(shape[start:end]) == 1
        if runs and before != letters and (single or alone):
            runs[-1][1] = end
        else:
            runs.append([start, end])
        before, alone = letters, single
    if numbers > _MOST_NUMBERS:
        return []
    found = []
    if len(runs) > 1:
        found = [fold(text[a:b]) for a, b in runs if _length(shape[a:b]) > 1 or shape[a] <= "9"]
    if shape[0] in "vV" and shape[1:].isdigit():
        found.append(fold(text[1:]))
    return found


def _length(shape: str) -> int:
    return len(shape) if shape.isascii() else len(_MARK.sub("", shape))
