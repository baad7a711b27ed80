"""The statements that are sent for a table. Whatever comes from outside is a parameter.

Numbers of rows are written into statements: a plan that was made for any number might not use the index of the vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import sql

from typeahead.engines.postgres.catalog import Table, VectorIndex
from typeahead.engines.postgres.filters import Condition

#: An operator for each similarity, and what makes the similarity of its distance.
_SIMILARITIES: Final = {"cosine": ("<=>", "1 - ({})"), "dot": ("<#>", "-({})")}
_INTEGERS: Final = {"int2": 1 << 15, "int4": 1 << 31, "int8": 1 << 63}
_NOTHING: Final = sql.SQL("")
#: Statements that are kept for the next search.
_SHAPES: Final = 256
#: Candidates of a graph that a search keeps where the address does not say.
EF_SEARCH: Final = 100
#: The most candidates of a graph that pgvector keeps.
MOST_CANDIDATES: Final = 1000


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with its parameters."""

    query: sql.Composed | bytes
    values: Mapping[str, Any] | Sequence[Any]


class Statements:
    """Makes the statements for ``table``, whose vectors compare by ``similarity``: "cosine" or "dot".

    ``normalized`` says that all vectors have length 1, so that an index of any distance serves.
    """

    def __init__(self, table: Table, similarity: str, *, normalized: bool) -> None:
        self.table = table
        operator, self._similarity = _SIMILARITIES[similarity]
        serving = [one for one in table.indexes if one.operator == operator]
        if normalized:
            serving += [one for one in table.indexes if one.operator != operator]
        #: The index of the vectors that serves; None if each search compares all of them.
        self.index: VectorIndex | None = serving[0] if serving else None
        ordered = self.index or VectorIndex("", operator, table.vector.quoted, table.vector.type)
        self._distance = sql.SQL("{} {} %(vector)s::{}").format(
            ordered.expression, sql.SQL(ordered.operator), sql.SQL(ordered.type)
        )
        self._operator = sql.SQL(operator)
        self._passage = sql.SQL("passage" if table.passages else "0")
        self._searches: dict[tuple[int, bool, bool], bytes] = {}
        self._reads: dict[tuple[bool, bool], bytes] = {}
        self._order = sql.SQL(" ORDER BY id, passage" if table.passages else "")

    def search(
        self, vector: Any, limit: int, condition: Condition | None, others: Sequence[str], *, exact: bool
    ) -> Statement:
        """Find the ``limit`` nearest rows that pass a condition, and compare those of ``others`` as well.

        Rows are (whether it was found, id, passage, version, similarity). ``exact`` compares all that pass, and uses no
        index of the vectors.
        """
        values = {"vector": vector}
        if others:
            values["others"] = listed(others)
        if condition is not None:
            values |= condition.values
            return Statement(self._search(limit, condition.quoted, bool(others), exact).as_bytes(), values)
        shape = limit, bool(others), exact
        # Composing takes longer than sending.
        if (query := self._searches.get(shape)) is None:
            query = self._search(limit, sql.SQL("TRUE"), bool(others), exact).as_bytes()
            if len(self._searches) < _SHAPES:
                self._searches[shape] = query
        return Statement(query, values)

    def _search(self, limit: int, where: sql.Composable, others: bool, exact: bool) -> sql.Composed:
        table = self.table
        parts = []
        start = sql.SQL("SELECT {}, {} AS passage, xmin, {} FROM {} WHERE {}").format(
            table.id.quoted, self._passage, table.vector.quoted, table.quoted, table.usable
        )
        if limit:
            rows = sql.SQL("{} AND {}").format(start, where)
            if exact:
                # Materialized rows have no index.
                rows = sql.SQL("WITH admitted AS MATERIALIZED ({}) SELECT * FROM admitted").format(rows)
            nearest = sql.SQL("{} ORDER BY {} LIMIT {}").format(rows, self._distance, sql.Literal(limit))
            parts.append(self._compared(sql.SQL("TRUE"), nearest))
        if others:
            parts.append(self._compared(sql.SQL("FALSE"), sql.SQL("{} AND {}").format(start, self.among("others"))))
        return sql.SQL(" UNION ALL ").join(parts)

    def among(self, name: str) -> sql.Composable:
        """The condition of rows whose ids are the parameter ``name``."""
        identifier = self.table.id
        if identifier.type in ("text", "varchar", "uuid", *_INTEGERS):
            kind = "text" if identifier.type == "varchar" else identifier.type
            return sql.SQL(f"{{}} = ANY(%({name})s::{kind}[])").format(identifier.quoted)
        return sql.SQL(f"{{}}::text = ANY(%({name})s::text[])").format(identifier.quoted)

    def only(self, ids: Sequence[str]) -> Condition:
        """The condition of rows with some ids."""
        return Condition(self.among("among"), {"among": listed(ids)})

    def ids(self, ids: Sequence[str]) -> list[str]:
        """Leave out ids that no row can have: PostgreSQL would refuse them."""
        kind = self.table.id.type
        return [one for one in dict.fromkeys(ids) if _possible(one, kind)]

    def rows(self, ids: Sequence[str] | None, *, vectors: bool = False) -> Statement:
        """Read the documents of some ids, None for all, passages in their order.

        Rows are (id, version, passage, title, text, url, path, anchor, fields) and, if wanted, the vector in pgvector's
        binary form.
        """
        shape = ids is None, vectors
        if (query := self._reads.get(shape)) is None:
            composed: sql.Composable = self._documents(self._vector(vectors))
            if ids is not None:
                composed = sql.SQL("{} AND {}").format(composed, self.among("ids"))
            query = self._reads[shape] = sql.SQL("{}{}").format(composed, self._order).as_bytes()
        return Statement(query, {} if ids is None else {"ids": listed(ids)})

    def changed(self, since: str, *, vectors: bool = False) -> Statement:
        """Read what transactions wrote that were not over at a snapshot whose oldest transaction was ``since``.

        Rows are those of :meth:`rows`.
        """
        recent: sql.Composable = sql.SQL("age(xmin) <= age(%(since)s::xid)")
        if self.table.passages:
            # All passages of a document are written together.
            recent = sql.SQL("id IN (SELECT id FROM {} WHERE {})").format(self.table.quoted, recent)
        query = sql.SQL("{} AND {}{}").format(self._documents(self._vector(vectors)), recent, self._order)
        return Statement(query, {"since": since})

    def keys(self, ids: Sequence[str] | None = None) -> Statement:
        """Read the ids of documents, of those among ``ids`` or of all, each with the version of its first row."""
        table = self.table
        first = sql.SQL("passage = 0 AND " if table.passages else "")
        query: sql.Composed = sql.SQL("SELECT {}::text, xmin::text FROM {} WHERE {}{}").format(
            table.id.quoted, table.quoted, first, table.usable
        )
        if ids is None:
            return Statement(query, {})
        return Statement(sql.SQL("{} AND {}").format(query, self.among("ids")), {"ids": ids})

    def sample(self, number: int) -> Statement:
        """Read some documents as :meth:`rows` does, the same every time, each with its vector behind the rest."""
        vector = sql.SQL(", {}::vector::real[]").format(self.table.vector.quoted)
        query = sql.SQL("{} ORDER BY hashtext({}::text), 1 LIMIT {}").format(
            self._documents(vector), self.table.id.quoted, sql.Literal(number)
        )
        return Statement(query, {})

    def count(self, since: str | None) -> Statement:
        """Count the documents that can be found, all of them, and the rows that :meth:`changed` looks for."""
        table = self.table
        first = sql.SQL("passage = 0 AND " if table.passages else "")
        recent = sql.SQL("FALSE" if since is None else "age(xmin) <= age(%(since)s::xid)")
        query = sql.SQL(
            "SELECT count(*) FILTER (WHERE {0}{1}), count(*) FILTER (WHERE {0}TRUE), count(*) FILTER (WHERE {2})"
            " FROM {3}"
        ).format(first, table.usable, recent, table.quoted)
        return Statement(query, {} if since is None else {"since": since})

    def size(self) -> Statement:
        """Count the rows that can be found, and the bytes of their titles and texts."""
        table = self.table
        lengths = [
            sql.SQL("COALESCE(octet_length({}), 0)").format(one.quoted)
            for one in (table.title, table.text)
            if one is not None
        ]
        query = sql.SQL("SELECT count(*), COALESCE(sum({}), 0)::int8 FROM {} WHERE {}").format(
            sql.SQL(" + ").join(lengths), table.quoted, table.usable
        )
        return Statement(query, {})

    def settings(
        self, limit: int, ef_search: int | None, probes: int | None, milliseconds: int, *, filtered: bool
    ) -> Statement:
        """Set what holds for the rest of a transaction.

        A search with a filter goes on until enough rows pass it. One without would only take twice as long so.
        """
        said = {"statement_timeout": str(milliseconds), "jit": "off"}
        if self.index is not None and self.index.kind == "hnsw":
            said["hnsw.ef_search"] = str(min(max(ef_search or EF_SEARCH, limit), MOST_CANDIDATES))
            if self.table.iterative and (filtered or limit > MOST_CANDIDATES):
                said["hnsw.iterative_scan"] = "strict_order"
        elif self.index is not None:
            if probes is not None:
                said["ivfflat.probes"] = str(probes)
            if self.table.iterative and filtered:
                said["ivfflat.iterative_scan"] = "relaxed_order"
        calls = ", ".join(f"set_config('{name}', %s, true)" for name in said)
        return Statement(f"SELECT {calls}".encode(), list(said.values()))

    def _vector(self, wanted: bool) -> sql.Composable:
        return sql.SQL(", vector_send({}::vector)").format(self.table.vector.quoted) if wanted else _NOTHING

    def _documents(self, more: sql.Composable = _NOTHING) -> sql.Composed:
        table = self.table
        empty = sql.SQL("''")
        texts = [
            empty if one is None else sql.SQL("COALESCE({}, '')").format(one.quoted)
            for one in (table.title, table.text, table.url)
        ]
        made = sql.SQL("path, anchor" if table.passages else "NULL, ''")
        return sql.SQL("SELECT {}::text, xmin::text, {}, {}, {}, ({})::text{} FROM {} WHERE {}").format(
            table.id.quoted,
            self._passage,
            sql.SQL(", ").join(texts),
            made,
            table.fields_json,
            more,
            table.quoted,
            table.usable,
        )

    def _compared(self, found: sql.Composable, rows: sql.Composable) -> sql.Composed:
        vector = sql.SQL("{} {} %(vector)s::{}").format(
            self.table.vector.quoted, self._operator, sql.SQL(self.table.vector.type)
        )
        return sql.SQL("(SELECT {}, {}::text, passage, xmin::text, {} FROM ({}) AS rows)").format(
            found, self.table.id.quoted, sql.SQL(self._similarity).format(vector), rows
        )


def listed(ids: Sequence[str]) -> str:
    """Return the array of some ids as PostgreSQL writes one. psycopg looks at each element, which takes longer."""
    joined = '","'.join(ids)
    if "\\" in joined or joined.count('"') > 2 * (len(ids) - 1):
        joined = '","'.join(one.replace("\\", "\\\\").replace('"', '\\"') for one in ids)
    return f'{{"{joined}"}}' if ids else "{}"


def _possible(key: str, kind: str) -> bool:
    if kind in _INTEGERS:
        digits = key.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal() and len(digits) < 20 and str(int(key)) == key):
            return False
        return -_INTEGERS[kind] <= int(key) < _INTEGERS[kind]
    if kind == "uuid":
        parts = key.split("-")
        hexadecimal = all(char in "0123456789abcdef" for char in "".join(parts))
        return [len(part) for part in parts] == [8, 4, 4, 4, 12] and hexadecimal
    return "\0" not in key and (key.isascii() or not any("\ud800" <= char <= "\udfff" for char in key))
