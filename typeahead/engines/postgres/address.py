"""Reads addresses: ``postgresql://user@host/shop?table=articles&title=headline``.

The parameters in :data:`OURS` are ours. All others are those of libpq, such as ``sslmode`` or several hosts, and go to
it as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from typeahead.errors import AddressError

#: What each parameter of ours says.
OURS: Final[Mapping[str, str]] = {
    "table": "the table, with its schema if that is not on the search path: news.articles",
    "id": "column of the documents' ids",
    "title": "column of the titles",
    "text": "column of the texts",
    "url": "column of the URLs",
    "vector": "column of the vectors",
    "fields": "columns that filters and facets look at, separated by commas; a column of JSON objects is all its keys",
    "encoder": "passage encoder with which a sample of the vectors is compared",
    "teacher": "teacher that made the vectors",
    "similarity": "cosine or dot: how vectors of a teacher compare that no encoder here knows",
    "ef_search": "candidates that a search of an HNSW index keeps",
    "probes": "lists that a search of an IVFFlat index probes",
    "words": "no searches vectors alone, and reads no texts at the start",
    "hot": "passages up to which vectors and texts are kept in memory, too; no asks the database for them",
    "writes": "yes lets documents be written into a table of somebody else; no forbids it for any table",
    "notify": "channel that a trigger of the table notifies of changes",
    "unverified": "yes compares no sample of the vectors",
    "connections": "connections that searches share",
}
#: Columns that may be named.
COLUMNS: Final = ("id", "title", "text", "url", "vector")
_NUMBERS: Final = {"hot": (0, 10_000_000), "ef_search": (1, 1000), "probes": (1, 32768), "connections": (1, 100)}
_TRUTHS: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
#: The encoder of passages where the address names none.
ENCODER: Final = "minilm-doc"
#: Passages up to which a table is kept in memory where the address does not say, and bytes of their texts.
HOT: Final = 200_000
HOT_BYTES: Final = 512 << 20


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """A table, and how to reach it."""

    #: As it may be shown: without the password.
    shown: str
    #: What libpq connects by.
    conninfo: str
    #: The table as it was named, perhaps with its schema.
    table: str
    #: By :data:`COLUMNS`, the columns that were named.
    columns: Mapping[str, str]
    #: The field columns that were named; None to look for them.
    fields: tuple[str, ...] | None = None
    encoder: str = ENCODER
    teacher: str | None = None
    similarity: str | None = None
    ef_search: int | None = None
    probes: int | None = None
    words: bool = True
    #: Passages up to which everything is kept in memory; 0 for never, None for :data:`HOT`.
    hot: int | None = None
    #: Whether documents may be written; None for what is usual: only into tables that ``typeahead index`` made.
    writes: bool | None = None
    notify: str | None = None
    unverified: bool = False
    connections: int = 4

    @property
    def schema_and_name(self) -> tuple[str | None, str]:
        """The schema, None where none was named, and the table."""
        schema, dot, name = self.table.partition(".")
        return (schema, name) if dot else (None, schema)


def shown(address: str) -> str:
    """Return an address without its password, wherever that stands."""
    parts = urlsplit(address)
    user, at, hosts = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    query = urlencode(
        [(key, "***" if key == "password" else value) for key, value in parse_qsl(parts.query, True)],
        safe="/,.:*",
        quote_via=quote,
    )
    return f"{parts.scheme}://{name}{':***' if colon else ''}{at}{hosts}{parts.path}{'?' if query else ''}{query}"


def read_address(address: str, libpq: Collection[str]) -> PostgresAddress:
    """Read an address; ``libpq`` are the names of the parameters that libpq knows.

    Raises :class:`~typeahead.errors.AddressError`, whose message holds no password.
    """
    name = shown(address)
    parts = urlsplit(address)
    given: dict[str, str] = {}
    others: list[tuple[str, str]] = []
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key in OURS:
            given[key] = value
        else:
            others.append((key, value))
    if others and (unknown := [key for key, _ in others if key not in libpq]):
        close = get_close_matches(unknown[0], OURS, 1)
        hint = f"did you mean {close[0]}?" if close else f"ours are {', '.join(OURS)}"
        raise AddressError(name, f"there is no parameter {unknown[0][:40]!r}: {hint}")
    if not given.get("table"):
        raise AddressError(name, "it names no table: add ?table=NAME")
    conninfo = f"postgresql://{parts.netloc}{parts.path}"
    if others:
        conninfo += "?" + urlencode(others, quote_via=quote)
    if given.get("similarity", "dot") not in ("cosine", "dot"):
        raise AddressError(name, f"similarity is {given['similarity'][:40]!r}: give cosine or dot")
    if given.get("hot") == "no":
        given["hot"] = "0"
    numbers = {key: _number(name, key, given[key]) for key in _NUMBERS if key in given}
    fields = given.get("fields")
    return PostgresAddress(
        name,
        conninfo,
        given["table"],
        {column: given[column] for column in COLUMNS if column in given},
        None if fields is None else tuple(field for field in fields.split(",") if field),
        given.get("encoder", ENCODER),
        given.get("teacher"),
        given.get("similarity"),
        numbers.get("ef_search"),
        numbers.get("probes"),
        _truth(name, "words", given.get("words", "yes")),
        numbers.get("hot"),
        _truth(name, "writes", given["writes"]) if "writes" in given else None,
        given.get("notify"),
        _truth(name, "unverified", given.get("unverified", "no")),
        numbers.get("connections", 4),
    )


def _number(name: str, key: str, text: str) -> int:
    least, most = _NUMBERS[key]
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
        no = "" if least else "no, or "
        raise AddressError(name, f"{key} is {text[:40]!r}: give {no}a number from {least} to {most}")
    return int(text)


def _truth(name: str, key: str, text: str) -> bool:
    if text not in _TRUTHS:
        raise AddressError(name, f"{key} is {text[:40]!r}: give yes or no")
    return _TRUTHS[text]
