"""Draws half-typed queries from the documentation of a Python: names, questions and words, each cut before its end.

There are three kinds, in equal numbers:

- ``name``: a module, class or function, cut after 40 to 90% of its characters. Half of the names come with their
  module, as in ``json.du``, and half of them in lower case.
- ``question``: two to five consecutive words of a summary line, half of the time its first words, cut in the middle of
  the last word. Half of those that begin with an order, such as "Return", get "how to" in front.
- ``word``: a word of at least six letters that five or more docstrings use, cut after three to five letters.

Nothing here looks at a result of a search.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from typeahead.demo.building import qualified_name
from typeahead.errors import TypeaheadError

KINDS: Final = ("name", "question", "word")

#: Shortest beginning of a name and shortest question, in characters.
_SHORTEST_NAME: Final = 3
_SHORTEST_QUESTION: Final = 10
#: Least and greatest share of a name's characters, letters of a word, words of a question.
_SHARES: Final = (0.4, 0.9)
_LETTERS: Final = (3, 5)
_QUESTION_WORDS: Final = (2, 5)
#: Words that fewer documents use are mostly names, or slips.
_FEWEST_DOCUMENTS: Final = 5
_FEWEST_LETTERS: Final = 6
#: A first word of as many summaries of functions is an order, such as "Return", and makes a question after "how to".
_FEWEST_ORDERS: Final = 10
#: Draws for one query before giving up, where most are duplicates or too short.
_ATTEMPTS: Final = 1000

_WORD = re.compile(r"[A-Za-z]+")
#: What a sentence of a summary is made of; a line with anything else is a signature or code.
_SENTENCE = re.compile(r"[A-Za-z][A-Za-z' -]+")
#: Frequent first words of summaries that are no orders: "Returns", "Called", "SMTP", "This".
_NO_ORDER = re.compile(r"[a-z].*|[A-Z]{2,}|.*(?:s|ed|ing)|A|An|The|This|It|If|In|For|Same|Like")

#: What ``stdlib_records`` returns.
Records = Sequence[Mapping[str, Any]]


class Drawn(NamedTuple):
    """A half-typed query and its kind, one of :data:`KINDS`."""

    kind: str
    query: str


def draw(records: Records, count: int, seed: int) -> list[Drawn]:
    """Draw ``count`` distinct queries from the records of ``stdlib_records``; the same ones for the same ``seed``.

    Raises :class:`~typeahead.errors.TypeaheadError` if the records do not have so many.
    """
    rng = random.Random(seed)
    sources = {"name": _names(records, rng), "question": _questions(records, rng), "word": _words(records, rng)}
    drawn: list[Drawn] = []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        seen = {"", *(one.query for one in drawn)}
        query = next((cut for cut in islice(sources[kind], _ATTEMPTS) if cut not in seen), None)
        if query is None:
            raise TypeaheadError(f"only {len(drawn)} of {count} queries can be drawn here: ask for fewer")
        drawn.append(Drawn(kind, query))
    return sorted(drawn, key=lambda one: KINDS.index(one.kind))


# Each of these is endless, unless there is nothing to draw from. An empty string stands for a draw that is no query.


def _names(records: Records, rng: random.Random) -> Iterator[str]:
    """Names cut short, from as many modules as classes and functions."""
    kinds = ([one for one in records if one["kind"] == kind] for kind in ("module", "class", "function"))
    groups = [group for group in kinds if group]
    while groups:
        full = qualified_name(rng.choice(rng.choice(groups)))
        name = full if rng.random() < 0.5 else full.rpartition(".")[2]
        name = name.lower() if rng.random() < 0.5 else name
        cut = name[: max(_SHORTEST_NAME, round(rng.uniform(*_SHARES) * len(name)))]
        # Shorter names have no half, and a module with its dot is a whole name.
        yield cut if len(cut) < len(name) and cut[-1].isalnum() else ""


def _questions(records: Records, rng: random.Random) -> Iterator[str]:
    """Beginnings of summaries and pieces from inside them, cut in the middle of a word."""
    summaries = sorted({summary for record in records if (summary := _summary(record["doc"]))})
    orders = _orders(records)
    while summaries:
        words = rng.choice(summaries).split()
        length = rng.randint(_QUESTION_WORDS[0], min(_QUESTION_WORDS[1], len(words)))
        start = 0 if rng.random() < 0.5 else rng.randrange(len(words) - length + 1)
        *before, last = words[start : start + length]
        asked = ["how", "to"] if start == 0 and words[0] in orders and rng.random() < 0.5 else []
        cut = last[: rng.randrange(2, len(last))] if len(last) > 2 and last.isalpha() else ""
        query = " ".join([*asked, *before, cut]).lower()
        yield query if cut and len(query) >= _SHORTEST_QUESTION else ""


def _summary(doc: str) -> str:
    """The first sentence of a docstring; empty if it has less than three words, or more than words in it."""
    sentence = re.split(r"[.:;(\n]", doc.strip(), maxsplit=1)[0].strip()
    return sentence if _SENTENCE.fullmatch(sentence) and len(sentence.split()) > 2 else ""


def _orders(records: Records) -> set[str]:
    counts = Counter(
        summary.split()[0]
        for record in records
        if record["kind"] in ("function", "method") and (summary := _summary(record["doc"]))
    )
    return {word for word, times in counts.items() if times >= _FEWEST_ORDERS and not _NO_ORDER.fullmatch(word)}


def _words(records: Records, rng: random.Random) -> Iterator[str]:
    """Beginnings of single words, each word as likely as the next."""
    counts = Counter(word for record in records for word in {word.lower() for word in _WORD.findall(record["doc"])})
    common = sorted(
        word for word, documents in counts.items() if documents >= _FEWEST_DOCUMENTS and len(word) >= _FEWEST_LETTERS
    )
    while common:
        yield rng.choice(common)[: rng.randint(*_LETTERS)]
