"""Opens a collection as a back end: looks at it, checks whose vectors it holds, and reads its words.

Nothing in the collection is altered, and nothing of it is copied to disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from qdrant_client import models

from typeahead.core.encoder import Vectors
from typeahead.engines.documents import Read
from typeahead.engines.payloads import read_rows
from typeahead.engines.polling import PolledCopy
from typeahead.engines.qdrant.address import QdrantAddress, read_address
from typeahead.engines.qdrant.backend import QdrantBackend
from typeahead.engines.qdrant.copy import Collection
from typeahead.engines.qdrant.layout import Layout, look
from typeahead.engines.qdrant.points import row_of
from typeahead.engines.qdrant.searches import Searches
from typeahead.engines.qdrant.server import Server
from typeahead.engines.qdrant.writing import CollectionWrites
from typeahead.engines.teachers import have_length_one, space_of
from typeahead.errors import AddressError, SearchError
from typeahead.index.adopt.agreement import SAMPLE
from typeahead.search.addresses import OpenOptions
from typeahead.search.port import Backend
from typeahead.search.space import Space

#: The most points whose words are kept in memory.
MOST_POINTS: Final = 1_000_000


async def open_collection(address: str, options: OpenOptions) -> Backend:
    """Open the collection of an address.

    Raises :class:`~typeahead.errors.AddressError` with one line that says what is wrong, and
    :class:`~typeahead.errors.ModelError` for an encoder that cannot be loaded.
    """
    read = read_address(address)
    server = Server(read)
    copy: PolledCopy | None = None
    try:
        info: models.CollectionInfo = await server.open()
        layout = await look(server, read, info)
        space = await _space(server, read, layout, options.warn)
        words = read.words and _few(read, info, options.warn)
        copy = PolledCopy(Collection(server, layout), words=words)
        await copy.open()
        _tell(read, layout, copy, options.warn)
        copy.follow()
        writes = None if layout.made is None or not words else CollectionWrites(server, copy, space, layout.vector)
        return QdrantBackend(
            read.shown, space, server, Searches(layout, read.ef, local=read.url is None), copy, writes=writes
        )
    except BaseException as error:
        if copy is not None:
            await copy.close()
        await server.close()
        if isinstance(error, SearchError) and not isinstance(error, AddressError):
            raise AddressError(read.shown, str(error).removeprefix(f"{read.shown} ")) from error
        raise


def _few(read: QdrantAddress, info: models.CollectionInfo, warn: Callable[[str], None]) -> bool:
    """Whether a collection has so few points that its words may be kept in memory."""
    if (info.points_count or 0) <= MOST_POINTS:
        return True
    warn(
        f"{read.collection} has {info.points_count:,} points, and the words of at most {MOST_POINTS:,} are kept in "
        "memory: vectors alone are searched"
    )
    return False


def _tell(read: QdrantAddress, layout: Layout, copy: PolledCopy, warn: Callable[[str], None]) -> None:
    if copy.skipped:
        warn(
            f"{read.collection}: {copy.skipped:,} points are left out, as they have neither title nor text, no id, or "
            "the id of another point"
        )
    if layout.strict:
        warn(f"{read.collection} refuses filters on keys without an index: such filters are resolved in memory")


async def _space(server: Server, read: QdrantAddress, layout: Layout, warn: Callable[[str], None]) -> Space:
    """Find out whose vectors a collection holds, and whether the distance serves."""
    made = layout.made
    if made is not None:
        return Space(str(made["teacher"]), made.get("revision"), layout.dim, str(made["similarity"]))
    documents, vectors = await _sample(server, layout)
    space = await space_of(read, read.collection, layout.dim, documents, vectors, warn)
    if layout.distance == "Cosine" and space.similarity != "cosine":
        raise AddressError(
            read.shown,
            f"vectors compare by Cosine, but {space} compares by {space.similarity}, and Qdrant has scaled them to "
            "length 1: make a collection with the distance Dot",
        )
    unlike = layout.distance == "Euclid" or (layout.distance == "Dot" and space.similarity == "cosine")
    if unlike and not have_length_one(vectors):
        raise AddressError(
            read.shown,
            f"vectors compare by {layout.distance}, which is like {space.similarity} only for vectors of length 1, and "
            "these have others: make a collection with the distance Cosine",
        )
    return space


async def _sample(server: Server, layout: Layout) -> tuple[list[Read], Vectors]:
    """Some documents of a collection, the same every time, and their vectors float32 (n, dim)."""
    named: Any = [layout.vector] if layout.vector else True
    there = models.HasVectorCondition(has_vector=layout.vector) if layout.vector else None
    points, _ = await server.call(
        "scroll",
        scroll_filter=None if there is None else models.Filter(must=[there]),
        limit=SAMPLE,
        with_payload=True,
        with_vectors=named,
    )
    documents: list[Read] = []
    vectors: list[Any] = []
    for point in points:
        vector = point.vector.get(layout.vector) if isinstance(point.vector, dict) else point.vector
        if vector is not None and (read := next(read_rows(layout, [row_of(point)]), None)) is not None:
            documents.append(read)
            vectors.append(vector)
    return documents, np.array(vectors, np.float32).reshape(len(vectors), layout.dim)
