"""Divides a document into passages that an encoder reads whole; :mod:`~typeahead.text.boundaries` says where it may.

A document is cut along its headings first, then along paragraphs, lines, sentences, clauses, words, and in the end
between characters. Among all ways to cut it, the one with the least cost is taken: each cut costs by what it breaks,
each passage by the square of the share of the window that stays empty. So passages are few and of like size, and no
rest of three words is left over. The method is that of *Breaking Paragraphs into Lines* (Knuth and Plass, 1981), with
passages for lines.

The library semchunk 4.1 fills each passage as far as it can. On this project's documentation (115 kB, windows of 254
word pieces) it made 174 passages with 16 to 254 word pieces where this makes 140 with 163 to 254, and both cut no
sentence. It knows no headings, drops the white space between passages, cuts graphemes, and keeps every text that it
measured in memory for the life of the process. So it is not used.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

from typeahead.text.boundaries import Strength, characters, sentences, words
from typeahead.text.document import Document, Passage

#: Code points of a passage for each token of the limit. A tokenizer may take a word of any length for one token.
_CHARACTERS: Final = 16
#: What is shorter than this share of the limit is joined to what follows, so that few places are left to choose from.
_SMALL: Final = 24
#: Code points that are not looked into, as a share of the limit: a token seldom takes less than one.
_FEW: Final = 8
#: What a cut costs. Filling a passage half costs 0.25, so a sentence is cut rather than a third of it left empty.
_COST: Final = {
    Strength.HEADING: 0.0,
    Strength.PARAGRAPH: 0.1,
    Strength.LINE: 0.15,
    Strength.SENTENCE: 0.3,
    Strength.CLAUSE: 1.0,
    Strength.WORD: 1.5,
    Strength.CHARACTER: 3.0,
}
#: What it costs that a passage goes on under another heading.
_CROSSING: Final = 0.15

CountTokens = Callable[[Sequence[str]], Sequence[int]]


class _Tokenizer(Protocol):
    def encode(self, text: str) -> Sequence[int]: ...


class _Atom(NamedTuple):
    """A part of a text that is not cut any more."""

    start: int
    end: int
    tokens: int
    #: What ends with it.
    strength: Strength
    #: The row of the heading above it, -1 where there is none.
    section: int


class _Section(NamedTuple):
    """What a heading opens."""

    start: int
    #: Where the heading's own words end, about.
    end: int
    level: int
    #: The row of the section that holds it, -1 where there is none.
    parent: int
    depth: int
    path: tuple[str, ...]
    anchor: str


class Divider:
    """Divides documents into passages of at most ``limit`` tokens, title and headings included.

    ``count_tokens`` gets n texts and returns n numbers of tokens, without the tokens that the encoder adds to each.
    """

    def __init__(self, count_tokens: CountTokens, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"limit is {limit}; it must be at least 1")
        self._count = count_tokens
        self.limit = limit

    def divide(self, document: Document) -> tuple[Passage, ...]:
        """Return at least one passage; the texts of all of them in a row are ``document.text``.

        What is encoded for a passage (:meth:`Document.encoded`) is within the limit, with two exceptions: one character
        may have more tokens than the limit, and so may the title. Headings that leave too little room are left out of
        the path, the highest first.

        A document within the limit is one passage, without path and anchor. Takes time linear in the text.
        """
        whole = Passage(document.text)
        if len(document.text) <= self.limit * _CHARACTERS and self._count([document.passage])[0] <= self.limit:
            return (whole,)
        return tuple(_Division(document, self._count, self.limit).passages()) or (whole,)


def divider_for(encoder: Any, limit: int | None = None) -> Divider:
    """Return the divider for what a passage encoder reads.

    ``limit`` is in tokens, by default what the encoder reads: ``config.max_tokens``. With half of that ``minilm-doc``
    needs 2.1 times the vectors, and finds hardly more once words count: of 827 texts of links and 75 sentences from the
    last tenths of 170 pages (PostgreSQL, Django), the page was among the first 3 for 94.9% and 97.3% instead of 94.7%
    and 97.3%. By cosine alone it was 90.1% and 93.3% instead of 87.2% and 90.7%. An encoder without a ``tokenizer``
    is taken to read one token for three bytes of UTF-8, which is more than it is.
    """
    tokenizer: _Tokenizer | None = getattr(encoder, "tokenizer", None)
    most: int = encoder.config.max_tokens

    def count(texts: Sequence[str]) -> Sequence[int]:
        if tokenizer is None:
            return [-(-len(text.encode("utf-8", "replace")) // 3) for text in texts]
        # A lone surrogate is an error when the text is encoded, and named there.
        return [len(tokenizer.encode(text.encode("utf-8", "replace").decode())) for text in texts]

    return Divider(count, most if limit is None else min(limit, most))


class _Division:
    """One document while it is divided."""

    def __init__(self, document: Document, count: CountTokens, limit: int) -> None:
        self._document = document
        self._text = document.text
        self._count = count
        self._limit = limit
        self._longest = limit * _CHARACTERS
        self._sections = self._outline()
        paths = [*(section.path for section in self._sections), ()]
        #: Tokens of the title and the headings in front of a passage, by section, and last, at -1, under none.
        self._heads = count([document.encoded(Passage(" ", path)) for path in paths])
        self._room = [max(1, limit // 4, limit - head) for head in self._heads]

    def passages(self) -> Iterator[Passage]:
        atoms = self._joined(self._atoms())
        pending = [atoms[first:last] for first, last in self._best(atoms)]
        done: list[list[_Atom]] = []
        # The parts of a text seldom have fewer tokens than the whole. Where they have, the passage is halved.
        while pending:
            counts = self._count([self._document.encoded(self._passage(span)) for span in pending])
            over = [tokens > self._allowed(span) for span, tokens in zip(pending, counts, strict=True)]
            done += [span for span, wrong in zip(pending, over, strict=True) if not wrong]
            pending = [half for span, wrong in zip(pending, over, strict=True) if wrong for half in self._halved(span)]
        done.sort(key=lambda span: span[0].start)
        return (self._passage(span) for span in done)

    def _outline(self) -> list[_Section]:
        """The headings in order, each with its path."""
        title = self._document.title.strip()
        headings = [one for one in self._document.headings if 0 <= one.start < len(self._text)]
        headings.sort(key=lambda one: one.start)
        names = list({heading.title for heading in headings})
        tokens = dict(zip(names, self._count(names), strict=True))
        sections: list[_Section] = []
        row = -1
        for heading in headings:
            while row >= 0 and sections[row].level >= heading.level:
                row = sections[row].parent
            above = sections[row] if row >= 0 else None
            own = (heading.title,) if heading.title.strip() not in ("", title) else ()
            path = [*(above.path if above else ()), *own]
            while path and sum(tokens[name] for name in path) > self._limit // 4:
                del path[0]
            anchor = heading.anchor or (above.anchor if above else "")
            depth = above.depth + 1 if above else 0
            end = heading.start + len(heading.title) + 2
            sections.append(_Section(heading.start, end, heading.level, row, depth, tuple(path), anchor))
            row = len(sections) - 1
        return sections

    def _atoms(self) -> Iterator[_Atom]:
        """Sentences, and parts of those that are too long for a passage."""
        starts = [0, *(section.start for section in self._sections), len(self._text)]
        spans = []
        for row, (start, end) in enumerate(itertools.pairwise(starts), -1):
            left = start
            for place, strength in sentences(self._text, start, end):
                # Counting a million lines of one letter each would take a minute.
                if place - left >= self._limit // _FEW or place == end:
                    spans.append(_Atom(left, place, 0, Strength.HEADING if place == end else strength, row))
                    left = place
        short = [atom for atom in spans if atom.end - atom.start <= self._longest]
        counts = iter(self._count([self._text[atom.start : atom.end] for atom in short]))
        for atom in spans:
            tokens = next(counts) if atom.end - atom.start <= self._longest else self._limit + 1
            if tokens <= self._room[atom.section]:
                yield atom._replace(tokens=tokens)
            else:
                yield from self._cut(atom)

    def _cut(self, sentence: _Atom) -> Iterator[_Atom]:
        # A token seldom takes less than a code point.
        places = list(words(self._text, sentence.start, sentence.end, max(1, self._room[sentence.section] // 2)))
        bounds = list(itertools.pairwise([sentence.start, *(place for place, _ in places)]))
        counts = self._count([self._text[start:end] for start, end in bounds])
        for (start, end), (_, strength), tokens in zip(bounds, places, counts, strict=True):
            yield _Atom(start, end, tokens, sentence.strength if end == sentence.end else strength, sentence.section)

    def _joined(self, atoms: Iterable[_Atom]) -> list[_Atom]:
        """Join what is small, and so a heading, to what follows it, and white space to what it follows."""
        joined: list[_Atom] = []
        for atom in atoms:
            last = joined[-1] if joined else atom
            both = last._replace(end=atom.end, tokens=last.tokens + atom.tokens, strength=atom.strength)
            length = both.end - both.start
            is_heading = last.section >= 0 and last.end <= self._sections[last.section].end
            share = max(last.tokens, (last.end - last.start) // _CHARACTERS)
            is_small = is_heading or share * _SMALL <= self._limit
            fits = both.tokens * 2 <= self._room[atom.section] and length * 2 <= self._longest
            is_space = not atom.tokens and length <= self._longest
            if joined and last.section == atom.section and ((is_small and fits) or is_space):
                joined[-1] = both
            else:
                joined.append(atom)
        return joined

    def _best(self, atoms: Sequence[_Atom]) -> list[tuple[int, int]]:
        """Choose passages, as ranges of rows of ``atoms``, so that the sum of their costs is least."""
        costs, origins = [0.0], [0]
        for row, last in enumerate(atoms):
            common, tokens, crossed = last.section, 0, 0
            best, origin = math.inf, row
            for first in range(row, -1, -1):
                atom = atoms[first]
                if atom.section != atoms[min(first + 1, row)].section:
                    crossed += 1
                    common = self._common(atom.section, common)
                tokens += atom.tokens
                if first < row and (tokens > self._limit or last.end - atom.start > self._longest):
                    break
                room = self._room[common]
                if first < row and tokens > room:
                    continue
                cost = costs[first] + (1 - tokens / room) ** 2 + _CROSSING * crossed
                if cost < best:
                    best, origin = cost, first
            costs.append(best + _COST[last.strength])
            origins.append(origin)
        spans = []
        end = len(atoms)
        while end:
            spans.append((origins[end], end))
            end = origins[end]
        return spans[::-1]

    def _common(self, one: int, other: int) -> int:
        """The section that holds both, -1 for the whole document."""
        while one != other:
            if other < 0 or (one >= 0 and self._sections[one].depth > self._sections[other].depth):
                one = self._sections[one].parent
            elif one < 0 or self._sections[other].depth > self._sections[one].depth:
                other = self._sections[other].parent
            else:
                one, other = self._sections[one].parent, self._sections[other].parent
        return one

    def _section(self, span: Sequence[_Atom]) -> int:
        return functools.reduce(self._common, (atom.section for atom in span))

    def _passage(self, span: Sequence[_Atom]) -> Passage:
        section, first = self._section(span), span[0].section
        return Passage(
            self._text[span[0].start : span[-1].end],
            self._sections[section].path if section >= 0 else (),
            self._sections[first].anchor if first >= 0 else "",
        )

    def _allowed(self, span: Sequence[_Atom]) -> float:
        """Tokens that a passage may have, everything included."""
        section = self._section(span)
        if span[-1].end - span[0].start == 1:
            return math.inf
        return max(self._limit, self._heads[section] + self._room[section])

    def _halved(self, span: list[_Atom]) -> list[list[_Atom]]:
        if len(span) > 1:
            sums = list(itertools.accumulate(atom.tokens for atom in span))
            at = min(range(1, len(span)), key=lambda row: abs(2 * sums[row - 1] - sums[-1]))
            return [span[:at], span[at:]]
        (atom,) = span
        middle = next(characters(self._text, atom.start, atom.end, -(-(atom.end - atom.start) // 2)))
        first = atom._replace(end=middle, tokens=atom.tokens // 2, strength=Strength.CHARACTER)
        return [[first], [atom._replace(start=middle, tokens=atom.tokens - first.tokens)]]
