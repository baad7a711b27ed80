"""Reads addresses: ``milvus://host:19530/articles?title=headline``, or ``milvus:///a/file.db?collection=articles``.

The second form is a file of Milvus Lite. ``milvuss://`` speaks TLS. The token, ``user:password`` or an API key, is
never part of an address; it comes from the environment variable :data:`TOKEN`.
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
    "collection": "the collection, in a file of Milvus Lite",
    "database": "the database of the server; without it, the default one",
    "id": "field of the documents' ids; without it, a usual name, or the primary key",
    "title": "field of the titles; keys within JSON have dots: metadata.title",
    "text": "field of the texts",
    "url": "field of the URLs",
    "vector": "field of the vectors, where the collection has several",
    "fields": "fields that filters and facets look at, separated by commas; one of JSON objects is all its keys",
    "encoder": "passage encoder with which a sample of the vectors is compared",
    "teacher": "teacher that made the vectors",
    "similarity": "cosine or dot: how vectors of a teacher compare that no encoder here knows",
    "ef": "candidates that a search of a graph keeps",
    "nprobe": "lists that a search of an IVF index looks at",
    "words": "no searches vectors alone, and reads no texts at the start",
    "unverified": "yes compares no sample of the vectors",
}
#: Fields that may be named.
KEYS: Final = ("id", "title", "text", "url")
#: The environment variable of the token.
TOKEN: Final = "TYPEAHEAD_MILVUS_TOKEN"
#: The port that Milvus listens on.
PORT: Final = 19530
#: The encoder of passages where the address names none.
ENCODER: Final = "minilm-doc"
#: The most that Milvus takes for both.
_MOST_EF, _MOST_NPROBE = 32_768, 65_536
_FORM: Final = "milvus://HOST:PORT/COLLECTION"


@dataclass(frozen=True, slots=True)
class MilvusAddress:
    """A collection, and how to reach it: by ``uri``, or in a ``file`` of Milvus Lite."""

    #: As it may be shown.
    shown: str
    uri: str | None
    file: Path | None
    database: str
    collection: str
    #: By :data:`KEYS`, the fields that were named.
    keys: Mapping[str, str]
    #: The field of the vectors, None where none was given.
    vector: str | None = None
    #: The names of fields that were named; None to look for them.
    fields: tuple[str, ...] | None = None
    encoder: str = ENCODER
    teacher: str | None = None
    similarity: str | None = None
    ef: int | None = None
    nprobe: int | None = None
    words: bool = True
    unverified: bool = False


def read_address(address: str) -> MilvusAddress:
    """Read an address. Raises :class:`~typeahead.errors.AddressError`, whose message holds no secret."""
    parts = read_parts(
        address,
        PARAMETERS,
        ("token", "password", "user", "api_key"),
        f"a password or token does not belong into an address: set {TOKEN}",
    )
    given, path = parts.given, parts.split.path
    uri = file = None
    if parts.split.netloc:
        port = parts.port(PORT, _FORM)
        uri = f"{'https' if parts.split.scheme == 'milvuss' else 'http'}://{parts.host}:{port}"
        collection = unquote(path.strip("/"))
        if not collection or "/" in collection or "collection" in given:
            raise AddressError(parts.shown, f"the path is the collection: give {_FORM}")
    else:
        file = Path(unquote(path))
        collection = given.get("collection", "")
        if not collection or file.suffix != ".db":
            raise AddressError(
                parts.shown, "Milvus Lite is a file and a collection: milvus:///FOLDER/FILE.db?collection=NAME"
            )
    return MilvusAddress(
        parts.shown,
        uri,
        file,
        given.get("database", ""),
        collection,
        {key: given[key] for key in KEYS if key in given},
        given.get("vector"),
        parts.names("fields"),
        given.get("encoder", ENCODER),
        given.get("teacher"),
        parts.similarity(),
        parts.number("ef", _MOST_EF),
        parts.number("nprobe", _MOST_NPROBE),
        parts.truth("words", default=True),
        parts.truth("unverified", default=False),
    )
