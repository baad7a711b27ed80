"""Makes documents of rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import numpy as np

from typeahead.engines.documents import Read, fields_of
from typeahead.text.document import Document, Passage

#: The column that the vector is in, where it was asked for.
_VECTOR: Final = 9
#: Bytes in front of the values, in the binary form of a vector.
_HEADER: Final = 4


def read_rows(rows: Iterable[Sequence[Any]]) -> Iterator[Read]:
    """Make documents of rows as :meth:`.statements.Statements.rows` reads them; those of one id follow each other."""
    for key, group in groupby(rows, itemgetter(0)):
        some = list(group)
        _, stamp, number, title, text, url, _, _, fields = some[0][:_VECTOR]
        if len(some) > 1 and number != some[1][2]:
            passages = tuple(_passage(row) for row in some)
            text = "".join(passage.text for passage in passages)
        else:
            # Of rows with the same id in a table of somebody else, the first counts.
            del some[1:]
            passages = (_passage(some[0]),)
        vectors = None
        if len(some[0]) > _VECTOR:
            values = b"".join(row[_VECTOR][_HEADER:] for row in some)
            vectors = np.frombuffer(values, ">f4").astype(np.float32).reshape(len(some), -1)
        yield Read(Document(key, title, text, url, fields_of(json.loads(fields))), passages, stamp, vectors)


def _passage(row: Sequence[Any]) -> Passage:
    return Passage(row[4], tuple(row[6] or ()), row[7])
