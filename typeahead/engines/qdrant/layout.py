"""Looks at a collection: which payload keys are ids, titles, texts, URLs and fields, and how its vectors compare.

Keys that the address names are taken; the others are found by usual names in a sample. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from qdrant_client import models

from typeahead.engines.choosing import choose
from typeahead.engines.payloads import PayloadLayout
from typeahead.engines.qdrant.address import QdrantAddress
from typeahead.engines.qdrant.paths import json_path
from typeahead.engines.qdrant.server import Server
from typeahead.errors import AddressError

#: Points that are looked at.
SAMPLE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout(PayloadLayout):
    """A collection whose points are documents or, if ``made``, passages of documents."""

    #: The name of the vectors; "" for those without.
    vector: str
    dim: int
    #: "Cosine", "Dot" or "Euclid".
    distance: str
    #: The kind of payload index of each key that has one.
    indexes: Mapping[str, str] = field(default_factory=dict)
    #: Whether the server refuses filters on keys without an index, and comparing all vectors.
    strict: bool = False
    inexact: bool = False


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
        "vector": name,
        "dim": params.size,
        "distance": params.distance.value,
        "indexes": {key: str(index.data_type.value) for key, index in (info.payload_schema or {}).items()},
        "strict": on and strict is not None and strict.unindexed_filtering_retrieve is False,
        "inexact": on and strict is not None and strict.search_allow_exact is False,
    }
    made = (info.config.metadata or {}).get("typeahead")
    if isinstance(made, dict):
        # As :mod:`.creating` makes it.
        return Layout(
            id=("id",), title=("title",), text=("text",), url=("url",), objects="fields", top=frozenset(), made=made,
            **rest,
        )  # fmt: skip
    points, _ = await server.call("scroll", limit=SAMPLE, with_payload=True)
    payloads = [point.payload or {} for point in points]
    if not payloads and not address.keys.keys() & {"title", "text"}:
        raise AddressError(
            address.shown, f"collection {address.collection} is empty: fill it first, or name its keys with text=KEY"
        )
    return Layout(**choose(address, payloads, sayable=lambda path: json_path(path) is not None), **rest)


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
