"""A blind comparison of two lists of results for each query: the sheet for the judge, its key, and the count.

The sheet shows the lists of a query as A and B in random order and does not say which is which; the key does. A judge
writes one line for each query: its number, then ``wrong`` or ``fine`` for A, then for B. ``#`` begins a comment.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from typeahead.errors import TypeaheadError

SIDES: Final = ("before", "after")

_QUESTION = """\
# Plainly wrong in the top {rows}

Each query below was typed in part and got two lists of results, A and B, in random order. Judge each list by itself:

- `wrong`: plainly wrong. Not one of its rows is something that a person who typed this could be looking for: no row
  completes the typed name, and no row concerns the words typed. An empty list is wrong.
- `fine`: anything else.

Write one line for each query into a file: its number, the verdict on A, the verdict on B. For example `1 wrong fine`.
"""

#: What ``half_typed ask`` wrote: an object with "queries", each of which has "query", "weak" and "hits".
Answers = Mapping[str, Any]


def sheet(before: Answers, after: Answers, *, seed: int) -> tuple[str, dict[str, Any]]:
    """Make the sheet, as Markdown, and its key.

    Raises :class:`~typeahead.errors.TypeaheadError` if the two do not have the same queries.
    """
    asked = [[one["query"] for one in answers["queries"]] for answers in (before, after)]
    if asked[0] != asked[1]:
        raise TypeaheadError("the two files answer different queries: ask both servers the same list")
    rng = random.Random(seed)
    rows = max((len(one["hits"]) for answers in (before, after) for one in answers["queries"]), default=0)
    parts, keys = [_QUESTION.format(rows=rows)], []
    for number, pair in enumerate(zip(before["queries"], after["queries"], strict=True), 1):
        order = rng.sample(range(2), 2)
        parts.append(f"## {number}. {_code(pair[0]['query'])}\n")
        parts += [_listed(letter, pair[side]["hits"]) for letter, side in zip("AB", order, strict=True)]
        keys.append(
            {
                "query": pair[0]["query"],
                **{letter: SIDES[side] for letter, side in zip("AB", order, strict=True)},
                "weak": {name: bool(one.get("weak")) for name, one in zip(SIDES, pair, strict=True)},
            }
        )
    return "\n".join(parts), {"seed": seed, "queries": keys}


def _listed(letter: str, hits: Sequence[Mapping[str, str]]) -> str:
    rows = [f"{place}. {_code(hit['title'])} {_plain(hit['text'])}" for place, hit in enumerate(hits, 1)]
    return f"**{letter}**\n\n" + "\n".join(rows or ["No results."]) + "\n"


def _code(text: str) -> str:
    """As code, whatever backticks are in it."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if "`" in text else ""
    return f"{fence}{space}{' '.join(text.split())}{space}{fence}"


def _plain(text: str) -> str:
    """On one line, so that no part of it becomes a row or a heading of the sheet."""
    return re.sub(r"([\\`*_<>\[\]])", r"\\\1", " ".join(text.split()))


def read_verdicts(text: str, count: int) -> list[tuple[str, str]]:
    """Read the verdicts on A and B of ``count`` queries, in their order.

    Raises :class:`~typeahead.errors.TypeaheadError` for a line that is no verdict, for a query that is judged twice and
    for one that is not judged.
    """
    found: dict[int, tuple[str, str]] = {}
    for place, line in enumerate(text.splitlines(), 1):
        judged = line.partition("#")[0].strip()
        if not judged:
            continue
        match = re.fullmatch(r"(\d+)\s+(wrong|fine)\s+(wrong|fine)", judged)
        if match is None or not 1 <= int(match[1]) <= count:
            raise TypeaheadError(f"line {place} is no verdict: {judged!r}. Write it as 1 wrong fine, up to {count}")
        if int(match[1]) in found:
            raise TypeaheadError(f"line {place} judges query {match[1]} again: keep one line for each query")
        found[int(match[1])] = match[2], match[3]
    missing = [number for number in range(1, count + 1) if number not in found]
    if missing:
        raise TypeaheadError(f"query {missing[0]} is not judged, nor are {len(missing) - 1} others: add their lines")
    return [found[number] for number in range(1, count + 1)]


def score(verdicts: Sequence[tuple[str, str]], key: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The table: for before and after, how many queries were judged, plainly wrong, and wrong without being weak."""
    wrong: dict[str, list[Mapping[str, Any]]] = {side: [] for side in SIDES}
    for pair, one in zip(verdicts, key["queries"], strict=True):
        for letter, verdict in zip("AB", pair, strict=True):
            if verdict == "wrong":
                wrong[one[letter]].append(one)
    return [
        {
            "side": side,
            "queries": len(verdicts),
            "plainly wrong": len(ones),
            "of these, not marked as weak": sum(not one["weak"][side] for one in ones),
            "plainly wrong for": ", ".join(one["query"] for one in ones),
        }
        for side, ones in wrong.items()
    ]
