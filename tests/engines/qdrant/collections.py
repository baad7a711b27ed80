"""Collections for tests: those that this package makes, and those of somebody else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from qdrant_client import QdrantClient, models

from typeahead.core.encoder import Vectors
from typeahead.engines.qdrant.creating import described
from typeahead.search.space import Space
from typeahead.text.document import Document

#: Parameters of an address for vectors that no encoder made.
STRANGE = "teacher=test&unverified=yes"
Fill = Callable[[QdrantClient, str, Sequence[Document], Vectors], None]


def silent(_: str) -> None:
    """Warnings are not what is tested."""


def in_folder(folder: Path, fill: Fill, documents: Sequence[Document], vectors: Vectors) -> None:
    """Make a collection ``articles`` in a folder of local mode."""
    client = QdrantClient(path=str(folder))
    fill(client, "articles", documents, vectors)
    client.close()


def fill_own(client: QdrantClient, name: str, documents: Sequence[Document], vectors: Vectors) -> None:
    """Make an empty collection as this package does; documents are written later."""
    assert not documents
    client.create_collection(name, **described(Space("test", None, vectors.shape[1], "cosine")))


def fill_plain(client: QdrantClient, name: str, documents: Sequence[Document], vectors: Vectors) -> None:
    """Make a collection with fields in the payload, ids of its own, and a named vector beside another."""
    client.create_collection(
        name,
        {
            "body": models.VectorParams(size=vectors.shape[1], distance=models.Distance.COSINE),
            "other": models.VectorParams(size=2, distance=models.Distance.DOT),
        },
    )
    upsert(
        client,
        name,
        [{"slug": one.id, "headline": one.title, "body": one.text, "link": one.url, **plain(one)} for one in documents],
        [{"body": vector.tolist(), "other": [1.0, 0.0]} for vector in vectors],
    )


def fill_objects(client: QdrantClient, name: str, documents: Sequence[Document], vectors: Vectors) -> None:
    """Make a collection as frameworks do: texts, and objects of all else; vectors of length 1 by Euclid."""
    client.create_collection(name, models.VectorParams(size=vectors.shape[1], distance=models.Distance.EUCLID))
    upsert(
        client,
        name,
        [
            {
                "page_content": one.text,
                "metadata": {"id": one.id, "title": one.title, "source": one.url, **plain(one)},
            }
            for one in documents
        ],
        [vector.tolist() for vector in vectors],
    )


def upsert(client: QdrantClient, name: str, payloads: Sequence[dict[str, Any]], vectors: Sequence[Any]) -> None:
    """Write points with ids of no meaning."""
    if payloads:
        client.upsert(
            name,
            [
                models.PointStruct(id=str(uuid5(NAMESPACE_URL, str(row))), payload=payload, vector=vector)
                for row, (payload, vector) in enumerate(zip(payloads, vectors, strict=True))
            ],
        )


def plain(document: Document) -> dict[str, Any]:
    """The fields as JSON."""
    return {name: list(one) if isinstance(one, tuple) else one for name, one in document.fields.items()}
