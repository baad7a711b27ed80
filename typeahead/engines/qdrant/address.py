"""Reads addresses: ``qdrant://host:6333/articles?title=headline``, or ``qdrant:///folder?collection=articles``.

The second form is local mode: a folder that ``QdrantClient(path=…)`` made. ``qdrants://`` speaks TLS. The API key is
never part of an address; it comes from the environment variable :data:`API_KEY`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from typeahead.engines.parameters import read_parts
from typeahead.errors import AddressError

#: What each parameter says.
PARAMETERS: Final[Mapping[str, str]] = {
    "collection": "the collection, in local mode",
    "id": "payload key of the documents' ids; without it, the ids of the points",
    "title": "payload key of the titles; keys within objects have dots: metadata.title",
    "text": "payload key of the texts",
    "url": "payload key of the URLs",
    "vector": "name of the vectors, where the collection has several",
    "fields": "payload keys that filters and facets look at, separated by commas; one of objects is all its keys",
    "encoder": "passage encoder with which a sample of the vectors is compared",
    "teacher": "teacher that made the vectors",
    "similarity": "cosine or dot: how vectors of a teacher compare that no encoder here knows",
    "ef": "candidates that a search of the graph keeps (hnsw_ef)",
    "words": "no searches vectors alone, and reads no texts at the start",
    "unverified": "yes compares no sample of the vectors",
}
#: Payload keys that may be named.
KEYS: Final = ("id", "title", "text", "url")
#: The environment variable of the API key.
API_KEY: Final = "TYPEAHEAD_QDRANT_API_KEY"
#: The port that Qdrant's REST interface listens on.
PORT: Final = 6333
#: The encoder of passages where the address names none.
ENCODER: Final = "minilm-doc"
_MOST_EF: Final = 10_000


@dataclass(frozen=True, slots=True)
class QdrantAddress:
    """A collection, and how to reach it: by ``url``, or in the ``folder`` of local mode."""

    #: As it may be shown.
    shown: str
    url: str | None
    folder: Path | None
    collection: str
    #: By :data:`KEYS`, the payload keys that were named.
    keys: Mapping[str, str]
    #: The name of the vectors, None where none was given.
    vector: str | None = None
    #: The payload keys of fields that were named; None to look for them.
    fields: tuple[str, ...] | None = None
    encoder: str = ENCODER
    teacher: str | None = None
    similarity: str | None = None
    ef: int | None = None
    words: bool = True
    unverified: bool = False


def read_address(address: str) -> QdrantAddress:
    """Read an address. Raises :class:`~typeahead.errors.AddressError`, whose message holds no secret."""
    parts = read_parts(
        address,
        PARAMETERS,
        ("api_key", "api-key", "apikey"),
        f"an API key does not belong into an address: set {API_KEY}",
    )
    given, path = parts.given, parts.split.path
    url = folder = None
    if parts.split.netloc:
        port = parts.port(PORT, "qdrant://HOST:PORT/COLLECTION")
        url = f"{'https' if parts.split.scheme == 'qdrants' else 'http'}://{parts.host}:{port}"
        collection = unquote(path.strip("/"))
        if not collection or "/" in collection or "collection" in given:
            raise AddressError(parts.shown, "the path is the collection: give qdrant://HOST:PORT/COLLECTION")
    else:
        folder = Path(unquote(path))
        collection = given.get("collection", "")
        if not collection or path in ("", "/"):
            raise AddressError(parts.shown, "local mode is a folder and a collection: qdrant:///FOLDER?collection=NAME")
    return QdrantAddress(
        parts.shown,
        url,
        folder,
        collection,
        {key: given[key] for key in KEYS if key in given},
        given.get("vector"),
        parts.names("fields"),
        given.get("encoder", ENCODER),
        given.get("teacher"),
        parts.similarity(),
        parts.number("ef", _MOST_EF),
        parts.truth("words", default=True),
        parts.truth("unverified", default=False),
    )
