"""Looks at a collection: which payload keys are ids, titles, texts, URLs and fields, and how its vectors compare.

Keys that the address names are taken; the others are found by usual names in a sample. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from qdrant_client import models

from typeahead.engines.documents import fields_of
from typeahead.engines.qdrant.address import QdrantAddress
from typeahead.engines.qdrant.paths import Path, get, json_path, read_path
from typeahead.engines.qdrant.server import Server
from typeahead.errors import AddressError

#: Names of keys by which they are known, the likeliest first.
USUAL: Final[Mapping[str, Sequence[str]]] = {
    "id": ("id", "doc_id", "document_id", "_id", "key"),
    "title": ("title", "headline", "name", "heading", "subject"),
    "text": (
        "text", "page_content", "body", "content", "contents", "passage", "chunk", "document", "description", "abstract"
    ),
    "url": ("url", "link", "href", "permalink", "uri", "source_url", "source"),
}  # fmt: skip
#: Keys of objects that hold fields.
_OBJECTS: Final = ("fields", "metadata", "meta")
#: Points that are looked at.
SAMPLE: Final = 100
#: Characters of a key's average text up to which it is taken for a field.
_SHORT: Final = 200


@dataclass(frozen=True, slots=True)
class Layout:
    """A collection whose points are documents or, if ``made``, passages of documents."""

    #: The name of the vectors; "" for those without.
    vector: str
    dim: int
    #: "Cosine", "Dot" or "Euclid".
    distance: str
    #: Where the payload has it; the id is that of the point if None.
    id: Path | None
    title: Path | None
    text: Path | None
    url: Path | None
    #: The key of an object of fields.
    objects: str | None = None
    #: The keys of fields outside of it; None for all but those in ``left_out``.
    top: frozenset[str] | None = None
    left_out: frozenset[str] = frozenset()
    #: What was written down about a collection that this package made; None for any other.
    made: Mapping[str, Any] | None = None
    #: The kind of payload index of each key that has one.
    indexes: Mapping[str, str] = field(default_factory=dict)
    #: Whether the server refuses filters on keys without an index, and comparing all vectors.
    strict: bool = False
    inexact: bool = False

    def field(self, name: str) -> Path:
        """Where the payload has a field."""
        inside = self.objects is not None and (self.top is None or name not in self.top)
        return (self.objects or "", name) if inside else (name,)

    def fields(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a payload."""
        objects = payload.get(self.objects) if self.objects is not None else None
        found = dict(objects) if isinstance(objects, dict) else {}
        for name, value in payload.items():
            if name in self.top if self.top is not None else name not in self.left_out:
                found[name] = value
        if self.objects is not None:
            for path in (self.id, self.title, self.text, self.url):
                if path is not None and path[0] == self.objects:
                    found.pop(path[-1], None)
        return fields_of(found)


async def look(server: Server, address: QdrantAddress, info: models.CollectionInfo) -> Layout:
    """Describe the collection of an address. Raises :class:`~typeahead.errors.AddressError` if it cannot serve."""
    name, params = _vector(address, info.config.params.vectors)
    if params.multivector_config is not None:
        raise AddressError(address.shown, "each point has several vectors (multivector): only one for each can be used")
    if params.distance not in (models.Distance.COSINE, models.Distance.DOT, models.Distance.EUCLID):
        raise AddressError(
            address.shown, f"vectors compare by {params.distance.value}: only Cosine, Dot and Euclid can be used"
        )
    strict = info.config.strict_mode_config
    on = strict is not None and bool(strict.enabled)
    rest: dict[str, Any] = {
        "indexes": {key: str(index.data_type.value) for key, index in (info.payload_schema or {}).items()},
        "strict": on and strict is not None and strict.unindexed_filtering_retrieve is False,
        "inexact": on and strict is not None and strict.search_allow_exact is False,
    }
    made = (info.config.metadata or {}).get("typeahead")
    if isinstance(made, dict):
        # As :mod:`.creating` makes it.
        return Layout(
            name, params.size, params.distance.value, ("id",), ("title",), ("text",), ("url",), "fields", frozenset(),
            made=made, **rest,
        )  # fmt: skip
    points, _ = await server.call("scroll", limit=SAMPLE, with_payload=True)
    payloads = [point.payload or {} for point in points]
    if not payloads and not address.keys.keys() & {"title", "text"}:
        raise AddressError(
            address.shown, f"collection {address.collection} is empty: fill it first, or name its keys with text=KEY"
        )
    chosen = _Chosen(address, payloads)
    key, title, text, url = chosen.id(), chosen.of_text("title"), chosen.of_text("text"), chosen.of_text("url")
    if title is None and text is None:
        names = ", ".join(sorted({name for payload in payloads for name in payload})) or "none"
        raise AddressError(address.shown, f"no payload key of text is known: name one with text=KEY (keys: {names})")
    return Layout(
        name, params.size, params.distance.value, key, title, text, url, *chosen.fields([key, title, text, url]), **rest
    )


