"""Looks at a collection: which fields are ids, titles, texts, URLs and fields, and how its vectors compare.

Fields that the address names are taken; the others are found by usual names in a sample. Nothing is changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from typeahead.core.encoder import Vectors
from typeahead.engines.choosing import choose
from typeahead.engines.milvus.address import MilvusAddress
from typeahead.engines.milvus.server import Server
from typeahead.engines.payloads import PayloadLayout, Row
from typeahead.errors import AddressError
from typeahead.index.kinds import NUMBER, TEXT, TRUTH

#: Rows that are looked at.
SAMPLE: Final = 100
#: Numbers that Milvus gives types. Its clients have names for those that they know.
_VECTORS: Final = {101: np.float32, 102: np.float16}
_OTHER_VECTORS: Final = {100: "BINARY_VECTOR", 103: "BFLOAT16_VECTOR", 104: "SPARSE_FLOAT_VECTOR", 105: "INT8_VECTOR"}
_INTEGERS: Final = {2: 8, 3: 16, 4: 32, 5: 64}
_TRUTH, _FLOAT, _DOUBLE, _VARCHAR, _ARRAY, _JSON = 1, 10, 11, 21, 22, 23
_METRICS: Final = ("COSINE", "IP", "L2")
#: Indexes that keep vectors as they are, and tell exact distances.
_EXACT: Final = ("", "FLAT", "IVF_FLAT", "HNSW", "AUTOINDEX", "DISKANN", "GPU_IVF_FLAT", "GPU_CAGRA", "GPU_BRUTE_FORCE")
#: What collections of this package have beside their name.
MADE: Final = "typeahead"


class Column(NamedTuple):
    """A field of the schema that filters can look at."""

    #: The kind of its values (:mod:`typeahead.index.kinds`); "" for those that are none, such as objects.
    kind: str
    #: Bits of whole numbers, negative for those with fractions, 0 for anything else.
    bits: int = 0
    array: bool = False
    nullable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout(PayloadLayout):
    """A collection whose rows are documents or, if ``made``, passages of documents."""

    #: The primary key, and whether it is a number.
    key: str
    numbered: bool
    #: The field of the vectors, and the type of their numbers.
    vector: str
    dim: int
    dtype: type[np.floating[Any]] = np.float32
    #: "COSINE", "IP" or "L2"; the index, and the number of its lists.
    metric: str = "COSINE"
    index: str = "HNSW"
    lists: int = 0
    #: The fields of the schema that may be read, without vectors; keys that it does not have may be in ``$meta``.
    columns: Mapping[str, Column] = field(default_factory=dict)
    dynamic: bool = False
    #: Names of fields that are lists in some document, as far as any was read.
    listed: set[str] = field(default_factory=set)

    @property
    def payload(self) -> list[str]:
        """What is read of a row."""
        return [self.key, *(name for name in self.columns if name != self.key), *(["$meta"] if self.dynamic else [])]

    @property
    def exact(self) -> bool:
        """Whether the index tells exact distances."""
        return self.index in _EXACT

    def row(self, entity: Mapping[str, Any]) -> Row:
        """Read a row."""
        payload = {name: _plain(value) for name, value in entity.items() if name != self.vector}
        for name, value in payload.items():
            if isinstance(value, list):
                self.listed.add(name)
            elif isinstance(value, dict):
                self.listed.update(key for key, one in value.items() if isinstance(one, list))
        if self.made is not None and isinstance(path := payload.get("path"), dict):
            payload["path"] = path.get("path", ())
        return Row(payload.get(self.key), payload)

    def vector_of(self, entity: Mapping[str, Any]) -> Vectors | None:
        """The vector of a row, float32 (dim,); None if it has none."""
        value = entity.get(self.vector)
        if value is None:
            return None
        if isinstance(value, list) and value and isinstance(value[0], bytes):
            value = value[0]
        raw = np.frombuffer(value, self.dtype) if isinstance(value, bytes) else np.asarray(value, self.dtype)
        return raw.astype(np.float32)


async def look(server: Server, address: MilvusAddress, info: Mapping[str, Any]) -> Layout:
    """Describe the collection of an address. Raises :class:`~typeahead.errors.AddressError` if it cannot serve."""
    described: Sequence[Mapping[str, Any]] = info["fields"]
    vector = _vector(address, described)
    key = next(one for one in described if one.get("is_primary"))
    index = await _index(server, vector["name"])
    metric = str(index.get("metric_type", "")).upper()
    if await _state(server) != "Loaded":
        raise AddressError(
            address.shown, f"collection {address.collection} is not loaded: load it in Milvus, with an index"
        )
    if metric not in _METRICS:
        raise AddressError(
            address.shown, f"vectors compare by {metric or 'nothing'}: only COSINE, IP and L2 can be used"
        )
    lists = index.get("nlist") or (index.get("params") or {}).get("nlist") or 0
    rest: dict[str, Any] = {
        "key": key["name"],
        "numbered": int(key["type"]) in _INTEGERS,
        "vector": vector["name"],
        "dim": int(vector["params"]["dim"]),
        "dtype": _VECTORS[int(vector["type"])],
        "metric": metric,
        "index": str(index.get("index_type", "")).upper(),
        "lists": int(lists),
        "columns": {one["name"]: column for one in described if (column := _column(one)) is not None},
        "dynamic": bool(info.get("enable_dynamic_field")),
    }
    if (made := _made(info)) is not None:
        return Layout(
            id=("id",), title=("title",), text=("text",), url=("url",), objects="fields", top=frozenset(), made=made,
            **rest,
        )  # fmt: skip
    bare = Layout(id=None, title=None, text=None, url=None, **rest)
    found = await server.call(
        "query", filter=everything(bare), output_fields=bare.payload, limit=SAMPLE, consistency_level="Bounded"
    )
    payloads = [bare.row(entity).payload for entity in found]
    if not payloads and not address.keys.keys() & {"title", "text"}:
        raise AddressError(
            address.shown,
            f"collection {address.collection} is empty: fill it first, or name its fields with text=FIELD",
        )
    chosen = choose(address, payloads)
    # The primary key is an id anyway.
    chosen["id"] = None if chosen["id"] == (bare.key,) else chosen["id"]
    if chosen["top"] is None:
        chosen["left_out"] |= {bare.key}
    elif address.fields is None:
        chosen["top"] -= {bare.key}
    return Layout(**chosen, **{**rest, "listed": bare.listed})


def everything(layout: Layout) -> str:
    """An expression that admits all rows. Milvus takes no ``1 == 1``."""
    return f"not ({layout.key} in [])"


async def _index(server: Server, vector: str) -> Mapping[str, Any]:
    for name in await server.call("list_indexes"):
        index: Mapping[str, Any] = await server.call("describe_index", index_name=name) or {}
        if index.get("field_name") == vector:
            return index
    return {}


async def _state(server: Server) -> str:
    return str((await server.call("get_load_state"))["state"])


def _vector(address: MilvusAddress, described: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The field of the vectors."""
    usable = {one["name"]: one for one in described if int(one["type"]) in _VECTORS}
    others = {one["name"]: _OTHER_VECTORS[int(one["type"])] for one in described if int(one["type"]) in _OTHER_VECTORS}
    if address.vector in others:
        raise AddressError(
            address.shown,
            f"field {address.vector} is {others[address.vector]}: only FLOAT_VECTOR and FLOAT16_VECTOR work",
        )
    names = ", ".join(usable)
    if not usable:
        raise AddressError(address.shown, f"collection {address.collection} has no field of FLOAT_VECTOR")
    if address.vector is None and len(usable) > 1:
        raise AddressError(address.shown, f"there are several fields of vectors: add vector=FIELD, one of {names}")
    name = address.vector or next(iter(usable))
    if name not in usable:
        raise AddressError(address.shown, f"there is no field of vectors {name!r}: the collection has {names}")
    return usable[name]


def _column(described: Mapping[str, Any]) -> Column | None:
    """A field of the schema, None for one of vectors."""
    kind, nullable = int(described["type"]), bool(described.get("nullable"))
    array = kind == _ARRAY
    if array:
        kind = int(described.get("element_type") or 0)
    if kind in _VECTORS or kind in _OTHER_VECTORS:
        return None
    if kind == _VARCHAR:
        return Column(TEXT, 0, array, nullable)
    if kind == _TRUTH:
        return Column(TRUTH, 0, array, nullable)
    bits = _INTEGERS.get(kind) or {_FLOAT: -32, _DOUBLE: -64}.get(kind, 0)
    return Column(NUMBER if bits else "", bits, array, nullable)


def _made(info: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What this package wrote down about a collection of its own."""
    for text in (info.get("description"), json.dumps(dict(info.get("properties") or {}))):
        with suppress(ValueError, TypeError, AttributeError):
            said = json.loads(text or "").get(MADE)
            said = json.loads(said) if isinstance(said, str) else said
            if isinstance(said, dict):
                return said
    return None


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
        return value
    return [_plain(one) for one in value]
