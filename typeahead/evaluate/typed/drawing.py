"""Draws the queries of the benchmark from documents and judged queries. The same seed draws the same queries.

Nothing here knows a box, so two runs with one seed over one collection can be compared query by query. The package's
docstring defines the measures.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

from typeahead.evaluate.typed.slips import FAMILIES, slip
from typeahead.text.document import Document

NAMES: Final = "names"
SLIPS: Final = "slips"
RARE: Final = "rare words"
CONTINUITY: Final = "continuity"
NONSENSE: Final = "nonsense"
JUDGED: Final = "judged"

#: Percent of a text's characters that are typed. The whole text is :data:`WHOLE`.
SHARES: Final = ("30", "50", "70", "85")
WHOLE: Final = "100"
#: Nobody types longer titles, and a server may refuse them.
LONGEST_NAME: Final = 200
_RARE_LETTERS, _BEGINNING = 5, 5
_CONSONANTS = "bcdfghjklmnpqrstvwxz"
_WORD = re.compile(r"\w+")
#: Letters between spaces, punctuation aside: "files." but no part of "x-files" or of an address.
_STANDING = re.compile(r"(?<!\S)[^\w\s]*([^\W\d_]+)[^\w\s]*(?!\S)")


@dataclass(frozen=True, slots=True)
class Query:
    """One text to type."""

    #: What it measures: :data:`NAMES`, :data:`SLIPS`, …
    measure: str
    #: The percent typed of a name or a judged query, or the family of a slip; "" for the others.
    kind: str
    text: str
    #: What it was made of: the id of a document or of a judged query, or a word.
    subject: str
    #: The id of the document that should be found, if there is only one.
    wanted: str | None = None
    #: Whether Enter follows.
    enter: bool = True


def draw(
    documents: Sequence[Document], *, names: int, words: int, seed: int, judged: Mapping[str, str] | None = None
) -> list[Query]:
    """Draw at most ``names`` names and slips of each family, ``words`` texts of each other kind, and all judged ones.

    ``judged`` are the texts of judged queries by id; empty ones are left out. There are fewer queries where the
    documents do not hold enough.
    """
    titles = _distinct_titles(documents)
    found = _names(titles, names, seed) + _slips(titles, documents, names, seed)
    homes = _homes(documents)
    standing = {word for one in documents for word in _STANDING.findall(_content(one))}
    found += _rare(standing, homes, documents, words, seed)
    found += _continuity(standing, words, seed)
    found += _nonsense(homes, words, seed)
    for query, text in (judged or {}).items():
        if text.strip():
            found += [Query(JUDGED, share, typed_to(text, share), query, enter=False) for share in SHARES]
            found.append(Query(JUDGED, WHOLE, text, query))
    return found


def digest(queries: Sequence[Query]) -> str:
    """sha256 in hex of all queries: two runs with the same one typed the same texts."""
    texts = [[one.measure, one.kind, one.text, one.subject] for one in queries]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def typed_to(text: str, share: str) -> str:
    """The beginning of ``text`` that is a ``share`` percent of its characters, rounded, and at least one."""
    return text[: max(1, (len(text) * int(share) + 50) // 100)]


def _chance(seed: int, what: str) -> random.Random:
    """A source of chance for each kind of query, so that the number of one kind does not change another."""
    return random.Random(f"{seed} {what}")


def _title(document: Document) -> str:
    return " ".join(document.title.split())


def _distinct_titles(documents: Sequence[Document]) -> list[tuple[str, str]]:
    """Id and title of each document whose title no other document has."""
    titles = [_title(document) for document in documents]
    counts = Counter(title.casefold() for title in titles)
    return [
        (document.id, title)
        for document, title in zip(documents, titles, strict=True)
        if title and len(title) <= LONGEST_NAME and counts[title.casefold()] == 1
    ]


def _names(titles: Sequence[tuple[str, str]], count: int, seed: int) -> list[Query]:
    found = []
    for key, title in _shuffled(titles, seed)[:count]:
        found += [Query(NAMES, share, typed_to(title, share), key, key, enter=False) for share in SHARES]
        found.append(Query(NAMES, WHOLE, title, key, key))
    return found


def _shuffled(titles: Sequence[tuple[str, str]], seed: int) -> list[tuple[str, str]]:
    """All titles in one random order, so that slips are made in the names that are typed, as far as possible."""
    return _chance(seed, NAMES).sample(titles, len(titles))


def _slips(titles: Sequence[tuple[str, str]], documents: Sequence[Document], count: int, seed: int) -> list[Query]:
    taken = {_title(document).casefold() for document in documents}
    order = _shuffled(titles, seed)
    found = []
    for family in FAMILIES:
        chance = _chance(seed, family)
        drawn: list[Query] = []
        for key, title in order:
            if len(drawn) == count:
                break
            text = slip(family, title, chance)
            if text is not None and text.casefold() not in taken:
                drawn.append(Query(SLIPS, family, text, key, key))
        found += drawn
    return found


def _content(document: Document) -> str:
    return f"{document.title} {document.text}".casefold()


def _homes(documents: Sequence[Document]) -> dict[str, int]:
    """The only document that holds each word, by its row; -1 for words that several documents hold."""
    homes: dict[str, int] = {}
    for row, document in enumerate(documents):
        for word in _WORD.findall(_content(document)):
            if homes.setdefault(word, row) != row:
                homes[word] = -1
    return homes


def _some(of: Sequence[str], count: int, seed: int, what: str) -> list[str]:
    return _chance(seed, what).sample(of, min(count, len(of)))


def _rare(
    standing: Set[str], homes: Mapping[str, int], documents: Sequence[Document], count: int, seed: int
) -> list[Query]:
    rare = sorted(word for word in standing if len(word) >= _RARE_LETTERS and homes.get(word, -1) >= 0)
    return [Query(RARE, "", word, word, documents[homes[word]].id) for word in _some(rare, count, seed, RARE)]


def _continuity(standing: Set[str], count: int, seed: int) -> list[Query]:
    beginnings = sorted({word[:_BEGINNING] for word in standing if len(word) > _BEGINNING})
    return [Query(CONTINUITY, "", text, text) for text in _some(beginnings, count, seed, CONTINUITY)]


def _nonsense(homes: Mapping[str, int], count: int, seed: int) -> list[Query]:
    words = sorted(homes)
    chance = _chance(seed, NONSENSE)

    def string() -> str:
        while True:
            text = "".join(chance.choices(_CONSONANTS, k=chance.randint(4, 9)))
            at = bisect_left(words, text)
            if at == len(words) or not words[at].startswith(text):
                return text

    texts = (" ".join(string() for _ in range(chance.randint(1, 2))) for _ in range(count))
    return [Query(NONSENSE, "", text, text) for text in texts]