class _Chosen:
    """Chooses payload keys for their purposes."""

    def __init__(self, address: QdrantAddress, payloads: Sequence[Mapping[str, Any]]) -> None:
        self._address, self._payloads = address, payloads
        self._objects = next(
            (name for name in _OBJECTS if any(isinstance(payload.get(name), dict) for payload in payloads)), None
        )

    def id(self) -> Path | None:
        """The key of the ids: it has to tell points apart."""
        if (named := self._named("id")) is not None:
            return named
        for path in self._usual("id") if self._payloads else ():
            values = [get(payload, path) for payload in self._payloads]
            if all(_is_id(value) for value in values) and len({str(value) for value in values}) == len(values):
                return path
        return None

    def of_text(self, purpose: str) -> Path | None:
        """The key of titles, texts or URLs, if there is one."""
        if (named := self._named(purpose)) is not None:
            return named
        for path in self._usual(purpose):
            if any(isinstance(get(payload, path), str) for payload in self._payloads):
                return path
        return None

    def fields(self, used: Sequence[Path | None]) -> tuple[str | None, frozenset[str] | None, frozenset[str]]:
        """The key of objects of fields, the keys of fields outside of it, and those that are none."""
        names = self._address.fields
        taken = {path[0] for path in used if path is not None and len(path) == 1}
        if names is not None:
            objects = [name for name in names if any(isinstance(one.get(name), dict) for one in self._payloads)]
            if len(objects) > 1:
                raise AddressError(self._address.shown, f"fields {', '.join(objects)} hold objects: name one of them")
            return (objects[0] if objects else None), frozenset(names) - set(objects), frozenset()
        long = {name for name in self._keys() if self._average(name) > _SHORT}
        if self._objects is None:
            return None, None, frozenset(taken | long)
        return self._objects, frozenset(self._keys() - taken - long - {self._objects}), frozenset()

    def _keys(self) -> set[str]:
        return {name for payload in self._payloads for name in payload}

    def _average(self, name: str) -> float:
        texts = [len(value) for payload in self._payloads if isinstance(value := payload.get(name), str)]
        return sum(texts) / len(texts) if texts else 0.0

    def _usual(self, purpose: str) -> list[Path]:
        paths: list[Path] = [(name,) for name in USUAL[purpose]]
        return paths if self._objects is None else [*paths, *((self._objects, name) for name in USUAL[purpose])]

    def _named(self, purpose: str) -> Path | None:
        name = self._address.keys.get(purpose)
        if name is None:
            return None
        for path in ((name,), read_path(name)) if self._payloads else (read_path(name),):
            if not self._payloads or any(get(payload, path) is not None for payload in self._payloads):
                if json_path(path) is None:
                    raise AddressError(self._address.shown, f"{purpose}={name} has a quotation mark: rename the key")
                return path
        names = ", ".join(sorted(self._keys()))
        raise AddressError(self._address.shown, f"no point has the key {name!r} for {purpose}: there are {names}")


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def _vector(address: QdrantAddress, vectors: Any) -> tuple[str, models.VectorParams]:
    """The name and the parameters of the vectors."""
    if isinstance(vectors, models.VectorParams):
        if address.vector:
            raise AddressError(address.shown, f"the vectors have no name, so leave out vector={address.vector}")
        return "", vectors
    every: Mapping[str, models.VectorParams] = vectors or {}
    names = ", ".join(every)
    if not every:
        raise AddressError(address.shown, f"collection {address.collection} has no dense vectors")
    if address.vector is None and len(every) > 1:
        raise AddressError(address.shown, f"there are several vectors: add vector=NAME, one of {names}")
    name = address.vector or next(iter(every))
    if name not in every:
        raise AddressError(address.shown, f"there are no vectors {name!r}: the collection has {names}")
    return name, every[name]
