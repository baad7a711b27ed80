"""Reads addresses: ``qdrant://host:6333/articles?title=headline``, or ``qdrant:///folder?collection=articles``.

The second form is local mode: a folder that ``QdrantClient(path=…)`` made. ``qdrants://`` speaks TLS. The API key is
never part of an address; it comes from the environment variable :data:`API_KEY`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

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
_TRUTHS: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
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
    parts = urlsplit(address)
    netloc = parts.netloc.rpartition("@")[2]
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = urlencode([(key, value) for key, value in pairs if key in PARAMETERS], safe="/,.:")
    name = f"{parts.scheme}://{netloc}{parts.path}{'?' if kept else ''}{kept}"
    if "@" in parts.netloc or any(key in ("api_key", "api-key", "apikey") for key, _ in pairs):
        raise AddressError(name, f"an API key does not belong into an address: set {API_KEY}")
    given: dict[str, str] = {}
    for key, value in pairs:
        if key not in PARAMETERS:
            close = get_close_matches(key, PARAMETERS, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(PARAMETERS)}"
            raise AddressError(name, f"there is no parameter {key[:40]!r}: {hint}")
        given[key] = value
    url = folder = None
    if netloc:
        try:
            port = parts.port or PORT
        except ValueError:
            raise AddressError(name, "the port is no number: give qdrant://HOST:PORT/COLLECTION") from None
        if not parts.hostname:
            raise AddressError(name, "it names no host: give qdrant://HOST:PORT/COLLECTION")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        url = f"{'https' if parts.scheme == 'qdrants' else 'http'}://{host}:{port}"
        collection = unquote(parts.path.strip("/"))
        if not collection or "/" in collection or "collection" in given:
            raise AddressError(name, "the path is the collection: give qdrant://HOST:PORT/COLLECTION")
    else:
        folder = Path(unquote(parts.path))
        collection = given.get("collection", "")
        if not collection or parts.path in ("", "/"):
            raise AddressError(name, "local mode is a folder and a collection: qdrant:///FOLDER?collection=NAME")
    if given.get("similarity", "dot") not in ("cosine", "dot"):
        raise AddressError(name, f"similarity is {given['similarity'][:40]!r}: give cosine or dot")
    ef = given.get("ef")
    if ef is not None and not (ef.isascii() and ef.isdecimal() and 1 <= int(ef) <= _MOST_EF):
        raise AddressError(name, f"ef is {ef[:40]!r}: give a number from 1 to {_MOST_EF}")
    fields = given.get("fields")
    return QdrantAddress(
        name,
        url,
        folder,
        collection,
        {key: given[key] for key in KEYS if key in given},
        given.get("vector"),
        None if fields is None else tuple(field for field in fields.split(",") if field),
        given.get("encoder", ENCODER),
        given.get("teacher"),
        given.get("similarity"),
        None if ef is None else int(ef),
        _truth(name, "words", given.get("words", "yes")),
        _truth(name, "unverified", given.get("unverified", "no")),
    )


def _truth(name: str, key: str, text: str) -> bool:
    if text not in _TRUTHS:
        raise AddressError(name, f"{key} is {text[:40]!r}: give yes or no")
    return _TRUTHS[text]
