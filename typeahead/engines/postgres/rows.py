"""Makes documents of rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from typeahead.engines.documents import Read, fields_of
from typeahead.text.document import Document, Passage


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
        yield Read(Document(key, title, text, url, fields_of(json.loads(fields))), passages, stamp)


def _passage(row: Sequence[Any]) -> Passage:
    return Passage(row[4], tuple(row[6] or ()), row[7])
