"""Makes documents of rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from typeahead.index.kinds import LONGEST_NAME, kind_of
from typeahead.text.document import Document, Passage, Value, Values


class Read(NamedTuple):
    """A document as the table has it."""

    document: Document
    passages: tuple[Passage, ...]
    #: Names the version of its row: the transaction that wrote it.
    stamp: str


def read_rows(rows: Iterable[Sequence[Any]]) -> Iterator[Read]:
    """Make documents of rows as :meth:`.statements.Statements.rows` reads them; those of one id follow each other."""
    for key, group in groupby(rows, itemgetter(0)):
        some = list(group)
        _, stamp, number, title, text, url, _, _, fields = some[0]
        if len(some) > 1 and number != some[1][2]:
            passages = tuple(_passage(row) for row in some)
            text = "".join(passage.text for passage in passages)
        else:
            # Of rows with the same id in a table of somebody else, the first counts.
            passages = (_passage(some[0]),)
        yield Read(Document(key, title, text, url, _fields(fields)), passages, stamp)


def _passage(row: Sequence[Any]) -> Passage:
    return Passage(row[4], tuple(row[6] or ()), row[7])


def _fields(text: str) -> dict[str, Values]:
    """Read the fields. What no field can have is left out: objects, and null."""
    if text == "{}":
        return {}
    found: dict[str, Values] = {}
    for name, values in json.loads(text).items():
        if not 0 < len(name) <= LONGEST_NAME:
            continue
        if isinstance(values, list):
            found[name] = [one for one in values if kind_of(one) is not None]
        elif kind_of(values) is not None:
            found[name] = values
    return found


def values_of(document: Document, name: str) -> set[Value]:
    """The different values of a field."""
    values = document.fields.get(name, ())
    return {values} if isinstance(values, str | int | float) else set(values)
